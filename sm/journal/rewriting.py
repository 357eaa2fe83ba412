"""The live state written anew, a slice at a time, while records go on coming.

The new journal gets each thing as it is when its turn comes, and from then on the records that
concern it; what is recorded before its turn is in what it gets then. So at any moment at which
all is there the new one says what the old one says, and nothing was copied or stopped for it.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from andiron.sm.journal.records import Record, whole
from andiron.sm.journal.state import State

__all__ = ["Rewriting"]

_OVERHEAD = 100
"""Characters that a record has besides the texts in it, about; a session's head has some more."""


class Rewriting:
    """What of ``state`` is to be written yet, and which records must be written besides.

    Both only while all that was recorded has been taken to be written: a record still to come
    would be in the slice and come again.
    """

    __slots__ = ("_begun", "_debts", "_notes", "_sessions", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        # Dictionaries, for their order, and taken from behind, where it costs nothing. What begins
        # meanwhile is in none of them.
        self._sessions = dict.fromkeys(reversed(state.sessions))
        self._notes = dict.fromkeys(reversed(state.notes))
        self._debts = dict.fromkeys(reversed(state.debts), -1)
        """By kind, up to which number they are written; -1: nothing of it is."""

    def next(self, size: int) -> list[Record]:
        """Return records of about ``size`` characters to be written now; none when all is there."""
        records: list[Record] = []
        for record in self._rest():
            records.append(record)
            size -= _size(record)
            if size <= 0:
                break
        return records

    def besides(self, records: Sequence[Record]) -> list[Record]:
        """Return those of a batch that concern what is written already, or is not to be."""
        return [record for record in records if self._concerns(record)]

    def _concerns(self, record: Record) -> bool:
        name = record[0]
        if name in {"note", "amended", "owed", "paid"}:
            key = cast(str, record[1])
            if name in {"note", "amended"}:
                return key not in self._notes
            # What is owed waits for what was owed before it; what is paid may not be owed at all.
            return name == "paid" or key not in self._debts
        if name == "began":
            return cast(dict[str, str], record[1])["id"] not in self._sessions
        return cast(str, record[1]) not in self._sessions

    def _rest(self) -> Iterator[Record]:
        state = self._state
        while self._notes:
            key, _ = self._notes.popitem()
            if key in state.notes:
                yield "note", key, state.notes[key]
        while self._sessions:
            sm_id, _ = self._sessions.popitem()
            if sm_id in state.sessions:
                yield whole(state.sessions[sm_id])
        while self._debts:
            kind = next(reversed(self._debts))
            yield from self._owed(kind)
            del self._debts[kind]

    def _owed(self, kind: str) -> Iterator[Record]:
        """Give what is owed of a kind; one may stop anywhere, and go on with another iterator."""
        debts = self._state.debts[kind]
        if self._debts[kind] < 0:
            self._debts[kind] = debts.unpaid[0][0] - 1 if debts.unpaid else debts.last
            yield "paid", kind, self._debts[kind]
        written = self._debts[kind]
        for number, payload in debts.unpaid:
            if number > written:
                self._debts[kind] = number
                yield "owed", kind, number, payload


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return _OVERHEAD + sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return _OVERHEAD + sum(map(_size, value))
    return 0
