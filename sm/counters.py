"""The two counters of XEP-0198 section 4, modulo 2**32, and nothing else.

Each stream has a count of stanzas handled from the peer (its ``h``) and a
count of stanzas sent to it. Both are unsigned 32-bit and wrap to zero.
"""

from typing import Final

MODULUS: Final = 2**32


def add(count: int, steps: int) -> int:
    """Return the count ``steps`` later."""
    return (count + steps) % MODULUS


def distance(earlier: int, later: int) -> int:
    """Return how many steps lead from one count to the other."""
    return (later - earlier) % MODULUS


def parse_count(text: str | None) -> int | None:
    """Return the value of an ``h`` attribute, or None where it is not an xs:unsignedInt."""
    if text is None:
        return None
    digits = text.strip("\t\n\r ").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 32:
        return None
    count = int(digits)
    return count if count < MODULUS else None


class Inbound:
    """Counts what the peer sent and what of it is handled, in order.

    A stanza is given a ticket when it arrives; it is handled later, perhaps
    after others that came behind it. ``h`` counts the unbroken run of handled
    stanzas only, since acknowledging one acknowledges all before it. Tickets
    are counted from one and never wrap; ``h`` begins at :meth:`begin`.
    """

    __slots__ = ("_base", "_begun", "_done", "received", "repeated", "settled")

    def __init__(self) -> None:
        self._base = 0
        self._begun = 0
        self._done: set[int] | None = None
        self.received = 0
        self.settled = 0
        self.repeated: set[int] | None = None
        """Tickets of stanzas to come that were handled before, in another process."""

    def begin(self, base: int = 0) -> None:
        """Let ``h`` be ``base`` now and count only what arrives from here on."""
        self._base = base
        self._begun = self.received

    @property
    def h(self) -> int:
        """How many stanzas are handled since :meth:`begin`, modulo 2**32."""
        return (self._base + max(0, self.settled - self._begun)) % MODULUS

    @property
    def beyond(self) -> tuple[int, ...]:
        """Which of those after ``h`` are handled as well: 2 is the second of them."""
        if not self._done and not self.repeated:
            return ()
        first = max(self.settled, self._begun)
        ahead = (self._done or set()) | (self.repeated or set())
        return tuple(sorted(ticket - first for ticket in ahead))

    def is_repeated(self, ticket: int) -> bool:
        """Tell whether a stanza was handled before; only the first time."""
        repeated = self.repeated
        if repeated is None or ticket not in repeated:
            return False
        repeated.remove(ticket)
        self.repeated = repeated or None
        return True

    @property
    def pending(self) -> int:
        """How many stanzas have arrived that are not handled, or wait for one that is not."""
        return self.received - self.settled

    def arrive(self) -> int:
        """Count a stanza's arrival and return its ticket."""
        self.received += 1
        return self.received

    def handle(self, ticket: int) -> None:
        """Mark a ticket's stanza handled."""
        if ticket == self.settled + 1:
            self.settled = ticket
        elif self.settled < ticket <= self.received:
            if self._done is None:
                self._done = set()
            self._done.add(ticket)
            return
        else:
            raise ValueError(f"ticket {ticket} is not pending")
        while self._done and self.settled + 1 in self._done:
            self.settled += 1
            self._done.remove(self.settled)
