"""Messages that wait for their account to come online (RFC 6121 section 8.5.2.2, XEP-0160)."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Double, Integer, Text, column, delete, func, insert, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database
from andiron.domain.owners import NoSuchAccount

__all__ = ["OfflineFull", "OfflineStore", "StoredMessage"]

_MESSAGES: Final = table(
    "offline_messages",
    column("id", Integer),
    column("username", Text),
    column("stamp", Double),
    column("text", Text),
)


class OfflineFull(Exception):  # noqa: N818
    """As many messages wait for the account as may; the sender must be told."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it was accepted, and when, in Unix seconds."""

    text: str
    stamp: float


class OfflineStore:
    """The waiting messages of all accounts.

    Calls for one account take effect in the order in which they were made.
    Every method raises :class:`DatabaseError` when the database fails.
    """

    def __init__(self, database: Database, limit_per_account: int = 1000) -> None:
        self._database = database
        self._limit = limit_per_account

    async def add(self, username: str, text: str, stamp: float) -> None:
        """Keep a message accepted at ``stamp``; when this returns, it survives a crash.

        Raises :class:`OfflineFull`, or :class:`NoSuchAccount` where the account is gone.
        """

        async def operation(connection: AsyncConnection) -> bool:
            if await _count(connection, username) >= self._limit:
                return False
            await connection.execute(
                insert(_MESSAGES).values(username=username, stamp=stamp, text=text)
            )
            return True

        try:
            stored = await self._database.write(operation)
        except IntegrityError:
            raise NoSuchAccount(f"There is no account {username}.") from None
        if not stored:
            raise OfflineFull(f"{self._limit} messages wait for {username} already.")

    async def take(self, username: str) -> list[StoredMessage]:
        """Remove all messages of an account and return them, in the order they were added.

        The caller owns them then. Shield the call from cancellation, which
        would lose them if it came during the commit.
        """

        async def operation(connection: AsyncConnection) -> list[StoredMessage]:
            mine = _MESSAGES.c.username == username
            query = select(_MESSAGES.c.text, _MESSAGES.c.stamp).where(mine)
            rows = await connection.execute(query.order_by(_MESSAGES.c.id))
            messages = [StoredMessage(text, stamp) for text, stamp in rows]
            if messages:
                await connection.execute(delete(_MESSAGES).where(mine))
            return messages

        return await self._database.write(operation)

    async def count(self, username: str) -> int:
        """Return how many messages wait for an account."""

        async def operation(connection: AsyncConnection) -> int:
            return await _count(connection, username)

        return await self._database.read(operation)


async def _count(connection: AsyncConnection, username: str) -> int:
    query = select(func.count()).where(_MESSAGES.c.username == username)
    return await connection.scalar(query) or 0
