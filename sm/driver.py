"""Wakes what has deadlines, and what waits for its turn, on an asyncio event loop."""

import asyncio
from math import inf

from andiron.sm.payers import Rounds
from andiron.sm.timers import Timers


class TimerDriver:
    """One timer of the loop for all ``timers``, whose times must be those of the loop."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin waking on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._timers.on_schedule = self._schedule
        self._schedule(self._timers.next_deadline())

    def stop(self) -> None:
        """Wake no more."""
        self._timers.on_schedule = lambda _at: None
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
            self._timers.run(self._loop.time())
        finally:
            # One session's failure is reported by the loop; the others are still to be woken.
            self._schedule(self._timers.next_deadline())


class Driver(TimerDriver):
    """A :class:`TimerDriver` that begins the ``rounds`` as well: one in each run of the loop."""

    def __init__(self, timers: Timers, rounds: Rounds) -> None:
        super().__init__(timers)
        self._rounds = rounds

    def start(self) -> None:
        """Begin waking, and the rounds, on the running loop."""
        loop = asyncio.get_running_loop()
        begin = self._rounds.next_round

        def on_wait(delay: float) -> None:
            if delay:
                loop.call_later(delay, begin)
            else:
                loop.call_soon(begin)

        self._rounds.on_wait = on_wait
        super().start()

    def stop(self) -> None:
        """Wake no more, and begin no round."""
        self._rounds.stop()
        super().stop()
