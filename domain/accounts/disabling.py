"""Accounts that nobody may sign in to for the time being, whatever else they have."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Text, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.lookup import ACCOUNTS
from andiron.domain.database.database import Database
from andiron.domain.owners import NoSuchAccount

__all__ = ["DisabledAccounts", "write_disabled"]

_DISABLED: Final = table("disabled_accounts", column("username", Text))
_CHUNK: Final = 500
"""Names that one query asks for, under every database's limit of parameters."""


class DisabledAccounts:
    """Which accounts are disabled. Methods raise :class:`DatabaseError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def disable(self, username: str) -> None:
        """Let nobody sign in to an account. Raises :class:`NoSuchAccount`."""

        async def operation(connection: AsyncConnection) -> None:
            query = select(ACCOUNTS.c.username).where(ACCOUNTS.c.username == username)
            if await connection.scalar(query) is None:
                raise NoSuchAccount(f"There is no account {username}.")
            await write_disabled(connection, username)

        await self._database.write(operation)

    async def enable(self, username: str) -> None:
        """Let its owner sign in to an account again. Raises :class:`NoSuchAccount`."""

        async def operation(connection: AsyncConnection) -> None:
            query = select(ACCOUNTS.c.username).where(ACCOUNTS.c.username == username)
            if await connection.scalar(query) is None:
                raise NoSuchAccount(f"There is no account {username}.")
            await connection.execute(delete(_DISABLED).where(_DISABLED.c.username == username))

        await self._database.write(operation)

    async def among(self, usernames: Sequence[str]) -> set[str]:
        """Return those of some accounts that are disabled."""

        async def operation(connection: AsyncConnection) -> set[str]:
            found: set[str] = set()
            for first in range(0, len(usernames), _CHUNK):
                chunk = usernames[first : first + _CHUNK]
                query = select(_DISABLED.c.username).where(_DISABLED.c.username.in_(chunk))
                found.update((await connection.scalars(query)).all())
            return found

        return await self._database.read(operation)


async def write_disabled(connection: AsyncConnection, username: str) -> None:
    """Disable an account that exists, within an operation of the database."""
    await connection.execute(delete(_DISABLED).where(_DISABLED.c.username == username))
    await connection.execute(insert(_DISABLED), [{"username": username}])
