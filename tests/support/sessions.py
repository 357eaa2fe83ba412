"""A backend and a transport in memory, for tests of sessions without a network."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from andiron.sm.config import SmConfig
from andiron.sm.frozen import Plain
from andiron.sm.link import (
    Channel,
    CloseReason,
    StreamHeader,
    StreamOpen,
    Undelivered,
)
from andiron.sm.manager import SessionManager
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.stanza import STANZA_NAMES
from andiron.xmpp.xml import Element, Guard

CHANNEL = Channel("192.0.2.1", secure=True, kind="websocket")
GUARD = Guard()
SIGN_IN = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='TEST'>{}</auth>"
BIND = (
    "<iq xmlns='jabber:client' type='set' id='b'>"
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
)


class MemoryTransport:
    """Records what the session sends; ``congested`` is the test's to set."""

    def __init__(self, kind: str = "websocket") -> None:
        self.channel = Channel("192.0.2.1", secure=True, kind=kind)
        self.session: Session
        self.sent: list[str] = []
        self.congested = False
        self.room: int | None = None
        self.closed: StreamError | bool | None = False
        self.aborted = False
        self.lost = False
        self.paused = False
        self.signed_in = False
        self.buffered: list[str] = []

    def open(self, header: StreamHeader) -> None:
        self.sent.append(f"<open id='{header.id}'/>")

    def send(self, text: str) -> None:
        assert not self.closed
        assert not self.aborted
        assert not self.lost
        self.sent.append(text)
        if self.room is not None:
            self.room -= 1
            self.congested = self.room <= 0

    def send_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.send(text)

    def unsent(self) -> list[str]:
        taken, self.buffered = self.buffered, []
        return taken

    def authenticated(self) -> None:
        self.signed_in = True

    def close(self, error: StreamError | None = None) -> None:
        assert not self.lost
        self.closed = error or True

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None:
        self.paused = True

    def unpause(self) -> None:
        self.paused = False

    def take(self) -> list[str]:
        """Return what was sent since the last call."""
        taken, self.sent = self.sent, []
        return taken


class MemoryLink:
    """Signs anyone in, binds on request and routes by the full JID in ``to``."""

    def __init__(self, backend: "MemoryBackend", session: Session) -> None:
        self.backend = backend
        self.session = session
        self.account = ""
        self.jid = ""
        self.language = ""
        self.events: list[str] = []
        self.payer = Payer("")

    def open(self, opening: StreamOpen) -> StreamHeader:
        self.language = opening.lang
        if opening.to != "localhost":
            raise StreamError(StreamCondition.HOST_UNKNOWN)
        return StreamHeader("localhost", "stream-id")

    def features(self) -> Sequence[str]:
        return ["<bind/>"] if self.account else ["<mechanisms/>"]

    def receive(self, element: Element, ticket: int, now: float) -> bool:
        if not self.account:
            if element.name != "auth":
                raise StreamError(StreamCondition.NOT_AUTHORIZED)
            self.account = re.sub("<[^>]*>", "", element.text) + "@localhost"
            self.payer = self.backend.payers.setdefault(self.account, self.payer)
            self.session.send("<success/>")
            self.session.authenticated(now)
            return True
        if element.name not in STANZA_NAMES:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE)
        if not self.jid:
            self.jid = f"{self.account}/{len(self.backend.links[self.account])}"
            self.backend.links[self.account].append(self)
            self.session.bound(now)
            self.session.send(f"<iq type='result' id='{element.get('id')}'/>")
            return True
        if self.backend.deferring:
            self.backend.deferred.append((self, element, ticket))
            return False
        self.backend.route(element, now)
        return True

    def detached(self, now: float) -> None:
        self.events.append("detached")

    def resumed(self, now: float) -> None:
        self.events.append("resumed")

    def closed(self, reason: CloseReason, undelivered: Sequence[Undelivered], now: float) -> None:
        self.events.append(f"closed {reason}")
        self.backend.undelivered[self.account].extend(undelivered)
        if self in self.backend.links[self.account]:
            self.backend.links[self.account].remove(self)

    def abandoned(self) -> None:
        self.events.append("abandoned")

    lasting = True

    def freeze(self) -> Mapping[str, Plain]:
        return {"events": list(self.events)}

    def speak_up(self, now: float) -> None:
        self.events.append("speaks up")


class MemoryBackend:
    """Routes between its links; what finds nobody is kept as undelivered."""

    def __init__(self) -> None:
        self.links: defaultdict[str, list[MemoryLink]] = defaultdict(list)
        self.undelivered: defaultdict[str, list[Undelivered]] = defaultdict(list)
        self.deferring = False
        self.deferred: list[tuple[MemoryLink, Element, int]] = []
        self.payers: dict[str, Payer] = {}
        self.routed: list[tuple[MemoryLink, int]] = []

    def connect(self, session: Session, channel: Channel) -> MemoryLink:
        return MemoryLink(self, session)

    def route(self, element: Element, now: float) -> None:
        links = self.links[element.get("to")]
        if links:
            links[-1].session.deliver(element.text, now)
        else:
            self.undelivered[element.get("to")].append(Undelivered(element.text, now))

    def route_deferred(self, index: int = 0) -> None:
        """Route one deferred stanza; it is not handled yet."""
        link, element, ticket = self.deferred.pop(index)
        self.route(element, link.session.clock())
        self.routed.append((link, ticket))

    def settle(self, index: int = 0) -> None:
        """Tell the sender's session that a routed stanza is handled."""
        link, ticket = self.routed.pop(index)
        link.session.handled(ticket, link.session.clock())

    def settle_all(self) -> None:
        """Route and settle everything that was deferred."""
        while self.deferred:
            self.route_deferred()
        while self.routed:
            self.settle()


class World:
    """A manager over a memory backend, and a clock that the test turns."""

    def __init__(self, config: SmConfig | None = None, first_count: int = 0) -> None:
        self.now = 1000.0
        self.backend = MemoryBackend()
        self.manager = SessionManager(
            config or SmConfig(), self.backend, clock=lambda: self.now, first_count=first_count
        )

    def connect(self, kind: str = "websocket") -> MemoryTransport:
        """Return a new connection with an open stream."""
        transport = MemoryTransport(kind)
        self.manager.connect(transport, self.now)
        transport.session.open_stream(StreamOpen("localhost", "1.0"), self.now)
        return transport

    def sign_in(self, account: str = "juliet", kind: str = "websocket") -> MemoryTransport:
        """Return a connection that is signed in and not bound."""
        transport = self.connect(kind)
        self.receive(transport, SIGN_IN.format(account))
        transport.session.open_stream(StreamOpen("localhost", "1.0"), self.now)
        transport.take()
        return transport

    def bind(self, account: str = "juliet", enable: str | None = None) -> MemoryTransport:
        """Return a bound connection, with stream management where ``enable`` is sent."""
        transport = self.sign_in(account)
        self.receive(transport, BIND)
        if enable is not None:
            self.receive(transport, enable)
        return transport

    def receive(self, transport: MemoryTransport, text: str) -> None:
        """Let the client of ``transport`` send one element."""
        transport.session.receive(GUARD.read(text), self.now)

    def lose(self, transport: MemoryTransport) -> None:
        """Cut a connection."""
        transport.lost = True
        transport.session.transport_lost(transport, self.now)

    def pass_time(self, seconds: float) -> None:
        """Turn the clock and wake whoever is due, in order."""
        end = self.now + seconds
        while (due := self.manager.timers.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.manager.timers.run(self.now)
        self.now = end


def message(to: str, body: str) -> str:
    return f"<message xmlns='jabber:client' to='{to}'><body>{body}</body></message>"


def attribute(text: str, name: str) -> str:
    """Return an attribute of an element's root tag."""
    return GUARD.read(text).get(name)
