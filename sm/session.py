"""A session: one XMPP stream's life, whichever connection carries it.

It alone answers ``urn:xmpp:sm:*`` (XEP-0198), counts, queues and replays. It
is synchronous: transports and links call it with ``now``, it calls them back.
"""

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from enum import StrEnum
from functools import lru_cache
from math import inf
from typing import Any, Protocol, TypeVar

from andiron.sm import nonzas
from andiron.sm.counters import Inbound
from andiron.sm.errands import Errand
from andiron.sm.flow import Bounds, Flow
from andiron.sm.link import Channel, CloseReason, Link, StreamOpen, Transport, Undelivered
from andiron.sm.liveness import Liveness
from andiron.sm.management import Management, QueueFullError, selector
from andiron.sm.payers import Payer, Payers
from andiron.sm.recording import Answer, Gate, Promise
from andiron.sm.tally import Tally
from andiron.sm.timers import Timers
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import (
    SmError,
    StreamCondition,
    StreamError,
)
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import STANZA_NAMES
from andiron.xmpp.xml import Element, utf8_length

logger = logging.getLogger("andiron.sm")

T = TypeVar("T")


class State(StrEnum):
    """Where in its life a session is."""

    NEGOTIATING = "negotiating"
    BOUND = "bound"
    DETACHED = "detached"
    CLOSED = "closed"


class Keeper(Bounds, Protocol):
    """What a session needs of whoever keeps it."""

    timers: Timers
    payers: Payers
    tally: Tally
    run: str
    """What tells its sessions from those before it in logs."""

    def next_number(self) -> int:
        """Return the number of a new session."""

    def wall(self, now: float) -> float:
        """Return the Unix time of a monotonic instant."""

    def negotiate(self, session: "Session", element: Element, now: float) -> None:
        """Enable stream management, or have a session resumed, as ``session``'s client asks.

        Raises :class:`SmError` when it cannot be, and :class:`StreamError` for a count beyond
        what was sent.
        """

    def relieve(self, session: "Session", now: float) -> None:
        """End hibernating sessions of its payer, oldest first, while it holds too much.

        ``session`` itself ends where that is not enough.
        """

    def note_detached(self, session: "Session", reason: CloseReason) -> None:
        """Note that a session hibernates."""

    def note_closed(
        self, session: "Session", reason: CloseReason, error: StreamError | None
    ) -> None:
        """Forget a session that ended."""


class Session:
    """One stream's state; made by :meth:`SessionManager.connect`, which gives it its ``link``.

    ``transport`` is the connection, None while detached; ``management`` is
    stream management, None while that is off; ``life`` has its deadlines, ``flow`` says
    whether its client is read from.
    """

    __slots__ = (
        "_awaited",
        "channel",
        "clock",
        "config",
        "domain",
        "flow",
        "gate",
        "inbound",
        "keeper",
        "life",
        "link",
        "managed",
        "management",
        "number",
        "since",
        "spent",
        "state",
        "tally",
        "transport",
        "wake_at",
    )

    link: Link
    clock: Callable[[], float]
    """Returns the present of ``now``, for code that goes on after an await."""
    spent: Callable[[float], float]
    """Charges the time since then, when its transport began to work on what came; returns ``now``.

    Where the payer's turn is over, nothing more is read before the next.
    """

    def __init__(
        self, keeper: Keeper, transport: Transport | None, channel: Channel, now: float
    ) -> None:
        """Begin to negotiate over ``transport``; without one it is to be thawed."""
        self.keeper = keeper
        self.number = keeper.next_number()
        """Which of its keeper's sessions it is, in the order in which they began."""
        self.clock = keeper.clock
        self.tally = keeper.tally
        self.config = keeper.config
        self.transport = transport
        self.channel = channel
        self.state = State.NEGOTIATING
        self.since = now
        """When it began, in monotonic seconds."""
        self.domain = ""
        self.inbound = Inbound()
        self.management: Management | None = None
        self.managed = False
        """Whether its client acknowledges what it has; known also when the session has ended."""
        self.gate: Gate | None = None
        """Where it waits for what it owes to be written down; None: it need not."""
        self.wake_at = inf
        self.life = Liveness(self.config, now)
        self.flow = Flow(keeper, keeper.payers.network(channel.address), transport)
        self.spent = self.flow.spent
        self._awaited: deque[tuple[int, Callable[[], object]]] | None = None

    @property
    def id(self) -> str:
        """What logs and operators know it by; it grants nothing, and outlives connections."""
        return f"{self.keeper.run}-{self.number}"

    @property
    def name(self) -> str:
        """What tells it from all others, also in another process; empty where that has none of it.

        It grants nothing.
        """
        management = self.management
        return "" if management is None else selector(management.id)

    @property
    def logged(self) -> dict[str, str]:
        """The ``extra=`` of a log's line that concerns it."""
        return {"session": self.id}

    @property
    def via(self) -> str | None:
        """What passed its client's last connection or request on, as :attr:`.Channel.via` says."""
        return (self.channel if self.transport is None else self.transport.channel).via

    @property
    def payer(self) -> Payer:
        """Who pays for it: its network, from sign-in on its account."""
        return self.flow.payer

    def wall(self, now: float) -> float:
        """Return the Unix time of a monotonic instant."""
        return self.keeper.wall(now)

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
        config, signed_in = self.config, self.link.account
        own = nonzas.FEATURES if config.active and signed_in else ""
        size = config.stanza_bytes if signed_in else config.negotiation_bytes
        transport.send(_features(*self.link.features(), own, size=size, idle=config.idle_probe))

    def receive(self, element: Element, now: float) -> None:
        """Take one guarded top-level element from the client."""
        self.life.heard_at = now
        if self.state is State.CLOSED:
            return
        try:
            if element.namespace == ns.CLIENT and element.name in STANZA_NAMES:
                inbound = self.inbound
                ticket = inbound.arrive()
                text, tally = element.text, self.tally
                size = len(text) if text.isascii() else utf8_length(text)
                tally.received[element.name] += 1
                tally.received_size += len(text)
                early = self.flow.arrived(size, now)
                if early:
                    self._slow_down(now + early)
                if (inbound.repeated and inbound.is_repeated(ticket)) or self.link.receive(
                    element, ticket, now
                ):
                    inbound.handle(ticket)
                    management = self.management
                    if management is not None:
                        if self.gate is not None:
                            self.gate.handled()
                        if management.acks.watching:
                            self._acknowledge_progress(management)
                else:
                    self.flow.begun(inbound.pending)
            elif element.namespace in nonzas.SM_NAMESPACES:
                self._receive_nonza(element, now)
            else:
                self.link.receive(element, 0, now)
        except Exception as error:  # noqa: BLE001
            self.failed(element, error, now)

    def _slow_down(self, until: float) -> None:
        """Note that nothing is read until then."""
        if self.life.slow_until == inf:
            logger.info(
                "%s: read from the slower: it sends too much", self.link.jid, extra=self.logged
            )
        self.life.slow_until = until
        self._wake_by(until)

    def take_up(self, element: Element, ticket: int) -> None:
        """Give the link once more a stanza that it has put off, to which it said False."""
        if self.state is State.CLOSED:
            return
        now = self.clock()
        try:
            if self.link.receive(element, ticket, now):
                self.handled(ticket, now)
        except Exception as error:  # noqa: BLE001
            self.failed(element, error, now)

    def failed(self, element: Element, error: Exception, now: float) -> None:
        """End the stream for what an element led to, unless it has ended."""
        if not isinstance(error, StreamError):
            # What the backend failed on is never settled: kept, the session could not be resumed.
            logger.error(
                "%s: the backend failed on <%s/>",
                self.link.jid,
                element.name,
                exc_info=error,
                extra=self.logged,
            )
            error = StreamError(StreamCondition.INTERNAL_SERVER_ERROR)
        self.close(CloseReason.STREAM_ERROR, now, error)

    def hold(self) -> None:
        """Read nothing more until as many :meth:`go_on`: what came last takes effect bit by bit."""
        self.flow.hold()

    def go_on(self) -> None:
        """Read on."""
        self.flow.go_on()

    def errand(self, work: Coroutine[Any, Any, T]) -> Errand[T]:
        """Return ``work`` that goes on after a request of the client's, charged to its payer."""
        return Errand(work, self.payer, self.keeper.rounds, self.keeper.clock)

    def vouch(self, until: float, *, away: bool = False) -> None:
        """Take the transport's word that silence until then is no sign of a dead client.

        A BOSH client that has a request held has no reason to speak; its
        transport finds out itself when it is gone. ``away``: it said that it
        will not listen meanwhile, so what was asked may wait as well.
        """
        self.life.vouch(until, away=away)

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
        management = self.management
        if management is None or not management.resumable:
            self._end(reason, now, None)
            return
        self._unbind_transport()
        self.state = State.DETACHED
        self.life.expires_at = now + management.max
        self.keeper.note_detached(self, reason)
        self.link.detached(now)
        self.changed()
        self._wake_by(self.life.expires_at)

    @property
    def ends_at(self) -> float:
        """When it ends, whatever its client does; infinite unless :meth:`end_by` said."""
        return self.life.ends_at

    @property
    def hibernates_until(self) -> float:
        """Until when it waits to be resumed; infinite while it has a connection, or ended."""
        return self.life.expires_at if self.state is State.DETACHED else inf

    @property
    def lost_at(self) -> float:
        """When it lost its connection; infinite while it has one, or ended."""
        management = self.management
        if self.state is not State.DETACHED or management is None:
            return inf
        return self.life.expires_at - management.max

    def idle(self, now: float) -> float:
        """Return for how many seconds nothing has come of its client, or it has been gone.

        A transport's word (:meth:`vouch`) counts as the client's.
        """
        return max(0.0, now - min(self.lost_at, self.life.heard_at))

    def writable(self, now: float) -> None:
        """Go on with a replay: the transport's buffer has drained."""
        management, transport = self.management, self.transport
        if transport is None or self._resuming() or (self.gate is not None and self.gate.waits):
            return
        if management is not None and management.writer is None:
            self._replay(management, transport, now)
        self._tell_if_taken()

    # From the link

    def handing_over(self, now: float) -> None:
        """Ask for the acknowledgement that is due: what was sent goes to the client now.

        For a transport that hands over by answers: a client that leaves right after one
        can say then what it has of it (XEP-0198 section 4).
        """
        if self.management is not None and self.life.quiet_at != inf:
            self._request(self.management, now)

    def authenticated(self, now: float) -> None:
        """Note that the client has signed in; the stream restarts next."""
        self.flow.signed_in(self.link.payer, now)
        self.life.heard_at = now
        if self.transport is not None:
            self.transport.authenticated()

    def end_by(self, until: float) -> None:
        """End at that Unix time, unless something earlier was said before."""
        now = self.clock()
        at = now + until - self.wall(now)
        if at < self.life.ends_at:
            self.life.ends_at = at
            self._wake_by(at)

    def bound(self, now: float) -> None:
        """Note that the client has bound its resource."""
        if self.state is not State.NEGOTIATING:
            return
        self.state = State.BOUND
        self.life.negotiate_by = inf
        self._wake_for_idleness(now)

    def send(self, xml: str) -> None:
        """Send a nonza or an element of the negotiation: neither counted nor queued."""
        gate = self.gate
        if gate is not None:
            gate.send(xml)
        elif self.transport is not None:
            self.transport.send(xml)

    def changed(self) -> None:
        """Note that what the link would freeze may have changed."""
        if self.gate is not None:
            self.gate.changed()

    def deliver(self, text: str, now: float) -> None:
        """Take a stanza for the client: recorded first, then sent if that is possible.

        The session is responsible for it from here on; when it ends before
        the client confirmed, the link gets it back in :meth:`Link.closed`.
        """
        tally, management = self.tally, self.management
        tally.sent[text[1]] += 1
        tally.sent_size += len(text)
        if management is not None:
            gate = self.gate
            if gate is not None:
                gate.queued(text, self.keeper.wall(now))
            try:
                at = management.deliver(text, now)
                if at < self.wake_at:
                    self.keeper.timers.schedule(self, at)
            except QueueFullError as error:
                # Nothing is lost: it all goes another way.
                logger.warning(
                    "%s: %s; the session ends and they go elsewhere",
                    self.link.jid,
                    error,
                    extra=self.logged,
                )
                full = StreamError(
                    StreamCondition.RESOURCE_CONSTRAINT, "too much is unacknowledged"
                )
                self.close(CloseReason.QUEUE_FULL, now, full)
                return
            if self.flow.payer.held > self.config.account_bytes:
                self.keeper.relieve(self, now)
        elif self.transport is not None:
            self.transport.send(text)
        else:
            self.link.closed(CloseReason.CONNECTION_LOST, [Undelivered(text, now)], now)

    @property
    def slowed(self) -> bool:
        """Whether it is read from the slower, since its client sends too much."""
        return self.life.slow_until != inf

    @property
    def mark(self) -> int:
        """What tells what was delivered until now from what will be: for :meth:`when_taken`."""
        management = self.management
        return 0 if management is None else management.confirmed + len(management.queue)

    def when_taken(self, mark: int, tell: Callable[[], object]) -> None:
        """Call ``tell`` once, when the client has all that was delivered before ``mark``.

        That is when it acknowledges that, for which it is asked at once; without stream
        management, when the network does not push back. It is not called when the session
        ends before. Marks must be given in their order.
        """
        if self.state is State.CLOSED:
            return
        if self._awaited is None:
            self._awaited = deque()
        self._awaited.append((mark, tell))
        management = self.management
        if management is not None and mark > management.confirmed:
            self._request_awaited(management, self.clock())
        else:
            self._tell_if_taken()

    @property
    def room(self) -> tuple[int, int]:
        """How many stanzas may be delivered before the session ends for it, and bytes of memory."""
        config, management = self.config, self.management
        if management is None:
            return config.queue_stanzas, config.queue_bytes
        queue = management.queue
        return config.queue_stanzas - len(queue), config.queue_bytes - queue.bytes

    def _tell_if_taken(self) -> None:
        """Tell those who wait for what the client has by now."""
        awaited, management, transport = self._awaited, self.management, self.transport
        if awaited is None:
            return
        if management is not None:
            confirmed = management.confirmed
        elif transport is not None and not transport.congested:
            confirmed = awaited[-1][0]
        else:
            return
        while awaited and awaited[0][0] <= confirmed:
            awaited.popleft()[1]()
        if not awaited:
            self._awaited = None

    def handled(self, ticket: int, now: float) -> None:
        """Note that the backend has taken over a stanza it had not at once."""
        self.inbound.handle(ticket)
        if self.gate is not None:
            self.gate.handled()
        management = self.management
        if management is not None:
            if self._resuming():
                if not self.inbound.pending:
                    self._finish_resume(management, now)
                return
            self._acknowledge_progress(management)
        self.flow.done(self.inbound.pending)

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
        management = self.management
        if management is None:
            undelivered = [Undelivered(text, now) for text in unsent]
        else:
            # What of ``unsent`` are stanzas is in the queue, and must not go both ways.
            if farewell is not None and not self._resuming():
                (self.gate or farewell).send(Promise(management.ack()))
            undelivered = management.drain()
        gate, self.gate = self.gate, None
        self._unbind_transport()
        self.state = State.CLOSED
        self._awaited = None
        self.keeper.note_closed(self, reason, error)
        self.management = None
        if gate is not None:
            gate.end(farewell, error)
        elif farewell is not None:
            farewell.close(error)
        self.link.closed(reason, undelivered, now)

    # Stream management

    def _receive_nonza(self, element: Element, now: float) -> None:
        management = self.management
        match element.name:
            case "r" if management is not None:
                management.acks.ask()
                self.send(Promise(management.ack()))
            case "a" if management is not None:
                confirmed = management.confirmed
                management.confirm(element, now)
                if self.gate is not None:
                    self.gate.acknowledged(management.queue.acked)
                self._wake_by(self.life.quiet_at)
                self.writable(now)
                if management.confirmed > confirmed:
                    self._request_awaited(management, now)
            case "enable" | "resume" | "r" | "a":
                try:
                    self.keeper.negotiate(self, element, now)
                except SmError as error:
                    who = self.link.account or self.channel.address
                    logger.info(
                        "%s: <%s/> refused: %s", who, element.name, error, extra=self.logged
                    )
                    self.send(error.to_xml(element.namespace))
            case name:
                raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{name}/>")

    def _acknowledge_progress(self, management: Management) -> None:
        if management.acks.due():
            self.send(Promise(management.ack()))

    def _request_awaited(self, management: Management, now: float) -> None:
        """Ask for what somebody waits for, unless an answer is still to come."""
        if self._awaited is not None and management.writer is not None and not self.life.asking:
            self._request(management, now)

    def _request(self, management: Management, now: float) -> None:
        self.send(management.request(now))
        self._wake_by(self.life.request_by)

    # Resumption; the keeper has validated it whole

    def give_up_transport(self) -> Transport:
        """Take this stream's connection away, for the session it asked to resume."""
        transport = self.transport
        assert transport is not None
        self._unbind_transport()
        self.state = State.CLOSED
        self.link.abandoned()
        return transport

    def adopt(self, transport: Transport, h: int, ends_at: float, now: float) -> None:
        """Go on over a new connection (XEP-0198 section 5); ``h`` was checked.

        It ends when the new sign-in says, at ``ends_at``. ``<resumed/>`` waits until the
        backend has settled what it holds of this session, because the count in it decides
        what the client repeats.
        """
        management = self.management
        assert management is not None
        previous = self.transport
        self._unbind_transport()
        if previous is not None:
            previous.unsent()
            previous.close(StreamError(StreamCondition.CONFLICT, "resumed on another connection"))
        management.resume(h)
        if self.gate is not None:
            self.gate.acknowledged(h)
            self.gate.changed()
        self.transport = transport
        self.flow.carry(transport)
        transport.session = self
        self.channel = transport.channel
        self.state = State.BOUND
        self.life.found(now)
        self.life.ends_at = ends_at
        self._wake_by(ends_at)
        if self.inbound.pending:
            self.life.negotiate(now)
            self._wake_by(self.life.negotiate_by)
            self.flow.wait_for_work()
        else:
            self._finish_resume(management, now)

    def _resuming(self) -> bool:
        """Whether a resumption waits for the backend to settle."""
        return self.state is State.BOUND and self.life.negotiate_by != inf

    def _finish_resume(self, management: Management, now: float) -> None:
        self.life.negotiate_by = inf
        transport = self.transport
        assert transport is not None
        gate = self.gate
        if gate is None:
            transport.send(management.resumed())
            self.link.resumed(now)
            self._replay(management, transport, now)
        else:
            gate.send(Answer(management.resumed()))
            self.link.resumed(now)
        self.flow.all_done()
        self._wake_for_idleness(now)
        self._tell_if_taken()

    def answered(self) -> None:
        """Go on with the resumption: its client has the answer."""
        self.writable(self.clock())

    def _replay(self, management: Management, transport: Transport, now: float) -> None:
        """Send what waits for this connection, and ask for it once all is sent."""
        management.replay(transport, self.gate or transport, self.domain, self.keeper.wall)
        if management.writer is not None and management.queue and self.life.request_by == inf:
            self._request(management, now)

    # Time

    def on_timer(self, now: float) -> None:
        """Do what is due by ``now`` and say when to be woken next."""
        if now >= self.life.slow_until:
            self.life.slow_until = inf
            self.flow.in_time()
        if now >= self.life.ends_at:
            self.close(
                CloseReason.TOKEN_EXPIRED,
                now,
                StreamError(StreamCondition.NOT_AUTHORIZED, "the token has expired"),
            )
        elif now >= self.life.expires_at:
            self.close(CloseReason.EXPIRED, now)
        elif now >= self.life.negotiate_by and self.state is State.NEGOTIATING:
            self.close(
                CloseReason.NEGOTIATION_TIMEOUT,
                now,
                StreamError(StreamCondition.CONNECTION_TIMEOUT, "signing in took too long"),
            )
        elif now >= self.life.negotiate_by:
            self.drop(CloseReason.NEGOTIATION_TIMEOUT, now)
        elif self.life.is_dead(now):
            self.drop(CloseReason.DEAD_PEER, now)
        else:
            if now >= self.life.quiet_at and self.management is not None:
                self._request(self.management, now)
            self._probe_if_idle(now)
        self._wake_by(self.next_deadline())

    def next_deadline(self) -> float:
        """Return when this session has something to do without being called."""
        return inf if self.state is State.CLOSED else self.life.next_deadline()

    def _probe_if_idle(self, now: float) -> None:
        """Ask a silent client for a sign of life: ``<r/>``, else a ping (XEP-0199)."""
        if now < self.life.idle_deadline():
            return
        self.life.probed(now)
        if self.management is not None:
            if self.life.request_by == inf:
                self._request(self.management, now)
        else:
            self.send(
                f"<iq xmlns='{ns.CLIENT}' type='get' from='{escape(self.domain)}'"
                f" to='{escape(self.link.jid)}' id='alive'><ping xmlns='{ns.PING}'/></iq>"
            )

    def _wake_by(self, at: float) -> None:
        if at < self.wake_at:
            self.keeper.timers.schedule(self, at)

    def _wake_for_idleness(self, now: float) -> None:
        self.life.heard_at = now
        self._wake_by(self.life.idle_deadline())

    # The connection

    def drop(self, reason: CloseReason, now: float) -> None:
        """Drop the connection without a farewell and keep the session where agreed."""
        transport = self.transport
        if transport is None:
            return
        self.transport_lost(transport, now, reason)
        transport.abort()

    def _unbind_transport(self) -> None:
        if self.transport is not None:
            self.channel = self.transport.channel
            self.transport = None
        if self.gate is not None:
            self.gate.drop()
        if self.management is not None:
            self.management.lost()
        self.life.lost()
        self.flow.carry(None)


@lru_cache(maxsize=64)
def _features(*parts: str, size: int, idle: float) -> str:
    """Return the features of a stream, which are the same of very many (section 4.3.2)."""
    features = "".join((*parts, nonzas.limits(size, idle)))
    return f"<stream:features xmlns:stream='{ns.STREAMS}'>{features}</stream:features>"
