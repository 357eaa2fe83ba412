"""Removing an account leaves nothing of it, in whatever table: read from the schema itself."""

import pytest
from sqlalchemy import (
    Boolean,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from support.domains import Stage

from andiron.domain.accounts.accounts import Accounts

# The index of conversations is an expression; nothing here asks for it.
pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")

OWNERS = {"username", "owner"}
"""What columns are called that say whose a row is."""
NOT_ACCOUNTS = {("room_archive", "owner")}
"""Columns of those names that hold something else: here a room's address."""


def owned(connection):
    """Return the tables with rows of accounts, each with the column that says so."""
    metadata = MetaData()
    metadata.reflect(connection)
    found = [
        (each, column.name)
        for each in metadata.sorted_tables
        for column in each.columns
        if column.name in OWNERS and (each.name, column.name) not in NOT_ACCOUNTS
    ]
    return metadata, found


def value(column, username):
    if column.name in OWNERS:
        return username
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, LargeBinary):
        return b"x"
    if isinstance(column.type, Integer | Float):
        return 1
    return f"{username}'s"


def put(connection, each: Table, username: str, seen: set[str]) -> None:
    """Insert a row of an account, and before it those of other tables that it refers to."""
    row = {column.name: value(column, username) for column in each.columns}
    for column in each.columns:
        for key in column.foreign_keys:
            target = key.column
            if target.table.name != "accounts":
                if target.table.name not in seen:
                    put(connection, target.table, username, seen)
                row[column.name] = connection.scalar(select(target).limit(1))
    if each.name in seen:
        return
    seen.add(each.name)
    connection.execute(insert(each).values(row))


def count(connection, each, username):
    """Return how many rows mention an account in any of their columns of text."""
    columns = [column for column in each.columns if isinstance(column.type, Text)]
    return sum(
        any(username in str(field) for field in row)
        for row in connection.execute(select(*columns) if columns else text("select 1 where 1=0"))
    )


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


def fill(stage, username):
    with stage.database.engine.begin() as connection:
        metadata, tables = owned(connection)
        seen = {"accounts"}
        for each, _ in tables:
            if each.name not in seen:
                put(connection, each, username, seen)
        # What hangs on an account's rows without naming it: a node's items.
        for each in metadata.sorted_tables:
            if each.name not in seen and each.foreign_keys:
                put(connection, each, username, seen)
        return metadata, seen


def left(stage, metadata, seen, username):
    with stage.database.engine.begin() as connection:
        return {
            name: rows
            for name in seen - {"rooms"}
            if (rows := count(connection, metadata.tables[name], username))
        }


@pytest.mark.parametrize("way", ["domain", "accounts"])
async def test_no_table_keeps_anything(stage, way):
    stage.add_account("mercutio")
    metadata, seen = fill(stage, "mercutio")
    assert {"archive", "contacts", "uploads", "pubsub_items", "offline_messages"} <= seen
    assert left(stage, metadata, seen, "mercutio").keys() >= {"archive", "contacts", "uploads"}
    if way == "domain":
        await stage.domain.remove_account("mercutio")
    else:
        await Accounts(stage.database, "localhost").remove("mercutio")
    assert left(stage, metadata, seen, "mercutio") == {}


def test_every_column_that_names_an_account_refers_to_it(stage):
    with stage.database.engine.begin() as connection:
        inspector = inspect(connection)
        for each, column in owned(connection)[1]:
            if each.name == "accounts":
                continue
            referring = [
                key
                for key in inspector.get_foreign_keys(each.name)
                if key["constrained_columns"] == [column]
            ]
            assert [key["referred_table"] for key in referring] == ["accounts"], each.name
            assert referring[0]["options"] == {"ondelete": "CASCADE"}, each.name


def test_a_table_that_does_not_refer_to_accounts_would_be_found(stage):
    with stage.database.engine.begin() as connection:
        connection.execute(text("create table forgotten (username text)"))
        names = {each.name for each, _ in owned(connection)[1]}
        assert "forgotten" in names
        assert not inspect(connection).get_foreign_keys("forgotten")


async def test_nothing_can_be_kept_for_who_is_gone(stage):
    stage.add_account("mercutio")
    await stage.domain.remove_account("mercutio")
    with pytest.raises(IntegrityError), stage.database.engine.begin() as connection:
        connection.execute(text("insert into blocked (username, jid) values ('mercutio', 'a@b')"))
