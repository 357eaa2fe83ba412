"""In which order the database's writer does what waits: by turns of those who cause it.

Each *payer* has a line, in which the order is that of the calls. Who has had a turn waits
until every other who waits has had one, and longer where it took more than a turn's time.
So one who alone has much to write has the whole writer, and costs each of the others one of
his operations at a time. What the process itself writes goes first as long as it has had no
more time than all others. Pure: no clock, no loop.
"""

from collections import OrderedDict, deque
from typing import Final, Generic, TypeVar

__all__ = ["OWN", "Lines"]

T = TypeVar("T")

OWN: Final = ""
"""The payer of what the process itself has to write, for nobody or for everybody."""
_TURN: Final = 0.001
"""Seconds of the writer's time that one has in each round."""
_MOST: Final = 0.25
"""Seconds that one owes at most: a database that hung for longer is nobody's fault."""


class _Line(Generic[T]):
    __slots__ = ("owed", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.owed = 0.0
        """Seconds that it has had beyond its turns."""


class Lines(Generic[T]):
    """What waits, for whom."""

    def __init__(self) -> None:
        self._own: _Line[T] = _Line()
        self._lines: OrderedDict[str, _Line[T]] = OrderedDict()
        """Those of the others, in the order of their next turns."""
        self._number = 0

    def __len__(self) -> int:
        """Return how much waits."""
        return self._number

    def add(self, payer: str, each: T) -> None:
        """Let something wait, behind what waits for the same payer."""
        line = self._own if payer == OWN else self._lines.get(payer)
        if line is None:
            line = self._lines[payer] = _Line()
        line.waiting.append(each)
        self._number += 1

    def take(self) -> T:
        """Return what is next. Something must wait."""
        own, number = self._own, self._number
        self._number -= 1
        if own.waiting and (not own.owed or len(own.waiting) == number):
            return own.waiting.popleft()
        lines = self._lines
        while True:
            payer, line = next(iter(lines.items()))
            lines.move_to_end(payer)
            line.owed = max(0.0, line.owed - _TURN)
            if line.owed:
                continue
            if line.waiting:
                return line.waiting.popleft()
            del lines[payer]

    def charge(self, payer: str, seconds: float) -> None:
        """Note that what was taken last, a payer's, took so long."""
        own = self._own
        if not self._number:
            # Nobody had to wait for it.
            own.owed = 0.0
            self._lines.clear()
        elif payer == OWN:
            own.owed = min(own.owed + seconds, _MOST)
        else:
            own.owed = max(0.0, own.owed - seconds)
            if (line := self._lines.get(payer)) is not None:
                line.owed = min(line.owed + seconds, _MOST)
