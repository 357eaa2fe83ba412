"""What of one kind must yet go into the database, whichever of it is done first."""

from collections.abc import Iterable
from typing import Any, Final

from andiron.sm.frozen import Plain
from andiron.sm.journal.journal import Journal

__all__ = ["Ledger"]


class Ledger:
    """The debts of one kind in a journal; they may be paid in any order."""

    def __init__(self, journal: Journal, kind: str) -> None:
        self._journal = journal
        self._kind: Final = kind
        self._open: dict[int, None] = {}

    def left(self) -> list[Any]:
        """Return what the process before left unpaid, oldest first; this one is to see to it."""
        debts = self._journal.state.debts.get(self._kind)
        return [] if debts is None else [payload for _, payload in debts.unpaid]

    def take_over(self) -> None:
        """Note that all that was :meth:`left` is where it belongs, before anything is owed."""
        last = self._journal.last(self._kind)
        if last:
            self._journal.paid(self._kind, last)

    def owed(self, payload: Plain) -> int:
        """Record what was taken over; return its number."""
        number = self._journal.owed(self._kind, payload)
        self._open[number] = None
        return number

    def paid(self, numbers: Iterable[int]) -> None:
        """Record that some are where they belong."""
        still = self._open
        first = next(iter(still), 0)
        for number in numbers:
            still.pop(number, None)
        oldest = next(iter(still), self._journal.last(self._kind) + 1)
        if first and oldest > first:
            self._journal.paid(self._kind, oldest - 1)
