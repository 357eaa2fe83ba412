"""What a kind of database gives to :class:`~andiron.domain.database.Database`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["FAILURES", "SETTING", "DatabaseError", "Engines", "Operation", "Readers"]

T = TypeVar("T")
Operation = Callable[[AsyncConnection], Awaitable[T]]

SETTING: Final = "ANDIRON_DATABASE"
FAILURES: Final = (SQLAlchemyError, OSError)
"""What an engine raises when the database fails; time that ran out is an ``OSError``."""


class DatabaseError(Exception):
    """The database cannot be used; the sentence names the setting and the remedy."""


class Readers(Protocol):
    """Connections that read; each statement sees what was committed before it."""

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation, which waits for nothing but its connection."""
        ...

    async def dispose(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Engines:
    """The ways into one database, ready for use."""

    name: str
    """What the operator calls the database, without a secret."""
    migrating: AsyncEngine
    """Begins transactions like ``writer``, for as long as a migration may take."""
    writer: AsyncEngine
    """Each transaction it begins waits for those of all other writers, in any process,
    and sees what they have committed."""
    readers: Readers | None
    """Without, reads queue with the writes."""
    explain: Callable[[BaseException], str]
    """Puts a driver's exception into words: the reason in parentheses, and the remedy."""

    def failure(self, error: Exception) -> DatabaseError:
        """Return what to tell the operator about one of :data:`FAILURES`."""
        cause = getattr(error, "orig", None) or error
        return DatabaseError(f"The database {self.name} cannot be used {self.explain(cause)}.")

    async def dispose(self) -> None:
        """Close every connection."""
        if self.readers is not None:
            await self.readers.dispose()
        await self.writer.dispose()
        await self.migrating.dispose()
