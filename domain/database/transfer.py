"""The way of everything from one database into another, such as from SQLite into PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Connection,
    TableClause,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.migrations import META

__all__ = ["copy_all"]

_CHUNK: Final = 500
"""Rows that are read, and held in memory, at a time."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Table:
    clause: TableClause
    keys: tuple[str, ...]
    """The columns that tell one row from another."""
    numbered: tuple[str, ...]
    """The columns whose values the database gives."""


def _untold(_table: str, _rows: int, _of: int) -> None:
    """Tell nobody."""


async def copy_all(
    source: Database, target: Database, progress: Callable[[str, int, int], object] = _untold
) -> int:
    """Copy all rows into a database that holds none; return how many there were.

    ``progress`` is told a table, and how many of its rows are copied, of how many.

    What every database says of itself, such as the version of its schema, is not counted.

    It is done whole or not at all. Nobody else may write to ``source`` meanwhile.
    Raises :class:`DatabaseError`.
    """

    async def operation(connection: AsyncConnection) -> int:
        tables = await connection.run_sync(_tables)
        for each in tables:
            await _refuse_rows(connection, each.clause)
        copied = 0
        for each in tables:
            count = await _copy(source, connection, each, progress)
            copied += count if each.clause.name != META.name else 0
            await _go_on_counting(connection, each)
        return copied

    return await target.write(operation)


def _tables(connection: Connection) -> list[_Table]:
    """Return all tables, those that others refer to before them."""
    inspector = inspect(connection)
    tables = []
    for name, _ in inspector.get_sorted_table_and_fkc_names():
        if name is not None:
            columns = inspector.get_columns(name)
            tables.append(
                _Table(
                    table(name, *(column(each["name"], each["type"]) for each in columns)),
                    tuple(inspector.get_pk_constraint(name)["constrained_columns"]),
                    tuple(each["name"] for each in columns if each.get("identity")),
                )
            )
    return tables


async def _refuse_rows(connection: AsyncConnection, clause: TableClause) -> None:
    if clause.name == META.name:
        await connection.execute(delete(clause))
    elif (await connection.execute(select(clause).limit(1))).first() is not None:
        raise DatabaseError(
            f"There is something in the database already (in the table {clause.name});"
            " everything can be copied only into an empty one."
        )


async def _copy(
    source: Database,
    connection: AsyncConnection,
    each: _Table,
    progress: Callable[[str, int, int], object],
) -> int:
    copied, there = 0, await _count(source, each)
    rows = await _read(source, each, None)
    while rows:
        await connection.execute(insert(each.clause), rows)
        copied += len(rows)
        progress(each.clause.name, copied, there)
        rows = await _read(source, each, rows[-1])
    return copied


async def _count(source: Database, each: _Table) -> int:
    query = select(func.count()).select_from(each.clause)

    async def operation(connection: AsyncConnection) -> int:
        return await connection.scalar(query) or 0

    return await source.read(operation)


async def _read(source: Database, each: _Table, after: Row | None) -> list[Row]:
    keys = [each.clause.c[name] for name in each.keys]
    query = select(each.clause).order_by(*keys).limit(_CHUNK)
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*(after[name] for name in each.keys)))

    async def operation(connection: AsyncConnection) -> list[Row]:
        return [dict(row) for row in (await connection.execute(query)).mappings()]

    return await source.read(operation)


async def _go_on_counting(connection: AsyncConnection, each: _Table) -> None:
    """Let the numbers that PostgreSQL gives to new rows begin after those that were copied."""
    for name in each.numbered:
        following = select(func.coalesce(func.max(each.clause.c[name]), 0) + 1).scalar_subquery()
        sequence = func.pg_get_serial_sequence(each.clause.name, name)
        await connection.execute(select(func.setval(sequence, following, text("false"))))
