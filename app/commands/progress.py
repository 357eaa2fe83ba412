"""How far a command is with long work, on the last line of a terminal."""

import sys
import time
from types import TracebackType
from typing import Final, Self

__all__ = ["Progress", "on_terminal"]

_PAUSE: Final = 0.1
"""Seconds between two times that it is said."""


def on_terminal() -> bool:
    """Tell whether somebody watches what is written to standard error."""
    return sys.stderr.isatty()


class Progress:
    """Says it on standard error while that is a terminal, else nothing; ``with`` wipes it out.

    What else is written meanwhile comes after :meth:`clear`.
    """

    def __init__(self) -> None:
        self._shown = on_terminal()
        self._said_at = 0.0
        self._dirty = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.clear()

    def say(self, what: str, done: int, of: int | None = None) -> None:
        """Say how many are done, ``of`` how many if that is known."""
        if not self._shown:
            return
        now = time.monotonic()
        if now < self._said_at + _PAUSE:
            return
        self._said_at = now
        told = f"{done:,}" if not of else f"{done:,} of {of:,} ({done / of:.0%})"
        sys.stderr.write(f"\r\x1b[K{what}: {told}")
        sys.stderr.flush()
        self._dirty = True

    def clear(self) -> None:
        """Make room for another line."""
        if self._dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._dirty = False
