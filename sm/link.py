"""The small protocols that tie transports, sessions and backends together.

A transport turns bytes into top-level elements and back, for the session it
carries; a link is a session's end in the backend. Adding either touches nothing else. All of it is
synchronous: ``now`` is the event loop's monotonic clock in seconds, passed in.
"""

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from andiron.sm.frozen import Plain
from andiron.sm.payers import Payer
from andiron.xmpp.errors import StreamError
from andiron.xmpp.xml import Element

T = TypeVar("T")


class CloseReason(StrEnum):
    """Why a session or a transport ended; logged, counted and shown."""

    CLIENT_CLOSED = "client-closed"
    CONNECTION_LOST = "connection-lost"
    REPLACED = "replaced"
    EXPIRED = "expired"
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    NEGOTIATION_TIMEOUT = "negotiation-timeout"
    DEAD_PEER = "dead-peer"
    SLOW_READER = "slow-reader"
    QUEUE_FULL = "queue-full"
    STREAM_ERROR = "stream-error"
    KICKED = "kicked"
    REDIRECTED = "redirected"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Channel:
    """What is known of the way a stream came: facts for authentication and logs.

    ``secure`` says that passwords may pass: TLS, a trusted proxy's https, or loopback.
    """

    address: str
    secure: bool
    kind: str
    """``websocket``, ``bosh`` or ``in-process``."""
    visitor: str = field(default="", kw_only=True)
    """The name of who the site says it is, as the site has it; empty: nobody."""
    told: object = field(default=None, kw_only=True)
    """What else the site says of them, for the backend, which knows what to make of it."""
    via: str | None = field(default="", kw_only=True)
    """What passed it on to here, as operators call that; empty: nothing did; None: not known."""

    def of(self, visitor: "Visitor") -> "Channel":
        """Return the way by which ``visitor`` came."""
        if visitor is STRANGER:
            return self
        return replace(self, visitor=visitor.name, told=visitor.told)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who the site says makes a request."""

    name: str = ""
    """As the site has it; empty: nobody that it knows."""
    told: object = None
    """What else the site says."""


STRANGER: Final = Visitor()
"""Somebody of whom the site knows nothing."""


class StreamOpen(NamedTuple):
    """A client's stream header (RFC 6120 section 4.7)."""

    to: str
    version: str
    sender: str = ""
    lang: str = ""


class StreamHeader(NamedTuple):
    """The answer to a client's stream header."""

    sender: str
    id: str
    lang: str = "en"
    version: str = "1.0"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A stanza the client never confirmed, and when (``now``) it was accepted for it."""

    text: str
    since: float


class Carried(Protocol):
    """What a transport carries and tells what it hears: a session."""

    def clock(self) -> float:
        """Return the present of ``now``."""

    @property
    def logged(self) -> dict[str, str]:
        """The ``extra=`` of a log's line that concerns it."""

    def open_stream(self, opening: StreamOpen, now: float) -> None:
        """Begin or restart the stream."""

    def receive(self, element: Element, now: float) -> None:
        """Take one guarded top-level element from the client."""

    def spent(self, began: float) -> float:
        """Charge the time since ``began`` to who pays for the client; it may have to wait.

        Returns the present.
        """

    def hold(self) -> None:
        """Have nothing more read until as many :meth:`go_on`."""

    def go_on(self) -> None:
        """Have more read."""

    def errand(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """Return ``work``, whose steps are charged to who pays for the client, in his turns."""

    def vouch(self, until: float, *, away: bool = False) -> None:
        """Take silence until then as no sign of a dead client."""

    def writable(self, now: float) -> None:
        """Go on sending: the transport is congested no more."""

    def handing_over(self, now: float) -> None:
        """Ask for the acknowledgement that is due: what was sent goes to the client now."""

    def client_closed(self, now: float) -> None:
        """Take the client's clean end of the stream."""

    def transport_lost(
        self, transport: "Transport", now: float, reason: CloseReason = CloseReason.CONNECTION_LOST
    ) -> None:
        """Take the loss of a connection."""

    def close(self, reason: CloseReason, now: float, error: StreamError | None = None) -> None:
        """End the session for good."""


class Transport(Protocol):
    """One connection's writing end; ``websocket``, ``bosh`` and ``inprocess`` implement it.

    It calls its ``session``, which a resumption replaces under it; once it has
    reported its own loss or was told to close, it calls no more. None of
    these methods may call the session back before returning.
    """

    session: Carried

    @property
    def channel(self) -> Channel:
        """The way by which its client came last."""

    @property
    def congested(self) -> bool:
        """Whether the network pushes back; :meth:`Carried.writable` is called when it ends."""

    def open(self, header: StreamHeader) -> None:
        """Answer the client's stream header."""

    def send(self, text: str) -> None:
        """Send one top-level element. What the network does not take is buffered within a bound."""

    def send_all(self, texts: Iterable[str]) -> None:
        """Send elements as :meth:`send` does each; they may go together."""

    def unsent(self) -> list[str]:
        """Take back the elements that were buffered and never handed to the network."""

    def authenticated(self) -> None:
        """Lift the limits for strangers: the client has signed in."""

    def close(self, error: StreamError | None = None) -> None:
        """End the stream politely: the error if any, then the closing handshake."""

    def abort(self) -> None:
        """Drop the connection without a farewell, so that the client comes back to resume."""

    def pause(self) -> None:
        """Stop reading from the client until :meth:`unpause`."""

    def unpause(self) -> None:
        """Read from the client again."""


class Link(Protocol):
    """A session's end in the backend."""

    account: str
    """The bare JID signed in as, empty before; what a resumption is checked against."""
    jid: str
    """The full JID, empty before resource binding."""

    @property
    def payer(self) -> Payer:
        """Who pays for what is held and done for the account; there from sign-in on."""

    @property
    def lasting(self) -> bool:
        """Whether the session can go on in another process: its account is known there."""

    def open(self, opening: StreamOpen) -> StreamHeader:
        """Begin or restart the stream. Raises :class:`StreamError` (host, version)."""

    def features(self) -> Sequence[str]:
        """Return what stands in ``<stream:features/>`` now, stream management aside."""

    def receive(self, element: Element, ticket: int, now: float) -> bool:
        """Take one element from the client.

        Returns True when it is handled: taken over for good. False promises
        one later call of :meth:`Session.handled` with the same ticket. Tickets
        of elements other than stanzas are 0 and need no such call. Raises
        :class:`StreamError` to end the stream.
        """

    def detached(self, now: float) -> None:
        """Keep the resource available: the connection is gone and the session hibernates."""

    def resumed(self, now: float) -> None:
        """Note that a new connection carries the session."""

    def closed(self, reason: CloseReason, undelivered: Sequence[Undelivered], now: float) -> None:
        """Leave, and send undelivered stanzas another way (design rule 12).

        It is called again for a stanza that was delivered to an ended session.
        """

    def abandoned(self) -> None:
        """Forget this stream, which had not bound: its connection resumes another session."""

    def freeze(self) -> Mapping[str, Plain]:
        """Return what the backend needs to go on with a :attr:`lasting` session elsewhere."""

    def speak_up(self, now: float) -> None:
        """Deliver what waits for the client to look: nobody will know of it elsewhere."""
