"""What a kind of database gives to :class:`~andiron.domain.database.database.Database`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = [
    "FAILURES",
    "SETTING",
    "DatabaseError",
    "Engines",
    "Operation",
    "Readers",
    "RefusedError",
]

T = TypeVar("T")
Operation = Callable[[AsyncConnection], Awaitable[T]]

SETTING: Final = "ANDIRON_DATABASE"
FAILURES: Final = (SQLAlchemyError, OSError)
"""What an engine raises when the database fails; time that ran out is an ``OSError``."""


_ABOUT_VALUES: Final = frozenset({"21", "22", "23", "54"})
"""The classes of SQLSTATE that speak of what was to be written, its length included."""


class DatabaseError(Exception):
    """The database cannot be used; the sentence names the setting and the remedy."""


class RefusedError(DatabaseError):
    """The database does not take what was to be written, and will not another time either."""


class Readers(Protocol):
    """Connections that read; each statement sees what was committed before it."""

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation, which waits for nothing but its connection."""
        ...

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the rows of a statement, where they can be had at once; None: by :meth:`run`."""
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
        kind = RefusedError if _is_about_values(error) else DatabaseError
        return kind(f"The database {self.name} cannot be used {self.explain(cause)}.")

    async def dispose(self) -> None:
        """Close every connection."""
        if self.readers is not None:
            await self.readers.dispose()
        await self.writer.dispose()
        await self.migrating.dispose()


def _is_about_values(error: Exception) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)  # SQLite has none.
    if state:
        return state[:2] in _ABOUT_VALUES
    return isinstance(error, DataError | IntegrityError)
