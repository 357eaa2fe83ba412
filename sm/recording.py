"""What sessions owe is written down before it is said: a turn of the event loop at a time.

What a session sends waits at its gate until the turn ends. Then all that the turn brought is
written at once, and goes out: so a client never has, or is told, what a process that is killed
would not know of afterwards.
"""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from andiron.sm.counters import Inbound
from andiron.sm.frozen import Frozen, Head
from andiron.sm.journal.journal import Journal
from andiron.sm.link import Transport
from andiron.xmpp.errors import StreamError

logger = logging.getLogger("andiron.sm")

_HELD_UP: Final = "What was written down of a session could not go out"
_TURNS: Final = 1000
"""How many turns wait each for its own batch; where the disk takes longer the rest wait as one."""

__all__ = ["Answer", "Gate", "Promise", "Recorded", "Recording", "Writer"]


class Promise(str):
    """What tells the client that something of it is handled."""

    __slots__ = ()


class Answer(Promise):
    """A promise that has to come before what is sent after it."""

    __slots__ = ()


class Recorded(Protocol):
    """A session, as its gate knows it."""

    transport: Transport | None
    inbound: Inbound
    spent: Callable[[float], float]

    def answered(self) -> None:
        """Go on with the resumption: its client has the answer."""


class Writer(Protocol):
    """Where the journal is written; :class:`~andiron.sm.journal.file.JournalFile`."""

    journal: Journal

    @property
    def failing(self) -> str:
        """Why what is recorded now cannot be promised; empty while it can."""

    @property
    def size(self) -> int:
        """How many bytes the file has."""

    @property
    def alone(self) -> bool:
        """Whether nobody but this process can go on with the sessions while it lives.

        Then what promises nothing may go out though it cannot be written down.
        """

    def flush(self, now: float, done: Callable[[], object] | None = None) -> bool:
        """Write what was recorded; tell whether it may be promised, else call ``done`` later."""


class Gate:
    """Stands between one session that outlives its process, and its connection."""

    __slots__ = (
        "_beyond",
        "_changed",
        "_closing",
        "_handled",
        "_last",
        "_marked",
        "_recording",
        "_session",
        "_sm_id",
        "_texts",
        "passed",
        "touched",
        "waits",
    )

    def __init__(self, recording: "Recording", session: Recorded, sm_id: str, last: Head) -> None:
        self._recording = recording
        self._session = session
        self._sm_id = sm_id
        self._last = last
        """The head that is written down."""
        self._texts: list[str] = []
        self._closing: tuple[Transport, StreamError | None] | None = None
        self._handled = self._changed = False
        self._beyond = session.inbound.beyond
        self.passed = 0
        """How many texts have gone through, or were dropped."""
        self._marked = 0
        """The latest of the marks at which some are to be released."""
        self.touched = False
        """Whether something of it is to be done at the turn's end."""
        self.waits = False
        """Whether an answer is here, that has to come before anything else."""

    # What the session records

    def queued(self, text: str, wall: float) -> None:
        """Record a stanza for the client, before :meth:`send`."""
        self._recording.journal.queued(self._sm_id, text, wall)

    def acknowledged(self, h: int) -> None:
        """Record that the client has all up to ``h``."""
        self._recording.journal.acknowledged(self._sm_id, h)

    def handled(self) -> None:
        """Record at the turn's end what is handled then of what the client sent."""
        self._handled = True
        if not self.touched:
            self._recording.touch(self)

    def changed(self) -> None:
        """Record at the turn's end what else of the session has changed, if anything has."""
        self._changed = True
        self._recording.touch(self)

    # What it sends

    def send(self, text: str) -> None:
        """Send one element when the turn has ended."""
        if not self.touched:
            self._recording.touch(self)
        self._texts.append(text)
        if isinstance(text, Answer):
            self.waits = True

    def drop(self) -> None:
        """Let go what has not gone out: the connection is lost."""
        self.passed += len(self._texts)
        self._texts.clear()
        self.waits = False

    def end(self, transport: Transport | None, error: StreamError | None) -> None:
        """Record that the session has ended; close ``transport``, if any, after what it is sent."""
        self._recording.journal.ended(self._sm_id)
        self._handled = self._changed = False
        if transport is None:
            self.drop()
        else:
            self._closing = transport, error
            self._recording.closing.add(self)
            self._recording.touch(self)

    # The turn's end

    def write_down(self, clock: Callable[[], float]) -> None:
        """Record what has changed, as it is now; who pays for the client pays for that."""
        self.touched = False
        journal = self._recording.journal
        if self._changed:
            self._changed = False
            now = clock()
            head = self._recording.head_of(self._session)
            if head != self._last:
                self._last = head
                journal.changed(head)
            self._session.spent(now)
        if self._handled:
            self._handled = False
            inbound = self._session.inbound
            journal.handled(self._sm_id, inbound.h)
            beyond = inbound.beyond
            if beyond != self._beyond:
                self._beyond = beyond
                journal.beyond(self._sm_id, beyond)

    @property
    def waiting(self) -> bool:
        """Whether something is here that has not gone out."""
        return bool(self._texts) or self._closing is not None

    @property
    def mark(self) -> int:
        """What tells what is here by now from what will be."""
        return self.passed + len(self._texts)

    def to_mark(self) -> int:
        """Return the mark by which what is here by now is to be released."""
        self._marked = mark = self.mark
        return mark

    def forgo(self) -> None:
        """Have of promises that no mark is behind the last alone: it says all that they do."""
        first = max(0, self._marked - self.passed)
        rest = _without_earlier(self._texts[first:])
        if first + len(rest) < len(self._texts):
            self._texts[first:] = rest

    def release(self, mark: int) -> None:
        """Send what was here at a mark: it is written down."""
        due = mark - self.passed
        if due > 0:
            texts = self._texts
            now, self._texts = texts[:due], texts[due:]
            self.passed = mark
            self._give(now)
            if self.waits and not any(isinstance(text, Answer) for text in self._texts):
                self.waits = False
                self._session.answered()
        self._close_at_end()

    def release_the_rest(self) -> None:
        """Send what promises nothing: nothing can be written down at the moment."""
        over = self._closing is not None
        kept: list[str] = []
        passing: list[str] = []
        held = False
        for text in self._texts:
            held = held or isinstance(text, Answer)
            if held or isinstance(text, Promise):
                kept.append(text)
            else:
                passing.append(text)
        kept = _without_earlier(kept)
        self.passed += len(self._texts) - len(kept)
        self._texts = kept
        self._give(passing)
        if over:
            self.drop()
            self._close_at_end()

    def _give(self, texts: list[str]) -> None:
        closing = self._closing
        transport = self._session.transport if closing is None else closing[0]
        if transport is None or not texts:
            return
        if len(texts) == 1:
            transport.send(texts[0])
        else:
            transport.send_all(texts)

    def _close_at_end(self) -> None:
        if self._closing is not None and not self._texts:
            transport, error = self._closing
            self._closing = None
            self._recording.closing.discard(self)
            transport.close(error)

    def give_up(self) -> None:
        """Let go of what waits here, and of a connection that was to be closed after it."""
        self.drop()
        if self._closing is not None:
            transport, _ = self._closing
            self._closing = None
            transport.abort()


class Recording:
    """Ends the turns of all sessions that outlive their process; one for each session manager."""

    def __init__(
        self,
        writer: Writer,
        head_of: Callable[[Any], Head],
        clock: Callable[[], float],
        soon: Callable[[Callable[[], object]], object],
    ) -> None:
        """Take what tells who a session is now.

        ``soon`` has a function called when the turn of the event loop that goes on is over.
        """
        self.head_of: Final = head_of
        self.journal: Final = writer.journal
        self._writer = writer
        self._clock = clock
        self._soon = soon
        self._touched: list[Gate] = []
        self._due = False
        self._turns = 0
        """How many turns wait, each for its own batch."""
        self._kept: dict[Gate, None] = {}
        """Gates that wait for all that was recorded by now, and more."""
        self._keeping = False
        self.closing: Final[set[Gate]] = set()
        """Gates that will close a connection when all before that is written down."""
        self.journal.on_pending = self._ask

    @property
    def failing(self) -> str:
        """Why nothing can be written down at the moment; empty while it can."""
        return self._writer.failing

    @property
    def size(self) -> int:
        """How many bytes are written."""
        return self._writer.size

    def begin(self, session: Recorded, frozen: Frozen) -> Gate:
        """Return the gate of a session that can be resumed from now on; it is written down."""
        self.journal.began(frozen)
        return self.adopt(session, frozen.head)

    def adopt(self, session: Recorded, head: Head) -> Gate:
        """Return the gate of a session that is written down already."""
        return Gate(self, session, head.id, head)

    def touch(self, gate: Gate) -> None:
        """Have something of a gate to be done at the turn's end."""
        if not gate.touched:
            gate.touched = True
            self._touched.append(gate)
            self._ask()

    def give_up(self) -> None:
        """End the connections that wait for what will never be written down."""
        gates = list(self.closing)
        self.closing.clear()
        for gate in gates:
            gate.give_up()

    def end_turn(self) -> None:
        """Write down what the turn brought, then let it out."""
        now = self._clock()
        gates, self._touched = self._touched, []
        for gate in gates:
            try:
                gate.write_down(self._clock)
            except Exception:
                logger.exception("What changed of a session could not be written down")
        try:
            safe = self._writer.flush(now)
        finally:
            self._due = False  # Whatever fails, the next turn has its end.
        if self._touched or self.journal.pending:
            self._ask()
        if safe:
            _release((gate, gate.mark) for gate in gates)
        else:
            self._wait(gates, now)

    def _wait(self, gates: list[Gate], now: float) -> None:
        """Let go out what may, and the rest when it is written down."""
        if self._writer.failing:
            if self._writer.alone:
                _release_the_rest(gates)
            self._keep(gates, now)
        elif self._turns >= _TURNS:
            self._keep(gates, now)
        else:
            self._turns += 1
            written = partial(self._written, [(gate, gate.to_mark()) for gate in gates])
            if self._writer.flush(now, written):
                written()

    def _written(self, marks: list[tuple[Gate, int]]) -> None:
        self._turns -= 1
        _release(marks)

    def _keep(self, gates: Iterable[Gate], now: float) -> None:
        """Have gates wait for no turn of their own: however long it takes, nothing grows."""
        for gate in gates:
            if gate.waiting:
                gate.forgo()
                self._kept[gate] = None
        if self._kept and not self._keeping:
            self._keeping = True
            if self._writer.flush(now, self._go_on):
                self._go_on()

    def _go_on(self) -> None:
        self._keeping = False
        kept, self._kept = self._kept, {}
        for gate in kept:
            self.touch(gate)

    def _ask(self) -> None:
        if not self._due:
            self._due = True
            self._soon(self.end_turn)


def _release(marks: Iterable[tuple[Gate, int]]) -> None:
    """Let out what is written down; what fails of one session holds up no other."""
    for gate, mark in marks:
        try:
            gate.release(mark)
        except Exception:
            logger.exception(_HELD_UP)


def _release_the_rest(gates: Iterable[Gate]) -> None:
    """Let out what promises nothing."""
    for gate in gates:
        try:
            gate.release_the_rest()
        except Exception:
            logger.exception(_HELD_UP)


def _without_earlier(texts: list[str]) -> list[str]:
    """Return texts with the last promise alone, in its place; answers are no such ones."""
    promises = [number for number, text in enumerate(texts) if type(text) is Promise]
    gone = frozenset(promises[:-1])
    return [text for number, text in enumerate(texts) if number not in gone] if gone else texts
