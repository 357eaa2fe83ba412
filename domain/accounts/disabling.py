"""Accounts that nobody may sign in to for the time being, whatever else they have."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Text, bindparam, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import ACCOUNTS, among, need
from andiron.domain.database.database import Database

__all__ = ["DisabledAccounts", "write_disabled"]

_DISABLED: Final = table("disabled_accounts", column("username", Text))
# Made once: every sign-in reads it.
_READ: Final = (
    select(ACCOUNTS.c.born, _DISABLED.c.username)
    .select_from(ACCOUNTS.outerjoin(_DISABLED, _DISABLED.c.username == ACCOUNTS.c.username))
    .where(ACCOUNTS.c.username == bindparam("username", type_=Text()))
)


class DisabledAccounts:
    """Which accounts are disabled. Methods raise :class:`DatabaseError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0
        """How often one was disabled here: who has looked before another count looks again."""

    async def disable(self, username: str) -> None:
        """Let nobody sign in to an account. Raises :class:`NoSuchAccount`.

        Its sessions are to be ended next, without a pause: who is signing in meanwhile finds out.
        """

        async def operation(connection: AsyncConnection) -> None:
            await need(connection, username)
            await write_disabled(connection, username)

        await self._database.write(operation, username)
        self.count += 1

    async def enable(self, username: str) -> None:
        """Let its owner sign in to an account again. Raises :class:`NoSuchAccount`."""

        async def operation(connection: AsyncConnection) -> None:
            await need(connection, username)
            await connection.execute(delete(_DISABLED).where(_DISABLED.c.username == username))

        await self._database.write(operation, username)

    async def read(self, username: str) -> tuple[str | None, bool]:
        """Return what tells an account from others of its name, and whether it is disabled.

        The former is None where there is no account.
        """
        rows = await self._database.look_up(_READ, {"username": username})
        born, disabled = rows[0] if rows else (None, None)
        return born, disabled is not None

    async def names(self) -> list[str]:
        """Return the usernames of all that are disabled, in order."""

        async def operation(connection: AsyncConnection) -> Sequence[str]:
            query = select(_DISABLED.c.username).order_by(_DISABLED.c.username)
            return (await connection.scalars(query)).all()

        return list(await self._database.read(operation))

    async def among(self, usernames: Sequence[str]) -> set[str]:
        """Return those of some accounts that are disabled."""
        return await self._database.read(
            lambda connection: among(connection, _DISABLED.c.username, usernames)
        )


async def write_disabled(connection: AsyncConnection, username: str) -> None:
    """Disable an account that exists, within an operation of the database."""
    await connection.execute(delete(_DISABLED).where(_DISABLED.c.username == username))
    await connection.execute(insert(_DISABLED), [{"username": username}])
