"""Shared groups on disk, on each kind of database."""

import pytest

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.contacts.group_store import GroupStore
from andiron.domain.database.database import Database
from andiron.domain.owners import NoSuchAccount


@pytest.fixture
async def store(database: Database) -> GroupStore:
    for name in ("juliet", "nurse", "romeo"):
        await Accounts(database, "localhost").provide(name)
    return GroupStore(database)


async def test_who_is_in_a_group(store: GroupStore):
    assert await store.add("House", ["juliet", "nurse"]) == 1
    assert await store.add("House", ["juliet"]) == 2
    await store.add("Ä", ["romeo"])
    assert await store.names() == [("House", 2), ("Ä", 1)]
    assert await store.members(["House", "none"]) == {
        "House": {"juliet": "", "nurse": ""},
        "none": {},
    }
    await store.remove("House", ["juliet", "romeo"])
    await store.delete("Ä")
    assert await store.names() == [("House", 1)]
    assert await store.changes() == 5


async def test_all_are_put_in_or_none(store: GroupStore):
    with pytest.raises(NoSuchAccount, match="no account paris"):
        await store.add("House", ["juliet", "paris"])
    assert (await store.names(), await store.changes()) == ([], 0)


async def test_what_the_site_says_is_kept_beside_what_was_commanded(store: GroupStore):
    await store.add("House", ["juliet"])
    assert await store.set_said("juliet", ["House", "Friends"]) == (["Friends", "House"], 2)
    assert await store.set_said("juliet", ["Friends", "House"]) == ([], 0)
    assert await store.names() == [("Friends", 1), ("House", 1)]
    assert await store.set_said("juliet", []) == (["Friends", "House"], 3)
    assert await store.names() == [("House", 1)]


async def test_a_removed_account_is_in_no_group(store: GroupStore, database: Database):
    await store.add("House", ["juliet"])
    await Accounts(database, "localhost").remove("juliet")
    assert await store.names() == []


async def test_who_has_an_account_is_called_something(store: GroupStore):
    many = [f"user{number}" for number in range(600)]
    assert await store.called([*many, "juliet"]) == {"juliet": ""}
