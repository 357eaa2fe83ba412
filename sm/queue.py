"""The stanzas sent to a peer that it has not acknowledged yet (XEP-0198 section 4)."""

from collections.abc import Iterator

from andiron.sm.counters import MODULUS, distance
from andiron.sm.payers import Payer, size_of

Entry = tuple[str, float, int]
"""A stanza's text, when it was accepted (monotonic seconds), and what is charged for it."""


class CountTooHighError(ValueError):
    """The peer acknowledged more stanzas than it was sent."""


class UnackedQueue:
    """What was recorded for the peer, oldest first, and the count that confirms it.

    Record before sending: a stanza whose bytes may have reached the peer must
    already be here. ``unsent`` is how many at the tail never went to any
    connection, and so cannot be acknowledged. ``bytes`` are those in memory, and
    charged to ``payer``.
    """

    __slots__ = ("_entries", "_payer", "acked", "bytes", "unsent")

    def __init__(self, start: int, payer: Payer) -> None:
        self._payer = payer
        # Nearly always short, and an empty deque takes 760 bytes.
        self._entries: list[Entry] = []
        self.acked = start
        self.bytes = 0
        self.unsent = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def sent(self) -> int:
        """How many stanzas were sent since stream management began, modulo 2**32."""
        return (self.acked + len(self._entries) - self.unsent) % MODULUS

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
        if confirmed > len(self._entries) - self.unsent:
            raise CountTooHighError(f"{h} acknowledged, {self.sent} sent")
        return confirmed

    def ack(self, h: int) -> int:
        """Let go what ``h`` confirms and return how many stanzas that was."""
        confirmed = self.check(h)
        entries = self._entries
        if confirmed == 1:
            self._release(entries.pop(0)[2])
        elif confirmed:
            self._release(sum([entry[2] for entry in entries[:confirmed]]))
            del entries[:confirmed]
        self.acked = h
        return confirmed

    def drain(self) -> list[Entry]:
        """Take out everything, as when the session ends."""
        entries, self._entries = self._entries, []
        self._release(self.bytes)
        self.unsent = 0
        return entries

    def _release(self, size: int) -> None:
        self.bytes -= size
        self._payer.held -= size
