"""A journal without a disk: one in memory that fails, ends and loses power when told to."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from typing import Any

from andiron.sm.frozen import Frozen, Head
from andiron.sm.journal.disk import Disk, TakenError
from andiron.sm.journal.state import State

PATH = "/var/lib/andiron/andiron.journal"


def head(name: str, **other: Any) -> Head:
    """Return the head of a session whose stream management id is ``name``."""
    values: dict[str, Any] = {
        "id": name,
        "number": f"a1b2c3-{name}",
        "namespace": "urn:xmpp:sm:3",
        "max": 600,
        "account": "juliet@localhost",
        "jid": "juliet@localhost/balcony",
        "domain": "localhost",
        "kind": "websocket",
        "address": "192.0.2.1",
        "secure": True,
        "began": 1.5e9,
        "lost_at": 0.0,
        "ends_at": 0.0,
        "backend": {},
    }
    return Head(**values | other)


def session(name: str, acked: int = 0, queue: Iterable[tuple[str, float]] = ()) -> Frozen:
    """Return a session whose stream management id is ``name``."""
    return Frozen(head(name), acked, acked, tuple(queue))


def plain(state: State) -> dict[str, Any]:
    """Return a state so that it can be compared."""
    return {
        "sessions": {sm_id: each.frozen() for sm_id, each in state.sessions.items()},
        "notes": dict(state.notes),
        "debts": {kind: (each.last, list(each.unpaid)) for kind, each in state.debts.items()},
    }


class KilledError(BaseException):
    """The process ends here; a ``BaseException``, for nothing may go on."""


class Inode:
    """A file, whatever its name."""

    def __init__(self) -> None:
        self.data = b""
        self.on_disk = b""
        self.forgotten = False
        """Whether the kernel takes for written what it failed to write once, as it does."""


class MemoryDisk(Disk):
    """The disk of a process; what survives it is taken over by the next one's."""

    def __init__(self, names: dict[str, Inode] | None = None) -> None:
        self.names = {} if names is None else names
        self.names_on_disk = dict(self.names)
        self.files: dict[int, Inode] = {}
        self.steps: list[str] = []
        self.fails: dict[str, list[int]] = {}
        """By the name of a step, the numbers of the errors with which it fails, the last first."""
        self.fails_at: dict[int, int] = {}
        """By which step it is, the number of the error with which it fails."""
        self.room: int | None = None
        """How many bytes all files together may have."""
        self.kill_at: int | None = None
        """Which step is not done, or done in part."""
        self.part = 0
        """How many bytes are written of what is cut short."""

    # What tests do to it

    def after_kill(self) -> "MemoryDisk":
        """Return what the next process finds."""
        return MemoryDisk(dict(self.names))

    def after_power(self, *, names: bool, keep: float) -> "MemoryDisk":
        """Return what the next start of the machine finds.

        ``names``: whether names not synced are there; ``keep``: how much of what is not synced.
        """
        found = dict(self.names if names else self.names_on_disk)
        for inode in found.values():
            synced, data = inode.on_disk, inode.data
            if data.startswith(synced):
                data = data[: len(synced) + round(keep * (len(data) - len(synced)))]
            inode.data = inode.on_disk = data
        return MemoryDisk(found)

    def file(self, path: str) -> bytes:
        """Return what is in a file."""
        return self.names[path].data

    # What a journal does

    def open(self, path: str) -> int:
        self._step("open")
        return self._opened(self.names.setdefault(path, Inode()))

    def create(self, path: str) -> int:
        self._step("create")
        self.names[path] = inode = Inode()
        return self._opened(inode)

    def lines(self, file: int) -> Iterable[bytes]:
        return self.files[file].data.splitlines(keepends=True)

    def write(self, file: int, data: bytes, at: int) -> None:
        inode = self.files[file]
        whole = len(data)
        try:
            self._step("write")
        except (OSError, KilledError):
            self._put(inode, data[: min(self.part, whole - 1)], at)
            raise
        if self.room is not None:
            others = sum(len(each.data) for each in set(self.names.values()) if each is not inode)
            data = data[: max(0, self.room - others - at)]
        self._put(inode, data, at)
        if len(data) < whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, file: int, size: int) -> None:
        self._step("truncate")
        self.files[file].data = self.files[file].data[:size]

    def sync(self, file: int) -> None:
        inode = self.files[file]
        try:
            self._step("sync")
        except OSError:
            inode.forgotten = True
            raise
        if not inode.forgotten:
            inode.on_disk = inode.data

    def sync_folder(self, path: str) -> None:
        self._step("sync_folder")
        self.names_on_disk = dict(self.names)

    def replace(self, path: str, new: str) -> None:
        self._step("replace")
        self.names[new] = self.names.pop(path)

    def link(self, path: str, other: str) -> None:
        self._step("link")
        if self.names.setdefault(other, self.names[path]) is not self.names[path]:
            raise FileExistsError

    def remove(self, path: str) -> None:
        self._step("remove")
        self.names.pop(path, None)

    def close(self, file: int) -> None:
        del self.files[file]

    def _opened(self, inode: Inode) -> int:
        if any(each is inode for each in self.files.values()):
            raise TakenError
        number = len(self.steps)
        self.files[number] = inode
        return number

    def _put(self, inode: Inode, data: bytes, at: int) -> None:
        assert at <= len(inode.data), "nothing leaves a hole"
        inode.data = inode.data[:at] + data + inode.data[at + len(data) :]

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if self.kill_at is not None and len(self.steps) > self.kill_at:
            raise KilledError(name)
        error = self.fails_at.get(len(self.steps))
        if error is None and self.fails.get(name):
            error = self.fails[name].pop()
        if error is not None:
            raise OSError(error, os.strerror(error))


class Beside:
    """Does what waits for the disk when a test says so."""

    def __init__(self) -> None:
        self.job: Callable[[], None] | None = None
        self.done: Callable[[OSError | None], object] | None = None

    def start(self, job: Callable[[], None], done: Callable[[OSError | None], object]) -> None:
        assert self.job is None, "one job at a time"
        self.job, self.done = job, done

    def run(self) -> bool:
        """Do the job that was begun, if there is one."""
        job, done = self.job, self.done
        if job is None or done is None:
            return False
        error = None
        try:
            job()
        except OSError as failure:
            error = failure
        self.job = None
        done(error)
        return True

    def end(self) -> None:
        if self.job is not None:
            with contextlib.suppress(OSError):
                self.job()
