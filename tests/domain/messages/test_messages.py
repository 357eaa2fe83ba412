"""A message's way: who gets it, who keeps it, and with which words of the server's."""

import asyncio
from typing import Any
from xml.etree.ElementTree import Element as Tree
from xml.etree.ElementTree import fromstring

import pytest
from support.domains import AUTH, CLIENT, Client, Stage, bind_request, body, condition, settle
from support.rooms import RoomStage

from andiron.domain.accounts.accounts import NoSuchAccount
from andiron.domain.archive.archive import Archive, Query
from andiron.domain.archive.store import ACCOUNTS, ArchiveStore, Filter
from andiron.domain.client import Owner
from andiron.domain.database.database import DatabaseError
from andiron.domain.messages.keeping import stanza_id
from andiron.sm.config import SmConfig
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns
from andiron.xmpp.jid import JID
from andiron.xmpp.xml import Guard

CAUSE = Payer("romeo@localhost")
STANZA_ID = f"{{{ns.STANZA_ID}}}stanza-id"
ROMEO, JULIET = "romeo@localhost", "juliet@localhost"
CARBONS = f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>"


def hint(name: str) -> str:
    return f"<{name} xmlns='{ns.HINTS}'/>"


def say(to: str = "", inner: str = "<body>hi</body>", kind: str = "chat") -> str:
    addressed = f" to='{to}'" if to else ""
    typed = f" type='{kind}'" if kind else ""
    return f"<message{addressed}{typed}>{inner}</message>"


async def pair(stage: Stage) -> tuple[Client, Client]:
    return await stage.come("romeo", "orchard"), await stage.come("juliet", "balcony")


async def archived(stage: Stage, name: str) -> list[tuple[str, str | None]]:
    """Return the correspondents and bodies in an account's archive."""
    archive = stage.domain.archive
    assert archive is not None
    await archive.range(name)
    database: Any = stage.database
    rows = await ArchiveStore(database, ACCOUNTS).page(name, Filter(), 100)
    return [(row.peer, body(row.text)) for row in rows]


async def ids(stage: Stage, name: str) -> list[str]:
    database: Any = stage.database
    rows = await ArchiveStore(database, ACCOUNTS).page(name, Filter(), 100)
    return [f"{row.id:016x}" for row in rows]


def marks(message: Tree) -> list[tuple[str | None, str | None]]:
    """Return the ids in a message: whose archive, and which."""
    return [(child.get("by"), child.get("id")) for child in message.findall(STANZA_ID)]


@pytest.mark.parametrize("sender", [True, False])
@pytest.mark.parametrize("recipient", [True, False])
async def test_what_passes_where_nobody_has_announced_himself_is_not_kept(
    sender: bool, recipient: bool
):
    """A resource without presence that is spoken to by its very address is a program's."""
    stage = Stage()
    romeo = await (stage.come if sender else stage.bind)("romeo", "orchard")
    juliet = await (stage.come if recipient else stage.bind)("juliet", "balcony")
    romeo.send(say(juliet.jid))
    assert juliet.bodies() == ["hi"]
    kept = sender or recipient
    assert await archived(stage, "juliet") == [(ROMEO, "hi")] * kept
    assert await archived(stage, "romeo") == [(JULIET, "hi")] * kept


@pytest.mark.parametrize(
    "to",
    ["juliet@localhost/balcony", "Juliet@localhost/balcony", JULIET, "juliet@localhost/gone"],
    ids=["bound", "to be prepared", "bare", "not bound"],
)
async def test_a_message_is_in_both_archives_with_the_recipients_id(to: str):
    stage = Stage()
    romeo, juliet = await pair(stage)
    romeo.send(say(to))
    (message,) = juliet.take()
    assert await archived(stage, "juliet") == [(ROMEO, "hi")]
    assert await archived(stage, "romeo") == [(JULIET, "hi")]
    assert marks(message) == [(JULIET, (await ids(stage, "juliet"))[0])]
    assert (await ids(stage, "juliet")) != (await ids(stage, "romeo"))


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
async def test_a_message_that_waits_has_its_id_already(to: str):
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    romeo.send(say(to))
    await settle()
    (stored,) = stage.store.messages["juliet"]
    assert await archived(stage, "juliet") == [(ROMEO, "hi")]
    assert await archived(stage, "romeo") == [(JULIET, "hi")]
    mark = [(JULIET, (await ids(stage, "juliet"))[0])]
    assert marks(fromstring(stored.text)) == mark
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    await settle()
    (message,) = [stanza for stanza in juliet.take() if stanza.tag == f"{CLIENT}message"]
    assert marks(message) == mark
    assert len(await archived(stage, "juliet")) == 1


@pytest.mark.parametrize("name", ["juliet", "nobody"])
async def test_who_takes_no_messages_keeps_none(name: str):
    """Unknown, or blocking the sender: the same error."""
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    if name == "juliet":
        juliet = await stage.come("juliet", "balcony")
        block = f"<block xmlns='{ns.BLOCKING}'><item jid='{ROMEO}'/></block>"
        await juliet.ask(f"<iq type='set' id='b'>{block}</iq>")
        juliet.leave()
        stage.domain.owners.forget(JULIET)
        await settle()
        romeo.take()
    romeo.send(say(f"{name}@localhost"))
    await settle()
    (error,) = romeo.take()
    assert condition(error) == "service-unavailable"
    assert await archived(stage, name) == []
    assert stage.store.messages[name] == []


@pytest.mark.parametrize("to", ["", ROMEO, "romeo@localhost/orchard", "romeo@localhost/garden"])
async def test_a_message_to_oneself_is_kept_once(to: str):
    stage = Stage()
    romeo, garden = await stage.come("romeo", "orchard"), await stage.come("romeo", "garden")
    romeo.send(say(to))
    got = [*romeo.take(), *garden.take()]
    assert await archived(stage, "romeo") == [(ROMEO, "hi")]
    (mark,) = {mark for message in got for mark in marks(message)}
    assert mark == (ROMEO, (await ids(stage, "romeo"))[0])


async def test_a_message_to_oneself_that_waits_is_kept_once():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    romeo.send(say(ROMEO))
    await settle()
    assert await archived(stage, "romeo") == [(ROMEO, "hi")]
    assert stage.store.bodies("romeo") == ["hi"]


async def test_a_message_to_oneself_that_waits_comes_once():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    garden = await stage.come("romeo", "garden", -1)
    garden.send(f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>")
    romeo.send(say(ROMEO))
    await settle()
    garden.send("<presence/>")
    await settle()
    assert garden.bodies() == ["hi"]


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(
    ("kind", "inner", "kept"),
    [
        ("chat", "<body>hi</body>", True),
        ("normal", "<body>hi</body>", True),
        ("", "<body>hi</body>", True),
        ("unheard-of", "<body>hi</body>", True),
        ("chat", f"<received xmlns='{ns.RECEIPTS}' id='1'/>", True),
        ("chat", f"<received xmlns='{ns.RECEIPTS}' id='1'/>{hint('store')}", True),
        ("chat", f"<encrypted xmlns='urn:x'/>{hint('store')}", True),
        ("chat", f"<body>hi</body><composing xmlns='{ns.CHAT_STATES}'/>", True),
        ("chat", f"<composing xmlns='{ns.CHAT_STATES}'/>", False),
        ("chat", f"<composing xmlns='{ns.CHAT_STATES}'/>{hint('no-store')}", False),
        ("chat", f"<body>hi</body>{hint('no-store')}", False),
        ("chat", f"<body>hi</body>{hint('no-permanent-store')}", False),
        ("chat", f"<body>urn:xmpp:hints</body><x>{hint('no-store')}</x>", True),
        ("chat", "<body>hi</body><no-store xmlns='urn:xmpp:hint&#115;'/>", False),
        ("chat", f"<composing xmlns='{ns.CHAT_STATES}'/><![CDATA[<body>hi</body>]]>", False),
        ("chat", f"<composing xmlns='{ns.CHAT_STATES}'/><thread>urn:x:body</thread>", False),
        ("chat", f"<active xmlns='{ns.CHAT_STATES}'/><body>hi</body>", True),
        ("normal", f"<composing xmlns='{ns.CHAT_STATES}'/>", False),
        ("normal", "", False),
        ("normal", "<x xmlns='jabber:x:conference' jid='r@c'/>", True),
        ("error", "<body>hi</body>", False),
        ("headline", "<body>hi</body>", False),
        ("groupchat", "<body>hi</body>", False),
    ],
)
async def test_what_is_kept(kind: str, inner: str, kept: bool, online: bool):
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    if online:
        await stage.come("juliet", "balcony")
    romeo.send(say("juliet@localhost/balcony", inner, kind))
    await settle()
    assert len(await archived(stage, "juliet")) == kept
    assert len(await archived(stage, "romeo")) == kept


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
async def test_copies_are_kept_by_nobody(to: str):
    """Section 6.1.1 of XEP-0313: once, however many resources get it; and each its own id."""
    stage = Stage()
    romeo, balcony = await pair(stage)
    chamber, garden = await stage.come("juliet", "chamber", 5), await stage.come("romeo", "g")
    for client in (balcony, chamber, garden):
        await client.ask(CARBONS)
    romeo.take()
    romeo.send(say(to))
    assert await archived(stage, "juliet") == [(ROMEO, "hi")]
    assert await archived(stage, "romeo") == [(JULIET, "hi")]
    mine, theirs = await ids(stage, "juliet"), await ids(stage, "romeo")
    seen = {
        client.jid: [
            (element.get("by"), element.get("id"))
            for stanza in client.take()
            for element in stanza.iter(STANZA_ID)
        ]
        for client in (balcony, chamber, garden, romeo)
    }
    assert seen == {
        balcony.jid: [(JULIET, mine[0])],
        chamber.jid: [(JULIET, mine[0])],
        garden.jid: [(ROMEO, theirs[0])],
        romeo.jid: [],
    }


async def test_the_copy_of_a_message_that_waits_has_the_senders_id():
    stage = Stage()
    romeo, garden = await stage.come("romeo", "orchard"), await stage.come("romeo", "g")
    await garden.ask(CARBONS)
    romeo.send(say(JULIET))
    await settle()
    (copy,) = garden.take()
    (mark,) = copy.iter(STANZA_ID)
    assert (mark.get("by"), mark.get("id")) == (ROMEO, (await ids(stage, "romeo"))[0])


FORGED = [
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='{JULIET}'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='{ROMEO}'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='localhost'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='&#106;uliet@localhost'/>",
    "<stanza-id xmlns='urn:xmpp:&#115;id:0' id='1' by='juliet@localhost'/>",
    f"<s:stanza-id xmlns:s='{ns.STANZA_ID}' id='1' by='{JULIET}'/>",
    f"<delay xmlns='{ns.DELAY}' from='localhost' stamp='2000-01-01T00:00:00Z'/>",
    "<delay xmlns='urn:xmpp:dela&#x79;' from='localhost' stamp='2000-01-01T00:00:00Z'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='juliet@LOCALHOST'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='JULIET@localhost'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='juliet@localhost.'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='juliet@\uff4cocalhost'/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='juliet@localhost '/>",
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='garden@Conference.localhost'/>",
    f"<delay xmlns='{ns.DELAY}' from='LocalHost' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='localhost.' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='localhost/x' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='@localhost' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='conference.localhost' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='R@CONFERENCE.localhost/x' stamp='2000-01-01T00:00:00Z'/>",
    f"<x xmlns='{ns.OLD_DELAY}' from='localhost' stamp='20000101T00:00:00'/>",
    f"<x xmlns='{ns.OLD_DELAY}' from='r@conference.Localhost' stamp='20000101T00:00:00'/>",
    "<x xmlns='jabber:x:dela&#121;' from='localhost' stamp='20000101T00:00:00'/>",
]
HONEST = [
    f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='room@elsewhere'/>",
    f"<origin-id xmlns='{ns.STANZA_ID}' id='1'/>",
    f"<delay xmlns='{ns.DELAY}' from='elsewhere' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' from='romeo@localhost/orchard' stamp='2000-01-01T00:00:00Z'/>",
    f"<delay xmlns='{ns.DELAY}' stamp='2000-01-01T00:00:00Z'/>",
    f"<x xmlns='{ns.OLD_DELAY}' from='romeo@localhost/orchard' stamp='20000101T00:00:00'/>",
    f"<x xmlns='urn:x'><stanza-id xmlns='{ns.STANZA_ID}' id='1' by='{JULIET}'/></x>",
]


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("word", FORGED)
async def test_what_only_servers_may_say_is_taken_out(word: str, online: bool):
    stage = RoomStage()
    romeo = await stage.come("romeo", "orchard")
    if online:
        juliet = await stage.come("juliet", "balcony")
        romeo.send(say(juliet.jid, f"<body>hi</body>{word}"))
        (message,) = juliet.take()
    else:
        romeo.send(say(JULIET, f"<body>hi</body>{word}"))
        await settle()
        message = fromstring(stage.store.messages["juliet"][0].text)
    assert marks(message) == [(JULIET, (await ids_after(stage))[0])]
    assert [child.tag for child in message] == [f"{CLIENT}body", STANZA_ID]
    assert message.findtext(f"{CLIENT}body") == "hi"


async def ids_after(stage: Stage) -> list[str]:
    await archived(stage, "juliet")
    return await ids(stage, "juliet")


@pytest.mark.parametrize("word", HONEST)
async def test_what_others_say_stays(word: str):
    stage = Stage(archive=None)
    romeo, juliet = await pair(stage)
    romeo.send(say(juliet.jid, f"<body>hi</body>{word}"))
    (message,) = juliet.transport.take()
    assert word in message


@pytest.mark.parametrize("before", ["<body/>", "", "<body>a</body>", "<body>a<b/></body>"])
async def test_however_few_tags_there_are_what_is_forged_is_taken_out(before: str):
    stage = Stage(archive=None)
    romeo, juliet = await pair(stage)
    forged = f"<delay xmlns='{ns.DELAY}' from='localhost' stamp='2001-01-01T00:00:00.000Z'/>"

    romeo.send(say(juliet.jid, f"{before}{forged}"))

    (got,) = juliet.take()
    assert "2001-01-01" not in got


async def test_forged_ids_of_services_are_taken_out():
    stage = Stage()
    romeo, juliet = await pair(stage)
    service: Any = object()
    stage.domain.router.services["conference.localhost"] = service
    forged = f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='verona@conference.localhost'/>"
    romeo.send(say(juliet.jid, f"<body>hi</body>{forged}"))
    (message,) = juliet.take()
    assert [by for by, _ in marks(message)] == [JULIET]


@pytest.mark.parametrize("name", ["received", "sent"])
@pytest.mark.parametrize("namespace", [ns.CARBONS, "urn:xmpp:c&#97;rbons:2"])
async def test_a_copy_of_a_client_is_refused(name: str, namespace: str):
    stage = Stage()
    romeo, juliet = await pair(stage)
    romeo.send(say(juliet.jid, f"<body>hi</body><{name} xmlns='{namespace}'/>"))
    assert juliet.take() == []
    (error,) = romeo.take()
    assert condition(error) == "forbidden"
    assert await archived(stage, "juliet") == []


async def test_a_message_that_was_stored_survives_a_lost_session():
    """What a client did not confirm comes again with the id it had, and is kept once."""
    stage = Stage(SmConfig(idle_probe=0, max=10))
    romeo = await stage.come("romeo", "orchard")
    juliet = await stage.come("juliet", "balcony", sm=True)
    juliet.lose()
    romeo.send(say(juliet.jid))
    stage.now += 1000
    stage.manager.timers.run(stage.now)
    await settle()
    (stored,) = stage.store.messages["juliet"]
    assert len(await archived(stage, "juliet")) == 1
    assert marks(fromstring(stored.text)) == [(JULIET, (await ids(stage, "juliet"))[0])]


async def test_preferences_of_each_side_count():
    stage = Stage()
    romeo, juliet = await pair(stage)
    await juliet.ask(f"<iq type='set' id='p'><prefs xmlns='{ns.MAM}' default='never'/></iq>")
    for to in (juliet.jid, JULIET):
        romeo.send(say(to))
    juliet.send(say(romeo.jid))
    (message, *_) = juliet.take()
    assert marks(message) == []
    assert await archived(stage, "juliet") == []
    assert await archived(stage, "romeo") == [(JULIET, "hi")] * 3
    (message,) = romeo.take()
    assert [by for by, _ in marks(message)] == [ROMEO]


async def refuse_by(stage: Stage, how: str) -> str:
    """Let Juliet's account refuse; return the condition that tells so."""
    if how == "blocked":
        juliet = await stage.come("juliet", "balcony")
        block = f"<block xmlns='{ns.BLOCKING}'><item jid='{ROMEO}'/></block>"
        await juliet.ask(f"<iq type='set' id='b'>{block}</iq>")
        juliet.leave()
        await settle()
    elif how == "full":
        stage.store.limit = 0
    elif how == "removed":
        stage.store.accounts.discard("juliet")
    else:
        stage.store.error = DatabaseError("The database is locked.")
        return "internal-server-error"
    return "service-unavailable"


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
@pytest.mark.parametrize("how", ["blocked", "full", "removed", "locked"])
async def test_what_is_refused_is_in_no_archive(how: str, to: str):
    stage = Stage()
    expected = await refuse_by(stage, how)
    romeo = await stage.come("romeo", "orchard")
    romeo.send(say(to))
    await settle()
    (error,) = romeo.take()
    assert (condition(error), error.get("from")) == (expected, to)
    assert await archived(stage, "romeo") == await archived(stage, "juliet") == []
    assert stage.store.messages["juliet"] == []
    stage.store.error, stage.store.limit = None, 1000
    stage.store.accounts.add("juliet")
    romeo.send(say("romeo@localhost/orchard"))
    assert await archived(stage, "romeo") == [(ROMEO, "hi")], "later ones are archived"


async def test_the_archives_wait_for_what_is_being_stored():
    """Who asks while it is not certain gets the message, or never heard of it."""
    stage = Stage()
    romeo, garden = await stage.come("romeo", "orchard"), await stage.come("romeo", "garden")
    nurse = await stage.come("nurse", "kitchen")
    for client in (romeo, garden, nurse):
        client.take()
    stage.store.running.clear()
    romeo.send(say(JULIET, "<body>first</body>"))
    await settle()
    romeo.send(say(nurse.jid, "<body>second</body>"))
    garden.send(f"<iq type='set' id='q'><query xmlns='{ns.MAM}'/></iq>")
    await settle()
    assert garden.take() == []
    stage.store.running.set()
    await settle()
    *results, _ = garden.take()
    assert [each.findtext(f".//{CLIENT}body") for each in results] == ["first", "second"]


async def test_what_is_said_while_one_waits_is_not_read_before_it():
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    stage.store.running.clear()
    archive = stage.domain.archive
    assert archive is not None
    romeo.send(say(JULIET, "<body>first</body>"))
    owner = romeo.link.owner
    query = Query(Filter(), 10)
    asked = asyncio.create_task(archive.page("romeo", query))
    await settle()
    archive.add(owner, JULIET, "<message/>", 1.7e9, CAUSE)
    ends = asyncio.create_task(archive.range("romeo"))
    await settle()
    archive.add(owner, JULIET, "<message/>", 1.7e9, CAUSE)
    assert not asked.done()
    stage.store.running.set()
    assert len((await asked).rows) == 1
    found = await ends
    rows = (await archive.page("romeo", query)).rows
    assert found is not None
    assert (found.first, found.last) == (rows[0].id, rows[1].id)
    assert len(rows) == 3


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
async def test_what_finds_no_room_among_those_that_wait_is_in_no_archive(to: str):
    stage = Stage(max_held=1)
    romeo = await stage.come("romeo", "orchard")
    stage.store.running.clear()
    juliet = await stage.bind("juliet", "balcony")
    juliet.send("<presence/>")
    for _ in range(2):
        romeo.send(say(to))
    (error,) = romeo.take()
    assert condition(error) == "resource-constraint"
    assert await archived(stage, "romeo") == [(JULIET, "hi")]
    assert await archived(stage, "juliet") == [(ROMEO, "hi")]
    stage.store.running.set()
    await settle()
    assert juliet.bodies() == ["hi"]


async def test_a_sender_that_came_again_hears_of_a_refusal():
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")
    stage.store.limit = 0
    stage.store.running.clear()
    romeo.send(say(JULIET))
    romeo.leave()
    again = await stage.come("romeo", "orchard")
    stage.store.running.set()
    await settle()
    assert [condition(each) for each in again.take()] == ["service-unavailable"]


async def test_a_failure_that_nobody_foresaw_refuses(caplog: pytest.LogCaptureFixture):
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")

    async def load(_jid: str) -> Owner:
        raise ZeroDivisionError

    owners: Any = stage.domain.owners
    owners.load = load
    romeo.send(say(JULIET))
    await settle()
    assert condition(romeo.take()[0]) == "internal-server-error"
    assert await archived(stage, "romeo") == []
    assert "could not be read" in caplog.text


SERVICE = "conference.localhost"


def from_service(stage: Stage, to: str, inner: str = "<body>come</body>") -> None:
    text = f"<message xmlns='{ns.CLIENT}' from='{SERVICE}' to='{to}'>{inner}</message>"
    stage.domain.messages.send(Guard().read(text), SERVICE, JID(to), 1.7e9, stage.now)


@pytest.mark.parametrize("to", [JULIET, "juliet@localhost/balcony"])
async def test_a_services_message_comes_or_waits(to: str):
    stage = Stage()
    from_service(stage, to)
    await settle()
    assert stage.store.bodies("juliet") == ["come"]
    juliet = await stage.come("juliet", "balcony")
    from_service(stage, to)
    assert juliet.bodies() == ["come"]
    assert await archived(stage, "juliet") == []


async def test_a_services_message_that_nobody_takes_is_let_go():
    stage = Stage()
    from_service(stage, "nobody@localhost")
    from_service(stage, "somebody@elsewhere")
    await settle()
    assert stage.store.messages == {"nobody": []} or not any(stage.store.messages.values())


@pytest.mark.parametrize("online", [True, False])
async def test_a_services_message_to_who_blocked_it_is_let_go(online: bool):
    stage = Stage()
    juliet = await stage.come("juliet", "balcony")
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{SERVICE}'/></block>"
    await juliet.ask(f"<iq type='set' id='b'>{block}</iq>")
    if not online:
        juliet.leave()
        stage.domain.owners.forget(JULIET)
    from_service(stage, JULIET)
    await settle()
    assert stage.store.messages["juliet"] == []
    if online:
        assert juliet.bodies() == []


async def test_an_archive_that_keeps_nothing_gives_no_id():
    """The pipeline asks an archive no more than ``add``, and waits for nothing."""

    class Full:
        def __init__(self) -> None:
            self.asked: list[tuple[str, str]] = []

        def add(self, owner: Owner, peer: str, _text: str, _stamp: float, _cause: Payer) -> str:
            self.asked.append((owner.jid, peer))
            return ""

        def add_both(
            self, sender: Owner, address: str, recipient: Owner, to: str, _text: str, _stamp: float
        ) -> tuple[str, str]:
            self.asked += [(recipient.jid, address), (sender.jid, to)]
            return "", ""

        def written(self, _session: Session, _ticket: int) -> bool:
            return True

        def hold(self, owner: Owner, peer: str, _text: str, _stamp: float, _cause: Payer) -> None:
            self.asked.append((owner.jid, peer))

    stage = Stage()
    full = Full()
    messages: Any = stage.domain.messages
    assert isinstance(messages._archive, Archive)
    messages._archive = full
    romeo, juliet = await pair(stage)
    romeo.send(say(juliet.jid))
    (message,) = juliet.take()
    assert marks(message) == []
    assert full.asked == [(JULIET, romeo.jid), (ROMEO, juliet.jid)]
    juliet.leave()
    full.asked = []
    romeo.send(say(JULIET))
    await settle()
    assert marks(fromstring(stage.store.messages["juliet"][0].text)) == []
    assert full.asked == [(ROMEO, JULIET), (JULIET, romeo.jid)]


def test_the_id_is_written_safely():
    mark = fromstring(stanza_id("1f", "o'neill&co@localhost"))
    assert (mark.tag, mark.get("id"), mark.get("by")) == (STANZA_ID, "1f", "o'neill&co@localhost")
    assert stanza_id("", JULIET) == ""


async def test_an_account_that_vanished_is_not_there():
    """Its owner is loaded when the message is stored, not before."""
    stage = Stage()
    romeo = await stage.come("romeo", "orchard")

    async def load(_jid: str) -> Owner:
        raise NoSuchAccount("gone")

    owners: Any = stage.domain.owners
    owners.load = load
    romeo.send(say(JULIET))
    await settle()
    (error,) = romeo.take()
    assert condition(error) == "service-unavailable"


@pytest.mark.parametrize("by", ["münchen.example", "xn--mnchen-3ya.example", "MÜNCHEN.example."])
async def test_a_domain_of_other_letters_is_known_in_either_form(by: str):
    stage = Stage(domain="münchen.example")
    romeo = await come(stage, "romeo")
    juliet = await come(stage, "juliet")
    forged = (
        f"<stanza-id xmlns='{ns.STANZA_ID}' id='1' by='juliet@{by}'/>"
        f"<delay xmlns='{ns.DELAY}' from='{by}' stamp='2000-01-01T00:00:00Z'/>"
    )
    romeo.send(say(juliet.jid, f"<body>hi</body>{forged}"))
    (message,) = juliet.take()
    assert [child.tag for child in message] == [f"{CLIENT}body", STANZA_ID]


async def come(stage: Stage, name: str) -> Client:
    client = stage.connect()
    client.open("münchen.example")
    client.send(AUTH.format(name))
    await settle()
    client.open("münchen.example")
    client.send(bind_request())
    client.send("<presence/>")
    await settle()
    client.take()
    return client
