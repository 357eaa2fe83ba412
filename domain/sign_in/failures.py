"""Failed sign-ins, which are forgotten with time, and how long each makes the next one wait.

Pure: the caller passes ``now`` and does the waiting.
"""

import math
from collections import OrderedDict
from typing import Final

from andiron.domain.config import ThrottleConfig

__all__ = ["Failures"]

_NOTHING: Final = 0.05
"""Seconds below which a wait is not worth a timer; a decaying delay ends here."""


class Failures:
    """The failures of many, by a key for each; those longest quiet are forgotten first."""

    __slots__ = ("_cap", "_capacity", "_counts", "_first", "_half_life", "_most")

    def __init__(self, config: ThrottleConfig, cap: float) -> None:
        """Take the longest delay, in seconds."""
        self._first = config.first
        self._half_life = config.half_life
        self._capacity = config.capacity
        self._cap = cap
        # At this count the delay has reached its cap. Counting on would only make an
        # attack be remembered for longer than it hurts.
        self._most = math.log2(cap / config.first + 1)
        self._counts: OrderedDict[bytes, tuple[float, float, float]] = OrderedDict()
        """Of each key a count, when it was true, and until when it delays."""

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._counts)

    def add(self, key: bytes, now: float, *, delays: bool = True) -> None:
        """Count one more; unless it ``delays``, it only makes the next that does longer."""
        count = min(self._most, self._count(key, now) + 1)
        until = now + self._delay(count) if delays else self.until(key)
        self._counts[key] = (count, now, until)
        self._counts.move_to_end(key)
        if len(self._counts) > self._capacity:
            self._counts.popitem(last=False)

    def until(self, key: bytes) -> float:
        """Return the moment before which no password must be looked at."""
        known = self._counts.get(key)
        return known[2] if known is not None else -math.inf

    def slows(self, key: bytes, now: float) -> bool:
        """Tell whether there were failures that are not forgotten."""
        return self._delay(self._count(key, now)) > 0

    def forget(self, key: bytes) -> None:
        """Forgive all."""
        self._counts.pop(key, None)

    def _count(self, key: bytes, now: float) -> float:
        known = self._counts.get(key)
        if known is None:
            return 0.0
        count, since, _ = known
        decay: float = 0.5 ** (max(0.0, now - since) / self._half_life)
        return count * decay

    def _delay(self, count: float) -> float:
        delay = min(self._cap, self._first * (2.0**count - 1))
        return delay if delay >= _NOTHING else 0.0
