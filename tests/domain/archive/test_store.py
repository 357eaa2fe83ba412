"""The archives in the database."""

import re
from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.archive import store as archive_store
from andiron.domain.archive.ids import HIGHEST
from andiron.domain.archive.store import (
    ACCOUNTS,
    ROOMS,
    ArchiveStore,
    Filter,
    Range,
    Row,
    Withdrawal,
)
from andiron.domain.database.database import Database
from andiron.domain.database.engines import RefusedError

STORES = pytest.mark.parametrize("archives", [ACCOUNTS, ROOMS], ids=["accounts", "rooms"])
ROMEO = "romeo@localhost"


def rows(owner: str, *ids: int, peer: str = ROMEO, resource: str = "orchard") -> list[Row]:
    return [Row(owner, identity, peer, resource, f"<{identity}/>") for identity in ids]


async def ids(store: ArchiveStore, owner: str, wanted: Filter = Filter(), size: int = 100):  # noqa: B008
    return [row.id for row in await store.page(owner, wanted, size)]


@pytest.fixture
async def store(database: Database) -> ArchiveStore:
    await with_accounts(database, "juliet", "nurse")
    return ArchiveStore(database, ACCOUNTS)


async def run(query, values, connection: AsyncConnection) -> list[tuple[int | None]]:
    return [tuple(row) for row in await connection.execute(query, values)]


async def with_accounts(database: Database, *names: str) -> None:
    async def operation(connection: AsyncConnection) -> None:
        for name in names:
            statement = text("insert into accounts (username) values (:name)")
            await connection.execute(statement, {"name": name})

    await database.write(operation)


async def test_what_was_added_is_found_as_it_was(store: ArchiveStore):
    kept = rows("juliet", 1, HIGHEST)
    await store.add(kept)
    assert await store.page("juliet", Filter(), 10) == kept
    assert await store.page("juliet", Filter(), 1, backwards=True) == kept[1:]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), [1, 2, 3, 4]),
        (Filter(lowest=2), [2, 3, 4]),
        (Filter(lowest=2, highest=3), [2, 3]),
        (Filter(lowest=3, highest=2), []),
        (Filter(highest=-1), []),
        (Filter(peer=ROMEO), [1, 2]),
        (Filter(peer=ROMEO, resource="orchard"), [1]),
        (Filter(peer="Romeo@localhost"), []),
        (Filter(ids=frozenset({2, 4, 5})), [2, 4]),
        (Filter(ids=frozenset({2, 4}), peer=ROMEO, lowest=2), [2]),
        (Filter(ids=frozenset()), []),
    ],
)
async def test_filters(store: ArchiveStore, wanted: Filter, found: list[int]):
    await store.add(rows("juliet", 1) + rows("juliet", 2, resource="garden"))
    await store.add(rows("juliet", 3, 4, peer="nurse@localhost", resource=""))
    await store.add(rows("nurse", 1, 2, 3, 4, 5))
    assert await ids(store, "juliet", wanted) == found
    assert await store.count("juliet", wanted) == len(found)


async def test_too_many_are_not_counted(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive_store, "_COUNTED", 10)
    store = ArchiveStore(database, ROOMS)
    await store.add(rows("r@c", *range(10)))
    assert await store.count("r@c", Filter()) == 10
    await store.add(rows("r@c", 10))
    assert await store.count("r@c", Filter()) is None


async def test_single_messages_are_withdrawn(store: ArchiveStore):
    await store.add([*rows("juliet", 1, 2, 3), *rows("nurse", 1)])
    await store.withdraw([Withdrawal("juliet", 1), Withdrawal("juliet", 3), Withdrawal("x", 2)])
    assert await ids(store, "juliet") == [2]
    assert await ids(store, "nurse") == [1]


async def test_which_are_known(store: ArchiveStore):
    await store.add(rows("juliet", 1, 2) + rows("nurse", 3))
    assert await store.known("juliet", {1, 2, 3, 4}) == {1, 2}


async def test_the_ends_of_an_archive(store: ArchiveStore, database: Database):
    assert await store.range("juliet") is None
    await store.add(rows("juliet", 5, 7, 6) + rows("nurse", 1, 9))
    assert await store.range("juliet") == Range(5, 7)
    query = select(store.last(bindparam("owner")))
    for owner, last in (("juliet", 7), ("nobody", None)):
        found = await database.read(partial(run, query, {"owner": owner}))
        assert found == [(last,)]


@pytest.mark.parametrize("number", [1, 63, 64, 65, 192, 200])
async def test_any_number_is_added(store: ArchiveStore, number: int):
    await store.add([row for at in range(number, 0, -1) for row in rows("juliet", at)])
    assert await ids(store, "juliet", size=1000) == list(range(1, number + 1))


async def test_of_many_messages_those_of_accounts_that_are_gone_are_let_go(store: ArchiveStore):
    owners = ("juliet", "gone", "nurse")
    await store.add([row for at in range(50) for owner in owners for row in rows(owner, at)])
    for owner in ("juliet", "nurse"):
        assert await ids(store, owner) == list(range(50))


async def test_messages_of_accounts_that_are_gone_are_let_go(store: ArchiveStore):
    await store.add(rows("juliet", 1) + rows("gone", 2) + rows("nurse", 3))
    await store.add(rows("gone", 4))
    assert (await ids(store, "juliet"), await ids(store, "nurse")) == ([1], [3])
    assert await ids(store, "gone") == []


async def test_an_id_is_not_used_twice(store: ArchiveStore):
    await store.add(rows("juliet", 1))
    with pytest.raises(IntegrityError):
        await store.add(rows("juliet", 2, 1))
    assert await ids(store, "juliet") == [1]


async def test_an_account_takes_its_archive_with_it(store: ArchiveStore, database: Database):
    await store.add(rows("juliet", 1, 2) + rows("nurse", 3))
    await Accounts(database, "localhost").remove("juliet")
    assert await ids(store, "juliet") == []
    assert await ids(store, "nurse") == [3]


@STORES
async def test_an_archive_is_removed_whole(database: Database, archives):
    await with_accounts(database, "juliet", "nurse")
    store = ArchiveStore(database, archives)
    await store.add(rows("juliet", *range(1001)) + rows("nurse", 3))
    await store.remove("juliet")
    assert await ids(store, "juliet") == []
    assert await ids(store, "nurse") == [3]


@STORES
async def test_the_sweep_removes_the_oldest_of_each(database: Database, archives):
    await with_accounts(database, "juliet", "nurse", "tybalt")
    store = ArchiveStore(database, archives)
    await store.add(rows("juliet", *range(1200)) + rows("nurse", 1099, 1100))
    await store.add(rows("tybalt", 1101))
    await store.sweep(1100)
    assert await ids(store, "juliet") == list(range(1100, 1200))
    assert await ids(store, "nurse") == [1100]
    assert await ids(store, "tybalt") == [1101]


PAGES = {
    "first": (Filter(), False),
    "last": (Filter(), True),
    "after": (Filter(lowest=500), False),
    "before": (Filter(highest=500), True),
    "between": (Filter(lowest=100, highest=500), False),
    "with, first": (Filter(peer=ROMEO), False),
    "with, last": (Filter(peer=ROMEO), True),
    "with, before": (Filter(peer=ROMEO, highest=500), True),
    "with full, last": (Filter(peer=ROMEO, resource="orchard"), True),
    "ids": (Filter(ids=frozenset({1, 2, 3})), False),
}


@STORES
async def test_a_page_is_a_range_of_an_index(database: Database, archives):
    """However the messages are spread: many, few, and old ones of who asks."""
    await with_accounts(database, "juliet", "nurse")
    store = ArchiveStore(database, archives)
    await store.add(rows("juliet", *range(2000)) + rows("nurse", *range(2000, 6000)))
    await store.add(rows("juliet", 6000, peer="tybalt@localhost"))
    await database.write(lambda connection: connection.execute(text("ANALYZE")))
    for page, (wanted, backwards) in PAGES.items():
        query = store.page_query("juliet", wanted, 50, backwards=backwards)
        plan = f"{page}: {await explained(database, query)}"
        index = rf"{archives.name}_by_peer" if wanted.peer else rf"{archives.name}_pkey|autoindex"
        assert re.search(rf"(?i)(SEARCH|Index (Only )?Scan).*({index})", plan), plan
        assert not re.search(r"(?i)\bSCAN \w+ *$|Seq Scan|Rows Removed", plan), plan
        # The index has the start of a resource; the rest is looked at where that is the same.
        plan = plan.replace("Filter: (resource = ", "Recheck: ")
        if wanted.ids is None:
            assert not re.search(r"(?i)sort|TEMP B-TREE|Bitmap|Filter:", plan), plan


async def explained(database: Database, query) -> str:
    async def operation(connection: AsyncConnection) -> str:
        dialect = connection.dialect
        sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        how = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)"
        if dialect.name == "sqlite":
            how = "EXPLAIN QUERY PLAN"
        found = await connection.execute(text(f"{how} {sql.replace(':', chr(92) + ':')}"))
        return "\n".join(str(row[-1]) for row in found)

    return await database.read(operation)


async def test_what_a_database_refuses_stops_no_start(
    store: ArchiveStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    add = store.add

    async def picky(some: Sequence[Row]) -> None:
        if any(each[1] == 2 for each in some):
            raise RefusedError("Not this one.")
        await add(some)

    monkeypatch.setattr(store, "add", picky)
    await store.restore([rows("juliet", 1, 2), rows("juliet", 3)])
    assert await ids(store, "juliet") == [1, 3]
    assert "message 2 of juliet cannot be archived: Not this one." in caplog.text


async def test_what_was_left_is_restored_for_the_accounts_that_it_was_for(database: Database):
    accounts = Accounts(database, "localhost", 4096)
    await accounts.create_many([("juliet", "x"), ("nurse", "x"), ("tybalt", "x")])
    born = await accounts.births(["juliet", "nurse", "tybalt"])
    await accounts.remove("nurse")
    await accounts.provide("nurse")
    await accounts.remove("tybalt")
    store = ArchiveStore(database, ACCOUNTS)
    await store.add(rows("juliet", 1))
    left = [
        [[*rows("juliet", 1), *rows("nurse", 2)], [born["juliet"], born["nurse"]]],
        [rows("juliet", 3), [born["juliet"]]],
        [rows("tybalt", 4), [born["tybalt"]]],
        [*rows("juliet", 5), *rows("nurse", 6)],  # As earlier versions left it.
        [rows("juliet", 7), [born["juliet"]]],
        ["juliet", 7],
    ]
    await store.restore(left)
    assert await ids(store, "juliet") == [1, 3, 5]
    assert await ids(store, "nurse") == [6]
