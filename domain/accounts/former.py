"""Accounts that were removed, and what others keep by their names alone.

Whoever gets the name of one next must come into none of that.
"""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import departed, departed_mark, note_departed, settle_departed
from andiron.domain.by_name import forget_affiliations, forget_entity
from andiron.domain.database.database import Database

__all__ = ["FormerAccounts", "forget_former"]


class FormerAccounts:
    """The marks of removed accounts. Methods raise :class:`DatabaseError` when that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def marks(self) -> Mapping[str, str]:
        """Return all marks by username."""
        return await self._database.read(departed)

    async def mark(self, username: str) -> str | None:
        """Return the mark of one; a later account of the name leaves another."""
        return await self._database.read(lambda connection: departed_mark(connection, username))

    async def note(self, usernames: Collection[str]) -> None:
        """Leave marks of accounts that were removed without."""
        await self._database.write(lambda connection: note_departed(connection, usernames))

    async def settle(self, username: str, mark: str) -> None:
        """Take a mark away: nothing of the account is left."""
        await self._database.write(lambda connection: settle_departed(connection, username, mark))


async def forget_former(connection: AsyncConnection, usernames: Sequence[str], domain: str) -> None:
    """Let accounts that are made come into no room or node that was for former ones.

    Within the write that makes them. What was granted to a name that no account has had
    stays: it is meant for whoever is to get it. Of rosters see :func:`forget_all`.
    """
    marks = await departed(connection)
    for username in usernames:
        if username in marks:
            await forget_affiliations(connection, f"{username}@{domain}")
            await forget_entity(connection, f"{username}@{domain}")
