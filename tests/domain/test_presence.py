"""Presence of one's own resources, and directed presence (RFC 6121 section 4)."""

import pytest
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.presence import read_priority
from andiron.sm.link import CloseReason
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.xml import Guard

JULIET = "juliet@localhost"


def seen(client):
    """What presence a client got since it was last asked: from whom, and type."""
    return [
        (tree.get("from"), tree.get("type"))
        for tree in client.take()
        if tree.tag == f"{CLIENT}presence"
    ]


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


@pytest.mark.parametrize(
    ("inner", "priority"),
    [
        ("", 0),
        ("<status>my priority</status>", 0),
        ("<priority>5</priority>", 5),
        ("<priority> -128\n</priority>", -128),
        ("<priority>+127</priority>", 127),
        ("<priority>007</priority>", 7),
        ("<priority xmlns='urn:x'>high</priority>", 0),
        ("<priority>128</priority>", None),
        ("<priority>-129</priority>", None),
        ("<priority>1000</priority>", None),
        ("<priority/>", None),
        ("<priority>1.5</priority>", None),
        ("<priority>1_0</priority>", None),
        ("<priority>\u0661</priority>", None),
        ("<priority>1<x/></priority>", None),
        ("<priority>1</priority><priority>2</priority>", None),
    ],
)
def test_priority(inner, priority):
    element = Guard().read(f"<presence xmlns='jabber:client'>{inner}</presence>")
    if priority is None:
        with pytest.raises(StanzaError, match="bad-request"):
            read_priority(element)
    else:
        assert read_priority(element) == priority


async def test_initial_presence_reaches_all_of_the_accounts_resources(stage):
    """Section 4.2.2; the newcomer learns of the others, and sees its own."""
    balcony = await stage.come("juliet", "balcony")
    mute = await stage.bind("juliet", "mute")
    stranger = await stage.come("romeo", "orchard")
    chamber = await stage.bind("juliet", "chamber")
    chamber.send("<presence><status>up</status></presence>")
    news = balcony.take()
    assert [(p.get("from"), p.get("to")) for p in news] == [(chamber.jid, JULIET)]
    assert news[0].findtext(f"{CLIENT}status") == "up"
    assert seen(chamber) == [(chamber.jid, None), (balcony.jid, None)]
    assert seen(mute) == []
    assert seen(stranger) == []


async def test_subsequent_presence_brings_nobody_elses(stage):
    balcony = await stage.come("juliet", "balcony")
    chamber = await stage.come("juliet", "chamber")
    balcony.take()
    chamber.send("<presence><show>away</show></presence>")
    assert seen(balcony) == [(chamber.jid, None)]
    assert seen(chamber) == [(chamber.jid, None)]


async def test_a_bad_priority_changes_nothing(stage):
    balcony = await stage.come("juliet", "balcony")
    chamber = await stage.bind("juliet", "chamber")
    chamber.send("<presence><priority>high</priority></presence>")
    (answer,) = chamber.take()
    assert condition(answer) == "bad-request"
    assert chamber.link.priority is None
    assert seen(balcony) == []


@pytest.mark.parametrize("kind", ["available", "invisible", ""])
async def test_a_type_that_is_none(stage, kind):
    client = await stage.bind("juliet", "balcony")
    client.send(f"<presence type='{kind}'/>")
    (answer,) = client.take()
    assert condition(answer) == "bad-request"


@pytest.mark.parametrize("kind", ["subscribe", "subscribed", "unsubscribe", "unsubscribed"])
async def test_subscriptions_need_a_contact(stage, kind):
    client = await stage.bind("juliet", "balcony")
    client.send(f"<presence type='{kind}'/>")
    (answer,) = client.take()
    assert condition(answer) == "bad-request"


async def test_unavailable_is_told_once_and_then_no_more(stage):
    balcony = await stage.come("juliet", "balcony")
    chamber = await stage.come("juliet", "chamber")
    balcony.take()
    chamber.send("<presence type='unavailable'><status>bye</status></presence>")
    (news,) = balcony.take()
    assert (news.get("from"), news.get("type")) == (chamber.jid, "unavailable")
    assert news.findtext(f"{CLIENT}status") == "bye"
    assert seen(chamber) == [(chamber.jid, "unavailable")]
    chamber.send("<presence type='unavailable'/>")
    chamber.leave()
    assert seen(balcony) == []
    assert seen(chamber) == []


@pytest.mark.parametrize("end", ["leave", "lose", "expire", "kick", "error"])
async def test_however_a_session_ends_those_who_saw_it_are_told_once(stage, end):
    balcony = await stage.come("juliet", "balcony")
    friend = await stage.bind("romeo", "orchard")
    stranger = await stage.come("romeo", "garden")
    leaving = await stage.come("juliet", "leaving", sm=end == "expire")
    leaving.send(f"<presence to='{friend.jid}'/>")
    leaving.send(f"<presence to='{balcony.jid}'/>")
    for client in (balcony, friend, stranger):
        client.take()
    jid = leaving.jid
    match end:
        case "leave":
            leaving.leave()
        case "lose":
            leaving.lose()
        case "expire":
            leaving.lose()
            assert seen(balcony) == []
            stage.now += 601
            stage.manager.run_timers(stage.now)
        case "kick":
            assert stage.manager.kick(jid, stage.now) == 1
        case "error":
            leaving.send("<message from='romeo@localhost'/>")
    assert seen(balcony) == [(jid, "unavailable")]
    assert seen(friend) == [(jid, "unavailable")]
    assert seen(stranger) == []


async def test_a_hibernating_session_stays_available(stage):
    """A newcomer sees it, and messages wait in its queue."""
    away = await stage.come("juliet", "away", sm=True)
    away.lose()
    newcomer = await stage.bind("juliet", "new")
    newcomer.send("<presence><priority>-1</priority></presence>")
    assert (away.jid, None) in seen(newcomer)
    newcomer.send(f"<message to='{JULIET}'><body>wait</body></message>")
    assert away.session.queue is not None
    assert any("wait" in text for text, _, _ in away.session.queue)


async def test_directed_presence_needs_no_available_presence(stage):
    friend = await stage.come("romeo", "orchard")
    second = await stage.come("romeo", "garden")
    friend.take()
    client = await stage.bind("juliet", "balcony")
    client.send("<presence to='romeo@localhost'/>")
    later = await stage.come("romeo", "later")
    for saw in (friend, second):
        assert (client.jid, None) in seen(saw)
    later.take()
    client.leave()
    assert seen(friend) == [(client.jid, "unavailable")]
    assert seen(second) == [(client.jid, "unavailable")]
    assert seen(later) == [], "it never saw the presence"


async def test_directed_unavailable_is_the_last_word(stage):
    friend = await stage.bind("romeo", "orchard")
    client = await stage.bind("juliet", "balcony")
    client.send(f"<presence to='{friend.jid}'/>")
    client.send(f"<presence to='{friend.jid}' type='unavailable'/>")
    client.leave()
    assert seen(friend) == [(client.jid, None), (client.jid, "unavailable")]


async def test_unavailable_reaches_those_directed_to(stage):
    friend = await stage.bind("romeo", "orchard")
    client = await stage.come("juliet", "balcony")
    client.send(f"<presence to='{friend.jid}'/>")
    client.send("<presence type='unavailable'/>")
    client.leave()
    assert seen(friend) == [(client.jid, None), (client.jid, "unavailable")]


async def test_a_successor_under_the_same_jid_did_not_see_it(stage):
    friend = await stage.bind("romeo", "orchard")
    client = await stage.bind("juliet", "balcony")
    client.send(f"<presence to='{friend.jid}'/>")
    friend.leave()
    successor = await stage.bind("romeo", "orchard")
    client.leave()
    assert seen(successor) == []


async def test_directed_presence_is_bounded():
    stage = Stage(max_directed=2)
    friends = [await stage.bind("romeo", str(number)) for number in range(3)]
    client = await stage.bind("juliet", "balcony")
    for friend in (*friends, friends[0]):
        client.send(f"<presence to='{friend.jid}'/>")
    (answer,) = client.take()
    assert condition(answer) == "resource-constraint"
    assert [len(seen(friend)) for friend in friends] == [2, 1, 0]


async def test_the_unavailable_presence_is_addressed_to_who_saw_it(stage):
    friend = await stage.bind("romeo", "orchard")
    client = await stage.bind("juliet", "balcony")
    client.send(f"<presence to='{friend.jid}'/>")
    friend.take()
    client.session.close(CloseReason.KICKED, stage.now)
    (news,) = friend.take()
    assert news.get("to") == friend.jid


async def test_priority_decides_who_gets_messages(stage):
    balcony = await stage.come("juliet", "balcony", 1)
    chamber = await stage.come("juliet", "chamber", 2)
    romeo = await stage.bind("romeo", "orchard")
    message = f"<message to='{JULIET}'><body>a</body></message>"
    balcony.take()

    async def who():
        romeo.send(message)
        await settle()
        return [name for name, c in {"b": balcony, "c": chamber}.items() if c.bodies()]

    assert await who() == ["c"]
    balcony.send("<presence><priority>2</priority></presence>")
    await settle()
    assert await who() == ["b", "c"]
    chamber.send("<presence><priority>-1</priority></presence>")
    assert await who() == ["b"]
    balcony.send("<presence type='unavailable'/>")
    assert await who() == []
    assert stage.store.bodies("juliet") == ["a"]
