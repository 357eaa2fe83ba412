"""A session: one XMPP stream's life, whichever connection carries it.

It alone answers ``urn:xmpp:sm:*`` (XEP-0198), counts, queues and replays. It
is synchronous: transports and links call it with ``now``, it calls them back.
"""

import logging
from enum import StrEnum
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final

from andiron.sm import nonzas
from andiron.sm.acks import Acks
from andiron.sm.counters import Inbound, parse_count
from andiron.sm.link import CloseReason, Link, StreamOpen, Transport, Undelivered
from andiron.sm.liveness import Liveness
from andiron.sm.queue import CountTooHighError, UnackedQueue
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import (
    SmError,
    StanzaCondition,
    StreamCondition,
    StreamError,
)
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import STANZA_NAMES, with_delay
from andiron.xmpp.xml import Element, utf8_length

if TYPE_CHECKING:
    from andiron.sm.config import SmConfig
    from andiron.sm.manager import SessionManager

logger = logging.getLogger("andiron.sm")

_TRUE: Final = frozenset({"true", "1"})


class State(StrEnum):
    """Where in its life a session is."""

    NEGOTIATING = "negotiating"
    BOUND = "bound"
    DETACHED = "detached"
    CLOSED = "closed"


class Session:
    """One stream's state; made by :meth:`SessionManager.connect`.

    ``transport`` is the connection, None while detached. ``_writer`` is the
    same transport while stanzas may go straight to it: not while detached, and
    not while a resumption is being answered or replayed.
    """

    __slots__ = (
        "_acks",
        "_config",
        "_life",
        "_manager",
        "_paused",
        "_unrequested",
        "_unsent",
        "_writer",
        "channel",
        "domain",
        "expires_at",
        "inbound",
        "link",
        "max",
        "queue",
        "resumable",
        "resumes",
        "sm_id",
        "sm_namespace",
        "state",
        "transport",
        "wake_at",
    )

    def __init__(self, manager: "SessionManager", transport: Transport, now: float) -> None:
        self._manager = manager
        self._config: SmConfig = manager.config
        self.transport: Transport | None = transport
        self._writer: Transport | None = transport
        self.channel = transport.channel
        self.state = State.NEGOTIATING
        self.domain = ""
        self.inbound = Inbound()
        self.queue: UnackedQueue | None = None
        self.sm_id = ""
        self.sm_namespace = ""
        self.resumable = False
        self.max = 0
        self.resumes = 0
        self.wake_at = inf
        self.expires_at = inf
        self._life = Liveness(self._config, now)
        self._acks = Acks(self.inbound, self._config.unsolicited_ack_frequency)
        self._unrequested = 0
        self._unsent = 0
        self._paused = False
        self.link: Link = manager.backend.connect(self, transport.channel)

    def clock(self) -> float:
        """Return the present of ``now``, for code that goes on after an await."""
        return self._manager.clock()

    def wall(self, now: float) -> float:
        """Return the Unix time of a monotonic instant."""
        return self._manager.wall(now)

    # From the transport

    def open_stream(self, opening: StreamOpen, now: float) -> None:
        """Begin or restart the stream and send its features (RFC 6120 section 4.3)."""
        transport = self.transport
        if transport is None:
            return
        try:
            header = self.link.open(opening)
        except StreamError as error:
            self.close(CloseReason.STREAM_ERROR, now, error)
            return
        self.domain = header.sender
        transport.open(header)
        features = "".join(self.link.features())
        if self._config.active and self.link.account:
            features += nonzas.FEATURES
        transport.send(
            f"<stream:features xmlns:stream='{ns.STREAMS}'>{features}</stream:features>"
            if features
            else f"<stream:features xmlns:stream='{ns.STREAMS}'/>"
        )

    def receive(self, element: Element, now: float) -> None:
        """Take one guarded top-level element from the client."""
        self._life.heard_at = now
        if self.state is State.CLOSED:
            return
        try:
            if element.namespace == ns.CLIENT and element.name in STANZA_NAMES:
                inbound = self.inbound
                ticket = inbound.arrive()
                if self.link.receive(element, ticket, now):
                    inbound.handle(ticket)
                    if self._acks.watching:
                        self._acknowledge_progress()
                elif inbound.pending >= self._config.pending and not self._paused:
                    self._pause()
            elif element.namespace in nonzas.SM_NAMESPACES:
                self._receive_nonza(element, now)
            else:
                self.link.receive(element, 0, now)
        except StreamError as error:
            self.close(CloseReason.STREAM_ERROR, now, error)
        except Exception:
            # What the backend failed on is never settled: kept, the session could not be resumed.
            logger.exception("%s: the backend failed on <%s/>", self.link.jid, element.name)
            self.close(
                CloseReason.STREAM_ERROR,
                now,
                StreamError(StreamCondition.INTERNAL_SERVER_ERROR),
            )

    def vouch(self, until: float, *, away: bool = False) -> None:
        """Take the transport's word that silence until then is no sign of a dead client.

        A BOSH client that has a request held has no reason to speak; its
        transport finds out itself when it is gone. ``away``: it said that it
        will not listen meanwhile, so what was asked may wait as well.
        """
        self._life.vouch(until, away=away)

    def client_closed(self, now: float) -> None:
        """Take the client's clean end of the stream: the session is over."""
        self.close(CloseReason.CLIENT_CLOSED, now)

    def transport_lost(
        self, transport: Transport, now: float, reason: CloseReason = CloseReason.CONNECTION_LOST
    ) -> None:
        """Take the loss of a connection: hibernate where that was agreed, else end.

        The ``max`` seconds to resume count from here. A transport that
        carries this session no more changes nothing.
        """
        if transport is not self.transport:
            return
        if not self.resumable:
            self._end(reason, now, None)
            return
        self._unbind_transport()
        self.state = State.DETACHED
        self.expires_at = now + self.max
        self._manager.note_detached(self, reason)
        self.link.detached(now)
        self._wake_by(self.expires_at)

    def writable(self, now: float) -> None:
        """Go on with a replay: the transport's buffer has drained."""
        if self._writer is None and self.transport is not None and not self._resuming():
            self._replay(now)

    # From the link

    def authenticated(self, now: float) -> None:
        """Note that the client has signed in; the stream restarts next."""
        self._life.heard_at = now
        if self.transport is not None:
            self.transport.authenticated()

    def bound(self, now: float) -> None:
        """Note that the client has bound its resource."""
        if self.state is not State.NEGOTIATING:
            return
        self.state = State.BOUND
        self._life.negotiate_by = inf
        self._wake_for_idleness(now)

    def send(self, xml: str) -> None:
        """Send a nonza or an element of the negotiation: neither counted nor queued."""
        if self.transport is not None:
            self.transport.send(xml)

    def deliver(self, text: str, now: float) -> None:
        """Take a stanza for the client: recorded first, then sent if that is possible.

        The session is responsible for it from here on; when it ends before
        the client confirmed, the link gets it back in :meth:`Link.closed`.
        """
        queue = self.queue
        if queue is None:
            if self._writer is not None:
                self._writer.send(text)
            else:
                self.link.closed(CloseReason.CONNECTION_LOST, [Undelivered(text, now)], now)
            return
        queue.push(text, now, len(text) if text.isascii() else utf8_length(text))
        config = self._config
        if len(queue) > config.queue_stanzas or queue.bytes > config.queue_bytes:
            self._overflow(now)
            return
        writer = self._writer
        if writer is None:
            self._unsent += 1
            queue.unsent += 1
            return
        writer.send(text)
        self._unrequested += 1
        life = self._life
        if life.request_by == inf:
            if self._unrequested >= config.request_every:
                self._request(now)
            elif life.quiet_at == inf:
                life.sent(now)
                self._wake_by(life.quiet_at)

    def handled(self, ticket: int, now: float) -> None:
        """Note that the backend has taken over a stanza it had not at once."""
        self.inbound.handle(ticket)
        if self._resuming():
            if not self.inbound.pending:
                self._finish_resume(now)
            return
        self._acknowledge_progress()
        if self._paused and self.inbound.pending <= self._config.pending // 2:
            self._unpause()

    def close(self, reason: CloseReason, now: float, error: StreamError | None = None) -> None:
        """End the session for good; what the client never confirmed goes back to the link."""
        if self.state is not State.CLOSED:
            self._end(reason, now, self.transport, error)

    def _end(
        self,
        reason: CloseReason,
        now: float,
        farewell: Transport | None,
        error: StreamError | None = None,
    ) -> None:
        unsent = [] if self.transport is None else self.transport.unsent()
        if self.queue is None:
            undelivered = [Undelivered(text, now) for text in unsent]
        else:
            # What of ``unsent`` are stanzas is in the queue, and must not go both ways.
            if farewell is not None and not self._resuming():
                farewell.send(self._ack())
            undelivered = [Undelivered(text, since) for text, since, _ in self.queue.drain()]
            self.queue = None
        self._unbind_transport()
        self.state = State.CLOSED
        self._manager.note_closed(self, reason, error)
        if farewell is not None:
            farewell.close(error)
        self.link.closed(reason, undelivered, now)

    # Stream management

    def _receive_nonza(self, element: Element, now: float) -> None:
        match element.name:
            case "r" if self.queue is not None:
                self._acks.ask()
                self.send(self._ack())
            case "a" if self.queue is not None:
                self._acknowledged(element, now)
            case "enable" | "resume" | "r" | "a":
                try:
                    self._negotiate_sm(element, now)
                except SmError as error:
                    who = self.link.account or self.channel.address
                    logger.info("%s: <%s/> refused: %s", who, element.name, error)
                    self.send(error.to_xml(element.namespace))
            case name:
                raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{name}/>")

    def _negotiate_sm(self, element: Element, now: float) -> None:
        if not self._config.active:
            raise SmError(StanzaCondition.FEATURE_NOT_IMPLEMENTED, "stream management is off")
        if element.name == "resume":
            self._manager.resume(self, element, now)
            return
        if element.name != "enable":
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "not enabled")
        if self.state is not State.BOUND:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "bind a resource first")
        if self.queue is not None:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "already enabled")
        self._enable(element)

    def _enable(self, element: Element) -> None:
        self.sm_namespace = element.namespace
        self.inbound.begin(self._manager.first_count)
        self.queue = UnackedQueue(self._manager.first_count)
        self._acks.begin()
        wished = parse_count(element.attributes.get("max"))
        self.max = self._config.max if wished is None else min(wished, self._config.max)
        if element.get("resume") in _TRUE and self.max > 0:
            self.resumable = True
            self.sm_id = self._manager.new_sm_id(self)
            self.send(
                nonzas.enabled_to_resume(
                    self.sm_namespace, self.sm_id, self.max, self._config.location
                )
            )
        else:
            self.send(nonzas.enabled(self.sm_namespace))

    def _ack(self) -> str:
        return nonzas.ack(self.sm_namespace, self._acks.tell())

    def _acknowledge_progress(self) -> None:
        if self.queue is not None and self._acks.due():
            self.send(self._ack())

    def _acknowledged(self, element: Element, now: float) -> None:
        assert self.queue is not None
        given = element.attributes.get("h")
        h = parse_count(given)
        if h is None:
            self.resumable = False
            raise StreamError(StreamCondition.UNDEFINED_CONDITION, "<a/> needs h, a 32-bit count")
        try:
            self.queue.ack(h)
        except CountTooHighError:
            self.resumable = False
            raise nonzas.count_too_high(h, self.queue.sent, self.sm_namespace) from None
        self._life.answered()
        self._unrequested = 0
        if self.queue:
            self._life.sent(now)
            self._wake_by(self._life.quiet_at)
        self._unsent = min(self._unsent, len(self.queue))
        self.writable(now)

    def _request(self, now: float) -> None:
        self._life.asked(now)
        self.send(nonzas.request(self.sm_namespace))
        self._wake_by(self._life.request_by)

    # Resumption; the manager has validated it whole

    def give_up_transport(self) -> Transport:
        """Take this stream's connection away, for the session it asked to resume."""
        transport = self.transport
        assert transport is not None
        self._unbind_transport()
        self.state = State.CLOSED
        self.link.abandoned()
        return transport

    def adopt(self, transport: Transport, h: int, now: float) -> None:
        """Go on over a new connection (XEP-0198 section 5); ``h`` was checked.

        ``<resumed/>`` waits until the backend has settled what it holds of
        this session, because the count in it decides what the client repeats.
        """
        assert self.queue is not None
        previous = self.transport
        self._unbind_transport()
        if previous is not None:
            previous.unsent()
            previous.close(StreamError(StreamCondition.CONFLICT, "resumed on another connection"))
        self.queue.ack(h)
        self.transport = transport
        transport.session = self
        self.channel = transport.channel
        self.state = State.BOUND
        self.expires_at = inf
        self._unsent = len(self.queue)
        self._acks.begin()
        if self.inbound.pending:
            self._life.negotiate(now)
            self._wake_by(self._life.negotiate_by)
            self._pause()
        else:
            self._finish_resume(now)

    def _resuming(self) -> bool:
        """Whether a resumption waits for the backend to settle."""
        return self.state is State.BOUND and self._life.negotiate_by != inf

    def _finish_resume(self, now: float) -> None:
        assert self.queue is not None
        self._life.negotiate_by = inf
        self.resumes += 1
        self.send(nonzas.resumed(self.sm_namespace, self.sm_id, self._acks.tell()))
        self.link.resumed(now)
        self._replay(now)
        if self._paused:
            self._unpause()
        self._wake_for_idleness(now)

    def _replay(self, now: float) -> None:
        """Send what is queued and unsent, in order, as fast as the connection takes it."""
        queue, transport = self.queue, self.transport
        assert queue is not None
        assert transport is not None
        for text, since, _ in islice(queue, len(queue) - self._unsent, None):
            if transport.congested:
                return
            self._unsent -= 1
            queue.unsent = min(queue.unsent, self._unsent)
            transport.send(
                with_delay(text, self.domain, self.wall(since))
                if text.startswith("<message")
                else text
            )
        self._writer = transport
        if queue and self._life.request_by == inf:
            self._request(now)

    # Time

    def on_timer(self, now: float) -> None:
        """Do what is due by ``now`` and say when to be woken next."""
        if now >= self.expires_at:
            self.close(CloseReason.EXPIRED, now)
        elif now >= self._life.negotiate_by and self.state is State.NEGOTIATING:
            self.close(
                CloseReason.NEGOTIATION_TIMEOUT,
                now,
                StreamError(StreamCondition.CONNECTION_TIMEOUT, "signing in took too long"),
            )
        elif now >= self._life.negotiate_by:
            self._drop(CloseReason.NEGOTIATION_TIMEOUT, now)
        elif self._life.is_dead(now):
            self._drop(CloseReason.DEAD_PEER, now)
        else:
            if now >= self._life.quiet_at and self.queue is not None:
                self._request(now)
            self._probe_if_idle(now)
        self._wake_by(self.next_deadline())

    def next_deadline(self) -> float:
        """Return when this session has something to do without being called."""
        if self.state is State.CLOSED:
            return inf
        life = self._life
        return min(
            self.expires_at,
            life.negotiate_by,
            life.request_by,
            life.quiet_at,
            self._idle_deadline(),
        )

    def _idle_deadline(self) -> float:
        if self.state is not State.BOUND or self._resuming():
            return inf
        return self._life.idle_deadline()

    def _probe_if_idle(self, now: float) -> None:
        """Ask a silent client for a sign of life: ``<r/>``, else a ping (XEP-0199)."""
        if now < self._idle_deadline():
            return
        self._life.probed(now)
        if self.queue is not None:
            if self._life.request_by == inf:
                self._request(now)
        else:
            self.send(
                f"<iq xmlns='{ns.CLIENT}' type='get' from='{escape(self.domain)}'"
                f" to='{escape(self.link.jid)}' id='alive'><ping xmlns='{ns.PING}'/></iq>"
            )

    def _wake_by(self, at: float) -> None:
        if at < self.wake_at:
            self._manager.timers.schedule(self, at)

    def _wake_for_idleness(self, now: float) -> None:
        self._life.heard_at = now
        self._wake_by(self._idle_deadline())

    # The connection

    def _drop(self, reason: CloseReason, now: float) -> None:
        """Drop the connection without a farewell and keep the session where agreed."""
        transport = self.transport
        if transport is None:
            return
        self.transport_lost(transport, now, reason)
        transport.abort()

    def _overflow(self, now: float) -> None:
        """End a session whose queue is full: nothing is lost, it all goes another way."""
        assert self.queue is not None
        logger.warning(
            "%s: %d stanzas, %d bytes unacknowledged; the session ends and they go elsewhere",
            self.link.jid,
            len(self.queue),
            self.queue.bytes,
        )
        self.close(
            CloseReason.QUEUE_FULL,
            now,
            StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much is unacknowledged"),
        )

    def _unbind_transport(self) -> None:
        self.transport = None
        self._writer = None
        self._unsent = 0
        self._unrequested = 0
        self._life.lost()
        self._paused = False

    def _pause(self) -> None:
        self._paused = True
        if self.transport is not None:
            self.transport.pause()

    def _unpause(self) -> None:
        self._paused = False
        if self.transport is not None:
            self.transport.unpause()
