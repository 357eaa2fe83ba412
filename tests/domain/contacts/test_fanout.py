"""Presence to very many: in pieces, and yet as if it were all at once."""

import logging

import pytest
from support.domains import Stage, settle

from andiron.sm.config import SmConfig

MANY = 50
QUEUE = 3 * MANY


@pytest.fixture
async def stage():
    return Stage(SmConfig(idle_probe=0, queue_stanzas=QUEUE))


@pytest.fixture
async def crowd(stage):
    """Contacts that see juliet, and are there."""
    names = [f"contact{number}" for number in range(MANY)]
    stage.add_account(*names)
    juliet = await stage.come("juliet", "before")
    there = []
    for name in names:
        there.append(await stage.come(name, "x"))
        juliet.send(f"<presence type='subscribed' to='{name}@localhost'/>")
        there[-1].send("<presence type='subscribe' to='juliet@localhost'/>")
        juliet.send(f"<presence type='subscribe' to='{name}@localhost'/>")
        there[-1].send("<presence type='subscribed' to='juliet@localhost'/>")
        await settle()
    juliet.leave()
    await settle()
    for one in there:
        one.take()
    return there


def heard(client):
    """Return what a client heard of others' presence: a type, or the status."""
    return [
        tree.get("type") or tree.findtext("{jabber:client}status", "")
        for tree in client.take()
        if tree.tag == "{jabber:client}presence"
    ]


async def test_all_are_told_once_and_tell_who_comes(stage, crowd):
    juliet = await stage.bind("juliet", "x")
    juliet.send("<presence><status>here</status></presence>")
    await settle()
    assert [heard(one) for one in crowd] == [["here"]] * MANY
    assert len(juliet.take()) == 1 + MANY


async def test_few_are_told_before_others_have_their_turn(stage, crowd):
    juliet = await stage.bind("juliet", "x")
    juliet.send("<presence/>")
    assert 0 < sum(heard(one) == [""] for one in crowd) < MANY / 2
    await settle()


async def test_nothing_more_is_read_before_all_are_told(stage, crowd):
    juliet = await stage.bind("juliet", "x", sm=True)
    for text in ("<presence/>", "<presence type='unavailable'/>"):
        handled = juliet.session.inbound.settled
        juliet.send(text)
        assert juliet.transport.paused
        assert juliet.session.inbound.settled == handled
        await settle()
        assert not juliet.transport.paused
        assert juliet.session.inbound.settled == handled + 1


async def test_what_another_resource_says_comes_after(stage, crowd):
    """The order is the account's: a resource that is replaced has left before it comes again."""
    juliet = await stage.bind("juliet", "x")
    juliet.send("<presence><status>first</status></presence>")
    again = await stage.bind("juliet", "x")
    again.send("<presence><status>second</status></presence>")
    again.send(f"<presence to='{crowd[-1].jid}'><status>directed</status></presence>")
    await settle()
    for one in crowd[:-1]:
        assert heard(one)[-2:] == ["unavailable", "second"]
    assert heard(crowd[-1])[-3:] == ["unavailable", "second", "directed"]


async def test_who_leaves_meanwhile_is_gone_for_all(stage, crowd):
    juliet = await stage.bind("juliet", "x")
    juliet.send("<presence/>")
    juliet.leave()
    await settle()
    assert {heard(one)[-1] for one in crowd} == {"unavailable"}
    assert stage.domain.router.available("juliet@localhost") == []


async def test_a_contact_that_leaves_or_is_removed_meanwhile_is_told_nothing(stage, crowd):
    juliet = await stage.bind("juliet", "x")
    other = await stage.bind("juliet", "other")
    juliet.send("<presence/>")
    for one in crowd[::2]:
        if not heard(one):
            one.leave()
    removed = [one for one in crowd[1::2] if not heard(one)]
    for one in removed:
        name = one.jid.partition("/")[0]
        other.send(
            "<iq type='set' id='r'><query xmlns='jabber:iq:roster'>"
            f"<item jid='{name}' subscription='remove'/></query></iq>"
        )
    await settle()
    assert removed
    for one in removed:
        assert heard(one)[-1:] in (["unsubscribed"], ["unavailable"])


async def test_an_answer_to_a_wrong_address_comes_after_as_well(stage, crowd):
    juliet = await stage.bind("juliet", "x")
    juliet.send("<presence/>")
    juliet.send(
        "<presence type='subscribe' to='juliet@localhost/x'/>",
    )
    juliet.send("<presence type='subscribe' id='s' to='nobody@elsewhere.example'/>")
    assert juliet.session.inbound.pending == 3
    await settle()
    assert juliet.session.inbound.pending == 0
    assert [tree.get("type") for tree in juliet.take() if tree.get("id") == "s"] == ["error"]


async def test_one_that_fails_holds_up_nobody_else(stage, crowd, caplog):
    def fail(*_):
        raise ZeroDivisionError

    juliet = await stage.bind("juliet", "x")
    stage.domain.events.available.append(fail)
    with caplog.at_level(logging.CRITICAL):
        juliet.send("<presence/>")
        await settle()
    stage.domain.events.available.remove(fail)
    assert not juliet.transport.paused
    juliet.send("<presence><status>on</status></presence>")
    await settle()
    assert {heard(one)[-1] for one in crowd} == {"on"}


async def test_another_resource_whose_queue_that_fills_leaves_in_its_turn(stage, crowd, caplog):
    juliet = await stage.bind("juliet", "x")
    other = await stage.come("juliet", "other", sm=True)
    other.lose()
    queue = other.session.management.queue
    while len(queue) < QUEUE:
        crowd[0].send(f"<message to='{other.jid}'><body>hi</body></message>")
    for one in crowd:
        one.take()
    with caplog.at_level(logging.ERROR):
        juliet.send("<presence><status>here</status></presence>")
        assert not other.link.bound
        juliet.leave()
        await settle()
        await settle()
    assert not caplog.records
    for one in crowd:
        assert heard(one)[-1] == "unavailable"
    again = await stage.come("juliet", "x")
    assert not again.transport.paused
