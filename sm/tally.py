"""What passed through the sessions of one application, in plain numbers, for the operator.

Counting costs a stanza a tenth of a microsecond; to make metrics of the numbers is for
whoever is asked for them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

__all__ = ["Distribution", "Tally"]

_AGES: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1800.0)
"""Seconds that a session may have waited to be resumed."""


class Distribution:
    """How often something took how long: counts by upper bounds, and the sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the upper bounds, in seconds, ascending; what is more is counted apart."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Tally:
    """Counts since the start; who causes something counts it."""

    __slots__ = (
        "received",
        "received_size",
        "refused",
        "resumed_after",
        "resumptions",
        "sent",
        "sent_size",
        "sign_ins",
    )

    def __init__(self) -> None:
        self.received = {"message": 0, "presence": 0, "iq": 0}
        """Stanzas from clients, by name."""
        self.received_size = 0
        """Their characters."""
        self.sent: Counter[str] = Counter()
        """Stanzas for clients, by the first letter of their names, which stands after the ``<``."""
        self.sent_size = 0
        self.resumptions: Counter[str] = Counter()
        """Attempts to resume, by result."""
        self.resumed_after = Distribution(_AGES)
        """Seconds between the loss of a connection and its resumption."""
        self.sign_ins: Counter[tuple[str, str]] = Counter()
        """By mechanism and result."""
        self.refused: Counter[str] = Counter()
        """Stanzas that were answered with an error, by its condition."""
