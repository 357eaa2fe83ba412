"""Wakes a session manager on an asyncio event loop."""

import asyncio
from math import inf

from andiron.sm.manager import SessionManager


class TimerDriver:
    """One loop timer for all of a manager's sessions; the manager's clock must be the loop's."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin waking on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._manager.on_schedule = self._schedule
        self._schedule(self._manager.next_deadline())

    def stop(self) -> None:
        """Wake no more."""
        self._manager.on_schedule = lambda _at: None
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
            self._manager.run_timers(self._loop.time())
        finally:
            # One session's failure is reported by the loop; the others are still to be woken.
            self._schedule(self._manager.next_deadline())
