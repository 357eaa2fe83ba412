"""A journal that cannot be written: why, what the log says of it, and when it is tried again."""

import logging
from math import inf
from typing import Final

__all__ = ["Trouble"]

logger = logging.getLogger("andiron.sm")

_FIRST: Final = 0.1
_LONGEST: Final = 10.0
"""Seconds between two attempts, from the first on twice as long each time."""


class Trouble:
    """One line when it begins, one when it is over, and pauses that grow in between."""

    __slots__ = ("_path", "_pause", "over_at", "why")

    def __init__(self, path: str) -> None:
        self._path = path
        self._pause = 0.0
        self.why = ""
        """Empty while there is none."""
        self.over_at = -inf
        """When to try again."""

    def begin(self, why: str, now: float) -> None:
        """Note that an attempt failed."""
        if not self.why:
            logger.error(
                "The journal %s cannot be written (%s): what comes now is not acknowledged",
                self._path,
                why,
            )
        self.why = why
        self._pause = min(max(2 * self._pause, _FIRST), _LONGEST)
        self.over_at = now + self._pause

    def end(self) -> None:
        """Note that one did not."""
        if self.why:
            logger.warning("The journal %s is written again", self._path)
            self.why = ""
            self._pause = 0.0
            self.over_at = -inf
