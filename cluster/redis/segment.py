"""One list of a journal in Redis, and the live state on its way into another."""

import secrets
from collections import deque
from collections.abc import Sequence

from andiron.cluster.redis.store import Append
from andiron.sm.journal import lines
from andiron.sm.journal.records import Record
from andiron.sm.journal.rewriting import Rewriting
from andiron.sm.journal.state import State

__all__ = ["Copy", "Segment"]


class Segment:
    """Knows how far a list is written, and what is to come."""

    __slots__ = ("_check", "_held", "_sent", "length", "name", "size", "waiting", "written")

    def __init__(self, name: str, length: int, size: int, check: int) -> None:
        """Go on with a list of so many lines and bytes, with the checksum ``check`` there."""
        self.name = name
        self.length = length
        """How many lines are there for sure."""
        self.size = size
        """Bytes of all lines, with those that are not there yet."""
        self.waiting = 0
        """Bytes of those."""
        self.written = 0
        """The number of the last batch that is there for sure."""
        self._check = check
        self._sent: deque[tuple[bytes, int]] = deque()
        self._held: deque[tuple[bytes, int]] = deque()
        """Lines with the number of the batch up to which they say all."""

    @classmethod
    def begin(cls) -> "Segment":
        """Return one that is not there yet, by a name that no other has."""
        name = secrets.token_hex(8)
        first, check = lines.begin(name)
        segment = cls(name, 0, 0, check)
        segment._hold(first, 0)
        return segment

    @property
    def holds(self) -> bool:
        """Whether it has lines that are to be sent."""
        return bool(self._held)

    @property
    def end(self) -> int:
        """How many lines there will be when what was sent is done."""
        return self.length + len(self._sent)

    def append(self, body: bytes, number: int) -> None:
        """Have a batch be its next line; ``number`` is the last that it says."""
        text, self._check = lines.line(body, self._check)
        self._hold(text, number)

    def next(self, most: int) -> Append:
        """Return what is to be sent now: lines of ``most`` bytes, one at the least if there is."""
        at, texts = self.end, []
        held, sent = self._held, self._sent
        while held and most > 0:
            entry = held.popleft()
            sent.append(entry)
            texts.append(entry[0])
            most -= len(entry[0])
        return Append(self.name, at, tuple(texts))

    def has(self, length: int) -> None:
        """Note that so many lines are there, of those that were sent, now or before."""
        for _ in range(length - self.length):
            text, number = (self._sent or self._held).popleft()
            self.waiting -= len(text)
            self.written = max(self.written, number)
        self.length = max(self.length, length)

    def broken(self) -> None:
        """Note that what was sent may not be there."""
        self._held.extendleft(reversed(self._sent))
        self._sent.clear()

    def _hold(self, text: bytes, number: int) -> None:
        self._held.append((text, number))
        self.size += len(text)
        self.waiting += len(text)


class Copy:
    """The live state on its way into a list of its own, beside the current one."""

    __slots__ = ("_rewriting", "complete", "segment", "switched_at")

    def __init__(self, state: State) -> None:
        self.segment = Segment.begin()
        self.complete = False
        """Whether all is in it, or on its way there."""
        self.switched_at = -1
        """The last batch before the question to let it be the current one was sent."""
        self._rewriting = Rewriting(state)

    def forward(self, records: Sequence[Record], body: bytes, number: int) -> None:
        """Take what of a new batch must be in it; ``body`` is all."""
        if besides := self._rewriting.besides(records):
            whole = len(besides) == len(records)
            self.segment.append(body if whole else lines.body(besides), number)

    def go_on(self, size: int) -> None:
        """Take about ``size`` characters more. All that was recorded must have been forwarded."""
        if records := self._rewriting.next(size):
            self.segment.append(lines.body(records), 0)
        else:
            self.complete = True
