"""Work that goes on after a request, in turns of who asked for it."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from andiron.sm.payers import Payer, Rounds

__all__ = ["Errand"]

T = TypeVar("T")


class Errand(Generator[Any, Any, T], Coroutine[Any, Any, T]):
    """A coroutine whose steps are charged to a payer, and wait while his turn is over.

    A step is what runs between two waits; it cannot be interrupted, so work that takes
    long must wait now and then, if only by ``asyncio.sleep(0)``. To be run as a task
    is: what waits must be the task itself.
    """

    __slots__ = ("_clock", "_payer", "_rounds", "_turn", "_work")

    def __init__(
        self,
        work: Coroutine[Any, Any, T],
        payer: Payer,
        rounds: Rounds,
        clock: Callable[[], float],
    ) -> None:
        self._work = work
        self._payer = payer
        self._rounds = rounds
        self._clock = clock
        self._turn: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        """Do the work as a part of another coroutine."""
        return self

    def send(self, value: Any) -> Any:
        """Do the next step, or wait for the turn in which it is done."""
        now = self._clock()
        if self._turn is None and self._rounds.used(self._payer, now, now):
            self._turn = asyncio.get_running_loop().create_future()
            self._rounds.wait(self._payer, self)
            return next(self._turn.__await__())
        self._turn = None
        try:
            return self._work.send(value)
        finally:
            self._rounds.used(self._payer, now, self._clock())

    def throw(self, *error: Any) -> Any:
        """Let the work take an error, such as a cancellation; that waits for no turn."""
        self._leave()
        now = self._clock()
        try:
            return self._work.throw(*error)
        finally:
            self._rounds.used(self._payer, now, self._clock())

    def close(self) -> None:
        """End the work."""
        self._leave()
        self._work.close()

    def take_turn(self) -> None:
        """Go on: it is the payer's turn."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _leave(self) -> None:
        if self._turn is not None:
            self._turn = None
            self._rounds.leave(self._payer, self)
