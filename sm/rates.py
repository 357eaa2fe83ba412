"""How fast payers may send: a rate for each, and a burst, as a leaky bucket has them."""

from math import inf
from typing import Final

from andiron.sm.payers import Payer
from andiron.xmpp.errors import StreamCondition, StreamError

__all__ = ["Rate"]

_STANZA: Final = 512
"""Bytes that a stanza counts besides its characters: what an empty one costs, too."""


class Rate:
    """What a payer sends beyond a burst waits, so long that it comes to the rate.

    The clients are not told: they are read from the slower. Who sends more than the
    rate for ``patience`` seconds on end is no honest client.
    """

    __slots__ = ("_burst", "_patience", "_second")

    def __init__(self, rate: int, burst: int, patience: float) -> None:
        """``rate`` is in bytes a second, ``burst`` in bytes; a rate of 0 bounds nothing."""
        self._second = 1 / rate if rate else 0.0
        self._burst = burst * self._second
        self._patience = patience

    def charge(self, payer: Payer, size: int, now: float) -> float:
        """Charge a stanza of ``size`` characters; return the seconds it comes too early, or 0.

        Raises :class:`StreamError` ``policy-violation`` for who has no end.
        """
        drawn = payer.drawn
        payer.drawn = drawn = (drawn if drawn > now else now) + (size + _STANZA) * self._second
        early = drawn - now - self._burst
        if early > 0.0:
            self._complain(payer, now)
        else:
            early = 0.0
            if payer.over_since != inf and drawn - now < 0.5 * self._burst:
                payer.over_since = inf
        if payer.network is not None:
            early = max(early, self.charge(payer.network, size, now))
        return early

    def _complain(self, payer: Payer, now: float) -> None:
        if payer.over_since == inf:
            payer.over_since = now
        elif now - payer.over_since > self._patience:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too much for too long")
