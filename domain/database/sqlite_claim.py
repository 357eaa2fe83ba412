"""The right to serve an SQLite file: a lock on a file beside it, and one on itself.

The one beside it says who serves, and is there on every system. But it goes by
the name of the database, and whoever removes it or comes by another name (a
file of its own mounted elsewhere) finds none. So on Linux the database itself
is locked, too: one byte of it, far behind where its pages and the locks of
SQLite can be, by a lock of the open file description (fcntl(2)), which SQLite's
do not meet, nor does it end when something else closes the file, and which
works wherever SQLite's own do. flock(2) would not: on network file systems and
on BSD it is one with the locks of SQLite, which could take none beside it.

The kernel releases both with the process that holds them, however that ends,
and children that are forked do not have them. The file stays, since another
process may be about to lock it.
"""

import asyncio
import contextlib
import logging
import os
import struct
import sys
from collections.abc import Callable
from typing import Final

from andiron.domain.database.engines import SETTING, DatabaseError
from andiron.domain.database.holders import UNKNOWN, Holder, has_fellows
from andiron.sm.owned import disown, own

if sys.platform != "win32":
    import fcntl

__all__ = ["FileClaim", "NoClaim"]

logger = logging.getLogger("andiron.domain")

_SUFFIX: Final = "-lock"
_PULSE: Final = 10.0
"""Seconds between two looks at the files."""
_FAR: Final = 1 << 62
"""Which byte of a database is locked; its pages end below 2^48, SQLite's locks at 2^30."""


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
    """What two processes cannot hold, nor two applications in one.

    Neither the lock's file nor the database is removed or replaced unnoticed.
    """

    def __init__(self, path: str, lost: Callable[[str], object]) -> None:
        self.name = path
        # Whatever the way to it is called, there is one lock for one file.
        self._database = os.path.realpath(path)
        self._path = self._database + _SUFFIX
        self._lost = lost
        self._file: int | None = None
        self._within: int | None = None
        """The database, open for its lock."""
        self._keeper: asyncio.Task[None] | None = None

    async def take(self) -> Holder | None:
        """Take it; return who has it, if somebody has. Raises :class:`DatabaseError`."""
        holder = self._lock()
        if holder is not None:
            return holder
        if not self._lock_within():
            self._unlock()
            return UNKNOWN
        served = os.stat(self._database)
        self._keeper = asyncio.create_task(self._keep(served), name="database claim")
        return None

    async def release(self) -> None:
        """Let go of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        if self._within is not None:
            disown(self._within)
            _set_lock_within(self._within, locked=False)
            _close_gently(self._within)
            self._within = None
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
        own(number)
        with contextlib.suppress(OSError):  # a full disk, which is told where it matters
            os.ftruncate(number, 0)
            os.write(number, Holder.own().text().encode())
        return None

    def _unlock(self) -> None:
        if self._file is not None:
            disown(self._file)
            # A child may have been forked this moment: closing it here is not enough.
            if sys.platform != "win32":
                fcntl.flock(self._file, fcntl.LOCK_UN)
            os.close(self._file)
            self._file = None

    def _lock_within(self) -> bool:
        """Lock the database itself, where that can be done; tell whether nobody else has."""
        if sys.platform != "linux":
            return True
        try:
            number = os.open(self._database, os.O_RDWR | os.O_NOFOLLOW)
        except OSError as error:
            raise self._failure(error) from None
        try:
            _set_lock_within(number, locked=True)
        except (BlockingIOError, PermissionError):
            _close_gently(number)
            return False
        except OSError as error:
            # The one beside it must do: the file system has no such locks.
            logger.debug("%s cannot be locked itself (%s)", self.name, error.strerror)
            _close_gently(number)
            return True
        self._within = number
        own(number)
        return True

    async def _keep(self, served: os.stat_result) -> None:
        told = False
        while True:
            await asyncio.sleep(_PULSE)
            if not _is_at(self._database, served):
                self._lost(
                    f"The database {self.name} was removed or replaced while it was served, and"
                    " what is written to the former file is lost."
                )
                return
            if self._file is not None and _is_at(self._path, os.fstat(self._file)):
                continue
            if self._file is not None:
                logger.warning("%s was removed, though the database is served", self._path)
                self._unlock()
            try:
                holder = self._lock()
            except DatabaseError as error:
                # Another server may come in, where the database itself cannot be locked.
                if not told:
                    logger.error("%s", error)  # noqa: TRY400 - it is a sentence for the operator
                told = True
                continue
            told = False
            if holder is not None:
                self._lost(f"The lock of the database {self.name} is gone; {holder.refusal()}.")
                return

    def _failure(self, error: OSError) -> DatabaseError:
        return DatabaseError(
            f"The database {self.name} cannot be served, for {self._path} cannot be locked"
            f" ({error.strerror}); let {SETTING} name a file in a folder that the server may"
            " write to, on a disk of this machine"
        )


def _set_lock_within(number: int, *, locked: bool) -> None:
    if sys.platform == "linux":
        kind = fcntl.F_WRLCK if locked else fcntl.F_UNLCK
        # struct flock: type, whence, start, length, process (0 with such locks).
        lock = struct.pack("hhqqi4x", kind, os.SEEK_SET, _FAR, 1, 0)
        fcntl.fcntl(number, fcntl.F_OFD_SETLK, lock)


def _close_gently(number: int) -> None:
    """Close a descriptor of a database; where this process has it open elsewhere, leave it open.

    Closing any releases all locks of the process (not those of descriptions) on
    the file, SQLite's among them, after which another process that closes the
    database takes itself for its last user and removes its write-ahead log.
    """
    database = os.fstat(number)
    try:
        others = [int(name) for name in os.listdir("/proc/self/fd") if int(name) != number]
    except OSError:
        return
    if not any(_is_open_as(other, database) for other in others):
        os.close(number)


def _is_open_as(number: int, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), file)
    except OSError:
        return False


def _is_at(path: str, file: os.stat_result) -> bool:
    """Tell whether a file is where it was; where that cannot be known it is."""
    try:
        return os.path.samestat(os.stat(path), file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
