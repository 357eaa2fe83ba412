"""The manager: every session, found by its stream management id and woken in time."""

import hmac
import logging
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Final, Protocol

from andiron.sm import nonzas
from andiron.sm.config import SmConfig
from andiron.sm.counters import Inbound, parse_count
from andiron.sm.freezing import freeze, outlives, thaw
from andiron.sm.frozen import Frozen, Head
from andiron.sm.link import Channel, CloseReason, Link, Transport
from andiron.sm.management import Management
from andiron.sm.payers import Payers, Rounds
from andiron.sm.queue import CountTooHighError
from andiron.sm.rates import Rate
from andiron.sm.recording import Gate, Recording
from andiron.sm.session import Session, State
from andiron.sm.tally import Tally
from andiron.sm.timers import Timers
from andiron.sm.tracing import Traces
from andiron.tracing.traces import Span, begin
from andiron.xmpp.errors import SmError, StanzaCondition, StreamCondition, StreamError
from andiron.xmpp.xml import Element

logger = logging.getLogger("andiron.sm")

_SELECTOR_LENGTH: Final = 12
_REMEMBERED: Final = frozenset(
    {CloseReason.EXPIRED, CloseReason.QUEUE_FULL, CloseReason.TOKEN_EXPIRED}
)
"""Ends that a client is told of when it comes to resume: what was handled it need not repeat."""


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
        self._resumable: dict[str, Session] = {}
        self._expired: OrderedDict[str, tuple[str, str, Inbound]] = OrderedDict()
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

    # Resumption, XEP-0198 section 5

    def new_sm_id(self, session: Session) -> str:
        """Return an unguessable id under which ``session`` can be resumed.

        Its first part finds the session, the rest is compared in constant time.
        """
        sm_id = secrets.token_urlsafe(9) + secrets.token_urlsafe(24)
        self._resumable[sm_id[:_SELECTOR_LENGTH]] = session
        return sm_id

    def resume(self, asking: Session, element: Element, now: float) -> None:
        """Hand the connection of ``asking`` to the session that ``<resume/>`` names.

        Everything is checked before either session is touched. Raises
        :class:`SmError` when it cannot be, after which ``asking`` may bind, and
        :class:`StreamError` for a count beyond what was sent.
        """
        with begin("resumption", {"andiron.transport": asking.channel.kind}) as span:
            self._resume(asking, element, now, span)

    def _resume(self, asking: Session, element: Element, now: float, span: Span) -> None:
        result = "resumed"
        session = asking
        try:
            session, management, h = self._named(asking, element)
        except SmError as error:
            result = "expired" if error.handled is not None else "refused"
            raise
        except StreamError:
            result = "count-too-high"
            raise
        finally:
            self.tally.resumptions[result] += 1
            span.note("andiron.result", result)
            span.note("andiron.session", session.id)
        self.tally.resumed_after.add(max(0.0, now - session.lost_at))
        transport = self.traces.carrying(session, asking.give_up_transport())
        self.sessions.discard(asking)
        self.timers.cancel(asking)
        management.namespace = element.namespace
        session.adopt(transport, h, asking.ends_at, now)
        logger.info(
            "%s resumed over %s by session %s",
            session.link.jid,
            transport.channel.kind,
            asking.id,
            extra=session.logged,
        )

    def _named(self, asking: Session, element: Element) -> tuple[Session, Management, int]:
        """Return the session that ``<resume/>`` names, and the count in it, when all is right."""
        if not asking.link.account or asking.state is not State.NEGOTIATING:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "sign in first, and do not bind")
        sm_id = element.get("previd")
        h = parse_count(element.attributes.get("h"))
        if not sm_id or h is None:
            raise SmError(StanzaCondition.BAD_REQUEST, "previd and h are needed")
        session, management = self._find(sm_id, asking.link.account)
        try:
            management.queue.check(h)
        except CountTooHighError:
            raise nonzas.count_too_high(h, management.queue.sent, element.namespace) from None
        return session, management, h

    def _find(self, sm_id: str, account: str) -> tuple[Session, Management]:
        selector = sm_id[:_SELECTOR_LENGTH]
        session = self._resumable.get(selector)
        if session is not None:
            management = session.management
            assert management is not None
            if _same(management.id, sm_id) and session.link.account == account:
                return session, management
        else:
            expired = self._expired.get(selector)
            if expired is not None and _same(expired[0], sm_id) and expired[1] == account:
                raise SmError(StanzaCondition.ITEM_NOT_FOUND, "expired", handled=expired[2].h)
        raise SmError(StanzaCondition.ITEM_NOT_FOUND)

    # What sessions tell

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

    def note_detached(self, session: Session, reason: CloseReason) -> None:
        """Count and log that a session hibernates."""
        self.detached[reason] += 1
        self.traces.detached(session, reason)
        logger.info("%s detached: %s", session.link.jid, reason, extra=session.logged)

    def note_closed(
        self, session: Session, reason: CloseReason, error: StreamError | None = None
    ) -> None:
        """Forget a session that ended, but for the last ``h`` of one that expired."""
        self.sessions.discard(session)
        self.timers.cancel(session)
        self.closed[reason] += 1
        self.traces.closed(session, reason)
        sm_id = "" if session.management is None else session.management.id
        if sm_id:
            selector = sm_id[:_SELECTOR_LENGTH]
            if self._resumable.get(selector) is session:
                del self._resumable[selector]
            if reason in _REMEMBERED:
                self._expired[selector] = (sm_id, session.link.account, session.inbound)
                while len(self._expired) > self.config.remember_expired:
                    self._expired.popitem(last=False)
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
        self._resumable.clear()
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
        self._resumable[frozen.head.id[:_SELECTOR_LENGTH]] = session
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


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))


def _full_error() -> StreamError:
    return StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much is unacknowledged")


def _shutdown_error() -> StreamError:
    return StreamError(StreamCondition.SYSTEM_SHUTDOWN)
