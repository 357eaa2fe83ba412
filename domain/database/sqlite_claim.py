"""The right to serve an SQLite file: a lock on an empty file beside it.

The database itself cannot bear the lock: closing any file descriptor on it
would release those that SQLite holds there. The kernel releases this one with
the process that holds it, however that ends; the file stays, since another
process may be about to lock it.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from andiron.domain.database.engines import SETTING, DatabaseError
from andiron.domain.database.holders import Holder, has_fellows

if sys.platform != "win32":
    import fcntl

__all__ = ["FileClaim", "NoClaim"]

logger = logging.getLogger("andiron.domain")

_SUFFIX: Final = "-lock"
_PULSE: Final = 10.0
"""Seconds between two looks at the files."""


class NoClaim:
    """What a database in memory needs: it is its process's own."""

    name = "in memory"

    async def take(self) -> Holder | None:
        """Take it; a word to whoever thinks that several workers share it."""
        if has_fellows():
            logger.warning(
                "Each worker of this server has a database in memory of its own, and people of"
                " its own: start it with one worker (--workers 1, no WEB_CONCURRENCY)"
            )
        return None

    async def release(self) -> None:
        """Let go of it."""


class FileClaim:
    """A lock that two processes cannot hold, nor two applications in one (flock(2)).

    Neither the lock's file nor the database is removed or replaced unnoticed.
    """

    def __init__(self, path: str, lost: Callable[[str], object]) -> None:
        self.name = path
        # Whatever the way to it is called, there is one lock for one file.
        self._database = os.path.realpath(path)
        self._path = self._database + _SUFFIX
        self._lost = lost
        self._file: int | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def take(self) -> Holder | None:
        """Take it; return who has it, if somebody has. Raises :class:`DatabaseError`."""
        holder = self._lock()
        if holder is None:
            served = os.stat(self._database)
            self._keeper = asyncio.create_task(self._keep(served), name="database claim")
        return holder

    async def release(self) -> None:
        """Let go of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        self._unlock()

    def _lock(self) -> Holder | None:
        if sys.platform == "win32":
            return None
        try:
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._failure(error) from None
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = Holder.read(os.read(number, 100).decode("ascii", "replace"))
            os.close(number)
            return holder
        except OSError as error:
            os.close(number)
            raise self._failure(error) from None
        self._file = number
        with contextlib.suppress(OSError):  # a full disk, which is told where it matters
            os.ftruncate(number, 0)
            os.write(number, Holder.own().text().encode())
        return None

    def _unlock(self) -> None:
        if self._file is not None:
            # A child that was forked meanwhile has the file, too: closing it here is not enough.
            if sys.platform != "win32":
                fcntl.flock(self._file, fcntl.LOCK_UN)
            os.close(self._file)
            self._file = None

    async def _keep(self, served: os.stat_result) -> None:
        while True:
            await asyncio.sleep(_PULSE)
            if not _is_at(self._database, served):
                self._lost(
                    f"The database {self.name} was removed or replaced while it was served, and"
                    " what is written to the former file is lost."
                )
                return
            if self._file is not None and not _is_at(self._path, os.fstat(self._file)):
                logger.warning("%s was removed, though the database is served", self._path)
                self._unlock()
                if (holder := self._lock()) is not None:
                    self._lost(f"The lock of the database {self.name} is gone; {holder.refusal()}.")
                    return

    def _failure(self, error: OSError) -> DatabaseError:
        return DatabaseError(
            f"The database {self.name} cannot be served, for {self._path} cannot be locked"
            f" ({error.strerror}); let {SETTING} name a file in a folder that the server may"
            " write to, on a disk of this machine"
        )


def _is_at(path: str, file: os.stat_result) -> bool:
    """Tell whether a file is where it was; where that cannot be known it is."""
    try:
        return os.path.samestat(os.stat(path), file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
