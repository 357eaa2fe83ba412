"""Accounts that were removed, and what others keep by their names alone.

Whoever gets the name of one next must come into none of that.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import Text, column, delete, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import departed, departed_mark, note_departed, settle_departed
from andiron.domain.database.database import Database

__all__ = ["FormerAccounts", "forget_former"]

_AFFILIATED: Final = table("room_affiliations", column("jid", Text), column("affiliation", Text))
_ENTITIES: Final = table("pubsub_entities", column("jid", Text))
_BANNED: Final = "outcast"
"""Bans are of a name, whoever has it, as block lists are."""


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
            await _forget(connection, f"{username}@{domain}")


async def _forget(connection: AsyncConnection, bare: str) -> None:
    columns = _AFFILIATED.c
    mine = (columns.jid == bare, columns.affiliation != _BANNED)
    await connection.execute(delete(_AFFILIATED).where(*mine))
    # From "bare/" to "bare0", "0" being next to "/", are its full JIDs.
    jid = _ENTITIES.c.jid
    full = (jid >= f"{bare}/") & (jid < f"{bare}0")
    await connection.execute(delete(_ENTITIES).where((jid == bare) | full))
