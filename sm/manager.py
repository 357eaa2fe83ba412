"""The manager: every session, woken in time, written down and ended."""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Protocol

from andiron.sm.config import SmConfig
from andiron.sm.freezing import freeze, outlives, thaw
from andiron.sm.frozen import Frozen, Head
from andiron.sm.link import Channel, CloseReason, Link, Transport
from andiron.sm.negotiation import Negotiation
from andiron.sm.payers import Payers, Rounds
from andiron.sm.rates import Rate
from andiron.sm.recording import Gate, Recording
from andiron.sm.session import Session
from andiron.sm.tally import Tally
from andiron.sm.timers import Timers
from andiron.sm.tracing import Traces
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.xml import Element

logger = logging.getLogger("andiron.sm")


class Backend(Protocol):
    """What stands behind the sessions: the embedded domain or a real server."""

    def connect(self, session: Session, channel: Channel) -> Link:
        """Return the link for a new session, not yet signed in."""

    def thaw(self, session: Session, head: Head, now: float) -> Link:
        """Return the link for a session that was frozen, signed in and bound as it was.

        Nobody is told anything. Raises ValueError for what cannot be gone on with.
        """


class SessionManager:
    """Owns the sessions of one application; single-threaded, like its event loop.

    ``clock`` gives the monotonic ``now`` that transports pass in, too.
    ``timers`` wakes the sessions, and whatever else lives by the same clock.
    ``first_count`` is where stream management counters begin: zero, but for tests.
    """

    def __init__(
        self,
        config: SmConfig,
        backend: Backend,
        *,
        clock: Callable[[], float] = time.monotonic,
        first_count: int = 0,
    ) -> None:
        self.config = config
        self.backend = backend
        self.clock = clock
        self.first_count = first_count
        self.run = secrets.token_hex(3)
        self._numbers = count(1)
        self.timers = Timers()
        self.tally = Tally()
        self.payers = Payers()
        self.rate = Rate(config.rate, config.burst, config.patience)
        self.rounds = Rounds(config.turn, config.share, config.courtesy)
        self.sessions: set[Session] = set()
        self.traces = Traces(clock)
        self.closed: Counter[CloseReason] = Counter()
        self.detached: Counter[CloseReason] = Counter()
        self._negotiation = Negotiation(self)
        self._closing = False
        self.recording: Recording | None = None
        """Writes down the sessions that outlive the process; None: none does."""

    @property
    def resumed(self) -> int:
        """How many sessions were resumed."""
        return self.tally.resumptions["resumed"]

    @property
    def closing(self) -> bool:
        """Whether every session was ended, and each new one is."""
        return self._closing

    def next_number(self) -> int:
        """Return the number of a new session."""
        return next(self._numbers)

    def wall(self, now: float) -> float:
        """Return the Unix time of a monotonic instant."""
        return time.time() - (self.clock() - now)

    def connect(self, transport: Transport, now: float) -> Session:
        """Return a new session for a new connection."""
        session = Session(self, transport, transport.channel, now)
        session.link = self.backend.connect(session, transport.channel)
        transport.session = session
        self.sessions.add(session)
        self.timers.schedule(session, session.next_deadline())
        if self._closing:
            session.close(CloseReason.SHUTDOWN, now, _shutdown_error())
        return session

    # What sessions tell

    def negotiate(self, session: Session, element: Element, now: float) -> None:
        """Enable stream management, or have a session resumed, as ``session``'s client asks.

        Raises what :meth:`Negotiation.answer` does.
        """
        self._negotiation.answer(session, element, now)

    def relieve(self, session: Session, now: float) -> None:
        """End hibernating sessions of its payer, oldest first, while it holds too much.

        ``session`` itself ends where that is not enough. What they were owed goes
        another way.
        """
        payer, most = session.payer, self.config.account_bytes
        own = [each for each in self.sessions if each.payer is payer and each is not session]
        asleep = [each for each in own if each.hibernates_until < inf]
        asleep.sort(key=lambda each: each.hibernates_until)
        for each in (*asleep, session):
            if payer.held <= most:
                break
            logger.warning(
                "%s: %d bytes held for one account",
                each.link.jid,
                payer.held,
                extra=each.logged,
            )
            each.close(CloseReason.QUEUE_FULL, now, _full_error())

    def forget(self, session: Session) -> None:
        """Keep a session no more: it has ended, or its connection is another's."""
        self.sessions.discard(session)
        self.timers.cancel(session)

    def note_detached(self, session: Session, reason: CloseReason) -> None:
        """Count and log that a session hibernates."""
        self.detached[reason] += 1
        self.traces.detached(session, reason)
        logger.info("%s detached: %s", session.link.jid, reason, extra=session.logged)

    def note_closed(
        self, session: Session, reason: CloseReason, error: StreamError | None = None
    ) -> None:
        """Forget a session that ended, but for the last ``h`` of one that expired."""
        self.forget(session)
        self.closed[reason] += 1
        self.traces.closed(session, reason)
        self._negotiation.closed(session, reason)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s closed: %s%s",
                session.link.jid or session.channel.address,
                reason,
                f" ({error})" if error is not None else "",
                extra=session.logged,
            )

    # The operator's and the application's end

    def find(self, session_id: str) -> Session | None:
        """Return the session that logs and operators know by an id."""
        number = self.number_of(session_id)
        return next((each for each in self.sessions if each.number == number), None)

    def number_of(self, session_id: str) -> int:
        """Return the number of a session, also of one that has ended; 0 for no id of this run."""
        run, _, number = session_id.partition("-")
        known = run == self.run and number.isascii() and number.isdecimal() and len(number) < 16
        return int(number) if known else 0

    def kick(self, jid: str, now: float, why: str = "ended by an administrator") -> int:
        """End the sessions of an account or a full JID and return how many those were."""
        ended = [s for s in self.sessions if jid in (s.link.jid, s.link.account)]
        for session in ended:
            session.close(
                CloseReason.KICKED,
                now,
                StreamError(StreamCondition.NOT_AUTHORIZED, why),
            )
        return len(ended)

    # Outliving the process

    def hibernate(self, now: float) -> None:
        """Drop the connections of sessions that go on in another process, and end all others.

        Their clients come back to resume there; here every new session is ended.
        """
        self._closing = True

        def part(session: Session) -> None:
            if not outlives(session):
                session.close(CloseReason.SHUTDOWN, now, _shutdown_error())
            elif session.transport is not None:
                session.drop(CloseReason.SHUTDOWN, now)

        self._each(part)

    def record(self, session: Session) -> Gate | None:
        """Return the gate of a session that can be resumed, where such are written down."""
        recording = self.recording
        if recording is None or not outlives(session):
            return None
        return recording.begin(session, freeze(session))

    @property
    def settled(self) -> bool:
        """Whether nothing is in work that the client of a session sent."""
        return not any(session.inbound.pending for session in self.sessions)

    def leave(self, now: float) -> None:
        """Write the last down of the sessions that :meth:`hibernate` left, and forget them.

        Of what is in work still their clients are not told that it was handled.
        """

        def speak_up(session: Session) -> None:
            self.timers.cancel(session)
            session.link.speak_up(now)
            session.changed()

        self._each(speak_up)
        self.sessions.clear()
        self._negotiation.clear()
        if self.recording is not None:
            self.recording.end_turn()

    def thaw(self, frozen: Frozen, now: float) -> None:
        """Go on with a session that was written down: it hibernates.

        Raises ValueError for one that the backend cannot go on with.
        """
        session = thaw(self, frozen, self.backend.thaw, now)
        if self.recording is not None:
            session.gate = self.recording.adopt(session, frozen.head)
        self.sessions.add(session)
        self._negotiation.keep(session, frozen.head.id)
        self.timers.schedule(session, session.next_deadline())
        logger.info(
            "%s goes on hibernating, as it did as session %s",
            session.link.jid,
            frozen.head.number,
            extra=session.logged,
        )

    def shutdown(self, now: float) -> None:
        """End every session, and each new one, with ``system-shutdown``."""
        self._closing = True
        self._each(lambda session: session.close(CloseReason.SHUTDOWN, now, _shutdown_error()))

    def _each(self, end: Callable[[Session], object]) -> None:
        """Have each session end; one that fails at it keeps no other from its own end."""
        for session in list(self.sessions):
            try:
                end(session)
            except Exception:
                logger.exception("%s: its end failed", session.link.jid, extra=session.logged)


def _full_error() -> StreamError:
    return StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much is unacknowledged")


def _shutdown_error() -> StreamError:
    return StreamError(StreamCondition.SYSTEM_SHUTDOWN)
