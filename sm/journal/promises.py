"""What becomes of a journal's batches, wherever they are written: taken, safe, and waited for."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Final

from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import Record
from andiron.sm.timers import Timers

__all__ = ["BREATH", "Promises"]

BREATH: Final = 0.001
"""Seconds between two slices of what takes long, for everybody else."""


class Promises:
    """Writes a :class:`Journal`, and lives by ``timers``, as sessions do; a subclass says how.

    Whoever ends a turn of the event loop calls :meth:`flush` before the turn's stanzas and
    acknowledgements go out. All of it is called on the event loop.
    """

    def __init__(self, journal: Journal, timers: Timers) -> None:
        self.journal = journal
        self.wake_at = inf
        self._timers = timers
        self._taken = self._safe = 0
        """How many batches there were, and may be promised."""
        self._waiting: deque[tuple[int, Callable[[], object]]] = deque()
        """Who is to be told when so many are safe."""
        self._over = False
        """Whether nothing is written any more, nor promised."""

    def flush(self, now: float, done: Callable[[], object] | None = None) -> bool:
        """Write what was recorded; tell whether it may be promised, and all that was before it.

        Where not, nothing may go out that rests on it (``h``, a stanza, an answer) until ``done``
        is called, on the event loop, in the order of the calls.
        """
        records = self.journal.take()
        if self._over:
            return False
        if records:
            self._taken += 1
            self._take(records, now)
        self._work(now)
        if self._safe >= self._taken:
            return True
        if done is not None:
            self._waiting.append((self._taken, done))
        return False

    def on_timer(self, now: float) -> None:
        """Try again what failed, and go on with what takes long."""
        if self.journal.pending:
            # This turn's end will do it; a batch is not to be written in parts.
            self._timers.schedule(self, now + BREATH)
        else:
            self._work(now)

    def _take(self, records: list[Record], now: float) -> None:
        """Have a batch be written, the latest of :attr:`_taken`."""
        raise NotImplementedError

    def _work(self, now: float) -> None:
        """Do what is due; nothing is recorded that was not taken."""
        raise NotImplementedError

    def _tell(self) -> None:
        """Tell those who wait for what is safe."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= self._safe:
            waiting.popleft()[1]()
