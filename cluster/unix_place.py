"""A place on one machine: a socket file, and a lock beside it that the kernel keeps.

The lock (flock(2)) ends with its process, however that ends, and with nothing else: children that
are forked do not have it. Its file stays, since another process may be about to lock it.
"""

import asyncio
import contextlib
import errno
import logging
import math
import os
import socket
import stat
import struct
import sys
from typing import Final, cast

from andiron.cluster.place import Connect, PlaceError
from andiron.sm.owned import disown, own

if sys.platform != "win32":
    import fcntl

__all__ = ["LONGEST", "UnixPlace"]

logger = logging.getLogger("andiron")

LONGEST: Final = 107
"""Bytes of a socket's path: the kernel takes no more."""
_SUFFIX: Final = ".lock"
_BACKLOG: Final = 128
_LOOK: Final = 0.1
"""Seconds between two looks whether there is a home: a lock tells nobody that it is free."""
_PULSE: Final = 5.0
"""Seconds between two looks whether the lock and the socket file are still there."""
_CREDENTIALS: Final = struct.Struct("3i")
_NOBODY: Final = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN})
"""Errors of a socket behind which nobody is, or nobody has room."""


class UnixPlace:
    """The place at the absolute ``path`` of a socket file."""

    patience: Final = math.inf
    """The kernel gives the lock of a process that lives to nobody else."""
    early: Final = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock: int | None = None
        self._server: asyncio.Server | None = None
        self._file: os.stat_result | None = None
        """The socket file that this process has made."""
        self._watching: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise :class:`PlaceError` where a look tells that it cannot be used."""
        folder = os.path.dirname(self._path)
        try:
            found = os.stat(folder)
        except OSError as error:
            raise self._error(f"{folder}: {error.strerror}; make that folder") from None
        if not stat.S_ISDIR(found.st_mode) or not os.access(folder, os.W_OK | os.X_OK):
            raise self._error(f"{folder} is no folder that this process may write to")
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise self._error(f"anybody may write to {folder}; take that from others (chmod o-w)")

    async def begin(self) -> None:
        """Raise :class:`PlaceError` as :meth:`check` does."""
        self.check()

    async def take(self) -> bool:
        """Become home, where nobody is."""
        if self._lock is not None:
            return True
        self.check()
        try:
            self._lock = self._locked()
        except OSError as error:
            raise self._error(f"{self._path}{_SUFFIX}: {error.strerror}") from None
        return self._lock is not None

    def _locked(self) -> int | None:
        """Return the lock's file, locked; None where another process has it."""
        if sys.platform == "win32":
            raise self._error("there are no socket files on Windows")
        path = self._path + _SUFFIX
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            file = os.open(path, flags, 0o600)
            try:
                self._check_owner(path, os.fstat(file))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between the opening and the lock it may have been removed, and made anew.
                if _is_at(path, os.fstat(file)):
                    own(file)
                    return file
            except BlockingIOError:
                os.close(file)
                return None
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    async def wait(self) -> None:
        """Wait a moment."""
        await asyncio.sleep(_LOOK)

    async def reach(self, connect: Connect) -> bool:
        """Connect to the home; tell whether one answers."""
        if sys.platform == "win32":
            return False
        loop = asyncio.get_running_loop()
        asking = socket.socket(socket.AF_UNIX)
        try:
            asking.setblocking(False)
            await loop.sock_connect(asking, self._path)
            self._check_peer(asking)
            await loop.create_unix_connection(connect, sock=asking)
        except OSError as error:
            asking.close()
            if error.errno in _NOBODY:
                return False
            raise self._error(f"{self._path}: {error.strerror}") from None
        except BaseException:
            asking.close()
            raise
        return True

    async def listen(self, connect: Connect) -> None:
        """As home, take the connections of others."""
        await self._open(connect)
        self._watching = asyncio.create_task(self._watch(connect))

    async def _open(self, connect: Connect) -> None:
        listener = self._listen()
        loop = asyncio.get_running_loop()
        try:
            made = await loop.create_unix_server(lambda: _Doorbell(connect), sock=listener)
        except OSError as error:
            listener.close()
            raise self._error(f"{self._path}: {error.strerror or error}") from None
        self._server = made
        own(listener.fileno())

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.setblocking(False)
            self._remove_former()
            # Nobody can connect before it listens.
            listener.bind(self._path)
            os.chmod(self._path, 0o600)
            self._file = os.lstat(self._path)
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise self._error(f"{self._path}: {error.strerror or error}") from None
        return listener

    def _remove_former(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(self._path).st_mode):
                raise FileExistsError(errno.EEXIST, "there is something else of that name")
            os.unlink(self._path)

    async def _watch(self, connect: Connect) -> None:
        """Lock and listen anew where somebody has removed the files."""
        while True:
            await asyncio.sleep(_PULSE)
            self._keep_lock()
            await self._keep_file(connect)

    async def _keep_file(self, connect: Connect) -> None:
        """Listen where others would connect."""
        if self._file is not None and _is_at(self._path, self._file):
            return
        logger.warning("%s was removed; it is made anew", self._path)
        self._close()
        try:
            await self._open(connect)
        except PlaceError as error:
            self._file = None
            logger.error("%s", error)  # noqa: TRY400 - it is a sentence for the operator

    def _keep_lock(self) -> None:
        """Lock the file that others would: it may be another, where somebody has removed it."""
        path = self._path + _SUFFIX
        if self._lock is None or _is_at(path, os.fstat(self._lock)):
            return
        logger.warning("%s was removed; it is made anew", path)
        try:
            anew = self._locked()
        except (OSError, PlaceError) as error:
            logger.error("%s: %s", path, error)  # noqa: TRY400 - it is a sentence for the operator
            return
        # Who was quicker has no database to serve, and lets go of it again.
        if anew is not None:
            disown(self._lock)
            os.close(self._lock)
            self._lock = anew

    def _close(self) -> None:
        if self._server is not None:
            for listener in self._server.sockets:
                disown(listener.fileno())
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Take no more connections; the place stays this process's."""
        if self._watching is not None:
            watching, self._watching = self._watching, None
            watching.cancel()
            await asyncio.wait([watching])
            if not watching.cancelled() and watching.exception() is not None:
                logger.error("%s was not looked after", self._path, exc_info=watching.exception())
        self._close()
        if self._file is not None:
            with contextlib.suppress(OSError):
                if _is_at(self._path, self._file):
                    os.unlink(self._path)
            self._file = None

    async def release(self) -> None:
        """Be home no more."""
        await self.close()
        if self._lock is not None:
            disown(self._lock)
            # A child may have been forked this moment: closing it here is not enough.
            if sys.platform != "win32":
                fcntl.flock(self._lock, fcntl.LOCK_UN)
            os.close(self._lock)
            self._lock = None

    async def end(self) -> None:
        """Release it."""
        await self.release()

    def _check_owner(self, path: str, file: os.stat_result) -> None:
        if file.st_uid not in {os.geteuid(), 0}:
            raise self._error(f"{path} is another user's; remove it")

    def _check_peer(self, connection: socket.socket) -> None:
        if not _is_trusted(connection):
            raise self._error("another user's process listens there")

    def _error(self, reason: str) -> PlaceError:
        return PlaceError(f"Processes cannot meet at {self._path}, for {reason}")


class _Doorbell(asyncio.Protocol):
    """Lets a connection in that is this user's, or root's."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who is there."""
        accepted = cast("asyncio.Transport", transport)
        if not _is_trusted(accepted.get_extra_info("socket")):
            logger.warning("A process of another user was refused: it would join this chat")
            accepted.abort()
            return
        connection = self._connect()
        accepted.set_protocol(connection)
        connection.connection_made(accepted)


def _is_trusted(connection: socket.socket) -> bool:
    """Tell whether the process at the other end is this one's user's, or root's."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # The permissions of the file must do.
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(told)[1] in {os.geteuid(), 0}


def _is_at(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), file)
    except OSError:
        return False
