"""Rooms in the database, on each kind of database."""

import asyncio
from dataclasses import replace

import pytest

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.config import RoomsConfig
from andiron.domain.rooms.config import PrivateMessages, RoomConfig
from andiron.domain.rooms.outbox import Outbox
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Place, Room, Subject
from andiron.domain.rooms.store import RoomStore

CONFIG = RoomConfig(
    name="Gärten & Höfe",
    persistent=True,
    password="'; drop table rooms",
    private_messages=PrivateMessages.NONE,
    broadcast=frozenset({Role.MODERATOR}),
)
PLACES = {
    "juliet@localhost": Place(Affiliation.OWNER, "Juliet"),
    "romeo@localhost": Place(Affiliation.OUTCAST, reason='Für "Tybalt" & ⚔'),
    "nobody@localhost": Place(Affiliation.MEMBER, "Nobody", "asked for it"),
    "stranger@elsewhere": Place(Affiliation.ADMIN),
    "montague": Place(Affiliation.OUTCAST, reason="all of them"),
}


@pytest.fixture
async def store(database):
    store = RoomStore(database, "localhost")
    store.database = database
    store.accounts = Accounts(database, "localhost", 4096)
    await store.accounts.create_many([("romeo", "x"), ("juliet", "x")])
    return store


def make_room(name="garden"):
    jid = f"{name}@conference.localhost"
    room = Room(jid, CONFIG, RoomsConfig(), Outbox(), bytes(range(32)))
    room.created_by = "juliet@localhost"
    room.subject = Subject("Love", "Juliet", 1_700_000_000.25, "en-GB")
    room.vcard = "<vCard xmlns='vcard-temp'/>"
    for bare, place in PLACES.items():
        room.settle(bare, place)
    return room


async def test_a_room_comes_back_as_it_was(store):
    room = make_room()
    await store.save(room)
    await store.save(make_room("tomb"))
    (found, other) = await store.load()
    assert (found.name, other.name) == ("garden", "tomb")
    assert found.created_by == room.created_by
    assert found.secret == room.secret
    assert found.config == room.config
    assert found.subject == room.subject
    assert found.vcard == room.vcard
    assert found.places == PLACES


async def test_saving_again_replaces_all(store):
    room = make_room()
    await store.save(room)
    room.config = replace(CONFIG, name="Other")
    for bare in PLACES:
        room.settle(bare, Place())
    room.settle("romeo@localhost", Place(Affiliation.OWNER))
    await store.save(room)
    (found,) = await store.load()
    assert found.config.name == "Other"
    assert found.places == {"romeo@localhost": Place(Affiliation.OWNER)}


async def test_what_changes_is_kept(store):
    room = make_room()
    await store.save(room)
    room.subject = Subject("Morte", "Romeo", 2.0, "it")
    changed = {
        "romeo@localhost": Place(),
        "nobody@localhost": Place(Affiliation.ADMIN, "Somebody", "now somebody"),
    }
    for bare, place in changed.items():
        room.settle(bare, place)
    await store.update(room)
    await store.affiliate(room, ["romeo@localhost", "nobody@localhost"])
    (found,) = await store.load()
    assert found.subject == room.subject
    expected = {**PLACES, **changed}
    del expected["romeo@localhost"]
    assert found.places == expected


async def test_a_room_that_is_not_kept_stays_so(store):
    room = make_room()
    await store.update(room)
    await store.affiliate(room, room.affiliations)
    assert await store.load() == []
    await store.save(room)
    await store.remove(room)
    await store.affiliate(room, room.affiliations)
    assert await store.load() == []


async def test_affiliations_go_with_their_account_but_bans_stay(store):
    await store.save(make_room())
    await store.accounts.remove("juliet")
    await store.accounts.remove("romeo")
    (found,) = await store.load()
    assert found.places.keys() == PLACES.keys() - {"juliet@localhost"}


async def test_what_is_written_is_what_there_was_at_the_call(store):
    room = make_room()
    writing = store.save(room)
    room.config = replace(CONFIG, name="Later")
    room.affiliations.clear()
    await writing
    (found,) = await store.load()
    assert found.config == CONFIG
    assert found.places == PLACES


async def test_what_several_change_of_one_room_is_kept_in_the_order_of_the_calls(store):
    """Whoever waits behind much of his own, and whosoever result is awaited first."""
    room, other = make_room(), make_room("tomb")
    await asyncio.gather(store.save(room), store.save(other))

    async def nothing(_connection):
        await asyncio.sleep(0)

    others = [asyncio.ensure_future(store.database.write(nothing, "romeo")) for _ in range(50)]
    await asyncio.sleep(0)
    written = []
    for number, payer in enumerate(["romeo", "juliet", "romeo", "juliet"]):
        room.subject = Subject(f"{number}", payer, 2.0, "")
        written.append(store.update(room, payer))
    written += [store.remove(room, "romeo"), store.save(room, "juliet")]
    other.subject = Subject("soon", "Juliet", 2.0, "")
    await store.update(other, "juliet")
    await asyncio.gather(*reversed(written), *others)
    found = {each.name: each.subject.text for each in await store.load()}
    assert found == {"garden": "3", "tomb": "soon"}
