"""Archived messages in the database: written in batches, read by page.

Every page is a range of an index, however long the archive is: by its id, or
by the correspondent and the id. The id tells the time, too (:mod:`.archive_id`).
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    TableClause,
    Text,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import births
from andiron.domain.archive.ids import HIGHEST
from andiron.domain.database.database import Database
from andiron.domain.database.engines import RefusedError
from andiron.domain.database.key_sizes import INDEXED_RESOURCE

__all__ = ["ACCOUNTS", "ROOMS", "ArchiveStore", "Filter", "Range", "Row", "Values", "Withdrawal"]

logger = logging.getLogger("andiron.domain")

_SWEPT: Final = 500
"""Rows that one transaction of the sweep removes, so that other writes need not wait long."""
_JOINED: Final = 64
"""Rows that one execution of a statement adds to SQLite."""
_COUNTED: Final = 10_000
"""How far messages are counted; more of them are too many to count for each who asks."""


def _table(name: str) -> TableClause:
    return table(
        name,
        column("owner", Text),
        column("id", BigInteger),
        column("peer", Text),
        column("resource", Text),
        column("text", Text),
    )


ACCOUNTS: Final = _table("archive")
"""The archives of accounts, by username; an account takes its own with it when it goes."""
ROOMS: Final = _table("room_archive")
"""The archives of rooms, by bare JID."""
_ACCOUNT: Final = table("accounts", column("username", Text))


class Row(NamedTuple):
    """A message as it is kept."""

    owner: str
    """Whose archive: a username, or a room's bare JID."""
    id: int
    peer: str
    """The bare JID of who sent it, or got it from the owner; in a room, the occupant's address."""
    resource: str
    """The rest of the address, empty in a room."""
    text: str


Values = tuple[str, int, str, str, str]
"""A :class:`Row`, or the same without its names: what is only written is made in an eighth of
the time, SQLite's driver takes it faster, and nothing looks for cycles in it."""


class Withdrawal(NamedTuple):
    """A message that is to be kept no more."""

    owner: str
    id: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages of an archive are meant."""

    lowest: int = 0
    """The least id."""
    highest: int = HIGHEST
    """The greatest id."""
    peer: str = ""
    """The bare JID of the correspondent; empty: anybody."""
    resource: str = ""
    """The correspondent's resource; empty: any."""
    ids: frozenset[int] | None = None
    """The very messages, and no others; None: all."""


@dataclass(frozen=True, slots=True)
class Range:
    """The first and the last id of an archive."""

    first: int
    last: int


class ArchiveStore:
    """The archives of all accounts, or of all rooms. Methods raise :class:`DatabaseError`."""

    def __init__(self, database: Database, archives: TableClause) -> None:
        """Take which archives it is for: :data:`ACCOUNTS` or :data:`ROOMS`."""
        self._database = database
        self._table = archives
        self._insertion = ""
        """The statement that adds a row, once it is known for which engine."""
        self._joined_insertion = ""
        """The one that adds :data:`_JOINED` at once."""
        # What the index by correspondent begins with. To say instead whose archive it is
        # would lead PostgreSQL to the other index, to pass over all other conversations.
        self._conversation: ColumnElement[str] = literal_column("(owner || ' ' || peer)", Text)
        # What the same index has of a resource, in its own words, too.
        start = f"substr(resource, 1, {INDEXED_RESOURCE})"
        self._start: ColumnElement[str] = literal_column(start, Text)

    async def add(self, rows: Sequence[Values], but: Collection[str] = ()) -> None:
        """Keep messages, all or none; those of accounts that are gone are let go.

        So are those of archives that are among ``but`` when they are written.
        """

        def wanted() -> Sequence[Values]:
            return [row for row in rows if row[0] not in but] if but else rows

        try:
            await self._database.write(lambda connection: self._insert(connection, wanted()))
        except IntegrityError:
            await self._database.write(lambda connection: self._insert_owned(connection, wanted()))

    async def restore(self, left: Iterable[Sequence[Any]]) -> None:
        """Keep and withdraw what a process that ended had yet to: of messages, or withdrawals.

        Messages are their rows, and what tells the account of each from others of its name;
        earlier versions left the rows alone. What it did already is not done again, nor what
        was for accounts that are gone.
        """
        rows = dict[tuple[str, int], Values]()
        born = dict[tuple[str, int], str]()
        gone = list[Withdrawal]()
        for each in left:
            if each and isinstance(each[0], str):
                gone.append(Withdrawal(*each))
                rows.pop(gone[-1], None)
                continue
            some, births_of = each if each and _is_rows(each[0]) else (each, ())
            keys = [(row[0], row[1]) for row in some]
            rows |= {key: tuple(row) for key, row in zip(keys, some, strict=True)}
            born |= dict(zip(keys, births_of, strict=False))
        there = await self._births({owner for owner, _ in born})
        for key in born.keys() & rows.keys():
            if there.get(key[0]) != born[key]:
                del rows[key]
        for owner in {owner for owner, _ in rows}:
            ids = [identity for each, identity in rows if each == owner]
            for identity in await self.known(owner, ids):
                del rows[owner, identity]
        await self._add_what_can_be(list(rows.values()))
        if gone:
            await self.withdraw(gone)

    async def _add_what_can_be(self, rows: Sequence[Values]) -> None:
        """Keep messages, but for those that the database does not take: they stop no start."""
        try:
            if rows:
                await self.add(rows)
        except RefusedError as error:
            if len(rows) == 1:
                owner, identity, *_ = rows[0]
                logger.error("message %d of %s cannot be archived: %s", identity, owner, error)  # noqa: TRY400
                return
            middle = len(rows) // 2
            await self._add_what_can_be(rows[:middle])
            await self._add_what_can_be(rows[middle:])

    async def _births(self, usernames: Collection[str]) -> Mapping[str, str]:
        names = sorted(usernames)
        return await self._database.read(lambda connection: births(connection, names))

    async def withdraw(self, withdrawals: Sequence[Withdrawal]) -> None:
        """Remove single messages, all or none."""
        columns = self._table.c
        statements = [
            delete(self._table).where(columns.owner == each.owner, columns.id == each.id)
            for each in withdrawals
        ]

        async def operation(connection: AsyncConnection) -> None:
            for statement in statements:
                await connection.execute(statement)

        await self._database.write(operation)

    async def page(
        self, owner: str, wanted: Filter, size: int, *, backwards: bool = False
    ) -> list[Row]:
        """Return the first, or the last, messages, in the order in which they were found."""
        query = self.page_query(owner, wanted, size, backwards=backwards)

        async def operation(connection: AsyncConnection) -> list[Row]:
            return [Row._make(row) for row in await connection.execute(query)]

        return await self._database.read(operation)

    def page_query(
        self, owner: str, wanted: Filter, size: int, *, backwards: bool = False
    ) -> Select[Any]:
        """Return the statement behind :meth:`page`."""
        columns = self._table.c
        order = columns.id.desc() if backwards else columns.id
        query = select(columns.owner, columns.id, columns.peer, columns.resource, columns.text)
        return query.where(*self._conditions(owner, wanted)).order_by(order).limit(size)

    async def count(self, owner: str, wanted: Filter) -> int | None:
        """Return how many messages there are, or None where they are too many to count."""
        some = select(self._table.c.id).where(*self._conditions(owner, wanted))
        query = select(func.count()).select_from(some.limit(_COUNTED + 1).subquery())

        async def operation(connection: AsyncConnection) -> int:
            return await connection.scalar(query) or 0

        found = await self._database.read(operation)
        return None if found > _COUNTED else found

    async def known(self, owner: str, ids: Iterable[int]) -> set[int]:
        """Return those of the ids that are in the archive."""
        columns = self._table.c
        query = select(columns.id).where(columns.owner == owner, columns.id.in_(list(ids)))

        async def operation(connection: AsyncConnection) -> set[int]:
            return set(await connection.scalars(query))

        return await self._database.read(operation)

    async def range(self, owner: str, highest: int = HIGHEST) -> Range | None:
        """Return the ends of an archive up to an id, None where there is nothing."""
        columns = self._table.c

        async def operation(connection: AsyncConnection) -> Range | None:
            upto = columns.id <= highest
            first = await connection.scalar(self._end(func.min(columns.id), owner).where(upto))
            last = await connection.scalar(self._end(func.max(columns.id), owner).where(upto))
            return None if first is None or last is None else Range(first, last)

        return await self._database.read(operation)

    def last(self, owner: ColumnElement[str]) -> ColumnElement[Any]:
        """Return a subquery for the greatest id of a column's archive, NULL for an empty one."""
        return self._end(func.max(self._table.c.id), owner).scalar_subquery()

    async def remove(self, owner: str) -> None:
        """Remove an archive, a part at a time."""
        await self.remove_through(owner, HIGHEST)

    async def sweep(self, lowest: int) -> None:
        """Remove all messages with an id below ``lowest``, a part at a time."""
        async for owner in self.owners():
            await self.remove_through(owner, lowest - 1)

    async def sizes(self, owner: str, above: int) -> list[tuple[int, int]]:
        """Return some of an archive's messages from an id on, each with the bytes of its text."""
        columns = self._table.c

        async def operation(connection: AsyncConnection) -> list[tuple[int, int]]:
            is_sqlite = connection.dialect.name == "sqlite"
            size = (
                func.length(cast(columns.text, LargeBinary))
                if is_sqlite
                else func.octet_length(columns.text)
            )
            query = select(columns.id, size).where(columns.owner == owner, columns.id > above)
            found = await connection.execute(query.order_by(columns.id).limit(_SWEPT))
            return [(identity, length) for identity, length in found]

        return await self._database.read(operation)

    async def remove_through(self, owner: str, highest: int) -> None:
        """Remove an archive's messages up to an id, a part at a time."""
        while await self._remove_below(owner, highest):
            pass

    async def _remove_below(self, owner: str, highest: int) -> bool:
        """Remove some of an archive's oldest messages; tell whether there may be more."""
        columns = self._table.c
        old = select(columns.id).where(*self._conditions(owner, Filter(highest=highest)))
        oldest = old.order_by(columns.id).limit(_SWEPT)

        async def find(connection: AsyncConnection) -> list[int]:
            return list(await connection.scalars(oldest))

        found = await self._database.read(find)
        if not found:
            return False
        statement = delete(self._table).where(
            columns.owner == owner, columns.id >= found[0], columns.id <= found[-1]
        )

        async def operation(connection: AsyncConnection) -> None:
            await connection.execute(statement)

        await self._database.write(operation)
        return len(found) == _SWEPT

    async def owners(self) -> AsyncIterator[str]:
        """Yield the name of every archive in which something is, in the order of the index."""
        owner = await self._following("")
        while owner is not None:
            yield owner
            owner = await self._following(owner)

    async def _following(self, owner: str) -> str | None:
        query = select(func.min(self._table.c.owner)).where(self._table.c.owner > owner)

        async def operation(connection: AsyncConnection) -> str | None:
            found: str | None = await connection.scalar(query)
            return found

        return await self._database.read(operation)

    def _end(self, end: ColumnElement[Any], owner: str | ColumnElement[str]) -> Select[Any]:
        return select(end).where(self._table.c.owner == owner)

    def _conditions(self, owner: str, wanted: Filter) -> list[ColumnElement[bool]]:
        columns = self._table.c
        conditions = [columns.id >= wanted.lowest, columns.id <= wanted.highest]
        if wanted.peer:
            conditions.append(self._conversation == f"{owner} {wanted.peer}")
        else:
            conditions.append(columns.owner == owner)
        if wanted.resource:
            conditions.append(self._start == wanted.resource[:INDEXED_RESOURCE])
            conditions.append(columns.resource == wanted.resource)
        if wanted.ids is not None:
            conditions.append(columns.id.in_(sorted(wanted.ids)))
        return conditions

    async def _insert(self, connection: AsyncConnection, rows: Sequence[Values]) -> None:
        await connection.run_sync(self._insert_many, list(rows))

    def _insert_many(self, connection: Connection, rows: list[Values]) -> None:
        # The rows are tuples in the order of the columns already: past SQLAlchemy they cost
        # a fifth less. In the order of the indexes they find the pages at hand that those
        # before them needed, which saves SQLite a tenth.
        rows.sort()
        if not self._insertion:
            names = list(Row._fields)
            statement = insert(self._table).compile(dialect=connection.dialect, column_keys=names)
            self._insertion = str(statement)
            head, _, values = self._insertion.rpartition(" VALUES ")
            self._joined_insertion = f"{head} VALUES {', '.join([values] * _JOINED)}"
        rest = 0
        if connection.dialect.name == "sqlite":
            # Its driver gives the interpreter lock away for each execution, and may have to wait
            # for it as long as the event loop is busy.
            rest = len(rows) - len(rows) % _JOINED
            starts = range(0, rest, _JOINED)
            joined = [tuple(chain.from_iterable(rows[at : at + _JOINED])) for at in starts]
            if joined:
                connection.exec_driver_sql(self._joined_insertion, joined)
        if rest < len(rows):
            connection.exec_driver_sql(self._insertion, rows[rest:])

    async def _insert_owned(self, connection: AsyncConnection, rows: Sequence[Values]) -> None:
        owners = {row[0] for row in rows}
        here = select(_ACCOUNT.c.username).where(_ACCOUNT.c.username.in_(owners))
        known = set(await connection.scalars(here))
        owned = [row for row in rows if row[0] in known]
        if owned:
            await self._insert(connection, owned)


def _is_rows(part: Sequence[Any]) -> bool:
    """Tell whether the first part of what was left is rows, or a row."""
    return not part or not isinstance(part[0], str)
