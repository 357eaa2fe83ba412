"""Messages that wait, and come to who is there (XEP-0160)."""

import asyncio

import pytest
from support.domains import AUTH, START, Stage, condition, delays, settle

from andiron.domain.messages import mailbox
from andiron.domain.messages import offline as module
from andiron.domain.messages.mailbox import PAGE_MESSAGES
from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.xmpp import namespaces as ns
from andiron.xmpp.jid import JID
from andiron.xmpp.stanza import timestamp

JULIET = "juliet@localhost"
STATE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
COPIES = f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>"


def say(text, to=JULIET, kind="chat"):
    return f"<message to='{to}' type='{kind}' id='{text}'><body>{text}</body></message>"


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    stage.store.running.set()
    await stage.domain.stop()


@pytest.mark.parametrize("how", ["stored", "replayed"])
async def test_what_looks_like_a_delay_in_the_content_keeps_none_from_being_added(how):
    stage = Stage(SmConfig(idle_probe=0, max=100))
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    looks = f"<![CDATA[<delay xmlns='{ns.DELAY}' from='localhost' stamp=']]>"
    juliet.lose()
    if how == "stored":
        juliet.session.close(CloseReason.EXPIRED, stage.now)
    romeo.send(f"<message to='{JULIET}' type='chat'><body>hi</body>{looks}</message>")
    await settle()
    if how == "stored":
        came = await stage.bind("juliet", "balcony")
        came.send("<presence/>")
    else:
        came = stage.connect()
        came.open()
        came.send(AUTH.format("juliet"))
        await settle()
        came.open()
        came.send(f"<resume xmlns='{ns.SM_3}' h='0' previd='{juliet.session.management.id}'/>")
    await settle()
    (message,) = [tree for tree in came.take() if tree.tag.endswith("}message")]
    assert delays(message) == [timestamp(stage.wall(stage.now))]


async def test_messages_wait_and_come_with_their_time(stage):
    romeo = await stage.bind("romeo", "orchard")
    stamps = []
    for text in ("one", "two"):
        stamps.append(timestamp(stage.wall(stage.now))[:19])
        romeo.send(say(text))
        await settle()
        stage.now += 60
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    await settle()
    messages = [tree for tree in juliet.take() if tree.tag.endswith("}message")]
    assert [m.get("from") for m in messages] == [romeo.jid, romeo.jid]
    assert [m.findtext("{jabber:client}body") for m in messages] == ["one", "two"]
    for message, stamp in zip(messages, stamps, strict=True):
        (delay,) = message.findall(f"{{{ns.DELAY}}}delay")
        assert delay.get("from") == "localhost"
        assert delay.get("stamp", "").startswith(stamp)
    assert stage.store.bodies("juliet") == []
    assert romeo.take() == []


@pytest.mark.parametrize(
    ("first", "second"), [(-1, 0), (None, 0), (-5, 3)], ids=["raised", "unavailable", "raised more"]
)
async def test_they_come_when_the_priority_allows(stage, first, second):
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("hello"))
    juliet = await stage.bind("juliet", "balcony")
    juliet.send(
        "<presence type='unavailable'/>"
        if first is None
        else f"<presence><priority>{first}</priority></presence>"
    )
    await settle()
    assert juliet.bodies() == []
    juliet.send(f"<presence><priority>{second}</priority></presence>")
    await settle()
    assert juliet.bodies() == ["hello"]
    juliet.send("<presence><priority>9</priority></presence>")
    await settle()
    assert juliet.bodies() == []


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("<message to='{}'><body>a</body></message>", True),
        ("<message to='{}'/>", True),
        ("<message to='{}' type='chat'><body>a</body></message>", True),
        ("<message to='{}' type='chat'><body>a</body>" + STATE + "</message>", True),
        ("<message to='{}' type='chat'>" + STATE + "</message>", False),
        ("<message to='{}' type='chat'>" + STATE + "<thread>t</thread></message>", False),
        ("<message to='{}' type='chat'/>", False),
        (
            "<message to='{}' type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
            True,
        ),
        (
            f"<message to='{{}}' type='chat'>{STATE}<origin-id xmlns='{ns.STANZA_ID}' id='1'/>"
            f"<no-store xmlns='{ns.HINTS}'/></message>",
            False,
        ),
        (f"<message to='{{}}' type='chat'>{STATE}<store xmlns='{ns.HINTS}'/></message>", True),
        (f"<message to='{{}}'><body>a</body><no-store xmlns='{ns.HINTS}'/></message>", False),
        (
            f"<message to='{{}}'><body>a</body><no-permanent-store xmlns='{ns.HINTS}'/></message>",
            True,
        ),
        ("<message to='{}' type='headline'><body>a</body></message>", False),
        ("<message to='{}' type='error'><body>a</body></message>", False),
    ],
)
async def test_what_is_worth_keeping(stage, message, kept):
    """XEP-0160 section 3; for an unknown account the same goes without an answer."""
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(message.format(JULIET))
    await settle()
    assert len(stage.store.messages["juliet"]) == kept
    assert romeo.take() == []
    romeo.send(message.format("nobody@localhost"))
    await settle()
    assert [condition(answer) for answer in romeo.take()] == ["service-unavailable"] * kept


async def test_a_full_store_is_told(stage):
    stage.store.limit = 1
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("one"))
    romeo.send(say("two"))
    await settle()
    (answer,) = romeo.take()
    assert condition(answer) == "service-unavailable"
    assert (answer.get("id"), answer.get("from"), answer.get("to")) == ("two", JULIET, romeo.jid)


async def test_a_broken_store_is_told_and_logged_without_the_message(stage, caplog):
    stage.store.error = OSError("disk full")
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("secret"))
    await settle()
    (answer,) = romeo.take()
    assert condition(answer) == "internal-server-error"
    assert "could not be stored" in caplog.text
    assert "secret" not in caplog.text


async def test_a_broken_store_keeps_nobody_from_talking(stage, caplog):
    stage.store.error = OSError("disk full")
    juliet = await stage.bind("juliet", "balcony")
    romeo = await stage.bind("romeo", "orchard")
    juliet.send("<presence/>")
    romeo.send(say("now"))
    await settle()
    assert juliet.bodies() == ["now"]
    assert "could not be fetched" in caplog.text


async def test_h_waits_for_the_store(stage):
    romeo = await stage.bind("romeo", "orchard", sm=True)
    stage.store.running.clear()
    romeo.send(say("one"))
    await settle()
    romeo.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert [a.get("h") for a in romeo.take()] == ["0"]
    stage.store.running.set()
    await settle()
    romeo.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert romeo.take()[-1].get("h") == "1"


async def test_what_comes_while_stored_messages_are_fetched_follows_them(stage):
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("stored"))
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence/>")
    romeo.send(say("held"))
    romeo.send(say("direct", juliet.jid))
    romeo.send(f"<iq type='get' id='p' to='{juliet.jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
    await settle()
    assert [tree.tag.partition("}")[2] for tree in juliet.take()] == ["presence", "iq"]
    stage.store.running.set()
    await settle()
    romeo.send(say("after"))
    messages = juliet.take()
    assert [m.get("id") for m in messages] == ["stored", "held", "direct", "after"]
    assert [len(delays(m)) for m in messages] == [1, 0, 0, 0]


async def test_a_message_on_its_way_into_the_store_is_not_overtaken(stage):
    romeo = await stage.bind("romeo", "orchard")
    stage.store.running.clear()
    romeo.send(say("first"))
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    romeo.send(say("second"))
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == ["first", "second"]


async def flooded(stage):
    """Return Juliet, who has just come, and two of whom one has a message on its way yet."""
    stage.add_account("tybalt")
    romeo, tybalt = await stage.bind("romeo", "orchard"), await stage.bind("tybalt", "street")
    romeo.send(say("before"))
    await settle()
    stage.store.stop("tybalt")
    tybalt.send(say("slow"))
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    await settle()
    return juliet, romeo, tybalt


async def test_who_has_much_to_be_stored_keeps_others_waiting_for_nothing(stage):
    juliet, romeo, tybalt = await flooded(stage)
    assert juliet.bodies() == ["before"]
    tybalt.send(say("later"))
    romeo.send(say("now"))
    romeo.send(say("to you", juliet.jid))
    assert juliet.bodies() == ["now", "to you"]
    stage.store.go_on("tybalt")
    await settle()
    assert juliet.bodies() == ["slow", "later"]
    tybalt.send(say("at once"))
    assert juliet.bodies() == ["at once"]
    assert stage.store.messages["juliet"] == []


async def test_what_is_held_of_one_leaves_room_for_others():
    stage = Stage(max_held=2)
    juliet, romeo, tybalt = await flooded(stage)
    for text in ("one", "two", "three"):
        tybalt.send(say(text))
        tybalt.send(say(f"{text} to you", juliet.jid))
    refused = [(answer.get("id"), condition(answer)) for answer in tybalt.take()]
    assert refused == [
        (text, "resource-constraint") for text in ("two", "two to you", "three", "three to you")
    ]
    romeo.send(say("now"))
    assert romeo.take() == []
    assert juliet.bodies() == ["before", "now"]
    stage.store.go_on("tybalt")
    await settle()
    assert juliet.bodies() == ["slow", "one", "one to you"]


async def test_what_another_resource_waited_for_waits_for_no_flood_and_comes_first(stage):
    juliet, romeo, _ = await flooded(stage)
    stage.store.running.clear()
    phone = await stage.bind("juliet", "phone")
    phone.send("<presence><priority>5</priority></presence>")
    await settle()
    romeo.send(say("one"))
    phone.send("<presence type='unavailable'/>")
    await settle()
    romeo.send(say("two"))
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == ["before", "one", "two"]
    stage.store.go_on("tybalt")


async def test_who_comes_and_goes_while_something_is_on_its_way_has_the_store_read_once(stage):
    juliet, _, _ = await flooded(stage)
    for _ in range(20):
        juliet.send("<presence type='unavailable'/>")
        juliet.send("<presence/>")
        await settle()
    stage.store.pages.clear()
    stage.store.go_on("tybalt")
    await settle()
    assert juliet.bodies() == ["before", "slow"]
    assert len(stage.store.pages) < 5


async def test_the_deepest_message_can_wait_as_a_copy(stage):
    juliet, romeo, _ = await flooded(stage)
    juliet.send(COPIES)
    other = await stage.bind("juliet", "other")
    romeo.send(deep(other.jid))
    await settle()
    assert other.bodies() == ["deep"]
    assert romeo.error is None
    stage.store.go_on("tybalt")


async def test_the_deepest_message_held_as_a_copy_keeps_no_other_from_the_store(stage):
    romeo = await stage.bind("romeo", "orchard")
    stage.store.running.clear()
    juliet = await stage.bind("juliet", "balcony")
    juliet.send(COPIES)
    juliet.send("<presence/>")
    other = await stage.bind("juliet", "other")
    romeo.send(deep(other.jid))
    romeo.send(say("plain"))
    juliet.send("<presence type='unavailable'/>")
    assert juliet.error is None
    stage.store.running.set()
    await settle()
    assert stage.store.bodies("juliet") == ["plain"]


def deep(to):
    levels = range(63)
    nested = "".join(f"<l{each} xmlns='urn:deep'>" for each in levels)
    nested += "".join(f"</l{each}>" for each in reversed(levels))
    return f"<message to='{to}' type='chat'><body>deep</body>{nested}</message>"


async def test_what_resources_waited_for_is_stored_in_the_order_in_which_it_came(stage):
    romeo = await stage.bind("romeo", "orchard")
    stage.store.running.clear()
    first = await stage.bind("juliet", "first")
    second = await stage.bind("juliet", "second")
    second.send("<presence/>")
    romeo.send(say("earlier"))
    stage.now += 1
    first.send("<presence><priority>1</priority></presence>")
    romeo.send(say("later"))
    first.send("<presence type='unavailable'/>")
    second.send("<presence type='unavailable'/>")
    stage.store.running.set()
    await settle()
    assert stage.store.bodies("juliet") == ["earlier", "later"]


@pytest.mark.parametrize("leave", [False, True])
async def test_what_several_wait_for_is_stored_once(stage, monkeypatch, leave):
    monkeypatch.setattr(mailbox, "PAGE_MESSAGES", 1)
    romeo = await stage.bind("romeo", "orchard")
    for text in ("stored", "too"):
        romeo.send(say(text))
    await settle()
    stage.store.running.clear()
    clients = [await stage.bind("juliet", each) for each in ("balcony", "garden")]
    for client in clients:
        client.send("<presence/>")
    for text in ("held", "held"):
        romeo.send(say(text))
    if leave:
        clients[0].send("<presence type='unavailable'/>")
    stage.store.running.set()
    await settle()
    got = [text for client in clients for text in client.bodies()]
    assert sorted(got) == ["held", "held", "stored", "too"]


async def test_what_finds_its_way_to_one_whose_held_messages_go_on_is_not_lost():
    """By what it is given the account may hold too much: a session that hibernates ends for it."""
    stage = Stage(SmConfig(idle_probe=0, account_bytes=6_000))
    romeo = await stage.bind("romeo", "orchard")
    lost = await stage.come("juliet", "lost", sm=True)
    lost.lose()
    romeo.send(say("long" * 600, lost.jid, "headline"))
    romeo.send(say("for lost", lost.jid))
    stage.store.running.clear()
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence><priority>1</priority></presence>")
    await settle()
    for text in ("one" * 200, "two" * 200, "three"):
        romeo.send(say(text))
    stage.store.running.set()
    await settle()
    assert lost.session.state == "closed"
    got = [text[:3] for text in juliet.bodies()]
    await stage.domain.stop()
    assert sorted(got + [text[:3] for text in stage.store.bodies("juliet")]) == [
        "for",
        "one",
        "thr",
        "two",
    ]


@pytest.mark.parametrize("back", [False, True])
async def test_whoever_leaves_while_something_is_on_its_way_gets_all_in_order(stage, back):
    juliet, romeo, tybalt = await flooded(stage)
    assert juliet.bodies() == ["before"]
    tybalt.send(say("held"))
    juliet.send("<presence type='unavailable'/>")
    tybalt.send(say("later"))
    romeo.send(say("now"))
    if back:
        juliet.send("<presence/>")
        tybalt.send(say("last"))
    await settle()
    stage.store.go_on("tybalt")
    await settle()
    if not back:
        assert sorted(stage.store.bodies("juliet")) == ["held", "later", "now", "slow"]
        juliet.send("<presence/>")
        tybalt.send(say("last"))
        await settle()
    bodies = juliet.bodies()
    assert [each for each in bodies if each != "now"] == ["slow", "held", "later", "last"]
    assert "now" in bodies
    assert stage.store.messages["juliet"] == []


async def test_messages_without_end_are_not_stored_without_end(stage):
    """What is on its way when a resource comes is waited for, what comes then is held behind it."""
    juliet, _, tybalt = await flooded(stage)
    for number in range(20):
        tybalt.send(say(str(number)))
        if number == 10:
            stage.store.go_on("tybalt")
        await asyncio.sleep(0)
    writes = stage.store.writes
    await settle()
    assert juliet.bodies() == ["before", "slow", *map(str, range(20))]
    assert stage.store.writes == writes
    assert not juliet.link.owner.draining


async def test_too_many_held_messages_are_refused(stage):
    stage = Stage(max_held=2)
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence/>")
    for text in ("one", "two", "three"):
        romeo.send(say(text))
    (answer,) = romeo.take()
    assert (answer.get("id"), condition(answer)) == ("three", "resource-constraint")
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == ["one", "two"]


@pytest.mark.parametrize("away", ["leaves", "unavailable", "negative"])
async def test_whoever_leaves_while_messages_are_fetched_loses_none(stage, away):
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("stored"))
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence/>")
    stage.now += 10
    romeo.send(say("held"))
    await settle()
    if away == "leaves":
        juliet.leave()
    elif away == "unavailable":
        juliet.send("<presence type='unavailable'/>")
    else:
        juliet.send("<presence><priority>-1</priority></presence>")
    stage.now += 10
    romeo.send(say("later"))
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == []
    assert stage.store.bodies("juliet") == ["stored", "held", "later"]
    stamps = [round(m.stamp - stage.wall(START)) for m in stage.store.messages["juliet"]]
    assert stamps == [0, 10, 20]
    newcomer = await stage.bind("juliet", "chamber")
    newcomer.send("<presence/>")
    await settle()
    assert newcomer.bodies() == ["stored", "held", "later"]


async def test_whoever_comes_back_while_messages_are_fetched_gets_them(stage):
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("stored"))
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence/>")
    romeo.send(say("held"))
    juliet.send("<presence type='unavailable'/>")
    juliet.send("<presence/>")
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == ["stored", "held"]


async def test_another_resource_gets_what_the_one_that_left_was_fetching(stage):
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say("stored"))
    await settle()
    other = await stage.bind("juliet", "chamber")
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence><priority>5</priority></presence>")
    romeo.send(say("held"))
    await settle()
    other.send("<presence/>")
    juliet.leave()
    romeo.send(say("after"))
    stage.store.running.set()
    await settle()
    assert other.bodies() == ["stored", "held", "after"]
    assert stage.store.bodies("juliet") == []


async def test_an_available_resource_takes_over_what_was_fetched_for_one_that_left(stage):
    romeo = await stage.bind("romeo", "orchard")
    other = await stage.come("juliet", "chamber")
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence><priority>5</priority></presence>")
    romeo.send(say("held"))
    juliet.leave()
    romeo.send(say("after"))
    stage.store.running.set()
    await settle()
    assert other.bodies() == ["held", "after"]


async def backlog(stage, number):
    """Let so many messages wait for Juliet, in a store with room for them; return their ids."""
    romeo = await stage.bind("romeo", "orchard")
    texts = [f"s{each}" for each in range(number)]
    for text in texts:
        romeo.send(say(text))
        await settle()
    assert stage.store.bodies("juliet") == texts
    return romeo, texts


async def take(client, *, ack=True):
    """Take what came, acknowledge it, and return the ids of the messages."""
    came = client.take()
    if ack and client.session.management is not None:
        confirm(client)
    await settle()
    return [tree.get("id") for tree in came if tree.tag.endswith("}message")]


def confirm(client, short=0):
    queue = client.session.management.queue
    client.send(f"<a xmlns='{ns.SM_3}' h='{queue.sent - short}'/>")


async def test_stored_messages_come_as_they_are_acknowledged():
    stage = Stage()
    romeo, texts = await backlog(stage, 2 * PAGE_MESSAGES + 1)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence/>")
    await settle()
    assert await take(juliet, ack=False) == texts[:PAGE_MESSAGES]
    assert stage.store.bodies("juliet") == texts, "what is not confirmed stays"
    confirm(juliet, short=PAGE_MESSAGES - 2)
    await settle()
    assert stage.store.bodies("juliet") == texts[2:], "and no longer"
    romeo.send(say("live"))
    romeo.send(say("direct", juliet.jid))
    confirm(juliet, short=1)
    await settle()
    assert juliet.bodies() == []
    confirm(juliet)
    await settle()
    assert stage.store.bodies("juliet") == [*texts[PAGE_MESSAGES:], "live", "direct"]
    assert await take(juliet) == texts[PAGE_MESSAGES : 2 * PAGE_MESSAGES]
    assert await take(juliet, ack=False) == [*texts[-1:], "live", "direct"]
    romeo.send(say("after"))
    assert await take(juliet, ack=False) == ["after"]
    confirm(juliet)
    await settle()
    assert stage.store.bodies("juliet") == []
    assert max(stage.store.pages) == PAGE_MESSAGES
    assert romeo.take() == []


async def test_without_stream_management_they_come_as_the_network_takes_them(stage):
    _, texts = await backlog(stage, 2 * PAGE_MESSAGES)
    juliet = await stage.bind("juliet", "balcony")
    juliet.transport.congested = True
    juliet.send("<presence/>")
    await settle()
    assert await take(juliet) == texts[:PAGE_MESSAGES]
    assert stage.store.bodies("juliet") == texts
    juliet.transport.congested = False
    juliet.session.writable(stage.now)
    await settle()
    assert await take(juliet) == texts[PAGE_MESSAGES:]
    assert stage.store.bodies("juliet") == []


@pytest.mark.parametrize("sm", [True, False])
async def test_what_a_lost_session_did_not_take_never_left_the_store(sm):
    """What was acknowledged is gone; nothing was written to put the rest back."""
    stage = Stage()
    romeo, texts = await backlog(stage, PAGE_MESSAGES + 5)
    juliet = await stage.bind("juliet", "balcony", sm=sm)
    juliet.transport.congested = True
    juliet.send("<presence/>")
    await settle()
    writes = stage.store.writes
    if sm:
        confirm(juliet, short=20)
    else:
        juliet.transport.buffered = [
            text for text in juliet.transport.sent if text.startswith("<message")
        ][-20:]
    juliet.session.close(CloseReason.CONNECTION_LOST, stage.now)
    await settle()
    assert stage.store.bodies("juliet") == texts[PAGE_MESSAGES - 20 :]
    assert stage.store.writes == writes
    assert not stage.domain.owners.get(JULIET).draining
    romeo.send(say("later"))
    await settle()
    newcomer = await stage.bind("juliet", "chamber")
    newcomer.send("<presence/>")
    await settle()
    assert await take(newcomer) == [*texts[PAGE_MESSAGES - 20 :], "later"]


async def test_a_session_that_flaps_loses_and_doubles_nothing():
    stage = Stage()
    romeo, texts = await backlog(stage, 2 * PAGE_MESSAGES)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence/>")
    await settle()
    juliet.take()
    juliet.lose()
    romeo.send(say("meanwhile"))
    await settle()
    assert stage.store.bodies("juliet") == [*texts, "meanwhile"]
    again = stage.connect()
    again.open()
    again.send(AUTH.format("juliet"))
    await settle()
    again.open()
    again.take()
    h = juliet.session.management.queue.sent - 10
    previous = juliet.session.management.id
    again.send(f"<resume xmlns='{ns.SM_3}' h='{h}' previd='{previous}'/>")
    again.session = again.transport.session
    await settle()
    assert await take(again) == texts[PAGE_MESSAGES - 10 : PAGE_MESSAGES]
    assert await take(again) == texts[PAGE_MESSAGES:]
    assert await take(again) == ["meanwhile"]
    assert stage.store.bodies("juliet") == []


async def test_another_resource_goes_on_where_one_is_lost():
    """Who is there takes the rest at once, what the lost one had when that ends."""
    stage = Stage()
    romeo, texts = await backlog(stage, 2 * PAGE_MESSAGES)
    phone = await stage.bind("juliet", "phone", sm=True)
    phone.send("<presence/>")
    await settle()
    laptop = await stage.bind("juliet", "laptop", sm=True)
    laptop.send("<presence/>")
    romeo.send(say("live"))
    await settle()
    assert await take(laptop) == []
    phone.lose()
    await settle()
    assert await take(laptop) == texts[PAGE_MESSAGES:]
    assert await take(laptop) == ["live"]
    assert stage.store.bodies("juliet") == texts[:PAGE_MESSAGES]
    stage.now += 1
    phone.session.close(CloseReason.EXPIRED, stage.now)
    romeo.send(say("last"))
    await settle()
    assert await take(laptop) == [*texts[:PAGE_MESSAGES], "last"]
    assert stage.store.bodies("juliet") == []


async def test_one_that_comes_back_goes_on_itself():
    stage = Stage()
    _, texts = await backlog(stage, 2 * PAGE_MESSAGES)
    phone = await stage.bind("juliet", "phone", sm=True)
    phone.send("<presence/>")
    await settle()
    assert await take(phone, ack=False) == texts[:PAGE_MESSAGES]
    phone.send("<presence type='unavailable'/>")
    confirm(phone)
    await settle()
    assert stage.store.bodies("juliet") == texts[PAGE_MESSAGES:]
    assert await take(phone, ack=False) == []
    phone.send("<presence/>")
    await settle()
    assert await take(phone) == texts[PAGE_MESSAGES:]


async def test_what_cannot_wait_goes_on_while_stored_messages_come():
    stage = Stage()
    romeo, texts = await backlog(stage, PAGE_MESSAGES + 1)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    stage.store.running.clear()
    juliet.send("<presence/>")
    romeo.send(say("held"))
    romeo.send(say("all", juliet.jid, "groupchat"))
    stage.store.running.set()
    await settle()
    romeo.send(say("all too", juliet.jid, "groupchat"))
    romeo.send(f"<message to='{JULIET}' type='chat' id='typing'>{STATE}</message>")
    stage.domain.messages.send(
        stage.guard.read(f"<message xmlns='jabber:client' to='{JULIET}' id='word'/>"),
        "room@conference.localhost",
        JID("juliet@localhost"),
        stage.wall(stage.now),
        stage.now,
    )
    assert await take(juliet) == [*texts[:PAGE_MESSAGES], "all", "all too", "typing"]
    assert await take(juliet) == [texts[-1], "held", "word"]


async def test_who_is_available_gets_what_finds_its_way_into_the_store():
    """A message that waits for its account to be read, and comes after the look into the store."""
    stage = Stage()
    romeo, juliet = await stage.come("romeo", "orchard"), await stage.come("juliet", "balcony")
    juliet.link.owner.draining = True
    romeo.send(say("late"))
    juliet.link.owner.draining = False
    await settle()
    assert juliet.bodies() == ["late"]
    assert stage.store.bodies("juliet") == []


async def test_a_store_that_fails_meanwhile_loses_nothing(caplog):
    stage = Stage()
    romeo, texts = await backlog(stage, PAGE_MESSAGES + 1)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence/>")
    await settle()
    stage.store.error = OSError("disk full")
    assert await take(juliet) == texts[:PAGE_MESSAGES]
    assert "could not be fetched" in caplog.text
    romeo.send(say("now"))
    assert await take(juliet) == ["now"]
    stage.store.error = None
    juliet.send("<presence type='unavailable'/>")
    juliet.send("<presence/>")
    await settle()
    assert await take(juliet) == texts[-1:]
    assert stage.store.bodies("juliet") == []


async def test_who_stays_gets_what_could_not_be_fetched_when_it_can(monkeypatch):
    monkeypatch.setattr(module, "_AGAIN", 0.0)
    stage = Stage()
    _, texts = await backlog(stage, PAGE_MESSAGES + 1)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence/>")
    await settle()
    stage.store.error = OSError("disk full")
    assert await take(juliet) == texts[:PAGE_MESSAGES]
    stage.store.error = None
    await settle()
    assert await take(juliet) == texts[-1:]
    assert stage.store.bodies("juliet") == []


async def test_a_narrow_queue_takes_them_all_the_same():
    stage = Stage(SmConfig(queue_stanzas=3, request_every=1))
    romeo, texts = await backlog(stage, 6)
    juliet = await stage.bind("juliet", "balcony", sm=True)
    juliet.send("<presence/>")
    await settle()
    came = [await take(juliet) for _ in texts]
    assert [each for page in came for each in page] == texts
    assert juliet.error is None
    assert stage.store.bodies("juliet") == []
    assert romeo.take() == []


async def test_the_messages_of_a_session_that_ends_are_stored_together(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    stage.store.running.clear()
    juliet.send("<presence/>")
    for number in range(100):
        romeo.send(say(str(number)))
    juliet.leave()
    stage.store.running.set()
    await settle()
    assert stage.store.bodies("juliet") == [str(number) for number in range(100)]
    assert stage.store.writes == 1


async def test_stopping_waits_for_the_store(stage):
    romeo = await stage.bind("romeo", "orchard")
    for number in range(20):
        romeo.send(say(str(number)))
    stage.manager.shutdown(stage.now)
    await stage.domain.stop()
    assert stage.store.bodies("juliet") == [str(number) for number in range(20)]


async def test_a_sender_cannot_forge_the_time_a_message_was_kept(stage):
    romeo = await stage.bind("romeo", "orchard")
    forged = f"<delay xmlns='{ns.DELAY}' from='localhost' stamp='2001-01-01T00:00:00.000Z'/>"
    romeo.send(f"<message to='{JULIET}' type='chat'><body>old</body>{forged}</message>")
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    await settle()
    (message,) = [tree for tree in juliet.take() if tree.tag.endswith("}message")]
    (delay,) = message.findall(f"{{{ns.DELAY}}}delay")
    assert not delay.get("stamp", "").startswith("2001")
