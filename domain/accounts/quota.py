"""How often something may happen in a time, for each of many and in all."""

from collections import Counter, deque

__all__ = ["Quota"]


class Quota:
    """Counts what happened in the last ``interval`` seconds; pure, ``now`` is passed in.

    It remembers ``total`` events at most.
    """

    __slots__ = ("_counts", "_events", "_interval", "_per_key", "_total")

    def __init__(self, per_key: int, total: int, interval: float) -> None:
        self._per_key = per_key
        self._total = total
        self._interval = interval
        self._events: deque[tuple[float, str]] = deque()
        self._counts: Counter[str] = Counter()

    def take(self, key: str, now: float) -> bool:
        """Count one more event of ``key``, or return False where there is no room for it."""
        while self._events and self._events[0][0] <= now - self._interval:
            self._remove(self._events.popleft()[1])
        if len(self._events) >= self._total or self._counts[key] >= self._per_key:
            # Asking for a count leaves no entry behind.
            return False
        self._events.append((now, key))
        self._counts[key] += 1
        return True

    def give_back(self, key: str) -> None:
        """Take back the latest event of ``key``: it came to nothing."""
        for at in range(len(self._events) - 1, -1, -1):
            if self._events[at][1] == key:
                del self._events[at]
                self._remove(key)
                return

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return len(self._events)

    def _remove(self, key: str) -> None:
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]
