"""Whether a client is read from: as its work is done, in its payer's turns, at its rate."""

from typing import Final, Protocol

from andiron.sm.config import SmConfig
from andiron.sm.link import Transport
from andiron.sm.payers import Payer, Rounds
from andiron.sm.rates import Rate

__all__ = ["Bounds", "Flow"]

_SIGN_IN: Final = 16_384
"""Characters that a sign-in counts as having sent."""
_WORK: Final = 1
"""Much of what the client sent is not handled yet."""
_TURN: Final = 2
"""Others have their turns."""
_RATE: Final = 4
"""The client sends more than it may."""
_ORDER: Final = 8
"""What the client sent must have its whole effect before what it sends next."""


class Bounds(Protocol):
    """What bounds all clients, of whoever keeps their sessions."""

    config: SmConfig
    rate: Rate
    rounds: Rounds

    def clock(self) -> float:
        """Return the present of ``now``."""


class Flow:
    """Stops the reading from one session's client, and lets it go on.

    ``payer`` is who pays for the client. Each reason to stop comes and goes by itself;
    nothing is read while there is one.
    """

    __slots__ = ("_bounds", "_holds", "_stopped", "_transport", "payer")

    def __init__(self, bounds: Bounds, payer: Payer, transport: Transport | None) -> None:
        self._bounds = bounds
        self._transport = transport
        self._stopped = 0
        self._holds = 0
        self.payer = payer

    def carry(self, transport: Transport | None) -> None:
        """Read from another connection from now on, or from none: it is not stopped yet."""
        self._leave_line()
        self._stopped = self._holds = 0
        self._transport = transport

    def signed_in(self, payer: Payer, now: float) -> None:
        """Let ``payer`` pay from now on."""
        self._leave_line()
        self._go_on(_TURN)
        self.payer = payer
        self._bounds.rate.charge(payer, _SIGN_IN, now)

    # How fast

    def arrived(self, size: int, now: float) -> float:
        """Charge a stanza; return how many seconds nothing must be read, and stop if so.

        :meth:`in_time` must be called then. Raises :class:`StreamError` for who has no end.
        """
        early = self._bounds.rate.charge(self.payer, size, now)
        if early:
            self._stop(_RATE)
        return early

    def in_time(self) -> None:
        """Go on: what the client sent comes to its rate by now."""
        self._go_on(_RATE)

    # Whose turn

    def spent(self, began: float) -> float:
        """Charge the time since ``began``; where the payer's turn is over, wait for the next.

        Returns the present.
        """
        bounds = self._bounds
        now = bounds.clock()
        if (
            bounds.rounds.used(self.payer, began, now)
            and self._transport is not None
            and not self._stopped & _TURN
        ):
            self._stop(_TURN)
            bounds.rounds.wait(self.payer, self)
        return now

    def take_turn(self) -> None:
        """Go on: it is the payer's turn."""
        self._go_on(_TURN)

    def _leave_line(self) -> None:
        if self._stopped & _TURN:
            self._bounds.rounds.leave(self.payer, self)

    # How much at a time

    def begun(self, pending: int) -> None:
        """Note that so many stanzas are in work; too many, or too much of them, stops reading."""
        config = self._bounds.config
        if pending >= config.pending or self.payer.backlog > config.backlog:
            self.wait_for_work()

    def wait_for_work(self) -> None:
        """Stop until :meth:`done` or :meth:`all_done`."""
        self._stop(_WORK)

    def done(self, pending: int) -> None:
        """Note that only so many are in work any more."""
        if self._stopped & _WORK:
            config = self._bounds.config
            # What waits for others of the account must not hold this one up for ever.
            few = pending <= config.pending // 2 and self.payer.backlog <= config.backlog
            if few or not pending:
                self._go_on(_WORK)

    def all_done(self) -> None:
        """Go on: nothing has to be waited for."""
        self._go_on(_WORK)

    # In which order

    def hold(self) -> None:
        """Stop until :meth:`go_on`, as often as this is called."""
        self._holds += 1
        self._stop(_ORDER)

    def go_on(self) -> None:
        """Go on: what came last has had its effect."""
        if self._holds:
            self._holds -= 1
            if not self._holds:
                self._go_on(_ORDER)

    def _stop(self, reason: int) -> None:
        if not self._stopped and self._transport is not None:
            self._transport.pause()
        self._stopped |= reason

    def _go_on(self, reason: int) -> None:
        if self._stopped & reason:
            self._stopped &= ~reason
            if not self._stopped and self._transport is not None:
                self._transport.unpause()
