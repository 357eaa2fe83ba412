"""What a process records as it goes: applied to the live state at once, written at a turn's end."""

from collections.abc import Callable, Sequence

from andiron.sm.frozen import Frozen, Head, Noted, Plain
from andiron.sm.journal.changes import changes
from andiron.sm.journal.records import Record, is_plain, whole
from andiron.sm.journal.state import Debts, State

__all__ = ["Journal"]


class Journal:
    """Collects the records of one turn of the event loop, which are written all or none.

    Who changes a session says so here, in the order of the changes, within the turn; who ends the
    turn writes them (:meth:`andiron.sm.journal.file.JournalFile.flush`). What is given is kept, not
    copied, and is not changed later, but for notes of texts within the turn. Methods raise as
    those of :class:`State` do, and :class:`ValueError` for what JSON cannot say; nothing is
    recorded then.
    """

    __slots__ = ("_records", "on_pending", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        """What is live, with all that was recorded; to be read only."""
        self.on_pending: Callable[[], object] = _nothing
        """Told of a turn's first record: the turn's end must write."""
        self._records: list[Record] = []

    @property
    def pending(self) -> bool:
        """Whether there is something to write."""
        return bool(self._records)

    def take(self) -> list[Record]:
        """Return what was recorded since, to be written as one batch."""
        records = self._records
        if records:
            self._records = []
        return records

    def began(self, session: Frozen) -> None:
        """Record a session, whole: one that can be resumed from now on."""
        _check(session.head.backend)
        self.state.began(session)
        self._add(whole(session))

    def changed(self, head: Head) -> None:
        """Record what changed of a session besides its counters and its queue, if anything has."""
        found = changes(self.state.sessions[head.id].head.plain(), head.plain())
        if found:
            _check(found)
            self.state.changed(head)
            self._add(("changed", head.id, found))

    def queued(self, sm_id: str, text: str, wall: float) -> None:
        """Record a stanza for a session's client, before it goes out; ``wall`` is a Unix time."""
        self.state.queued(sm_id, text, wall)
        if isinstance(text, Noted):
            self._add(("noted", sm_id, text, wall, text.note))
        else:
            self._add(("queued", sm_id, text, wall))

    def acknowledged(self, sm_id: str, h: int) -> None:
        """Record that a session's client has all up to ``h``, modulo 2**32."""
        self.state.acknowledged(sm_id, h)
        self._add(("acknowledged", sm_id, h))

    def handled(self, sm_id: str, h: int) -> None:
        """Record that all up to ``h`` of what its client sent is taken over, before that is said.

        Once a turn is enough: the last counts.
        """
        self.state.handled(sm_id, h)
        self._add(("handled", sm_id, h))

    def beyond(self, sm_id: str, ahead: Sequence[int]) -> None:
        """Record which after those are handled as well, in place of what was recorded before."""
        self.state.beyond(sm_id, ahead)
        self._add(("beyond", sm_id, ahead))

    def ended(self, sm_id: str) -> None:
        """Record that a session is no more, in the turn in which its stanzas went elsewhere."""
        self.state.ended(sm_id)
        self._add(("ended", sm_id))

    def note(self, key: str, value: Plain) -> None:
        """Record what belongs to no session, in place of what had its key; None: it is gone.

        Of an object in place of another, what differs is recorded.
        """
        former = self.state.notes.get(key)
        if isinstance(former, dict) and isinstance(value, dict):
            found = changes(former, value)
            if not found:
                return
            record: Record = "amended", key, found
        else:
            record = "note", key, value
        _check(record)
        self.state.note(key, value)
        self._add(record)

    def owed(self, kind: str, payload: Plain) -> int:
        """Record what was taken over and must yet go elsewhere; return its number.

        Numbers of a kind rise by one and are never used again, whichever process recorded them, so
        whoever keeps the highest that he has can tell what he has been given before.
        """
        _check(payload)
        number = self.last(kind) + 1
        self.state.owed(kind, number, payload)
        self._add(("owed", kind, number, payload))
        return number

    def paid(self, kind: str, number: int) -> None:
        """Record that all of a kind up to ``number`` is where it belongs."""
        if number > self.last(kind):
            raise ValueError(f"{kind} {number} was never owed")
        self.state.paid(kind, number)
        self._add(("paid", kind, number))

    def last(self, kind: str) -> int:
        """Return the highest number of a kind so far, 0 before the first."""
        debts: Debts | None = self.state.debts.get(kind)
        return 0 if debts is None else debts.last

    def _add(self, record: Record) -> None:
        records = self._records
        records.append(record)
        if len(records) == 1:
            self.on_pending()


def _check(value: object) -> None:
    if not is_plain(value):
        raise ValueError(f"JSON cannot say {type(value).__name__}, or what is in it")


def _nothing() -> None:
    """Nobody wants to know."""
