"""The journal in Redis: what a turn brought is sent at its end, and promised when Redis has it.

The same lines as in a file (:mod:`andiron.sm.journal.lines`), in a list. Whatever the moment at
which the process ends, the current list can be read and says all that was promised. All is
done as whoever holds the lease: who has lost it appends nothing any more, so what it promised last
is what the next one finds.
"""

import logging
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

from andiron.cluster.redis.segment import Copy, Segment
from andiron.cluster.redis.store import (
    Answer,
    Append,
    Broken,
    Done,
    Join,
    Joined,
    Operation,
    Refused,
    Store,
    Switch,
)
from andiron.sm.journal import lines
from andiron.sm.journal.config import JournalConfig
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.promises import BREATH, Promises
from andiron.sm.journal.records import Record
from andiron.sm.journal.state import State
from andiron.sm.journal.trouble import Trouble
from andiron.sm.timers import Timers

__all__ = ["RedisJournal"]

logger = logging.getLogger("andiron.cluster")

_DEFAULTS: Final = JournalConfig()
_UNDER_WAY: Final = 4
"""Operations; what comes meanwhile goes together with the next."""
_CALL: Final = 1 << 20
"""Bytes of lines in one operation."""
_REST: Final = 1.0
"""Seconds between two rewritings."""


class RedisJournal(Promises):
    """A :class:`Journal` in Redis: what may be promised is what that has.

    Everything of ``config`` holds but its ``durability``: whether Redis has it on a disk is for
    Redis to be told.
    """

    alone: Final = False
    """While Redis cannot be reached another process may take over, which knows nothing of what
    was not written: a client that had it could not resume there."""

    def __init__(
        self,
        name: str,
        segment: Segment | None,
        state: State,
        timers: Timers,
        store: Store,
        clock: Callable[[], float],
        *,
        touch: float,
        config: JournalConfig = _DEFAULTS,
    ) -> None:
        """Go on with a list that says ``state``, or None, and then with one of its own.

        ``name`` is what the log calls it. Every ``touch`` seconds it is used at least, so that
        Redis keeps it. ``clock`` gives the ``now`` that is passed in elsewhere.
        """
        super().__init__(Journal(state), timers)
        self.name: Final = name
        self.on_lost: Callable[[], object] = _nothing
        """Told once when another process has it: nothing is promised any more, for ever."""
        self._store = store
        self._clock = clock
        self._touch = touch
        self._config = config
        self._trouble = Trouble(name)
        self._current = segment
        """None: Redis lacks what is not held any more, and all must be written anew."""
        self._copy: Copy | None = None
        self._abandoned = ""
        """The name of a copy that was not gone on with, or of which that is not known yet."""
        self._line = 0
        """The number of the connection: answers of another concern nobody."""
        self._joining = self._joined = False
        self._calls = 0
        """How many operations are under way."""
        self._base = 0
        """The list's size when it was written anew last."""
        self._rewrite_at = self._slice_at = self._touch_at = -inf
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether nothing is promised any more, for ever."""
        return self._lost

    @property
    def failing(self) -> str:
        """Why what is recorded now cannot be promised; empty while it can."""
        return "another process has taken over" if self._lost else self._trouble.why

    @property
    def size(self) -> int:
        """How many bytes the list has."""
        return 0 if self._current is None else self._current.size

    def abandon(self) -> None:
        """Promise nothing any more: another process may have it, or be about to."""
        self._lost = self._over = True
        self._timers.cancel(self)
        self._waiting.clear()
        self._current = self._copy = None

    def close(self) -> None:
        """Send nothing more, and promise nothing; who wants all to be safe waits for it before."""
        self._over = True
        self._timers.cancel(self)

    # Batches

    def _take(self, records: list[Record], now: float) -> None:
        body = lines.body(records)
        current, copy = self._current, self._copy
        if current is not None:
            size = current.size + len(body) + lines.OVERHEAD
            if size > self._config.maximum:
                self._trouble.begin(f"it is full, with {current.size} bytes", now)
                self._give_up(now)
            elif current.holds and current.waiting + len(body) > self._config.waiting:
                self._give_up(now)
            else:
                current.append(body, self._taken)
        if copy is not None:
            copy.forward(records, body, self._taken)
            if copy.segment.waiting > self._config.waiting + self._config.slice:
                if self._joined:
                    self._break("it is too slow", now)
                self._copy = None

    def _give_up(self, now: float) -> None:
        """Hold nothing: the live state has it, and is to be written anew."""
        self._current = None
        self._rewrite_at = min(self._rewrite_at, now)

    # What is due

    def _work(self, now: float) -> None:
        """Do it."""
        if self._over:
            return
        if self._joined:
            self._send_current(now)
            self._go_on_with_copy(now)
        elif not self._joining and now >= self._trouble.over_at:
            self._join()
        self._wake(now)

    def _wake(self, now: float) -> None:
        if not self._joined:
            at = inf if self._joining else self._trouble.over_at
        elif self._copy is None:
            at = self._rewrite_at if self._current is None else self._touch_at
        elif self._wants_slice(self._copy):
            at = self._slice_at
        else:
            at = self._touch_at
        if at == inf:
            self._timers.cancel(self)
        elif at != self.wake_at:
            self._timers.schedule(self, max(at, now + BREATH))

    # Operations

    def _send(self, operation: Operation, answered: Callable[[Answer, float], object]) -> None:
        self._calls += 1
        self._store.send(operation, partial(self._answered, self._line, answered))

    def _answered(
        self, line: int, answered: Callable[[Answer, float], object], answer: Answer
    ) -> None:
        if line != self._line or self._over:
            return
        now = self._clock()
        self._calls -= 1
        match answer:
            case Broken(reason):
                self._break(reason, now)
            case Refused():
                self._lose()
                return
            case _:
                answered(answer, now)
        self.on_timer(now)
        self._tell()

    def _break(self, reason: str, now: float) -> None:
        """Take nothing for sure that was under way, and begin anew after a pause."""
        self._line += 1
        self._calls = 0
        self._joining = self._joined = False
        self._trouble.begin(reason, now)
        if self._copy is not None:
            self._abandoned = self._copy.segment.name
            if self._copy.switched_at < 0:
                self._copy = None

    def _lose(self) -> None:
        logger.error("The journal %s is another process's now", self.name)
        self.abandon()
        self.on_lost()

    def _join(self) -> None:
        self._joining = True
        self._send(Join(self._abandoned), self._has_joined)

    def _has_joined(self, answer: Answer, now: float) -> None:
        assert isinstance(answer, Joined)
        self._joining, self._joined, self._abandoned = False, True, ""
        self._touch_at = now + self._touch
        copy, self._copy = self._copy, None
        current = self._current
        if copy is not None and answer.current == copy.segment.name:
            copy.segment.broken()
            self._switched(copy, answer.length, now)
        elif current is not None and self._goes_on(current, answer):
            current.broken()
            current.has(answer.length)
            self._written(current)
        else:
            self._give_up(now)

    def _goes_on(self, current: Segment, answer: Joined) -> bool:
        if answer.current == current.name and current.length <= answer.length:
            return True
        logger.warning("Redis has lost the journal %s: it is written anew", self.name)
        return False

    # The current list

    def _send_current(self, now: float) -> None:
        current = self._current
        if current is None:
            return
        if now >= self._touch_at:
            self._touch_at = now + self._touch
            self._append(current, Append(current.name, current.end, ()))
        while current.holds and self._calls < _UNDER_WAY:
            self._append(current, current.next(_CALL))

    def _append(self, segment: Segment, operation: Append) -> None:
        length = operation.at + len(operation.lines)
        self._send(operation, partial(self._appended, segment, length))

    def _appended(self, segment: Segment, length: int, answer: Answer, now: float) -> None:
        assert isinstance(answer, Done)
        copy = self._copy
        if segment is self._current:
            if answer.length == length:
                segment.has(length)
                self._written(segment)
            else:
                logger.warning("Redis has lost the journal %s: it is written anew", self.name)
                self._give_up(now)
        elif copy is not None and segment is copy.segment:
            if answer.length == length:
                segment.has(length)
            else:
                self._break("what was written is not there", now)

    def _written(self, current: Segment) -> None:
        self._safe = max(self._safe, current.written)
        if not current.holds:
            self._trouble.end()

    # Writing anew

    def _go_on_with_copy(self, now: float) -> None:
        copy = self._copy
        if copy is None:
            if now < self._rewrite_at or not self._is_to_be_rewritten():
                return
            copy = self._copy = Copy(self.journal.state)
        if self._wants_slice(copy) and now >= self._slice_at:
            self._slice_at = now + BREATH
            copy.go_on(self._config.slice)
        if copy.segment.size > self._config.maximum:
            self._break(f"it is full, with {copy.segment.size} bytes of what is live", now)
            return
        while copy.segment.holds and self._calls < _UNDER_WAY:
            self._append(copy.segment, copy.segment.next(_CALL))
        if copy.complete and not copy.segment.holds and copy.switched_at < 0:
            copy.switched_at = self._taken
            self._send(
                Switch(copy.segment.name, copy.segment.end), partial(self._has_switched, copy)
            )

    def _wants_slice(self, copy: Copy) -> bool:
        return not copy.complete and copy.segment.waiting < 2 * self._config.slice

    def _is_to_be_rewritten(self) -> bool:
        if self._current is None:
            return True
        size, base, config = self._current.size, self._base, self._config
        return size > min(max(config.floor, config.factor * base), (base + config.maximum) // 2)

    def _has_switched(self, copy: Copy, answer: Answer, now: float) -> None:
        assert isinstance(answer, Done)
        if answer.length:
            self._switched(copy, copy.segment.length, now)
        else:
            self._break("what was written is not there", now)

    def _switched(self, copy: Copy, length: int, now: float) -> None:
        """Let the copy be the journal: all that was promised is there in it, too."""
        current = self._current = copy.segment
        self._copy = None
        current.has(length)
        self._base = current.size
        self._rewrite_at = now + _REST
        self._safe = max(self._safe, copy.switched_at)
        self._written(current)


def _nothing() -> None:
    """Nobody wants to know."""
