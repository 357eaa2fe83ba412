"""What must yet be done in the store, written down until it is, whichever is done first.

Messages are stored in each sender's turns, and so in any order: each is a note of the journal's
own, gone when it is stored. Of what is paid in order a start would store again what has been
stored since, and taken by its account, while an older one waited.
"""

from itertools import count
from typing import Any, Final

from andiron.sm.frozen import Plain
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.ledger import Ledger

__all__ = ["Owing"]


class Owing:
    """What of one kind is owed to the store of one domain."""

    def __init__(self, journal: Journal, kind: str) -> None:
        self._journal = journal
        self._prefix: Final = f"{kind}/"
        self._former = Ledger(journal, kind)
        """What earlier versions wrote down as debts that are paid in order."""
        self._numbers = count()

    def left(self) -> list[Any]:
        """Return what the process before left; this one is to see to it."""
        notes = self._journal.state.notes
        return [*self._former.left(), *(notes[key] for key in self._ours())]

    def take_over(self) -> None:
        """Note that all that was :meth:`left` is stored, before anything is owed."""
        self._former.take_over()
        for key in self._ours():
            self._journal.note(key, None)

    def owed(self, payload: Plain) -> str:
        """Record what is to be done; return its key."""
        key = f"{self._prefix}{next(self._numbers)}"
        self._journal.note(key, payload)
        return key

    def paid(self, key: str) -> None:
        """Record that it is done, or cannot be."""
        self._journal.note(key, None)

    def _ours(self) -> list[str]:
        return [key for key in self._journal.state.notes if key.startswith(self._prefix)]
