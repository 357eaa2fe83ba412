"""The stanzas sent to a peer that it has not acknowledged yet (XEP-0198 section 4)."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from andiron.sm.counters import MODULUS, distance
from andiron.sm.payers import Payer, size_of

Entry = tuple[str, float, int]
"""A stanza's text, when it was accepted (monotonic seconds), and what is charged for it."""


_LONG: Final = 1000
"""Stanzas that are moved for each that goes from before them without it being felt."""
_GONE: Final[Entry] = "", 0.0, 0


class CountTooHighError(ValueError):
    """The peer acknowledged more stanzas than it was sent."""


class UnackedQueue:
    """What was recorded for the peer, oldest first, and the count that confirms it.

    Record before sending: a stanza whose bytes may have reached the peer must
    already be here. ``unsent`` is how many at the tail never went to any
    connection, and so cannot be acknowledged. ``bytes`` are those in memory, and
    charged to ``payer``.
    """

    __slots__ = ("_entries", "_gone", "_payer", "acked", "bytes", "unsent")

    def __init__(self, start: int, payer: Payer) -> None:
        self._payer = payer
        # Nearly always short, and an empty deque takes 760 bytes.
        self._entries: list[Entry] = []
        self._gone = 0  # at the head of a long one, to be moved over later
        self.acked = start
        self.bytes = 0
        self.unsent = 0

    def __len__(self) -> int:
        return len(self._entries) - self._gone

    def __iter__(self) -> Iterator[Entry]:
        return islice(self._entries, self._gone, None) if self._gone else iter(self._entries)

    @property
    def sent(self) -> int:
        """How many stanzas were sent since stream management began, modulo 2**32."""
        return (self.acked + len(self) - self.unsent) % MODULUS

    def push(self, text: str, now: float) -> None:
        """Record one stanza."""
        size = size_of(text)
        self._entries.append((text, now, size))
        self.bytes += size
        self._payer.held += size

    def check(self, h: int) -> int:
        """Return how many stanzas ``h`` would confirm, changing nothing.

        Raises :class:`CountTooHighError` for a count beyond what was sent,
        which a count below the last one is too, modulo 2**32.
        """
        confirmed = distance(self.acked, h)
        if confirmed > len(self) - self.unsent:
            raise CountTooHighError(f"{h} acknowledged, {self.sent} sent")
        return confirmed

    def ack(self, h: int) -> int:
        """Let go what ``h`` confirms and return how many stanzas that was."""
        confirmed = self.check(h)
        entries = self._entries
        if len(entries) > _LONG or self._gone:
            self._pass(confirmed)
        elif confirmed == 1:
            self._release(entries.pop(0)[2])
        elif confirmed:
            self._release(sum([entry[2] for entry in entries[:confirmed]]))
            del entries[:confirmed]
        self.acked = h
        return confirmed

    def _pass(self, confirmed: int) -> None:
        """Let go the oldest of many; what stays is moved when that is no more than went."""
        entries, begin, end = self._entries, self._gone, self._gone + confirmed
        self._release(sum([entry[2] for entry in entries[begin:end]]))
        if 2 * end >= len(entries):
            del entries[:end]
            self._gone = 0
        else:
            entries[begin:end] = [_GONE] * confirmed
            self._gone = end

    def drain(self) -> list[Entry]:
        """Take out everything, as when the session ends."""
        entries = list(self)
        self._entries, self._gone = [], 0
        self._release(self.bytes)
        self.unsent = 0
        return entries

    def _release(self, size: int) -> None:
        self.bytes -= size
        self._payer.held -= size
