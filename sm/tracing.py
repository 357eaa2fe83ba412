"""What goes over a session's connections, in outlines, while an operator wants to see it.

A session that is traced has something between it and its connection, in both directions, which
passes on and notes. No other has: what is not asked for is not even looked whether it is.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal, TypeVar

from andiron.sm.link import Carried, Channel, CloseReason, StreamHeader, StreamOpen, Transport
from andiron.sm.session import Session, State
from andiron.xmpp.errors import StreamError
from andiron.xmpp.outline import outline
from andiron.xmpp.xml import Element

__all__ = ["LINES", "TRACES", "Trace", "TraceLine", "Traces", "TracesFullError"]

T = TypeVar("T")

LINES: Final = 500
"""How many lines of a trace are kept: the last ones."""
TRACES: Final = 10
"""How many sessions are traced at a time."""
Way = Literal["in", "out", "event"]


class TracesFullError(Exception):
    """As many sessions are traced as may be."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One element that passed, or one thing that happened."""

    number: int
    """Counted from 1 for each trace."""
    at: float
    """In monotonic seconds."""
    way: Way
    """``in`` came from the client, ``out`` went to it."""
    text: str


class Trace:
    """The last lines of one session, and how long more are noted."""

    __slots__ = ("_clock", "_count", "lines", "session", "until")

    def __init__(self, session: Session, clock: Callable[[], float]) -> None:
        self.session = session
        self.until = -inf
        """In monotonic seconds: what passes by then is noted, and nothing later."""
        self.lines: deque[TraceLine] = deque(maxlen=LINES)
        self._count = 0
        self._clock = clock

    def note(self, way: Way, text: str) -> None:
        """Take a line."""
        self._count += 1
        self.lines.append(TraceLine(self._count, self._clock(), way, text))

    def is_over(self) -> bool:
        """Tell whether nothing more is noted."""
        return self.session.state is State.CLOSED or self._clock() >= self.until

    def after(self, number: int) -> list[TraceLine]:
        """Return the lines that came after one."""
        return [line for line in self.lines if line.number > number]


class Traces:
    """The traces of one manager's sessions, of which few are made and few are kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[int, Trace] = OrderedDict()
        """By the numbers of their sessions."""

    def get(self, number: int) -> Trace | None:
        """Return the trace of a session, also of one that has ended, while it is kept."""
        self._settle()
        return self._kept.get(number)

    def start(self, session: Session, seconds: float) -> Trace:
        """Trace a session for so long from now on, however long it already was to be.

        Raises :class:`TracesFullError` where :data:`TRACES` others are.
        """
        trace = self.get(session.number)
        if trace is None or trace.is_over():
            if sum(not each.is_over() for each in self._kept.values()) >= TRACES:
                raise TracesFullError
            trace = self._kept.pop(session.number, None) or Trace(session, self._clock)
            while len(self._kept) >= TRACES:
                self.stop(next(number for number, each in self._kept.items() if each.is_over()))
            self._kept[session.number] = trace
        trace.until = self._clock() + seconds
        _tap(session, trace)
        return trace

    def stop(self, number: int) -> None:
        """Trace a session no more, and keep no line."""
        trace = self._kept.pop(number, None)
        if trace is not None:
            _untap(trace.session)
            # Its session may hold it for as long as its connection lasts.
            trace.until = -inf
            trace.lines.clear()

    # What the manager tells

    def carrying(self, session: Session, transport: Transport) -> Transport:
        """Return what is to carry a session that is resumed over ``transport``."""
        plain = transport.inner if isinstance(transport, _Outgoing) else transport
        trace = self.get(session.number)
        if trace is None or trace.is_over():
            return plain
        trace.note("event", f"resumed over {plain.channel.kind}")
        return _Outgoing(plain, trace)

    def detached(self, session: Session, reason: CloseReason) -> None:
        """Note that a session hibernates."""
        self._event(session, f"detached: {reason}")

    def closed(self, session: Session, reason: CloseReason) -> None:
        """Note that a session ended."""
        self._event(session, f"closed: {reason}")

    def _event(self, session: Session, text: str) -> None:
        trace = self.get(session.number) if self._kept else None
        if trace is not None and self._clock() < trace.until:
            trace.note("event", text)

    def _settle(self) -> None:
        """Take out what stands between a session and its connection for nothing."""
        for trace in self._kept.values():
            if trace.is_over():
                _untap(trace.session)


def _tap(session: Session, trace: Trace) -> None:
    if session.transport is None or isinstance(session.transport, _Outgoing):
        return
    tap = _Outgoing(session.transport, trace)
    management = session.management
    if management is not None and management.writer is session.transport:
        management.writer = tap
    session.transport = tap
    tap.session = session


def _untap(session: Session) -> None:
    tap, management = session.transport, session.management
    if isinstance(tap, _Outgoing):
        session.transport = tap.inner
        tap.inner.session = session
    # A replay that was going on when the other was taken out has put it here since.
    if management is not None and isinstance(management.writer, _Outgoing):
        management.writer = management.writer.inner


class _Outgoing:
    """Stands for a connection before its session."""

    __slots__ = ("_trace", "inner")

    def __init__(self, inner: Transport, trace: Trace) -> None:
        self.inner = inner
        self._trace = trace

    @property
    def channel(self) -> Channel:
        return self.inner.channel

    @property
    def session(self) -> Carried:
        return self.inner.session

    @session.setter
    def session(self, session: Carried) -> None:
        self.inner.session = _Incoming(session, self, self._trace)

    @property
    def congested(self) -> bool:
        return self.inner.congested

    def open(self, header: StreamHeader) -> None:
        self._trace.note("out", "<open/>")
        self.inner.open(header)

    def send(self, text: str) -> None:
        trace = self._trace
        if trace.is_over():
            _untap(trace.session)
        else:
            trace.note("out", outline(text))
        self.inner.send(text)

    def send_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.send(text)

    def unsent(self) -> list[str]:
        return self.inner.unsent()

    def authenticated(self) -> None:
        self.inner.authenticated()

    def close(self, error: StreamError | None = None) -> None:
        self.inner.close(error)

    def abort(self) -> None:
        self.inner.abort()

    def pause(self) -> None:
        self.inner.pause()

    def unpause(self) -> None:
        self.inner.unpause()


class _Incoming:
    """Stands for a session before its connection."""

    __slots__ = ("_outgoing", "_session", "_trace")

    def __init__(self, session: Carried, outgoing: _Outgoing, trace: Trace) -> None:
        self._session = session
        self._outgoing = outgoing
        self._trace = trace

    def clock(self) -> float:
        return self._session.clock()

    @property
    def logged(self) -> dict[str, str]:
        return self._session.logged

    def open_stream(self, opening: StreamOpen, now: float) -> None:
        self._trace.note("in", "<open/>")
        self._session.open_stream(opening, now)

    def receive(self, element: Element, now: float) -> None:
        trace = self._trace
        if trace.is_over():
            _untap(trace.session)
        else:
            trace.note("in", outline(element.text))
        self._session.receive(element, now)

    def spent(self, began: float) -> float:
        return self._session.spent(began)

    def hold(self) -> None:
        self._session.hold()

    def go_on(self) -> None:
        self._session.go_on()

    def errand(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        return self._session.errand(work)

    def vouch(self, until: float, *, away: bool = False) -> None:
        self._session.vouch(until, away=away)

    def writable(self, now: float) -> None:
        self._session.writable(now)

    def handing_over(self, now: float) -> None:
        self._session.handing_over(now)

    def client_closed(self, now: float) -> None:
        self._session.client_closed(now)

    def transport_lost(
        self, transport: Transport, now: float, reason: CloseReason = CloseReason.CONNECTION_LOST
    ) -> None:
        carried = self._outgoing if transport is self._outgoing.inner else transport
        self._session.transport_lost(carried, now, reason)

    def close(self, reason: CloseReason, now: float, error: StreamError | None = None) -> None:
        self._session.close(reason, now, error)
