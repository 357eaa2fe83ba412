"""Presence: one's own resources, contacts, directed presence, probes (RFC 6121 section 4)."""

import gc
from time import process_time

import pytest
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.contacts import visibility
from andiron.domain.contacts.presence import read_priority
from andiron.domain.contacts.roster import Roster
from andiron.domain.contacts.subscriptions import Contact, State
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
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
            stage.manager.timers.run(stage.now)
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
    assert away.session.management is not None
    assert any("wait" in text for text, _, _ in away.session.management.queue)


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


async def test_a_presence_that_goes_to_others_is_bounded():
    stage = Stage(max_presence=1_000)
    friend = await stage.come("romeo", "orchard")
    own = await stage.come("juliet", "chamber")
    client = await stage.bind("juliet", "balcony")
    long, short = (f"<status>{'x' * size}</status>" for size in (1_000, 900))
    for attributes in ("", f" to='{friend.jid}'", " to='romeo@localhost'", " type='unavailable'"):
        client.send(f"<presence{attributes}>{long}</presence>")
        (answer,) = client.take()
        assert condition(answer) == "not-acceptable"
    assert friend.take() == own.take() == []
    client.send(f"<presence to='{friend.jid}'>{short}</presence>")
    client.send(f"<presence>{short}</presence>")
    assert len(friend.take()) == len(own.take()) == 1


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


# Contacts


async def befriend(stage, one, other):
    """Let two accounts see each other; both have a client for that, which leaves again."""
    ends = [await stage.bind(one, "judge"), await stage.bind(other, "judge")]
    for kind in ("subscribe", "subscribed"):
        for client, contact in zip(ends, (other, one), strict=True):
            client.send(f"<presence to='{contact}@localhost' type='{kind}'/>")
            await settle()
    for client in ends:
        client.leave()


async def subscribe(stage, watcher, watched):
    ends = [await stage.bind(watcher, "judge"), await stage.bind(watched, "judge")]
    ends[0].send(f"<presence to='{watched}@localhost' type='subscribe'/>")
    await settle()
    ends[1].send(f"<presence to='{watcher}@localhost' type='subscribed'/>")
    await settle()
    for client in ends:
        client.leave()


async def test_initial_presence_goes_to_subscribers_and_brings_whom_one_is_subscribed_to(stage):
    """Sections 4.2.2, 4.2.3 and 4.3: to the bare JID, for all available resources."""
    await befriend(stage, "juliet", "romeo")
    orchard = await stage.come("romeo", "orchard")
    garden = await stage.come("romeo", "garden", -1)
    mute = await stage.bind("romeo", "mute")
    orchard.take()
    balcony = await stage.bind("juliet", "balcony")
    balcony.send("<presence id='p1'><show>chat</show></presence>")
    for client in (orchard, garden):
        (news,) = client.take()
        assert (news.get("from"), news.get("to")) == (balcony.jid, "romeo@localhost")
        assert (news.get("id"), news.findtext(f"{CLIENT}show")) == ("p1", "chat")
    assert seen(mute) == []
    own, *others = balcony.take()
    assert own.get("from") == balcony.jid
    assert {(tree.get("from"), tree.get("to")) for tree in others} == {
        (orchard.jid, JULIET),
        (garden.jid, JULIET),
    }
    balcony.send("<presence><show>dnd</show></presence>")
    assert seen(orchard) == [(balcony.jid, None)]
    assert seen(balcony) == [(balcony.jid, None)]


async def test_a_subscription_in_one_direction(stage):
    await subscribe(stage, "romeo", "juliet")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    assert seen(romeo) == [(juliet.jid, None)]
    assert seen(juliet) == [(juliet.jid, None)]
    romeo.send("<presence><show>away</show></presence>")
    assert seen(juliet) == []


@pytest.mark.parametrize("sides", [("juliet",), ("romeo",)])
async def test_only_one_side_believes_in_the_subscription(stage, sides):
    """Sections 4.2.3 and 4.3.2: both servers would have to agree."""
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    for name in sides:
        client, contact = (juliet, "romeo@localhost") if name == "juliet" else (romeo, JULIET)
        roster = client.link.owner.parts[Roster] = Roster()
        roster.keep(contact, Contact(State.BOTH, listed=True), 1)
    juliet.send("<presence/>")
    assert seen(romeo) == []
    assert seen(juliet) == [(juliet.jid, None)]


@pytest.mark.parametrize("end", ["unavailable", "leave", "lose", "kick", "replaced"])
async def test_contacts_are_told_once_that_a_resource_is_gone(stage, end):
    await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    juliet.send(f"<presence to='{romeo.jid}'/>")
    romeo.take()
    jid = juliet.jid
    match end:
        case "unavailable":
            juliet.send("<presence type='unavailable'><status>bye</status></presence>")
            juliet.leave()
        case "leave":
            juliet.leave()
        case "lose":
            juliet.lose()
        case "kick":
            stage.manager.kick(jid, stage.now)
        case "replaced":
            await stage.bind("juliet", "balcony")
    (news,) = romeo.take()
    assert (news.get("from"), news.get("to")) == (jid, "romeo@localhost")
    assert news.get("type") == "unavailable"
    assert news.findtext(f"{CLIENT}status") == ("bye" if end == "unavailable" else None)


async def test_who_left_is_not_told_that_others_leave(stage):
    await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    romeo.send("<presence type='unavailable'/>")
    romeo.take()
    juliet.leave()
    assert seen(romeo) == []


@pytest.mark.parametrize("kind", ["", " type='unavailable'"])
async def test_a_session_that_ends_within_its_own_broadcast(kind, caplog):
    """A full queue ends it when it hears itself; that it is gone is the last word for all."""
    stage = Stage(SmConfig(queue_stanzas=4, idle_probe=0))
    await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    balcony = await stage.bind("juliet", "balcony", sm=True)
    chamber = await stage.come("juliet", "chamber")
    for _ in range(2):
        balcony.send("<presence/>")
    for client in (romeo, chamber):
        assert seen(client)[-1] == (balcony.jid, None)
    balcony.send(f"<presence{kind}/>")
    await settle()
    assert balcony.error == "resource-constraint"
    for client in (romeo, chamber):
        assert seen(client) == [(balcony.jid, "unavailable")]
    assert [record.name for record in caplog.records] == ["andiron.sm"]
    await stage.domain.stop()


async def test_presence_waits_for_no_database(stage):
    """Between people who are online it is decided in memory."""
    await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    stage.database.error = AssertionError("it was asked")
    juliet.send("<presence/>")
    juliet.send("<presence><show>away</show></presence>")
    juliet.send("<presence type='unavailable'/>")
    assert [kind for _, kind in seen(romeo)] == [None, None, "unavailable"]
    stage.database.error = None


# Probes (section 4.3.2)


async def probe(client, to):
    client.take()
    client.send(f"<presence to='{to}' type='probe'/>")
    await settle()
    return seen(client)


async def test_a_probe_by_a_subscriber(stage):
    await subscribe(stage, "romeo", "juliet")
    romeo = await stage.come("romeo", "orchard")
    assert await probe(romeo, JULIET) == [(JULIET, "unavailable")]
    balcony = await stage.come("juliet", "balcony")
    chamber = await stage.come("juliet", "chamber")
    assert await probe(romeo, JULIET) == [(balcony.jid, None), (chamber.jid, None)]
    assert await probe(romeo, chamber.jid) == [(chamber.jid, None)]
    gone = f"{JULIET}/gone"
    assert await probe(romeo, gone) == [(gone, "unavailable")]


@pytest.mark.parametrize("name", ["romeo", "nobody"])
@pytest.mark.parametrize("resource", ["", "/orchard"])
async def test_a_probe_by_anybody_else_tells_nothing(stage, name, resource):
    """Not even whether there is such an account; nothing changes by it."""
    await subscribe(stage, "romeo", "juliet")
    await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    bare = f"{name}@localhost"
    assert await probe(juliet, bare + resource) == [(bare, "unsubscribed")]
    assert stage.database.writes == 2


async def test_a_probe_of_ones_own_account(stage):
    balcony = await stage.come("juliet", "balcony")
    chamber = await stage.come("juliet", "chamber")
    assert await probe(chamber, JULIET) == [(balcony.jid, None), (chamber.jid, None)]


# Blocking (XEP-0191 sections 3.3 to 3.5)


@pytest.mark.parametrize("jid", [JULIET, f"{JULIET}/balcony", "localhost"])
@pytest.mark.parametrize("directed", [False, True])
async def test_hidden_and_shown_again(stage, jid, directed):
    if not directed:
        await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    if directed:
        romeo.send(f"<presence to='{juliet.jid}'/>")
        juliet.send(f"<presence to='{romeo.jid}'/>")
    for client in (romeo, juliet):
        client.take()
    owner = romeo.link.owner
    visibility.hide(stage.domain.router, romeo.link, jid, stage.now)
    owner.blocked = {jid}
    assert seen(juliet) == [(romeo.jid, "unavailable")]
    assert seen(romeo) == [(juliet.jid, "unavailable")]
    visibility.hide(stage.domain.router, romeo.link, jid, stage.now)
    juliet.send("<presence><show>away</show></presence>")
    juliet.send(f"<presence to='{romeo.jid}'/>")
    juliet.send("<presence to='romeo@localhost'/>")
    juliet.take()
    romeo.send("<presence><show>away</show></presence>")
    assert seen(juliet) == []
    assert seen(romeo) == [(romeo.jid, None)]
    owner.blocked = set()
    visibility.show(stage.domain.router, romeo.link, jid, stage.now)
    assert seen(juliet) == ([] if directed else [(romeo.jid, None)])
    assert seen(romeo) == ([] if directed else [(juliet.jid, None)])


async def test_a_stranger_is_not_told_that_it_is_blocked(stage):
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    romeo.take()
    visibility.hide(stage.domain.router, romeo.link, JULIET, stage.now)
    assert (seen(romeo), seen(juliet)) == ([], [])


async def test_presence_to_who_is_blocked(stage):
    romeo = await stage.bind("romeo", "orchard")
    romeo.link.owner.blocked = {JULIET}
    for kind in ("", " type='subscribe'", " type='unsubscribed'", " type='probe'"):
        romeo.send(f"<presence to='{JULIET}'{kind}/>")
        (answer,) = romeo.take()
        assert condition(answer) == "not-acceptable"
    romeo.send(f"<presence to='{JULIET}' type='unavailable'/>")
    assert romeo.take() == []


# What it costs


async def time_of(stage, client, count=20):
    gc.collect()
    times = []
    for _ in range(count):
        begin = process_time()
        client.send("<presence><show>away</show></presence>")
        times.append(process_time() - begin)
        client.take()
    return sorted(times)[count // 2]


async def test_ten_thousand_contacts_cost_hardly_more_than_those_that_are_there(stage):
    """A broadcast looks at the few that are online, whoever else is in the roster."""
    await befriend(stage, "juliet", "romeo")
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony")
    few = await time_of(stage, juliet)
    roster = juliet.link.owner.parts[Roster]
    for number in range(10_000):
        roster.keep(f"c{number}@localhost", Contact(State.BOTH, listed=True), 0)
    romeo.take()
    many = await time_of(stage, juliet)
    assert len(seen(romeo)) == 20
    assert many < few * 8, (few, many)


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize(
    ("mark", "stays"),
    [
        (f"<delay xmlns='{ns.DELAY}' from='LOCALHOST' stamp='2000-01-01T00:00:00Z'/>", False),
        (f"<x xmlns='{ns.OLD_DELAY}' from='localhost' stamp='20000101T00:00:00'/>", False),
        ("<delay xmlns='urn:xmpp:del&#97;y' from='localhost' stamp='2000'/>", False),
        (f"<stanza-id xmlns='{ns.STANZA_ID}' by='juliet@localhost' id='1'/>", False),
        (f"<s:stanza-id xmlns:s='{ns.STANZA_ID}' by='LOCALHOST' id='1'/>", False),
        ("<stanza-id xmlns='urn:xmpp:s&#105;d:0' by='romeo@localhost' id='1'/>", False),
        (f"<stanza-id xmlns='{ns.STANZA_ID}' by='juliet@elsewhere' id='1'/>", True),
        (f"<delay xmlns='{ns.DELAY}' from='juliet@localhost/a' stamp='2000'/>", True),
        ("<status>no delay</status>", True),
    ],
)
async def test_nobody_marks_presence_in_the_name_of_the_domain(mark, stays, directed):
    """XEP-0203 section 5 and XEP-0359 section 3."""
    stage = Stage()
    juliet = await stage.come("juliet", "a")
    other = await stage.come("juliet", "b")
    to = f" to='{other.jid}'" if directed else ""
    juliet.send(f"<presence{to}>{mark}</presence>")
    (presence,) = other.take()
    assert len(presence) == stays
