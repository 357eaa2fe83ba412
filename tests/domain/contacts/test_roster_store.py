"""Rosters on disk, on each kind of database."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import read_births
from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.client import Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts.roster import Item, Roster, roster_of
from andiron.domain.contacts.roster_rows import item_of, write_items
from andiron.domain.contacts.roster_store import NoSuchContact, RosterFull, RosterStore
from andiron.domain.contacts.subscriptions import NOBODY, Contact, Kind, State
from andiron.domain.database.database import Database
from andiron.domain.owners import Effect, Owners

ALICE, BOB = "alice@localhost", "bob@localhost"
TEXT = "<presence xmlns='jabber:client' type='subscribe'><status>hi ü</status></presence>"


@pytest.fixture
async def accounts(database: Database) -> Accounts:
    made = Accounts(database, "localhost", 4096)
    await made.create_many([("alice", "x"), ("bob", "y"), ("carol", "z")])
    return made


@pytest.fixture
def store(database: Database, accounts: Accounts) -> RosterStore:
    return RosterStore(database, "localhost", RosterConfig(max_contacts=3, max_requests=2))


@pytest.fixture
def owners(database: Database, accounts: Accounts, store: RosterStore) -> Owners:
    owners = Owners(database, read_births)
    owners.add_loader(store.load)
    return owners


async def befriend(store: RosterStore, one: str, other: str) -> None:
    for name, contact in ((one, other), (other, one)):
        await store.exchange(name, f"{contact}@localhost", Kind.SUBSCRIBE, TEXT)
        await store.exchange(contact, f"{name}@localhost", Kind.SUBSCRIBED, TEXT)


async def items_of(store: RosterStore, username: str) -> tuple[int, list[Item]]:
    version, rows = await store.rows(username)
    return version, [item_of(*row) for row in rows]


async def states(store: RosterStore, username: str) -> dict[str, Contact]:
    _, items = await items_of(store, username)
    return {item.jid: item.contact for item in items}


async def test_contacts_are_put_changed_and_removed(store: RosterStore):
    assert await items_of(store, "alice") == (0, [])
    (change,) = await store.put("alice", "zoë@x", "Zoë <&> \U0001f525", ("a", "b & c"))
    item = Item("zoë@x", Contact(listed=True), "Zoë <&> \U0001f525", ("a", "b & c"))
    assert (change.before, change.after, change.item) == (NOBODY, item.contact, item)
    assert await items_of(store, "alice") == (change.version, [item])
    (second,) = await store.put("alice", "zoë@x", "", ())
    assert second.version == change.version + 1
    assert await items_of(store, "alice") == (second.version, [Item("zoë@x", item.contact)])
    (third,) = await store.remove("alice", "zoë@x")
    assert (third.item, third.version) == (None, second.version + 1)
    assert await items_of(store, "alice") == (third.version, [])
    with pytest.raises(NoSuchContact):
        await store.remove("alice", "zoë@x")
    assert await items_of(store, "bob") == (0, [])


async def test_one_stanza_changes_both_sides(store: RosterStore):
    ours, theirs = await store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT)
    assert (ours.username, ours.jid, ours.after) == (
        "alice",
        BOB,
        Contact(State.NONE_OUT, listed=True),
    )
    assert (theirs.username, theirs.jid, theirs.after) == ("bob", ALICE, Contact(State.NONE_IN))
    assert (theirs.text, theirs.kind) == (TEXT, "subscribe")
    assert (ours.version > 0, theirs.version) == (True, 0)
    assert await store.requests("bob") == [(ALICE, TEXT)]
    assert await states(store, "bob") == {}
    theirs, ours = await store.exchange("bob", ALICE, Kind.SUBSCRIBED, "<subscribed/>")
    assert (theirs.after.state, ours.after.state) == (State.FROM, State.TO)
    assert await store.requests("bob") == []


async def test_a_name_and_groups_survive_all_of_it(store: RosterStore):
    await store.put("alice", BOB, "Bob", ("Friends",))
    await befriend(store, "alice", "bob")
    await store.exchange("alice", BOB, Kind.UNSUBSCRIBE, "<x/>")
    _, (item,) = await items_of(store, "alice")
    assert item == Item(BOB, Contact(State.FROM, listed=True), "Bob", ("Friends",))


async def test_all_the_characters_of_a_roster_are_bounded(
    database: Database, accounts: Accounts, store: RosterStore
):
    store = RosterStore(database, "localhost", RosterConfig(max_size=100))
    await store.put("alice", "a@x", "\u00fc" * 57, ("b", "c", "d\U0001f525"))  # 3 + 57 + 6
    with pytest.raises(RosterFull):
        await store.put("alice", "b@x", "y" * 32, ())
    await store.put("alice", "b@x", "y" * 31, ())
    with pytest.raises(RosterFull):
        await store.put("alice", "b@x", "y" * 31, ("z",))
    with pytest.raises(RosterFull):
        await store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT)
    await store.put("alice", "a@x", "z" * 57, ("b", "c", "de"))
    await store.put("alice", "a@x", "z" * 40, ())
    await store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT)
    await store.put("bob", "b@x", "y" * 90, ())
    _, rows = await store.rows("alice")
    assert write_items(rows).count("<item") == 3


async def test_what_is_over_the_bound_already_may_shrink(
    database: Database, accounts: Accounts, store: RosterStore
):
    await store.put("alice", "a@x", "y" * 200, ())
    tight = RosterStore(database, "localhost", RosterConfig(max_size=100))
    with pytest.raises(RosterFull):
        await tight.put("alice", "a@x", "y" * 201, ())
    await tight.put("alice", "a@x", "y" * 150, ())


@pytest.mark.parametrize("jid", ["nobody@localhost", "bob@elsewhere", "localhost"])
async def test_who_does_not_exist_never_answers(store: RosterStore, jid: str):
    (change,) = await store.exchange("alice", jid, Kind.SUBSCRIBE, TEXT)
    assert change.after == Contact(State.NONE_OUT, listed=True)
    assert await store.requests(jid.partition("@")[0]) == []


async def test_who_was_removed_changes_nothing(store: RosterStore):
    with pytest.raises(NoSuchAccount):
        await store.put("nobody", BOB, "", ())
    with pytest.raises(NoSuchAccount):
        await store.exchange("nobody", BOB, Kind.SUBSCRIBE, TEXT)
    assert await store.requests("bob") == []


async def test_a_roster_has_room_for_so_many(store: RosterStore):
    for name in "abc":
        await store.put("alice", f"{name}@x", "", ())
    for attempt in (
        store.put("alice", "d@x", "", ()),
        store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT),
        store.exchange("alice", BOB, Kind.SUBSCRIBED, TEXT),
    ):
        with pytest.raises(RosterFull):
            await attempt
    await store.put("alice", "c@x", "still", ())
    assert await store.exchange("alice", BOB, Kind.UNSUBSCRIBE, TEXT) == []
    assert len(await states(store, "alice")) == 3


async def test_requests_that_wait_are_bounded_and_need_no_room_in_the_roster(store: RosterStore):
    for name in "abc":
        await store.put("bob", f"{name}@x", "", ())
    for name in ("alice", "carol"):
        await store.exchange(name, BOB, Kind.SUBSCRIBE, f"<{name}/>")
    assert await store.requests("bob") == [(ALICE, "<alice/>"), ("carol@localhost", "<carol/>")]
    (change,) = await store.exchange("bob", "carol@localhost", Kind.UNSUBSCRIBE, "<x/>") or [None]
    assert change is None
    await store.exchange("alice", "carol@localhost", Kind.SUBSCRIBE, TEXT)
    small = RosterStore(store._database, "localhost", RosterConfig(max_requests=1))
    (only,) = await small.exchange("bob", "carol@localhost", Kind.SUBSCRIBE, TEXT)
    assert only.username == "bob"
    assert await store.requests("carol") == [(ALICE, TEXT)]


async def test_the_first_request_stays(store: RosterStore):
    await store.exchange("alice", BOB, Kind.SUBSCRIBE, "<first/>")
    assert await store.exchange("alice", BOB, Kind.SUBSCRIBE, "<second/>") == []
    assert await store.requests("bob") == [(ALICE, "<first/>")]


async def test_requests_survive_a_restart(lasting_url: str):
    database = await Database.open(lasting_url)
    await Accounts(database, "localhost", 4096).create_many([("alice", "x"), ("bob", "y")])
    await RosterStore(database, "localhost", RosterConfig()).exchange(
        "alice", BOB, Kind.SUBSCRIBE, TEXT
    )
    await database.close()
    database = await Database.open(lasting_url)
    try:
        store = RosterStore(database, "localhost", RosterConfig())
        assert await store.requests("bob") == [(ALICE, TEXT)]
    finally:
        await database.close()


async def test_removal_cancels_both_directions(store: RosterStore):
    await befriend(store, "alice", "bob")
    ours, *theirs = await store.remove("alice", BOB)
    assert (ours.username, ours.after, ours.item) == ("alice", NOBODY, None)
    assert [(change.username, change.kind) for change in theirs] == [
        ("bob", "unsubscribe"),
        ("bob", "unsubscribed"),
    ]
    assert await states(store, "alice") == {}
    assert await states(store, "bob") == {ALICE: Contact(State.NONE, listed=True)}


async def test_the_writes_of_an_account_take_effect_and_return_in_the_order_of_its_calls(
    store: RosterStore,
):
    """Between accounts there is no order: each has its turns, by how long its writes took."""
    done = []

    async def send(number: int, name: str, contact: str, kind: Kind) -> None:
        await store.exchange(name, f"{contact}@localhost", kind, "<x/>")
        done.append(number)

    steps = [
        ("alice", "bob", Kind.SUBSCRIBE),
        ("bob", "alice", Kind.SUBSCRIBED),
        ("bob", "alice", Kind.SUBSCRIBE),
        ("alice", "bob", Kind.SUBSCRIBED),
        ("alice", "bob", Kind.UNSUBSCRIBE),
    ]
    await asyncio.gather(*(send(number, *step) for number, step in enumerate(steps)))
    assert [number for number in done if steps[number][0] == "alice"] == [0, 3, 4]
    assert [number for number in done if steps[number][0] == "bob"] == [1, 2]
    assert (await states(store, "alice"))[BOB].state is State.FROM
    assert (await states(store, "bob"))[ALICE].state is State.TO


async def test_what_is_loaded_is_what_was_told(store: RosterStore, owners: Owners):
    """Memory comes to the same by the changes as by reading anew."""
    told = Roster()
    steps = [
        store.put("alice", "x@elsewhere", "X", ("G",)),
        store.exchange("carol", ALICE, Kind.SUBSCRIBE, TEXT),
        store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT),
        store.exchange("bob", ALICE, Kind.SUBSCRIBED, TEXT),
        store.exchange("alice", "carol@localhost", Kind.UNSUBSCRIBE, TEXT),
    ]
    for step in steps:
        for change in await step:
            if change.username == "alice":
                told.keep(change.jid, change.after, change.version)
    read = roster_of(await owners.load(ALICE))
    assert (read.contacts, read.requests, read.version) == (
        told.contacts,
        told.requests,
        told.version,
    )
    assert read.requests == {"carol@localhost"}
    assert read.contacts[BOB] == Contact(State.TO, listed=True)


async def test_an_account_without_a_roster_keeps_none_in_memory(owners: Owners):
    owner = await owners.load(ALICE)
    assert owner.parts == {}
    assert roster_of(owner).contacts == {}


async def test_an_account_that_blocked_hears_nothing(store: RosterStore, database: Database):
    async def block(connection: AsyncConnection) -> None:
        row = {"name": "bob", "jid": ALICE}
        await connection.execute(text("insert into blocked values (:name, :jid)"), row)

    await database.write(block)
    (ours,) = await store.exchange("alice", BOB, Kind.SUBSCRIBE, TEXT)
    assert ours.after == Contact(State.NONE_OUT, listed=True)
    assert await store.requests("bob") == []
    await store.exchange("bob", ALICE, Kind.SUBSCRIBE, TEXT)
    theirs, ours = (await store.exchange("alice", BOB, Kind.SUBSCRIBED, TEXT))[::-1]
    assert (theirs.username, theirs.after.state, theirs.text) == ("bob", State.TO, "")


async def test_a_removed_account_leaves_nothing_to_its_successor(
    store: RosterStore, accounts: Accounts
):
    await befriend(store, "alice", "bob")
    await store.exchange("carol", ALICE, Kind.SUBSCRIBED, TEXT)
    before, _ = await items_of(store, "bob")
    await accounts.remove("alice")
    assert sorted(await store.strays()) == ["alice"]
    assert await items_of(store, "alice") == (0, [])
    changes = await store.forget("alice", {})
    assert [(change.username, change.kind) for change in changes] == [
        ("bob", "unsubscribe"),
        ("bob", "unsubscribed"),
        ("carol", None),
    ]
    assert await store.strays() == []
    version, (item,) = await items_of(store, "bob")
    assert (version, item.contact) == (before + 2, Contact(State.NONE, listed=True))
    assert await states(store, "carol") == {ALICE: Contact(State.NONE, listed=True)}


async def test_a_successor_that_comes_before_anybody_noticed(
    store: RosterStore, accounts: Accounts
):
    await befriend(store, "alice", "bob")
    await store.exchange("alice", "carol@localhost", Kind.SUBSCRIBE, TEXT)
    await accounts.remove("alice")
    await accounts.create("alice", "new")
    assert await states(store, "bob") == {ALICE: Contact(State.NONE, listed=True)}
    assert await store.requests("carol") == []
    (change,) = await store.put("alice", BOB, "", ())
    assert change.after == Contact(State.NONE, listed=True)


async def test_who_never_existed_is_no_stray(store: RosterStore):
    for kind in (Kind.SUBSCRIBE, Kind.SUBSCRIBED):
        await store.exchange("alice", "nobody@localhost", kind, TEXT)
    await store.put("alice", "x@elsewhere", "", ())
    assert await store.strays() == []


async def test_a_large_roster(database: Database, accounts: Accounts):
    store = RosterStore(database, "localhost", RosterConfig())
    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(store.put("alice", f"c{number:04}@x", f"C {number}", ("A", "B")))
    version, items = await items_of(store, "alice")
    assert [item.jid for item in items] == [f"c{number:04}@x" for number in range(200)]

    async def load(connection: AsyncConnection) -> Effect:
        return await store.load(connection, ["alice", "bob"])

    owner = Owner(ALICE)
    (await database.read(load))(owner)
    roster = roster_of(owner)
    assert roster_of(Owner("bob@localhost")).contacts == {}
    assert (len(roster.contacts), roster.version) == (200, version)
    assert len({id(contact) for contact in roster.contacts.values()}) == 1, "kept once"
