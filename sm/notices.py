"""Words to the operator that strangers can cause: each one once, and not many of them."""

import logging
import time
from collections.abc import Callable, Hashable
from typing import Final

__all__ = ["MOST", "PERIOD", "Complaints", "Notices"]

MOST: Final = 20
PERIOD: Final = 3600.0
"""Seconds."""


class Notices:
    """Tells whether a notice shall be logged: at most ``MOST`` different ones in a period.

    What was logged comes again in another period, if there is still reason to.
    """

    __slots__ = ("_end", "_known", "_period")

    def __init__(self, period: float = PERIOD) -> None:
        self._known: set[Hashable] = set()
        self._period = period
        self._end = 0.0

    def first(self, key: Hashable, now: float) -> bool:
        """Return whether this is the first one about ``key``, and there is room for it."""
        if now >= self._end:
            self._known.clear()
            self._end = now + self._period
        if key in self._known or len(self._known) >= MOST:
            return False
        self._known.add(key)
        return True


class Complaints:
    """Errors that come again and again: which is no notice any more is logged all the same."""

    __slots__ = ("_clock", "_logger", "_notices")

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._notices = Notices()

    def __call__(self, message: str, *details: object, exc_info: bool = False) -> None:
        """Log an error; for information only where ``message`` was logged in this period."""
        first = self._notices.first(message, self._clock())
        level = logging.ERROR if first else logging.INFO
        self._logger.log(level, message, *details, exc_info=exc_info)
