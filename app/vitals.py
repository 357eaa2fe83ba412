"""How this process does: the memory it has, and how late its event loop runs what is due."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from pathlib import Path
from typing import Final

from andiron.sm.tally import Distribution

__all__ = ["Vitals", "measured"]

_EVERY: Final = 0.5
"""Seconds between two looks at the event loop."""
_RECENT: Final = 20
"""Looks that are recent: those of ten seconds."""
_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_STATM: Final = Path("/proc/self/statm")
"""Where Linux tells the memory, in pages: the second number is what is resident."""


class Vitals:
    """What was measured of this process."""

    def __init__(self) -> None:
        self.lags = Distribution(_BOUNDS)
        """How late, in seconds, the event loop was: what everybody waits who is served by it."""
        self._recent: deque[float] = deque(maxlen=_RECENT)

    @property
    def lag(self) -> float:
        """How late, in seconds, the event loop was at worst in the last ten seconds."""
        return max(self._recent, default=0.0)

    @property
    def memory(self) -> int | None:
        """The bytes of memory that are resident now; None where the system does not tell."""
        try:
            return int(_STATM.read_bytes().split()[1]) * PAGESIZE
        except (OSError, IndexError, ValueError):
            return None

    def add(self, late: float) -> None:
        """Note how late the event loop was."""
        self.lags.add(late)
        self._recent.append(late)


@contextmanager
def measured() -> Iterator[Vitals]:
    """Look twice a second, while the block runs, how late the running loop is."""
    vitals = Vitals()
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look(due: float) -> None:
        nonlocal timer
        now = loop.time()
        vitals.add(max(0.0, now - due))
        timer = loop.call_at(now + _EVERY, look, now + _EVERY)

    timer = loop.call_later(_EVERY, look, loop.time() + _EVERY)
    try:
        yield vitals
    finally:
        timer.cancel()
