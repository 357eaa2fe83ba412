import asyncio
from pathlib import Path

import pytest

from andiron.domain import account_rows
from andiron.domain.accounts import accounts as module
from andiron.domain.accounts.accounts import (
    AccountExists,
    Accounts,
    InvalidName,
    InvalidPassword,
    NoSuchAccount,
)
from andiron.domain.accounts.credentials import MECHANISMS, verify_password
from andiron.domain.database.database import Database
from andiron.domain.messages.offline_store import OfflineStore, Waiting

ROUNDS = 4096


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, "localhost", ROUNDS)


async def test_an_account_is_made_changed_and_removed(accounts: Accounts):
    assert await accounts.create("Alice", "pencil") == "alice"
    assert await accounts.exists("alice")
    assert verify_password(await accounts.credentials("alice"), "pencil")

    await accounts.set_password("ALICE", "crayon")
    changed = await accounts.credentials("alice")
    assert not verify_password(changed, "pencil")
    assert verify_password(changed, "crayon")

    await accounts.remove("alice")
    assert not await accounts.exists("alice")
    assert not verify_password(await accounts.credentials("alice"), "crayon")
    assert await accounts.names() == []


async def test_names_come_in_order(accounts: Accounts):
    assert await accounts.create_many([("carol", "x"), ("Bob", "y")]) == ["carol", "bob"]
    await accounts.create("dave", "z")
    assert await accounts.names() == ["bob", "carol", "dave"]
    assert verify_password(await accounts.credentials("bob"), "y")


async def test_the_order_is_that_of_the_letters_numbers(accounts: Accounts):
    names = ["ab", "a-c", "a_a", "zoe", "émile", "a.b", "\U00010330x", "\u0561"]
    made = await accounts.create_many((name, "x") for name in names)
    assert await accounts.names() == sorted(made)
    assert sorted(made) == sorted(made, key=str.encode)


async def test_making_no_accounts_is_no_error(accounts: Accounts):
    assert await accounts.create_many([]) == []


@pytest.mark.parametrize(
    ("batch", "error", "sentence"),
    [
        ([("new", "x"), ("alice", "y")], AccountExists, "an account alice already"),
        ([("new", "x"), ("ALICE", "y")], AccountExists, "an account alice already"),
        ([("new", "x"), ("New", "y")], AccountExists, "new is named twice"),
        ([("new", "x"), ("", "y")], InvalidName, "cannot be the name"),
        ([("new", "x"), ("bob@localhost", "y")], InvalidName, "cannot be the name"),
        ([("new", "x"), ("bob/phone", "y")], InvalidName, "cannot be the name"),
        ([("new", "x"), ("two words", "y")], InvalidName, "'two words' cannot be the name"),
        ([("new", "x"), ("b" * 1024, "y")], InvalidName, "longer than 1023"),
        ([("new", "x"), ("b" * 254 + "ü", "y")], InvalidName, "longer than 255 bytes"),
        ([("new", "x"), ("bob", "")], InvalidPassword, "for bob .* cannot be empty"),
        ([("new", "x"), ("bob", "\x07")], InvalidPassword, "for bob .* control characters"),
    ],
)
async def test_all_of_a_batch_or_none(
    accounts: Accounts, batch: list[tuple[str, str]], error: type[Exception], sentence: str
):
    await accounts.create("alice", "pencil")
    with pytest.raises(error, match=sentence):
        await accounts.create_many(batch)
    assert await accounts.names() == ["alice"]
    assert verify_password(await accounts.credentials("alice"), "pencil")


async def test_an_import_of_more_names_than_one_query_asks_for(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(account_rows, "_CHUNK", 3)
    await accounts.create_many((f"user{number}", "x") for number in range(8))
    with pytest.raises(AccountExists, match="user7"):
        await accounts.create_many((f"user{number}", "x") for number in range(14, 6, -1))
    assert len(await accounts.names()) == 8


async def test_only_what_exists_can_be_changed(accounts: Accounts):
    with pytest.raises(NoSuchAccount, match="no account bob"):
        await accounts.set_password("bob", "x")
    with pytest.raises(NoSuchAccount, match="no account bob"):
        await accounts.remove("bob")
    with pytest.raises(InvalidName):
        await accounts.remove("b b")
    await accounts.create("bob", "x")
    with pytest.raises(InvalidPassword):
        await accounts.set_password("bob", "")
    assert verify_password(await accounts.credentials("bob"), "x")


async def test_of_two_who_want_a_name_one_gets_it(accounts: Accounts):
    outcomes = await asyncio.gather(
        accounts.create("alice", "x"), accounts.create("alice", "y"), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AccountExists", "str"]


async def test_what_is_stored_for_an_account_goes_with_it(accounts: Accounts, database: Database):
    store = OfflineStore(database)
    await accounts.create_many([("alice", "x"), ("bob", "y")])
    await store.add("alice", Waiting("<message/>", 1.0))
    await store.add("bob", Waiting("<message/>", 1.0))
    await accounts.remove("alice")
    await accounts.create("alice", "new owner")
    assert await store.count("alice") == 0
    assert await store.count("bob") == 1


async def test_known_accounts_are_remembered_within_a_bound(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_KNOWN", 2)
    names = await accounts.create_many((f"user{number}", "x") for number in range(3))
    asked = 0
    read = database.read

    async def count(operation):
        nonlocal asked
        asked += 1
        return await read(operation)

    monkeypatch.setattr(database, "read", count)
    for name in [names[0], names[0], names[1], names[0], names[2], names[0], "nobody", "nobody"]:
        assert await accounts.exists(name) is (name != "nobody")
    assert asked == 5
    assert await accounts.exists(names[1])
    assert asked == 6


async def test_whether_there_is_an_account_is_read_with_whether_it_is_disabled(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
):
    await accounts.create_many([("alice", "x"), ("bob", "x")])
    await accounts.disabled.disable("bob")
    born = await accounts.births(["alice", "bob"])
    assert [await accounts.standing(name) for name in ("alice", "bob", "nobody")] == [
        (born["alice"], False),
        (born["bob"], True),
        (None, False),
    ]
    assert not await accounts.exists("nobody")
    monkeypatch.setattr(database, "read", None)
    assert await accounts.exists("alice")
    assert await accounts.exists("bob")


async def test_a_decoy_stays_the_same_over_a_restart(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    seen = []
    for _ in range(2):
        database = await Database.open(url)
        seen.append(await Accounts(database, "localhost", ROUNDS).credentials("nobody"))
        await database.close()
    assert seen[0] == seen[1]


async def test_each_database_has_decoys_of_its_own(accounts: Accounts):
    other = await Database.open("sqlite://")
    elsewhere = await Accounts(other, "localhost", ROUNDS).credentials("nobody")
    await other.close()
    assert (await accounts.credentials("nobody")).keys["SCRAM-SHA-1"].salt != elsewhere.keys[
        "SCRAM-SHA-1"
    ].salt


async def test_decoys_have_the_iterations_that_accounts_have(database: Database):
    await Accounts(database, "localhost", 4096).create("old", "x")
    accounts = Accounts(database, "localhost", 5000)

    async def iterations(name: str) -> int:
        keys = (await accounts.credentials(name)).keys
        assert set(keys) == set(MECHANISMS)
        assert len({key.iterations for key in keys.values()}) == 1
        return keys["SCRAM-SHA-1"].iterations

    names = [f"nobody{number}" for number in range(40)]
    assert {await iterations(name) for name in names} == {4096}
    await accounts.create("new", "x")
    assert {await iterations(name) for name in names} == {4096, 5000}
    assert await iterations("old") == 4096
    assert await iterations("new") == 5000


@pytest.mark.parametrize("rounds", [0, 4095, 10_000_001])
async def test_iterations_out_of_bounds_are_refused(rounds: int, database: Database):
    with pytest.raises(ValueError, match="iterations must be between"):
        Accounts(database, "localhost", rounds)
