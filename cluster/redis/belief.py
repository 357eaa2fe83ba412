"""What a process may believe of the lease that it holds; a core without clock or network.

Redis forgets a lease ``ttl`` seconds after it did what was asked, which is later than the moment at
which that was sent. So who counts from there, and lets go ``margin`` seconds sooner, has let go
before anybody else can have it, however long it was cut off, as long as both clocks run
equally fast. All times are of one clock of this process that also runs while it stands still.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

__all__ = ["Belief", "Standing", "Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    ttl: float = 10.0
    """After which others may take what nobody has renewed."""
    margin: float = 2.0
    """How long before that its holder lets go: clocks differ, and letting go takes time."""
    pause: float = 0.25
    """Between a renewal that got no answer and the next."""
    patience: float = 2.0
    """How long an answer may take."""

    def __post_init__(self) -> None:
        """Refuse what leaves no room for a second renewal."""
        if not 0 < self.margin <= self.ttl / 3:
            raise ValueError("the margin is more than nothing, and a third of the ttl at most")


class Standing(Enum):
    """How a process stands to the lease."""

    FREE = "free"
    """It has not got it, and may ask for it."""
    HELD = "held"
    LOST = "lost"
    """It had it, and has not let go of what that allowed: it may not ask again before."""


class Belief:
    """Counts from what was sent, and says when to renew and when to let go."""

    __slots__ = ("_renew_at", "_timing", "_until", "standing")

    def __init__(self, timing: Timing) -> None:
        self._timing: Final = timing
        self._until = self._renew_at = -inf
        self.standing = Standing.FREE

    def held(self, now: float) -> bool:
        """Tell whether nobody else can have it; when it is too late for that it is lost."""
        if self.standing is Standing.HELD and now >= self._until:
            self.standing = Standing.LOST
        return self.standing is Standing.HELD

    def next_deadline(self) -> float:
        """Return when to renew it, or when it is lost; infinite where it is not held."""
        if self.standing is not Standing.HELD:
            return inf
        return min(self._renew_at, self._until)

    def left(self, now: float) -> float:
        """Return for how many seconds it is held without being renewed."""
        return max(0.0, self._until - now) if self.held(now) else 0.0

    def granted(self, sent: float, now: float) -> bool:
        """Note that it was given by what was sent at ``sent``; tell whether it is held.

        Where it is not, the answer came too late, and what Redis has is to be released.
        """
        until = sent + self._timing.ttl - self._timing.margin
        if self.standing is Standing.FREE and now < until:
            self.standing = Standing.HELD
            self._until = until
        if not self.held(now):
            return False
        self._until = max(self._until, until)
        self._renew_at = sent + self._timing.ttl / 3
        return True

    def refused(self) -> None:
        """Note that it is another's."""
        if self.standing is Standing.HELD:
            self.standing = Standing.LOST

    def unanswered(self, now: float) -> None:
        """Note that a renewal got no answer: whether it was done is not known."""
        self._renew_at = now + self._timing.pause

    def let_go(self) -> None:
        """Note that nothing is done any more that only its holder may do."""
        self.standing = Standing.FREE
        self._until = -inf
