"""The bounds as they are by default, and people who have no bad intentions: they meet none.

What a client sends at its sign-in is what Converse.js sends, to an account with a hundred
rooms and a thousand contacts; and a network whose people all come back at once.
"""

import asyncio
import sqlite3
from contextlib import closing
from itertools import count

import pytest

from andiron.settings import Settings
from tests.hostile.conftest import PASSWORD, SETTINGS, looked_at, maltreated
from tests.hostile.wire import FAREWELL

CONTACTS, ROOMS = 1000, 100
PEOPLE = 250
"""More than may be signing in at a time, of one address."""
IQ = "<iq xmlns='jabber:client' type='{}' id='{}'{}>{}</iq>"
JOIN = (
    "<presence xmlns='jabber:client' to='{}/alice'><c xmlns='http://jabber.org/protocol/caps'"
    " hash='sha-1' node='https://conversejs.org' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"
    "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"
)
LAST_PAGE = (
    "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field type='hidden'"
    " var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>{}</x>"
    "<set xmlns='http://jabber.org/protocol/rsm'><before/><max>50</max></set></query>"
)
WITH = "<field var='with'><value>{}</value></field>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{}'/></pubsub>"
INSTANT = (
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/>"
    "</query>"
)
PUBLISH = (
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:bookmarks:1'>"
    "<item id='{}'>{}</item></publish></pubsub>"
)
CONTACT = (
    "INSERT INTO contacts (username, jid, listed, subscription, ask, approved, request, name,"
    " groups) VALUES (?, ?, 1, 'none', 0, 0, '', '', '')"
)
SIGNS = ("warning", "refused", "detached", "policy-violation", "resource-constraint")
"""Words of the log that say that somebody met a bound."""


@pytest.fixture(scope="module")
def shared_default(tmp_path_factory):
    """A server with no setting of ours but what makes its accounts quickly."""
    defaults = {name: str(Settings.model_fields[name.lower()].default) for name in SETTINGS}
    with maltreated(tmp_path_factory.mktemp("default"), people=PEOPLE, **defaults) as server:
        yield server


@pytest.fixture
async def server(shared_default):
    async for server in looked_at(shared_default):
        yield server


async def test_a_client_with_a_hundred_rooms_and_a_thousand_contacts(server):
    contacts = [f"contact{number}@localhost" for number in range(CONTACTS)]
    rooms = [f"room{number}@conference.localhost" for number in range(ROOMS)]
    ids = count()

    def iq(kind, payload, to=""):
        return IQ.format(kind, f"i{next(ids)}", f" to='{to}'" if to else "", payload)

    for name, made in (("bob", rooms[::2]), ("user0", rooms[1::2])):
        owner = await server.sign_in(name)
        await owner.send(*[JOIN.format(room).replace("/alice", "/owner") for room in made])
        await all_of(owner, "code='110'", len(made))
        await owner.send(*[iq("set", INSTANT, room) for room in made])
        await all_of(owner, "type='result'", len(made))

    with closing(sqlite3.connect(server.database)) as database, database:
        database.executemany(CONTACT, [("alice", jid) for jid in contacts])
    before = await server.sign_in("alice")
    conference = "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='true'/>"
    for room in rooms:
        await before.send(iq("set", PUBLISH.format(room, conference)))
    await all_of(before, "type='result'", ROOMS)
    before.close()

    wire = await server.sign_in("alice")
    sent = [
        iq("get", "<query xmlns='jabber:iq:roster'/>"),
        iq("get", INFO, "localhost"),
        iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", "localhost"),
        iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
        iq("get", ITEMS.format("urn:xmpp:bookmarks:1")),
        iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
        iq("set", LAST_PAGE.format("")),
        "<presence xmlns='jabber:client'/>",
    ]
    for room in rooms:
        sent += [
            iq("get", INFO, room),
            JOIN.format(room),
            iq("set", LAST_PAGE.format(""), room),
            iq("get", "<vCard xmlns='vcard-temp'/>", room),
        ]
    for jid in contacts:
        sent += [
            iq("get", "<vCard xmlns='vcard-temp'/>", jid),
            iq("get", ITEMS.format("urn:xmpp:avatar:metadata"), jid),
            iq("set", LAST_PAGE.format(WITH.format(jid))),
        ]
    asked = sum(text.startswith("<iq") for text in sent)
    await wire.send(*sent)
    joined = answered = listed = 0
    while joined < ROOMS or answered < asked:
        text = await wire.text()
        joined += "code='110'" in text
        listed += text.count("<item jid='contact")
        answered += text.startswith("<iq") and ("'result'" in text or "'error'" in text)
    assert (joined, answered, listed) == (ROOMS, asked, CONTACTS)
    assert not [sign for sign in SIGNS if sign in server.said().lower()], server.said()


async def test_all_of_one_network_come_back_at_once(server):
    turned_away = 0

    async def come_back(number):
        nonlocal turned_away
        while (wire := await server.ask()).status != 101:
            turned_away += 1
            assert (wire.status, "retry-after" in wire.headers) == (503, True)
            await wire.gone()
            await asyncio.sleep(0.2)
        await wire.sign_in(f"user{number}", PASSWORD)
        return wire

    wires = await asyncio.gather(*[come_back(number) for number in range(PEOPLE)])
    assert len({wire.jid for wire in wires}) == PEOPLE
    for wire in wires:
        await wire.send(FAREWELL)


async def all_of(wire, part, times):
    """Wait until so many texts have come that hold ``part``."""
    for _ in range(times):
        await wire.until(part)
