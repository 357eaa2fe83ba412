from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import verify_password
from andiron.domain.database import transfer
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.transfer import copy_all
from andiron.domain.messages.offline_store import OfflineStore, Waiting


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/source.db")
    await Accounts(opened, "localhost", 4096).create_many([("alice", "pencil"), ("émile", "x")])
    store = OfflineStore(opened)
    for number in range(7):
        message = Waiting(
            f"<message>{number} ü \U0001f525</message>", 1e9 + number / 8, f"{number}@x"
        )
        await store.add("alice", message)
    yield opened
    await opened.close()


async def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        tables = {each.clause.name: each.clause for each in transfer._tables(connection)}
        return {
            name: sorted(tuple(row) for row in connection.execute(select(table)))
            for name, table in tables.items()
        }

    async def operation(connection: AsyncConnection) -> dict[str, list[tuple[Any, ...]]]:
        return await connection.run_sync(read)

    return await database.read(operation)


@pytest.mark.parametrize("chunk", [1, 3, 500])
async def test_everything_is_copied_and_there_and_back_again(
    source: Database, database: Database, monkeypatch: pytest.MonkeyPatch, chunk: int
):
    monkeypatch.setattr(transfer, "_CHUNK", chunk)
    before = await everything(source)
    assert await copy_all(source, database) == sum(
        len(rows) for name, rows in before.items() if name != "andiron_meta"
    )
    assert await everything(database) == before
    back = await Database.open("sqlite://")
    await copy_all(database, back)
    assert await everything(back) == before
    await back.close()
    assert verify_password(await Accounts(database, "localhost").credentials("alice"), "pencil")


async def test_what_is_added_afterwards_comes_last(source: Database, database: Database):
    await copy_all(source, database)
    store = OfflineStore(database)
    await store.add("alice", Waiting("after", 0.0, "after@x"))
    assert [each.text for each in (await store.page("alice", 10, 1000)).messages][-2:] == [
        "<message>6 ü \U0001f525</message>",
        "after",
    ]


async def test_a_row_of_every_table_can_be_copied(source: Database, database: Database):
    def fill(connection: Connection) -> set[str]:
        values = {bool: True, int: 5, float: 0.5, bytes: b"\0", str: "é"}
        tables = [each.clause for each in transfer._tables(connection)]
        for table in tables:
            if connection.execute(select(table).limit(1)).first() is None:
                row = {column.name: values[column.type.python_type] for column in table.columns}
                for key in inspect(connection).get_foreign_keys(table.name):
                    (name,), (referred,) = key["constrained_columns"], key["referred_columns"]
                    row[name] = connection.scalar(
                        text(f"select {referred} from {key['referred_table']}")
                    )
                connection.execute(insert(table), [row])
        return {table.name for table in tables}

    async def operation(connection: AsyncConnection) -> set[str]:
        return await connection.run_sync(fill)

    tables = await source.write(operation)
    await copy_all(source, database)
    copied = await everything(database)
    assert copied == await everything(source)
    assert {name for name, rows in copied.items() if rows} == tables


async def test_nothing_is_copied_over_something(source: Database, database: Database):
    await Accounts(database, "localhost", 4096).create("bob", "y")
    before = await everything(database)
    with pytest.raises(DatabaseError, match=r"already \(in the table accounts\).*empty"):
        await copy_all(source, database)
    assert await everything(database) == before
