"""Who pays: what each causes, in bytes of memory held and in seconds of the event loop.

A *payer* is an account, or, for those who have not signed in, the network they
come from. Bounds are on what a payer holds; the loop is shared out by turns.
Pure: no clock, no loop. :class:`~andiron.sm.driver.Driver` begins the rounds.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from math import inf
from sys import getsizeof
from typing import Final, Protocol
from weakref import WeakValueDictionary

from andiron.sm.strangers import network_of
from andiron.xmpp.xml import utf8_length

__all__ = ["WIDE", "Payer", "Payers", "Rounds", "Taker", "size_of"]


_CALM: Final = 1.0
"""Seconds after which one who had more than its turn counts as using little again."""
_REMEMBERED: Final = 10_000
"""Payers that are known though nothing is held for them, the latest."""
WIDE: Final = 4
"""Bytes that each character of a text takes where one of them is beyond the BMP."""
_EMPTY: Final = getsizeof("")


def size_of(text: str) -> int:
    """Return the most bytes of memory that a text takes, four a character where one is wide.

    The UTF-8 of what is not ASCII may be kept in the same object at any time, so it counts.
    """
    if text.isascii():
        return len(text) + _EMPTY
    return getsizeof(text) + utf8_length(text) + 1


class Taker(Protocol):
    """What waits for its payer's turn, such as a session that has stopped reading."""

    def take_turn(self) -> None:
        """Go on, until :meth:`Rounds.used` says that the turn is over."""


class Payer:
    """One who causes costs; whoever holds something for it holds the payer, too."""

    __slots__ = (
        "__weakref__",
        "at",
        "backlog",
        "drawn",
        "held",
        "late_at",
        "name",
        "network",
        "over_since",
        "owed",
        "paid",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.network: Payer | None = None
        """Who pays as well, for one that may have any number of names."""
        self.held = 0
        """Bytes of memory that are held for it."""
        self.backlog = 0
        """Bytes that wait to be written for what it sent."""
        self.drawn = 0.0
        """Until when what it sent takes its rate."""
        self.over_since = inf
        """Since when it has sent more than its rate and its burst."""
        self.owed = 0.0
        """Seconds of the loop that it has used beyond its share, as of ``at``."""
        self.at = 0.0
        self.paid = False
        """Whether it has paid since then by waiting for its turn."""
        self.late_at = -inf
        """When it last had more than its turn."""
        self.waiting: deque[Taker] | None = None
        """What waits for its next turns, in order."""


class Payers:
    """Who pays, by name: while anything is held for them, and a good while longer.

    Who has sent all that he may has not sent nothing because he hung up.
    """

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, Payer] = WeakValueDictionary()
        self._latest: OrderedDict[str, Payer] = OrderedDict()

    def network(self, address: str) -> Payer:
        """Return who pays for a connection from ``address`` that has not signed in."""
        return self.named(network_of(address))

    def named(self, name: str) -> Payer:
        """Return the payer of a name."""
        payer = self._known.get(name)
        if payer is None:
            payer = self._known[name] = Payer(name)
        self._latest[name] = payer
        self._latest.move_to_end(name)
        if len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        return payer


class Rounds:
    """Shares the loop out: who has had his turn waits until each other payer has had one.

    A payer that uses no more than ``share`` of the loop's time never waits. One
    that uses more goes on in slices of ``slice`` seconds, one a round, whichever
    and however many of its connections want to; a round is one run of the loop
    over whatever else is ready. So alone it has the whole loop, and with others
    it costs each of them one slice. While there are others who use little of the
    loop, rounds begin some time after one another, so that most of what those
    do meets nobody's slice, and all of them together go on at about their share.
    """

    def __init__(self, slice: float, share: float, courtesy: float = 0.0) -> None:  # noqa: A002
        """``courtesy`` is how many seconds are between two rounds while others use little."""
        self.on_wait: Callable[[float], object] | None = None
        """Told once for each round that is to come, in so many seconds: something waits.
        None: nothing need wait."""
        self._courtesy = courtesy
        self._modest_at = -inf
        """When somebody who uses little last did something."""
        self._slice = slice
        self._share = share
        self._waiting: dict[Payer, None] = {}
        self._to_come = False
        """Whether the next round has been asked for."""

    def __len__(self) -> int:
        """Return how many payers wait."""
        return len(self._waiting)

    def used(self, payer: Payer, began: float, now: float) -> bool:
        """Charge the time since ``began``; return whether the payer's turn is over."""
        since = payer.at
        if payer.paid:
            # Time in which it waited was taken off what it owes round by round.
            payer.paid = False
            since = began
        owed = payer.owed + now - began - (now - since) * self._share
        payer.owed = owed if owed > 0.0 else 0.0
        payer.at = now
        if owed > self._slice:
            payer.late_at = now
            return self.on_wait is not None
        if now - payer.late_at > _CALM:
            self._modest_at = now
        return False

    def wait(self, payer: Payer, taker: Taker) -> None:
        """Let ``taker`` go on when it is the payer's turn again; it has stopped."""
        waiting = payer.waiting
        if waiting is None:
            waiting = payer.waiting = deque()
            self._waiting[payer] = None
            self._ask()
        waiting.append(taker)

    def leave(self, payer: Payer, taker: Taker) -> None:
        """Let ``taker`` wait no more: it ended."""
        waiting = payer.waiting
        if waiting is not None and taker in waiting:
            waiting.remove(taker)
            payer.paid = payer.paid and bool(waiting)
            self._tidy(payer)

    def next_round(self) -> None:
        """Give each payer that waits its turn, one taker each; who owes more waits on."""
        self._to_come = False
        try:
            for payer in list(self._waiting):
                payer.owed = max(0.0, payer.owed - self._slice)
                payer.paid = True
                if payer.owed < self._slice and payer.waiting:
                    taker = payer.waiting.popleft()
                    self._tidy(payer)
                    taker.take_turn()
        finally:
            # One that fails is reported by the loop; the others are still to have their turns.
            if self._waiting:
                self._ask()

    def stop(self) -> None:
        """Begin no round any more: all that waits goes on, and nothing has to wait hereafter."""
        self.on_wait = None
        while self._waiting:
            for payer in list(self._waiting):
                payer.owed = 0.0
            self.next_round()

    def _ask(self) -> None:
        if not self._to_come and self.on_wait is not None:
            self._to_come = True
            # All who wait had more than their turn since.
            late_at = max(payer.late_at for payer in self._waiting)
            self.on_wait(self._courtesy if late_at - self._modest_at < _CALM else 0.0)

    def _tidy(self, payer: Payer) -> None:
        if not payer.waiting:
            payer.waiting = None
            self._waiting.pop(payer, None)
