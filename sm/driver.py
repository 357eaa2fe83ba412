"""Wakes what has deadlines on an asyncio event loop."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol


class Timed(Protocol):
    """What must be woken, such as a session manager."""

    on_schedule: Callable[[float], None]
    """Told when :meth:`next_deadline` came nearer."""

    def next_deadline(self) -> float:
        """Return when :meth:`run_timers` has something to do."""

    def run_timers(self, now: float) -> None:
        """Do what is due."""


class TimerDriver:
    """One loop timer for all that ``timed`` knows of; its clock must be the loop's."""

    def __init__(self, timed: Timed) -> None:
        self._timed = timed
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin waking on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._timed.on_schedule = self._schedule
        self._schedule(self._timed.next_deadline())

    def stop(self) -> None:
        """Wake no more."""
        self._timed.on_schedule = lambda _at: None
        self._schedule(inf)

    def _schedule(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._loop is not None and at != inf:
            self._handle = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        assert self._loop is not None
        try:
            self._timed.run_timers(self._loop.time())
        finally:
            # One session's failure is reported by the loop; the others are still to be woken.
            self._schedule(self._timed.next_deadline())
