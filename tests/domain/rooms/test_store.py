"""Rooms in the database, on each kind of database."""

from dataclasses import replace

import pytest

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.config import RoomsConfig
from andiron.domain.rooms.config import PrivateMessages, RoomConfig
from andiron.domain.rooms.outbox import Outbox
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Room, Subject
from andiron.domain.rooms.store import Affiliated, RoomStore

CONFIG = RoomConfig(
    name="Gärten & Höfe",
    persistent=True,
    password="'; drop table rooms",
    private_messages=PrivateMessages.NONE,
    broadcast=frozenset({Role.MODERATOR}),
)


@pytest.fixture
async def store(database):
    store = RoomStore(database, "localhost")
    store.accounts = Accounts(database, "localhost", 4096)
    await store.accounts.create_many([("romeo", "x"), ("juliet", "x")])
    return store


def make_room(name="garden"):
    jid = f"{name}@conference.localhost"
    room = Room(jid, CONFIG, RoomsConfig(), Outbox(), bytes(range(32)))
    room.created_by = "juliet@localhost"
    room.subject = Subject("Love", "Juliet", 1_700_000_000.25)
    room.vcard = "<vCard xmlns='vcard-temp'/>"
    room.affiliations = {
        "juliet@localhost": Affiliation.OWNER,
        "romeo@localhost": Affiliation.OUTCAST,
        "nobody@localhost": Affiliation.MEMBER,
        "stranger@elsewhere": Affiliation.ADMIN,
    }
    room.reserve("juliet@localhost", "Juliet")
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
    assert found.affiliations == {
        bare: Affiliated(each, "Juliet" if bare.startswith("juliet") else "")
        for bare, each in room.affiliations.items()
    }


async def test_saving_again_replaces_all(store):
    room = make_room()
    await store.save(room)
    room.config = replace(CONFIG, name="Other")
    room.affiliations = {"romeo@localhost": Affiliation.OWNER}
    await store.save(room)
    (found,) = await store.load()
    assert found.config.name == "Other"
    assert found.affiliations == {"romeo@localhost": Affiliated(Affiliation.OWNER)}


async def test_what_changes_is_kept(store):
    room = make_room()
    await store.save(room)
    room.subject = Subject("Death", "Romeo", 2.0)
    del room.affiliations["romeo@localhost"]
    room.affiliations["nobody@localhost"] = Affiliation.ADMIN
    await store.update(room)
    await store.affiliate(room, ["romeo@localhost", "nobody@localhost"])
    (found,) = await store.load()
    assert found.subject == room.subject
    assert {bare: each.affiliation for bare, each in found.affiliations.items()} == (
        room.affiliations
    )


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
    assert found.affiliations.keys() == {
        "romeo@localhost",
        "nobody@localhost",
        "stranger@elsewhere",
    }


async def test_what_is_written_is_what_there_was_at_the_call(store):
    room = make_room()
    writing = store.save(room)
    room.config = replace(CONFIG, name="Later")
    room.affiliations.clear()
    await writing
    (found,) = await store.load()
    assert found.config == CONFIG
    assert len(found.affiliations) == 4
