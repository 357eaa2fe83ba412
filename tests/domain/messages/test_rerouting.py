"""Another way for what ended sessions could not deliver, and who answers where there is none."""

import logging

import pytest
from support.domains import START, Stage, body, condition, delays, settle

from andiron.domain.archive.store import ACCOUNTS, ArchiveStore, Filter
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.stanza import timestamp
from tests.domain.messages.test_offline import COPIES, JULIET, STATE, confirm, say, stage

__all__ = ["stage"]


async def expire(stage, client):
    stage.now += 1
    stage.manager.timers.run(stage.now)
    stage.now += 601
    stage.manager.timers.run(stage.now)
    await settle()


async def test_an_expired_sessions_messages_are_stored_with_their_time(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    stage.now += 5
    for to in (JULIET, juliet.jid):
        romeo.send(say(to, to))
    await expire(stage, juliet)
    assert stage.store.bodies("juliet") == [JULIET, juliet.jid]
    assert [round(m.stamp - stage.wall(START)) for m in stage.store.messages["juliet"]] == [5, 5]
    newcomer = await stage.bind("juliet", "chamber")
    newcomer.send("<presence/>")
    await settle()
    messages = [tree for tree in newcomer.take() if tree.tag.endswith("}message")]
    assert [delays(m) for m in messages] == [[timestamp(stage.wall(START + 5))]] * 2
    assert romeo.take() == []


async def test_an_expired_sessions_messages_go_to_another_resource(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", 5, sm=True)
    other = await stage.come("juliet", "chamber", 1)
    juliet.lose()
    stage.now += 5
    romeo.send(say("bare"))
    romeo.send(say("full", juliet.jid))
    await expire(stage, juliet)
    messages = [tree for tree in other.take() if tree.tag.endswith("}message")]
    assert [m.get("id") for m in messages] == ["bare", "full"]
    assert [delays(m) for m in messages] == [[timestamp(stage.wall(START + 5))]] * 2
    assert stage.store.bodies("juliet") == []


async def test_a_message_rerouted_twice_keeps_its_first_time(stage):
    romeo = await stage.bind("romeo", "orchard")
    first = await stage.come("juliet", "first", 5, sm=True)
    second = await stage.come("juliet", "second", 1, sm=True)
    first.lose()
    romeo.send(say("once"))
    stage.now += 300
    second.lose()
    await expire(stage, first)
    await expire(stage, second)
    third = await stage.bind("juliet", "third")
    third.send("<presence/>")
    await settle()
    messages = [tree for tree in third.take() if tree.tag.endswith("}message")]
    assert [delays(m) for m in messages] == [[timestamp(stage.wall(START))]]


async def test_what_several_got_is_not_doubled(stage):
    """Resources of the same priority all get a message; one that expires has no claim to it."""
    romeo = await stage.bind("romeo", "orchard")
    lost = await stage.come("juliet", "lost", sm=True)
    twin = await stage.come("juliet", "twin")
    lost.lose()
    stage.now += 1
    romeo.send(say("both"))
    romeo.send(say("mine", lost.jid))
    assert twin.bodies() == ["both"]
    await expire(stage, lost)
    assert twin.bodies() == ["mine"]
    assert stage.store.bodies("juliet") == []


async def test_what_several_got_is_not_doubled_when_one_after_the_other_expires(stage):
    romeo = await stage.bind("romeo", "orchard")
    first = await stage.come("juliet", "first", sm=True)
    second = await stage.come("juliet", "second", sm=True)
    twin = await stage.come("juliet", "twin")
    stage.now += 1
    first.lose()
    romeo.send(say("all"))
    stage.now += 300
    second.lose()
    stage.now += 1
    romeo.send(say("later"))
    assert twin.bodies() == ["all", "later"]
    await expire(stage, first)
    await expire(stage, second)
    assert twin.bodies() == []
    assert stage.store.bodies("juliet") == []


async def test_what_came_before_the_other_was_there_is_not_taken_for_shared(stage):
    romeo = await stage.bind("romeo", "orchard")
    lost = await stage.come("juliet", "lost", sm=True)
    lost.lose()
    stage.now += 1
    romeo.send(say("alone"))
    stage.now += 1
    twin = await stage.come("juliet", "twin")
    await expire(stage, lost)
    assert twin.bodies() == ["alone"]


async def test_iq_requests_are_answered_when_nobody_will(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    for kind in ("get", "set", "result", "error"):
        romeo.send(f"<iq type='{kind}' id='{kind}' to='{juliet.jid}'><q xmlns='urn:x'/></iq>")
    await expire(stage, juliet)
    answers = romeo.take()
    assert [(a.get("id"), condition(a)) for a in answers] == [
        ("get", "service-unavailable"),
        ("set", "service-unavailable"),
    ]
    assert {(a.get("from"), a.get("to")) for a in answers} == {(juliet.jid, romeo.jid)}


async def test_the_rest_is_let_go(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    other = await stage.come("juliet", "chamber")
    juliet.lose()
    other.take()
    romeo.send(f"<presence to='{juliet.jid}'/>")
    romeo.send(say("news", juliet.jid, "headline"))
    romeo.send(say("oops", juliet.jid, "error"))
    romeo.send(f"<message to='{juliet.jid}' type='chat'>{STATE}</message>")
    await expire(stage, juliet)
    assert [tree.get("type") for tree in other.take()] == ["unavailable"]
    assert stage.store.bodies("juliet") == []
    assert romeo.take() == []


async def test_a_groupchat_message_to_nobody_is_answered(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    romeo.send(say("all", juliet.jid, "groupchat"))
    await expire(stage, juliet)
    assert [condition(a) for a in romeo.take()] == ["service-unavailable"]


async def test_what_is_in_the_recipients_archive_is_not_refused(stage):
    """Nobody took it, and the store is full: there it is found all the same."""
    stage.store.limit = 0
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    romeo.send(say("one"))
    await expire(stage, juliet)
    assert romeo.take() == []
    came = await stage.come("juliet", "chamber")
    came.send(f"<iq type='set' id='m'><query xmlns='{ns.MAM}'/></iq>")
    await settle()
    assert "<body>one</body>" in "".join(came.transport.take())


async def test_undelivered_messages_to_a_full_store_are_answered():
    stage = Stage(archive=None)
    stage.store.limit = 0
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    romeo.send(say("one"))
    await expire(stage, juliet)
    (answer,) = romeo.take()
    assert (answer.get("id"), condition(answer)) == ("one", "service-unavailable")


async def test_an_anonymous_users_messages_are_answered(stage):
    """No account, no store."""
    romeo = await stage.bind("romeo", "orchard")
    guest = await stage.come("guest", "web", sm=True)
    guest.lose()
    romeo.send(say("one", guest.jid))
    await expire(stage, guest)
    assert [condition(a) for a in romeo.take()] == ["service-unavailable"]


async def test_at_shutdown_messages_go_to_the_store_not_to_each_other(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    other = await stage.come("juliet", "chamber", -1, sm=True)
    juliet.lose()
    romeo.send(say("bare"))
    romeo.send(say("full", juliet.jid))
    other.send("<presence/>")
    await settle()
    other.take()
    stage.manager.shutdown(stage.now)
    await stage.domain.stop()
    assert stage.store.bodies("juliet") == ["bare", "full"]
    assert other.bodies() == []


async def test_the_largest_stanza_can_be_rerouted(stage):
    """Delivery adds addresses and a delay to what was just within the limit."""
    romeo = await stage.bind("romeo", "o" * 1000)
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    head, tail = f"<message xmlns='jabber:client' to='{JULIET}'><body>", "</body></message>"
    romeo.send(head + "x" * (stage.guard.max_size - len(head) - len(tail)) + tail)
    await expire(stage, juliet)
    assert len(stage.store.messages["juliet"]) == 1


async def test_a_session_that_never_signed_in_leaves_nothing(stage, caplog):
    client = stage.connect()
    client.open()
    client.transport.buffered = ["<stream:features xmlns:stream='x'/>", "<message"]
    with caplog.at_level(logging.ERROR):
        client.session.close(CloseReason.CONNECTION_LOST, stage.now)
    await settle()
    assert stage.store.messages == {}
    assert len(caplog.records) == 1


async def said(stage, name):
    """Return the bodies in an account's archive."""
    archive = stage.domain.archive
    await archive.range(name)
    rows = await ArchiveStore(stage.database, ACCOUNTS).page(name, Filter(), 100)
    return [body(row.text) for row in rows]


async def keep_no_archive(client):
    await client.ask(f"<iq type='set' id='p'><prefs xmlns='{ns.MAM}' default='never'/></iq>")


async def lost_with_one(stage, to=""):
    """Return who says something to one who keeps no archive, has no room, and is lost."""
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    await keep_no_archive(juliet)
    stage.store.limit = 0
    juliet.lose()
    romeo.send(say("one", to or juliet.jid))
    return romeo, juliet


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
@pytest.mark.parametrize("written", [True, False], ids=["written", "in the backlog"])
async def test_what_is_refused_late_is_taken_out_of_its_senders_archive(stage, written, to):
    romeo, juliet = await lost_with_one(stage, to)
    romeo.send(say("self", "romeo@localhost/orchard"))
    if written:
        assert await said(stage, "romeo") == ["one", "self"]
    romeo.take()
    juliet.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    (answer,) = romeo.take()
    assert (answer.get("id"), condition(answer)) == ("one", "service-unavailable")
    assert await said(stage, "romeo") == ["self"]
    assert await said(stage, "juliet") == []


async def test_what_an_anonymous_user_never_took_is_nowhere(stage):
    romeo = await stage.bind("romeo", "orchard")
    guest = await stage.come("guest", "web", sm=True)
    guest.lose()
    romeo.send(say("one", guest.jid))
    romeo.send(say("two", "guest@localhost"))
    await expire(stage, guest)
    assert [condition(a) for a in romeo.take()] == ["service-unavailable"] * 2
    assert await said(stage, "romeo") == []


async def test_what_was_held_and_finds_no_room_is_nowhere(stage):
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    await keep_no_archive(juliet)
    juliet.send("<presence type='unavailable'/>")
    stage.store.running.clear()
    juliet.send("<presence/>")
    romeo.send(say("held"))
    assert await said(stage, "romeo") == ["held"]
    juliet.leave()
    stage.store.limit = 0
    stage.store.running.set()
    await settle()
    assert [condition(answer) for answer in romeo.take()] == ["service-unavailable"]
    assert await said(stage, "romeo") == []


@pytest.mark.parametrize("way", ["rerouted", "inherited"])
async def test_what_went_another_way_first_is_nowhere_when_that_ends(stage, way):
    romeo = await stage.come("romeo", "orchard")
    first = await stage.come("juliet", "first", 5, sm=True)
    await keep_no_archive(first)
    second = await stage.come("juliet", "second", 1, sm=True)
    if way == "inherited":
        second.send(COPIES)
    stage.store.limit = 0
    stage.now += 1
    first.lose()
    romeo.send(say("one"))
    first.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    assert second.bodies() == ([None] if way == "inherited" else ["one"])
    assert await said(stage, "romeo") == ["one"]
    second.lose()
    second.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    assert [condition(answer) for answer in romeo.take()] == ["service-unavailable"]
    assert await said(stage, "romeo") == []


async def test_what_another_resource_has_is_not_refused(stage):
    romeo = await stage.come("romeo", "orchard")
    lost = await stage.come("juliet", "lost", sm=True)
    await keep_no_archive(lost)
    twin = await stage.come("juliet", "twin")
    stage.store.limit = 0
    stage.now += 1
    lost.lose()
    romeo.send(say("both"))
    await expire(stage, lost)
    assert (twin.bodies(), romeo.take()) == (["both"], [])
    assert await said(stage, "romeo") == ["both"]


@pytest.mark.parametrize("saw", [True, False])
async def test_what_nobody_is_told_was_refused_stays(stage, saw):
    """The sender's other resource is told if it saw the message (XEP-0280 section 6.1)."""
    garden = await stage.come("romeo", "garden")
    if saw:
        garden.send(COPIES)
    romeo, juliet = await lost_with_one(stage)
    romeo.leave()
    garden.take()
    await expire(stage, juliet)
    assert len(garden.take()) == saw
    assert await said(stage, "romeo") == ["one"] * (not saw)


async def test_who_was_held_up_answers_for_a_copy_until_it_has_it():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    lost = await stage.come("juliet", "lost", 5, sm=True)
    heir = await stage.come("juliet", "heir", -1, sm=True)
    heir.send(COPIES)
    confirm(heir)
    stage.now += 1
    stage.store.running.clear()
    heir.send("<presence><priority>1</priority></presence>")
    await settle()
    lost.lose()
    romeo.send(say("one"))
    lost.session.close(CloseReason.EXPIRED, stage.now)
    await settle()
    confirm(heir)
    stage.store.running.set()
    await settle()
    assert heir.bodies() == [None]
    await end(stage, heir)
    assert stage.store.bodies("juliet") == ["one"]
    await stage.domain.stop()


async def end(stage, client):
    """End a session that did not take what it was sent."""
    client.lose()
    stage.now += 1
    client.session.close(CloseReason.EXPIRED, stage.now)
    await settle()


async def test_who_came_in_between_has_no_copy_unless_it_is_sent_one(stage):
    """A message that goes another way is copied anew to those who were not there before."""
    romeo = await stage.bind("romeo", "orchard")
    first = await stage.come("juliet", "first", 5, sm=True)
    second = await stage.come("juliet", "second", 1, sm=True)
    first.lose()
    romeo.send(say("one"))
    stage.now += 1
    third = await stage.come("juliet", "third", sm=True)
    third.send(COPIES)
    third.take()
    await end(stage, first)
    assert second.bodies() == ["one"]
    assert third.bodies() == [None], "a copy"
    await end(stage, second)
    await end(stage, third)
    assert stage.store.bodies("juliet") == ["one"]


@pytest.mark.parametrize("means", ["copies", "priority"])
async def test_what_was_held_is_not_with_those_who_came_meanwhile(stage, means):
    romeo = await stage.bind("romeo", "orchard")
    stage.store.running.clear()
    first = await stage.come("juliet", "first", sm=True)
    romeo.send(say("one"))
    stage.now += 1
    second = await stage.come("juliet", "second", -1 if means == "copies" else 0, sm=True)
    second.send(COPIES)
    stage.now += 1
    stage.store.running.set()
    await settle()
    second.take()
    await end(stage, first)
    await end(stage, second)
    assert stage.store.bodies("juliet") == ["one"]


async def test_what_was_stored_is_with_nobody_else(stage):
    """One without stream management had it, as far as the network told, and it came back."""
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("one"))
    await settle()
    second = await stage.come("juliet", "second", -1)
    second.send(COPIES)
    stage.now += 1
    first = await stage.bind("juliet", "first")
    first.send("<presence/>")
    await settle()
    first.transport.buffered = [text for text in first.transport.sent if "<body>" in text]
    assert stage.store.bodies("juliet") == []
    await end(stage, first)
    assert stage.store.bodies("juliet") == ["one"]


@pytest.mark.parametrize("priority", [0, 1])
async def test_who_had_no_room_for_a_message_does_not_have_it(priority):
    """Be it its own, or a copy."""
    stage = Stage(max_held=1)
    romeo = await stage.bind("romeo", "orchard")
    first = await stage.come("juliet", "first", priority, sm=True)
    second = await stage.bind("juliet", "second", sm=True)
    second.send(COPIES)
    stage.store.running.clear()
    second.send("<presence/>")
    await settle()
    for text in ("one", "two"):
        stage.now += 1
        romeo.send(say(text))
    stage.store.running.set()
    await settle()
    assert second.bodies() == ["one" if priority == 0 else None]
    await end(stage, first)
    assert "two" in second.bodies()


async def test_what_finds_no_room_with_who_is_there_is_stored():
    """It was taken over, and its sender is told no more."""
    stage = Stage(max_held=1)
    romeo = await stage.bind("romeo", "orchard")
    lost = await stage.come("juliet", "lost", 1, sm=True)
    lost.lose()
    texts = ["one", "two", "three"]
    for text in texts:
        romeo.send(say(text))
    stage.store.running.clear()
    other = await stage.bind("juliet", "other", sm=True)
    other.send("<presence/>")
    await settle()
    await end(stage, lost)
    stage.store.running.set()
    await settle()
    assert sorted(other.bodies()) == sorted(texts)
    assert romeo.take() == []
    await stage.domain.stop()
