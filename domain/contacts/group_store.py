"""Shared groups on disk: who is in them, by command, or by what the site says of its people."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Boolean, Text, column, delete, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import ACCOUNTS, need
from andiron.domain.database.database import Database
from andiron.domain.database.migrations import META

__all__ = ["GroupStore", "Members"]

Members = Mapping[str, str]
"""What people call each member, by username."""

_GROUPS: Final = table(
    "shared_groups", column("name", Text), column("username", Text), column("said", Boolean)
)
_SAID: Final = table("introductions", column("username", Text), column("name", Text))
_COUNT: Final = "shared_groups_changes"
_COUNTED: Final = select(META.c.value).where(META.c.key == _COUNT)
_CHUNK: Final = 500
"""Names that one query asks for, under every database's limit of parameters."""


class GroupStore:
    """The table of shared groups. Methods raise :class:`DatabaseError` when it fails.

    A group is there as long as somebody is in it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self) -> list[tuple[str, int]]:
        """Return all groups with the number of their members."""

        async def operation(connection: AsyncConnection) -> list[tuple[str, int]]:
            query = select(_GROUPS.c.name, func.count(_GROUPS.c.username.distinct()))
            rows = await connection.execute(query.group_by(_GROUPS.c.name).order_by(_GROUPS.c.name))
            return [(name, count) for name, count in rows]

        return await self._database.read(operation)

    async def groups_of(
        self, connection: AsyncConnection, usernames: Sequence[str]
    ) -> dict[str, set[str]]:
        """Return the groups that some accounts are in, within an operation of the database."""
        query = select(_GROUPS.c.username, _GROUPS.c.name)
        found: dict[str, set[str]] = {}
        for username, name in await connection.execute(
            query.where(_GROUPS.c.username.in_(usernames))
        ):
            found.setdefault(username, set()).add(name)
        return found

    async def members_of(self, connection: AsyncConnection, name: str) -> Members:
        """Return who is in a group, within an operation of the database."""
        joined = _GROUPS.outerjoin(_SAID, _SAID.c.username == _GROUPS.c.username)
        query = select(_GROUPS.c.username, _SAID.c.name).select_from(joined)
        rows = await connection.execute(query.where(_GROUPS.c.name == name))
        return {username: called or "" for username, called in rows}

    async def members(self, names: Iterable[str]) -> dict[str, Members]:
        """Return who is in some groups."""

        async def operation(connection: AsyncConnection) -> dict[str, Members]:
            return {name: await self.members_of(connection, name) for name in names}

        return await self._database.read(operation)

    async def called(self, usernames: Sequence[str]) -> dict[str, str]:
        """Return what people call those of some who have an account."""

        async def operation(connection: AsyncConnection) -> dict[str, str]:
            found: dict[str, str] = {}
            joined = ACCOUNTS.outerjoin(_SAID, _SAID.c.username == ACCOUNTS.c.username)
            query = select(ACCOUNTS.c.username, _SAID.c.name).select_from(joined)
            for first in range(0, len(usernames), _CHUNK):
                chunk = usernames[first : first + _CHUNK]
                rows = await connection.execute(query.where(ACCOUNTS.c.username.in_(chunk)))
                found |= {username: called or "" for username, called in rows}
            return found

        return await self._database.read(operation)

    async def add(self, name: str, usernames: Collection[str]) -> int:
        """Put accounts into a group, which is made where there is none.

        This and each of the following returns how often the table was changed before, and so by
        this. Raises :class:`NoSuchAccount`, and nobody is put in then.
        """

        async def operation(connection: AsyncConnection) -> int:
            for username in usernames:
                await need(connection, username)
                await _put(connection, name, username, said=False)
            return await _counted(connection)

        return await self._database.write(operation)

    async def remove(self, name: str, usernames: Collection[str]) -> int:
        """Take accounts out of a group, also those whom the site said to be in it."""

        async def operation(connection: AsyncConnection) -> int:
            for username in usernames:
                mine = (_GROUPS.c.name == name, _GROUPS.c.username == username)
                await connection.execute(delete(_GROUPS).where(*mine))
            return await _counted(connection)

        return await self._database.write(operation)

    async def delete(self, name: str) -> int:
        """Take everybody out of a group."""

        async def operation(connection: AsyncConnection) -> int:
            await connection.execute(delete(_GROUPS).where(_GROUPS.c.name == name))
            return await _counted(connection)

        return await self._database.write(operation)

    async def set_said(self, username: str, names: Collection[str]) -> tuple[list[str], int]:
        """Let an account be in those groups that the site says, and in no others that it said.

        Returns the groups that were changed besides; nothing is written where there are none.
        """

        async def said(connection: AsyncConnection) -> set[str]:
            mine = (_GROUPS.c.username == username, _GROUPS.c.said)
            return set((await connection.scalars(select(_GROUPS.c.name).where(*mine))).all())

        async def operation(connection: AsyncConnection) -> tuple[list[str], int]:
            before = await said(connection)
            for name in before.difference(names):
                gone = (_GROUPS.c.name == name, _GROUPS.c.username == username, _GROUPS.c.said)
                await connection.execute(delete(_GROUPS).where(*gone))
            for name in set(names) - before:
                await _put(connection, name, username, said=True)
            return sorted(before.symmetric_difference(names)), await _counted(connection)

        if await self._database.read(said) == set(names):
            return [], 0
        return await self._database.write(operation)

    async def changes(self) -> int:
        """Return how often the table was changed."""

        async def operation(connection: AsyncConnection) -> int:
            return int(await connection.scalar(_COUNTED) or 0)

        return await self._database.read(operation)


async def _put(connection: AsyncConnection, name: str, username: str, *, said: bool) -> None:
    row = {"name": name, "username": username, "said": said}
    mine = [_GROUPS.c[key] == value for key, value in row.items()]
    await connection.execute(delete(_GROUPS).where(*mine))
    await connection.execute(insert(_GROUPS), [row])


async def _counted(connection: AsyncConnection) -> int:
    """Count a change, so that a server which runs beside it notices; return the number."""
    count = int(await connection.scalar(_COUNTED) or 0) + 1
    await connection.execute(delete(META).where(META.c.key == _COUNT))
    await connection.execute(insert(META).values(key=_COUNT, value=str(count)))
    return count
