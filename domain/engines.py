"""What a kind of database gives to :class:`~andiron.domain.database.Database`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["FAILURES", "SETTING", "DatabaseError", "Engines"]

SETTING: Final = "ANDIRON_DATABASE"
FAILURES: Final = (SQLAlchemyError, OSError)
"""What an engine raises when the database fails; time that ran out is an ``OSError``."""


class DatabaseError(Exception):
    """The database cannot be used; the sentence names the setting and the remedy."""


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
    readers: AsyncEngine | None
    """Each statement sees what was committed before it; without, reads queue with the writes."""
    explain: Callable[[BaseException], str]
    """Puts a driver's exception into words: the reason in parentheses, and the remedy."""

    is_passing: Callable[[Exception], bool]
    """Tells whether one of :data:`FAILURES` may not occur again at once."""

    def failure(self, error: Exception) -> DatabaseError:
        """Return what to tell the operator about one of :data:`FAILURES`."""
        cause = getattr(error, "orig", None) or error
        return DatabaseError(f"The database {self.name} cannot be used {self.explain(cause)}.")

    async def dispose(self) -> None:
        """Close every connection."""
        for engine in (self.migrating, self.writer, self.readers):
            if engine is not None:
                await engine.dispose()
