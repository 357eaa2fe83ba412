"""Where uploaded files are: a small protocol, and its implementation on disk.

Names and folders come from :func:`andiron.domain.uploads.slot.id_of` and
``folder_of``; they are hexadecimal digits and nothing else.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol

__all__ = ["DiskStore", "Incoming", "UploadStore"]

_CHUNK: Final = 262_144
"""Bytes that are read at a time: the most that a download holds in memory."""
_INCOMING: Final = "incoming"


class Incoming(Protocol):
    """A file that is coming in. All methods raise OSError."""

    async def write(self, data: bytes) -> None:
        """Append ``data``."""

    async def commit(self) -> None:
        """Make the file one that can be opened; when this returns, it survives a crash."""

    def discard(self) -> None:
        """Forget what came; without effect once committed."""


class UploadStore(Protocol):
    """Keeps files by folder and name. All methods raise OSError when storing fails."""

    async def create(self, folder: str, name: str) -> Incoming:
        """Begin a file; one of this name is replaced when it is committed."""

    def read(self, folder: str, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Return the bytes from ``start`` up to ``stop``; FileNotFoundError at the first step."""

    async def remove(self, folder: str, name: str) -> None:
        """Remove a file, if it is there."""

    async def remove_folder(self, folder: str) -> None:
        """Remove a folder with all its files, if it is there."""

    def older(self, before: float) -> AsyncIterator[tuple[str, list[str]]]:
        """Return, folder by folder, the names of files last written before then.

        ``before`` is in Unix seconds. What came in and was never committed in
        all that time is removed.
        """


class DiskStore:
    """An :class:`UploadStore` in a directory, which is made when the first file comes.

    Files and folders are for the owner of the process only.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)

    def problem(self) -> str:
        """Return why no file could be stored here, empty when there is no reason."""
        place = self._directory
        if not place.exists():
            place = place.absolute().parent
        if not place.is_dir():
            return f"{place} is not a directory"
        if not os.access(place, os.W_OK | os.X_OK):
            return f"{place} cannot be written"
        return ""

    async def create(self, folder: str, name: str) -> "DiskIncoming":
        """Begin a file beside the finished ones."""
        return await asyncio.to_thread(self._create, folder, name)

    def _create(self, folder: str, name: str) -> "DiskIncoming":
        coming = self._directory / _INCOMING
        for directory in (self._directory, coming):
            directory.mkdir(mode=0o700, exist_ok=True)
        return DiskIncoming(coming / secrets.token_hex(16), self._directory / folder / name)

    async def read(self, folder: str, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Read a piece at a time; nothing stays open between them, however slow the reader is."""
        path = self._directory / folder / name
        while start < stop:
            data = await asyncio.to_thread(_piece, path, start, min(_CHUNK, stop - start))
            if not data:
                raise EOFError(f"{path} is shorter than it was")
            start += len(data)
            yield data

    async def remove(self, folder: str, name: str) -> None:
        """Unlink the file."""
        await asyncio.to_thread(_remove, self._directory / folder / name)

    async def remove_folder(self, folder: str) -> None:
        """Unlink the files and the folder."""
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(shutil.rmtree, self._directory / folder)

    async def older(self, before: float) -> AsyncIterator[tuple[str, list[str]]]:
        """Look through the folders; those that have been empty for so long go."""
        for folder in await asyncio.to_thread(_names, self._directory):
            path = self._directory / folder
            names = await asyncio.to_thread(_older, path, before)
            if folder == _INCOMING:
                for name in names:
                    await asyncio.to_thread(_remove, path / name)
            elif names:
                yield folder, names
            else:
                await asyncio.to_thread(_remove_empty, path, before)


class DiskIncoming:
    """A file under a random name until it is whole."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._target = target
        # Unbuffered, so that nothing is left to write when it is closed.
        self._file: BinaryIO = open(path, "xb", 0, opener=_private)  # noqa: SIM115
        # A write that its caller no longer waits for must not meet a closed file,
        # whose number may be another's by then.
        self._lock = threading.Lock()

    async def write(self, data: bytes) -> None:
        """Write to the disk's cache, beside the event loop."""
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        with self._lock:
            while rest and not self._file.closed:
                rest = rest[self._file.write(rest) :]

    async def commit(self) -> None:
        """Flush the file, give it its name, and flush that."""
        await asyncio.to_thread(self._commit)

    def _commit(self) -> None:
        with self._lock:
            os.fsync(self._file.fileno())
            self._file.close()
            self._target.parent.mkdir(mode=0o700, exist_ok=True)
            self._path.replace(self._target)
            if os.name == "posix":
                _flush(self._target.parent)

    def discard(self) -> None:
        """Close and unlink."""
        with self._lock:
            self._file.close()
            _remove(self._path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _flush(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _piece(path: Path, start: int, length: int) -> bytes:
    with path.open("rb", 0) as file:
        file.seek(start)
        return file.read(length)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_empty(directory: Path, before: float) -> None:
    with contextlib.suppress(OSError):
        if directory.stat().st_mtime < before:
            directory.rmdir()


def _names(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    except FileNotFoundError:
        return []


def _older(directory: Path, before: float) -> list[str]:
    names = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < before:
                    names.append(entry.name)
    return names
