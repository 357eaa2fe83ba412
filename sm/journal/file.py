"""The journal's file: one write for all at the end of a turn, and what becomes of what fails.

Whatever the moment at which the process ends, the file at ``path`` is one that can be read, and
says all that was promised.
"""

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from andiron.sm.journal import lines
from andiron.sm.journal.config import Durability, JournalConfig
from andiron.sm.journal.disk import Disk, TakenError
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.opening import open_journal, why
from andiron.sm.journal.promises import BREATH, Promises
from andiron.sm.journal.records import Record
from andiron.sm.journal.segment import Copy, Segment, temporary, write_anew
from andiron.sm.journal.syncing import Syncing
from andiron.sm.journal.trouble import Trouble
from andiron.sm.timers import Timers

__all__ = ["JournalFile"]

logger = logging.getLogger("andiron.sm")

_DEFAULTS: Final = JournalConfig()
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Failures that end when there is room again; after others the file is not written to again."""
_REST: Final = 1.0
"""Seconds between two rewritings: with little room each frees little."""
_LATER: Final = 60.0
"""Seconds until a rewriting that failed, and that nothing waits for, is tried again."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a thread waits for."""

    files: tuple[int, ...]
    folder: bool
    upto: int
    """The last batch that is in the file."""
    copy: Copy | None


class JournalFile(Promises):
    """A :class:`Journal` in a file; made by :meth:`open`, and :meth:`close` is the clean stop.

    What may be promised is what the disk has, or the kernel, as the ``config`` says.
    """

    alone: Final = True
    """The file is locked by this process."""

    def __init__(
        self,
        path: str,
        segment: Segment,
        journal: Journal,
        timers: Timers,
        syncing: Syncing,
        clock: Callable[[], float],
        config: JournalConfig,
        disk: Disk,
    ) -> None:
        super().__init__(journal, timers)
        self.path = path
        self._segment = segment
        self._syncing = syncing
        self._clock = clock
        self._config = config
        self._on_disk = config.durability is Durability.DISK
        self._disk = disk
        self._trouble = Trouble(path)
        self._held: list[bytes] = []
        """Batches that the file has not got."""
        self._held_bytes = 0
        self._written = 0
        """How many batches are in the file."""
        self._full = False
        self._stale = False
        """Whether the file lacks batches that are no longer held, and must be written anew."""
        self._copy: Copy | None = None
        self._base = 0
        """The file's size when it was written anew last."""
        self._rewrite_at = self._slice_at = -inf
        self._job: _Job | None = None
        self._named = True
        """Whether the file's name is on the disk."""
        self._discarded: list[int] = []
        """Files to be closed when no thread waits for them."""

    @classmethod
    def open(
        cls,
        path: str,
        timers: Timers,
        syncing: Syncing,
        clock: Callable[[], float],
        config: JournalConfig = _DEFAULTS,
        disk: Disk | None = None,
    ) -> "JournalFile":
        """Claim the file at ``path``, or make it; ``journal.state`` is what it says.

        ``clock`` gives the ``now`` that is passed in elsewhere. What was never written whole at its
        end is cut. Where more than that cannot be read the whole file is kept aside, as
        ``….damaged``, and the log says so. Raises :class:`~andiron.sm.journal.lines.JournalError`
        with a sentence, and leaves it as it is.
        Reading takes its time: this may be called in a thread.
        """
        disk = disk or Disk()
        path = os.path.abspath(path)
        segment, state = open_journal(disk, path, synced=config.durability is Durability.DISK)
        return cls(path, segment, Journal(state), timers, syncing, clock, config, disk)

    @property
    def failing(self) -> str:
        """Why what is recorded now cannot be promised; empty while it can."""
        return self._trouble.why

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._segment.size

    def close(self) -> None:
        """Write the live state anew, on the disk, and let go of the file; waits for that.

        Where it cannot be, which is logged, the file says what was promised. Nothing is promised
        from then on.
        """
        self._over = True
        self._timers.cancel(self)
        self._syncing.end()
        self._job = None
        now = self._clock()
        records = self.journal.take()
        if records:
            self._taken += 1
            self._take(records, now)
        if self._held:
            self._append(now)
        self._drop_copy()
        try:
            segment = write_anew(self._disk, self.path, self.journal.state)
        except OSError as error:
            self._say_not_rewritten(why(error))
        else:
            self._disk.close(self._segment.file)
            self._segment = segment
            with contextlib.suppress(OSError):
                self._disk.sync_folder(self.path)
            self._safe = self._taken
        self._disk.close(self._segment.file)
        self._tell()

    # Batches

    def _take(self, records: list[Record], now: float) -> None:
        body = lines.body(records)
        if not self._stale:
            self._held.append(body)
            self._held_bytes += len(body)
            if self._held_bytes > self._config.waiting and len(self._held) > 1:
                self._give_up(now)
        if self._copy is not None:
            try:
                self._copy.forward(records, body)
            except OSError as error:
                self._copying_failed(why(error), now)

    def _give_up(self, now: float) -> None:
        """Hold nothing: the live state has it, and is to be written anew."""
        self._stale = True
        self._held.clear()
        self._held_bytes = 0
        self._rewrite_at = min(self._rewrite_at, now)

    def _append(self, now: float) -> None:
        size = self._segment.size + self._held_bytes + lines.OVERHEAD * len(self._held)
        self._full = size > self._config.maximum
        if self._full:
            self._trouble.begin(f"it is full, with {self._segment.size} bytes", now)
            return
        try:
            self._segment.append(self._held)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                self._give_up(now)
            elif self._copy is not None:
                # What it takes may be all that is lacking.
                self._drop_copy()
                self._rewrite_at = now + _LATER
                self._append(now)
                return
            self._trouble.begin(why(error), now)
        else:
            self._all_written()

    def _all_written(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._stale = self._full = False
        self._written = self._taken
        if not self._on_disk:
            self._safe = self._written
            self._trouble.end()

    def _work(self, now: float) -> None:
        """Do what is due."""
        if self._held and now >= self._trouble.over_at:
            self._append(now)
        if self._copy is not None:
            if not self._copy.complete and now >= self._slice_at:
                self._go_on(now)
        elif now >= self._rewrite_at and self._is_to_be_rewritten():
            self._begin_copy(now)
        if self._job is None:
            self._sync()
        self._wake(now)
        self._tell()

    def _wake(self, now: float) -> None:
        at = inf
        if self._copy is not None:
            if not self._copy.complete:
                at = self._slice_at
        elif self._stale or self._full:
            at = self._rewrite_at
        if self._held and not self._full:
            at = min(at, self._trouble.over_at)
        if at == inf:
            self._timers.cancel(self)
        elif at != self.wake_at:
            self._timers.schedule(self, max(at, now + BREATH))

    # Writing anew

    def _is_to_be_rewritten(self) -> bool:
        if self._stale or self._full:
            return True
        size, base, config = self._segment.size, self._base, self._config
        return size > min(max(config.floor, config.factor * base), (base + config.maximum) // 2)

    def _begin_copy(self, now: float) -> None:
        self._slice_at = now + BREATH
        try:
            file = self._disk.create(temporary(self.path))
        except (OSError, TakenError) as error:
            self._copying_failed(why(error), now)
            return
        try:
            self._copy = Copy(Segment.begin(self._disk, file), self.journal.state)
        except OSError as error:
            self._disk.close(file)
            self._copying_failed(why(error), now)

    def _go_on(self, now: float) -> None:
        assert self._copy is not None
        self._slice_at = now + BREATH
        try:
            self._copy.go_on(self._config.slice)
        except OSError as error:
            self._copying_failed(why(error), now)
            return
        size = self._copy.segment.size
        if size > self._config.maximum:
            self._copying_failed(f"it is full, with {size} bytes of what is live", now)

    def _copying_failed(self, reason: str, now: float) -> None:
        self._drop_copy()
        if self._stale or self._full:
            self._trouble.begin(reason, now)
            self._rewrite_at = self._trouble.over_at
        else:
            self._say_not_rewritten(reason)
            self._rewrite_at = now + _LATER

    def _say_not_rewritten(self, reason: str) -> None:
        logger.warning("The journal %s cannot be written anew (%s)", self.path, reason)

    def _drop_copy(self) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            self._discarded.append(copy.segment.file)
        if self._job is None:
            self._close_discarded()
        with contextlib.suppress(OSError):
            self._disk.remove(temporary(self.path))

    def _close_discarded(self) -> None:
        while self._discarded:
            self._disk.close(self._discarded.pop())

    def _replace(self, copy: Copy, now: float) -> None:
        """Let the copy be the file: all that was promised on the disk is there in it, too."""
        try:
            self._disk.replace(temporary(self.path), self.path)
        except OSError as error:
            self._copying_failed(why(error), now)
            return
        self._disk.close(self._segment.file)
        self._segment = copy.segment
        self._copy = None
        self._base = copy.segment.size
        self._rewrite_at = now + _REST
        self._named = False
        self._all_written()

    # The disk

    def _sync(self) -> None:
        """Have a thread wait for the disk, where something waits for that."""
        copy = self._copy if self._copy is not None and self._copy.complete else None
        lacking = self._written > self._safe or not self._named
        behind = self._on_disk and not self._stale and lacking
        if copy is None and not behind:
            return
        files = [] if copy is None else [copy.segment.file]
        if self._on_disk and not self._stale:
            # Both, so that nothing is promised that the copy, when it replaces the file, lacks.
            files.append(self._segment.file)
        folder = behind and not self._named
        job = self._job = _Job(tuple(files), folder, self._written, copy)
        disk, path = self._disk, self.path

        def wait() -> None:
            for file in job.files:
                disk.sync(file)
            if job.folder:
                disk.sync_folder(path)

        self._syncing.start(wait, self._synced)

    def _synced(self, error: OSError | None) -> None:
        if self._over:
            return
        job, self._job = self._job, None
        assert job is not None
        self._close_discarded()
        now = self._clock()
        if error is not None:
            self._syncing_failed(job, why(error), now)
        else:
            # What a stale file lacks is safe when the copy that replaced it is, and by that name.
            if self._on_disk and not self._stale:
                self._disk_has(job)
            if job.copy is not None and job.copy is self._copy:
                self._replace(job.copy, now)
        self.on_timer(now)
        self._tell()

    def _disk_has(self, job: _Job) -> None:
        self._safe = max(self._safe, job.upto)
        self._named = self._named or job.folder
        if not (self._held or self._full):
            self._trouble.end()

    def _syncing_failed(self, job: _Job, reason: str, now: float) -> None:
        if self._on_disk:
            # Of what it did not write the kernel may think now that it did: to ask again is no use.
            self._give_up(now)
            self._copying_failed(reason, now)
        elif job.copy is not None and job.copy is self._copy:
            self._copying_failed(reason, now)
