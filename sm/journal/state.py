"""What is live: the sessions as they are, what belongs to none of them, and what is owed.

It is what a journal's records come to. A process keeps it beside its own objects, whose texts it
shares, so that it can be written anew at any time: exactly what was recorded, neither more nor
less, which a walk through the sessions themselves could not promise between two records.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from andiron.sm.counters import distance
from andiron.sm.frozen import Frozen, Head, Plain

__all__ = ["Debts", "State", "Written"]

_LONG: Final = 1000
"""Stanzas that are moved for each that goes from before them without it being felt."""


class Written:
    """One session, as it is written down; :class:`~andiron.sm.frozen.Frozen` says what is what."""

    __slots__ = ("acked", "beyond", "handled", "head", "queue")

    def __init__(self, session: Frozen) -> None:
        self.head = session.head
        self.handled = session.handled
        self.acked = session.acked
        self.beyond = tuple(session.beyond)
        # Nearly always short, and an empty deque takes 760 bytes.
        self.queue: list[tuple[str, float]] | deque[tuple[str, float]] = list(session.queue)

    def frozen(self) -> Frozen:
        """Return it as a value."""
        return Frozen(self.head, self.handled, self.acked, tuple(self.queue), self.beyond)


class Debts:
    """What of one kind was taken over and must yet go elsewhere, oldest first, each numbered."""

    __slots__ = ("last", "unpaid")

    def __init__(self) -> None:
        self.last = 0
        """The highest number there ever was."""
        self.unpaid: deque[tuple[int, Plain]] = deque()


class State:
    """What the records so far come to. Each method is a record, and does all of it or nothing.

    They raise :class:`KeyError` for a session that has not begun or has ended, and
    :class:`ValueError` for what cannot be.
    """

    __slots__ = ("debts", "notes", "sessions")

    def __init__(self) -> None:
        self.sessions: dict[str, Written] = {}
        """By stream management id."""
        self.notes: dict[str, Plain] = {}
        self.debts: dict[str, Debts] = {}
        """By kind."""

    def began(self, session: Frozen) -> None:
        """Have a session, whole, in place of what was known of it."""
        self.sessions[session.head.id] = Written(session)

    def changed(self, head: Head) -> None:
        """Have a session be somebody else, or somewhere else."""
        self.sessions[head.id].head = head

    def queued(self, sm_id: str, text: str, wall: float) -> None:
        """Have a stanza wait for a session's client since the Unix time ``wall``."""
        self.sessions[sm_id].queue.append((text, wall))

    def acknowledged(self, sm_id: str, h: int) -> None:
        """Let go what a session's client has: all up to ``h``."""
        session = self.sessions[sm_id]
        queue = session.queue
        confirmed = distance(session.acked, h)
        if confirmed > len(queue):
            raise ValueError(f"{h} acknowledged after {session.acked}, {len(queue)} queued")
        session.acked = h
        if isinstance(queue, deque):
            for _ in range(confirmed):
                queue.popleft()
        elif len(queue) > _LONG:
            session.queue = deque(list(queue)[confirmed:])
        else:
            del queue[:confirmed]

    def handled(self, sm_id: str, h: int) -> None:
        """Have all up to ``h`` of what a session's client sent be handled."""
        self.sessions[sm_id].handled = h

    def beyond(self, sm_id: str, ahead: Sequence[int]) -> None:
        """Have some after those be handled as well: the ``ahead``-th of what follows."""
        self.sessions[sm_id].beyond = tuple(ahead)

    def ended(self, sm_id: str) -> None:
        """Have a session no more; where its stanzas went is recorded with this."""
        del self.sessions[sm_id]

    def note(self, key: str, value: Plain) -> None:
        """Have what belongs to no session be so; None: it is gone."""
        if value is None:
            self.notes.pop(key, None)
        else:
            self.notes[key] = value

    def owed(self, kind: str, number: int, payload: Plain) -> None:
        """Have something that must yet go elsewhere; numbers of a kind rise."""
        debts = self.debts.get(kind)
        if debts is None:
            debts = self.debts[kind] = Debts()
        if number <= debts.last:
            raise ValueError(f"{kind} {number} is owed after {debts.last}")
        debts.last = number
        debts.unpaid.append((number, payload))

    def paid(self, kind: str, number: int) -> None:
        """Let go what of a kind is where it belongs: all up to ``number``."""
        debts = self.debts.get(kind)
        if debts is None:
            debts = self.debts[kind] = Debts()
        debts.last = max(debts.last, number)
        unpaid = debts.unpaid
        while unpaid and unpaid[0][0] <= number:
            unpaid.popleft()
