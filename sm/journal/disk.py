"""What a journal asks of the operating system: private files, each open in one process only."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable

from andiron.sm.owned import disown, own

if sys.platform != "win32":
    import fcntl

__all__ = ["Disk", "TakenError"]

_PRIVATE = 0o600
_BEGINNING = 4096


class TakenError(Exception):
    """Another process, or somebody else in this one, has the file."""


class Disk:
    """The files of a folder, on systems like Unix.

    What fails raises :class:`OSError`; nothing is tried again.
    A file that is open is locked (flock(2)), so nobody else opens it, by its name or by the one
    that it is given later; the kernel ends the lock with the process, however that ends.
    """

    def open(self, path: str) -> int:
        """Open a file, made where there is none, for this process alone.

        Its folder must be one where others can be made, too. Raises :class:`TakenError`.
        """
        _check_folder(path)
        while True:
            file = self._open(path, os.O_CREAT)
            # Between the opening and the lock it may have been replaced, and its lock with it.
            if _is_at(path, file):
                return file
            self.close(file)

    def look(self, path: str) -> bytes:
        """Return how a file begins that :meth:`open` would open, or make; nothing is changed."""
        _check_folder(path)
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return b""
        try:
            _check_kind(os.fstat(file))
            return os.pread(file, _BEGINNING, 0)
        finally:
            os.close(file)

    def create(self, path: str) -> int:
        """Make a file anew, for this process alone; one of the name that is there is removed."""
        self.remove(path)
        return self._open(path, os.O_CREAT | os.O_EXCL)

    def lines(self, file: int) -> Iterable[bytes]:
        """Return its lines, from the first."""
        os.lseek(file, 0, os.SEEK_SET)
        with open(file, "rb", buffering=1 << 20, closefd=False) as text:
            yield from text

    def write(self, file: int, data: bytes, at: int) -> None:
        """Write all of ``data`` at the byte ``at``. After a failure part of it may be there."""
        written = os.pwrite(file, data, at)
        while written < len(data):
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            data, at = data[written:], at + written
            written = os.pwrite(file, data, at)

    def truncate(self, file: int, size: int) -> None:
        """Cut what is behind so many bytes."""
        os.ftruncate(file, size)

    def sync(self, file: int) -> None:
        """Have its bytes on the disk; may take long, and may be called in another thread."""
        getattr(os, "fdatasync", os.fsync)(file)

    def sync_folder(self, path: str) -> None:
        """Have the names in the folder of ``path`` on the disk; as :meth:`sync`."""
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def replace(self, path: str, new: str) -> None:
        """Give the file ``path`` the name ``new``, in place of the one that has it."""
        os.replace(path, new)

    def link(self, path: str, other: str) -> None:
        """Give the file ``path`` another name besides; nothing if it has it.

        Raises :class:`FileExistsError` where another has that.
        """
        try:
            os.link(path, other, follow_symlinks=False)
        except FileExistsError:
            if not os.path.samestat(os.lstat(path), os.lstat(other)):
                raise

    def remove(self, path: str) -> None:
        """Remove the file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def close(self, file: int) -> None:
        """Close it and let others have it."""
        disown(file)
        # A child may have been forked this moment: closing it here is not enough.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

    def _open(self, path: str, flags: int) -> int:
        flags |= os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(path, flags, _PRIVATE)
        try:
            _make_private(path, file)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise TakenError from None
        except BaseException:
            os.close(file)
            raise
        own(file)
        return file


def _make_private(path: str, file: int) -> None:
    found = os.fstat(file)
    _check_kind(found)
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        os.fchmod(file, _PRIVATE)
    if os.geteuid() == 0:
        # Else a start as root leaves what the server's own user may not open.
        folder = os.stat(os.path.dirname(path))
        if (found.st_uid, found.st_gid) != (folder.st_uid, folder.st_gid):
            os.fchown(file, folder.st_uid, folder.st_gid)


def _check_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        os.stat(folder)
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _check_kind(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a file")


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except FileNotFoundError:
        return False
