"""Words to the operator that strangers can cause: each one once, and not many of them."""

from collections.abc import Hashable
from typing import Final

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
