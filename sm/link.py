"""The two small protocols that tie transports, sessions and backends together.

A transport turns bytes into top-level elements and back; a link is a session's
end in the backend. Adding either touches nothing else. All of it is
synchronous: ``now`` is the event loop's monotonic clock in seconds, passed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from andiron.xmpp.errors import StreamError
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.sm.session import Session


class CloseReason(StrEnum):
    """Why a session or a transport ended; logged, counted and shown."""

    CLIENT_CLOSED = "client-closed"
    CONNECTION_LOST = "connection-lost"
    REPLACED = "replaced"
    RESUMED_ELSEWHERE = "resumed-elsewhere"
    EXPIRED = "expired"
    NEGOTIATION_TIMEOUT = "negotiation-timeout"
    DEAD_PEER = "dead-peer"
    SLOW_READER = "slow-reader"
    QUEUE_FULL = "queue-full"
    STREAM_ERROR = "stream-error"
    KICKED = "kicked"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Channel:
    """What is known of the way a stream came: facts for authentication and logs.

    ``secure`` says that passwords may pass: TLS, a trusted proxy's https, or loopback.
    """

    address: str
    secure: bool
    kind: str
    """``websocket`` or ``bosh``."""


@dataclass(frozen=True, slots=True)
class StreamOpen:
    """A client's stream header (RFC 6120 section 4.7)."""

    to: str
    version: str
    sender: str = ""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class StreamHeader:
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


class Transport(Protocol):
    """One connection's writing end; ``websocket`` and ``bosh`` implement it.

    The session calls it; it must not call back into the session from within.
    """

    channel: Channel

    def open(self, header: StreamHeader) -> None:
        """Answer the client's stream header."""

    def send(self, text: str) -> None:
        """Send one top-level element. What is not taken yet is buffered within a bound."""

    def close(self, reason: CloseReason, error: StreamError | None = None) -> None:
        """End the stream politely: the error if any, then the closing handshake."""

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
        """The connection is gone and the session hibernates: keep the resource available."""

    def resumed(self, now: float) -> None:
        """A new connection carries the session."""

    def closed(self, reason: CloseReason, undelivered: Sequence[Undelivered], now: float) -> None:
        """The session is over; send its undelivered stanzas another way (design rule 12)."""

    def abandoned(self) -> None:
        """This stream's connection went on to resume another session; there is nothing to undo."""


class Backend(Protocol):
    """What stands behind the sessions: the embedded domain or a real server."""

    def connect(self, session: "Session", channel: Channel) -> Link:
        """Return the link for a new session, not yet signed in."""
