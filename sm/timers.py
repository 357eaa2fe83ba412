"""When each of many is to be woken: one heap for all, without a clock of its own."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Protocol


class Sleeper(Protocol):
    """What is woken, such as a session."""

    wake_at: float
    """When that will be; infinite for never. :class:`Timers` sets it."""

    def on_timer(self, now: float) -> None:
        """Do what is due."""


class Timers:
    """The time at which each of many sleepers is to be woken, at most one each.

    A time that was replaced or cancelled stays in the heap until it comes, or
    until such times are most of what is there.
    """

    __slots__ = ("_count", "_heap", "_waiting", "on_schedule")

    on_schedule: Callable[[float], None]
    """Told when :meth:`next_deadline` came nearer."""

    def __init__(self) -> None:
        self.on_schedule = lambda _at: None
        self._heap: list[tuple[float, int, Sleeper]] = []
        self._count = 0
        self._waiting = 0

    def __len__(self) -> int:
        """Return how many times are kept, those that will wake nobody among them."""
        return len(self._heap)

    def schedule(self, sleeper: Sleeper, at: float) -> None:
        """Wake ``sleeper`` at ``at``, a finite time, in place of any other."""
        if sleeper.wake_at == inf:
            self._waiting += 1
        sleeper.wake_at = at
        self._count += 1
        heap = self._heap
        if len(heap) > 4 * self._waiting + 64:
            due = {entry[2]: entry for entry in heap if entry[0] == entry[2].wake_at}
            self._heap = heap = list(due.values())
            heapify(heap)
        first = not heap or at < heap[0][0]
        heappush(heap, (at, self._count, sleeper))
        if first:
            self.on_schedule(at)

    def cancel(self, sleeper: Sleeper) -> None:
        """Wake ``sleeper`` no more, until it is scheduled again."""
        if sleeper.wake_at != inf:
            self._waiting -= 1
            sleeper.wake_at = inf

    def next_deadline(self) -> float:
        """Return when :meth:`run` has something to do."""
        return self._heap[0][0] if self._heap else inf

    def run(self, now: float) -> None:
        """Wake all whose time has come, in order; one that fails is not woken again."""
        while self._heap and self._heap[0][0] <= now:
            at, _, sleeper = heappop(self._heap)
            if sleeper.wake_at == at:
                self.cancel(sleeper)
                sleeper.on_timer(now)
