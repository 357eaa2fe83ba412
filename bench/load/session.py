"""One client: its handshake, its stream management, and its traffic."""

import asyncio
import collections
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol
from xml.etree.ElementTree import Element, fromstring, tostring

from load import names as ns
from load.bosh import BoshLink
from load.checks import Checker, Errors
from load.link import STEP_TIMEOUT, Link, LoadError
from load.options import Options
from load.sasl import Client
from load.ws import WsLink

now = time.perf_counter


class Owner(Protocol):
    """The run that a session is part of."""

    opts: Options
    errors: Errors
    pad: str
    closing: bool

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside."""

    def sending(self, copies: int) -> None:
        """Count messages that must arrive."""

    def arrived(self, session: "Session", source: int, number: int, sent_us: int) -> None:
        """Count one that did."""


class Session:
    """The client of one account."""

    def __init__(self, load: Owner, idx: int) -> None:
        self.load, self.idx = load, idx
        self.name = f"user{idx}"
        self.link: Link | None = None
        self.inbox: collections.deque[Element | LoadError] = collections.deque()
        self.waiter: asyncio.Future[None] | None = None
        self.live = False
        """Signed in: documents are traffic."""
        self.raw = False
        self.jid = ""
        self.sent: collections.Counter[int] = collections.Counter()
        """By the addressee's number."""
        self.heads: dict[int, str] = {}
        self.checker = Checker(self.name, idx, load.pad, load.errors)
        self.look: Callable[[Element], None] | None = None
        """Is shown every element, parsed, while it is set."""
        self.sm_on = False
        self.sm_id: str | None = None
        self.sm_in = self.sm_out = self.sm_acked = 0

    # Handshake: documents are parsed and waited for.

    def on_doc(self, document: bytes) -> None:
        if self.live:
            self.on_traffic(document)
        elif self.raw:
            self.raw = False
            self.deliver([fromstring(document)])
        elif self.link is not None:
            self.deliver(self.link.elements(document))

    def deliver(self, elements: list[Element] | list[LoadError]) -> None:
        self.inbox.extend(elements)
        if self.waiter is not None and not self.waiter.done() and self.inbox:
            self.waiter.set_result(None)

    async def _next(self, seconds: float) -> Element:
        while not self.inbox:
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self.waiter
            except TimeoutError:
                raise LoadError(f"no answer within {seconds:g} s") from None
        element = self.inbox.popleft()
        if isinstance(element, LoadError):
            raise element
        return element

    async def expect_document(self) -> Element:
        self.raw = True
        return await self._next(STEP_TIMEOUT)

    async def expect(self, *tags: str, seconds: float = STEP_TIMEOUT) -> Element:
        element = await self._next(seconds)
        if element.tag not in tags:
            raise LoadError(f"expected {tags}, got {tostring(element)[:300]!r}")
        return element

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.load.spawn(coroutine)

    def on_error(self, text: str) -> None:
        self.load.errors(f"{self.name}: {text}")

    def on_lost(self, link: Link) -> None:
        if link is self.link:
            if self.live and not self.load.closing:
                self.on_error("connection lost")
            self.live = False
            self.deliver([LoadError("connection lost")])

    def send(self, stanza: str | bytes) -> None:
        """Send what is no load message; a stanza must go through :meth:`send_stanza`."""
        if self.link is not None:
            self.link.send(stanza.encode() if isinstance(stanza, str) else stanza)

    def send_stanza(self, stanza: str | bytes) -> None:
        self.send(stanza)
        if self.sm_on:
            self.sm_out += 1
            ask = self.load.opts.sm_ask
            if ask and self.sm_out % ask == 0:
                self.ask_ack()

    async def connect(self, *, resume: bool = False) -> None:
        """Connect, authenticate, then bind (and enable stream management) or resume."""
        opts = self.load.opts
        self.link = link = self._new_link(opts)
        self.inbox.clear()
        self.live = False
        features = await link.open()
        await self._authenticate(opts, features)
        features = await link.restart()
        if resume:
            self.send(f"<resume xmlns='{ns.SM}' previd='{self.sm_id}' h='{self.sm_in}'/>")
            resumed = await self.expect(f"{{{ns.SM}}}resumed")
            self._acked(int(resumed.get("h", "-1")))
        else:
            await self._bind(opts, features)
        self.live = True
        while self.inbox:  # what came right behind the last answer
            element = self.inbox.popleft()
            if isinstance(element, LoadError):
                raise element
            if not (self.sm_on and self._manage(*_managed(element))):
                self._traffic(tostring(element), [element])

    def _new_link(self, opts: Options) -> Link:
        local = opts.local_address(self.idx)
        if opts.transport == "ws":
            return WsLink(self, opts.url, opts.domain, local)
        return BoshLink(self, opts.url, opts.domain, opts.bosh_wait, local)

    async def _authenticate(self, opts: Options, features: Element) -> None:
        offered = {each.text for each in features.iter(f"{{{ns.SASL}}}mechanism")}
        if opts.auth not in offered:
            raise LoadError(f"{opts.auth} is not offered, only {sorted(map(str, offered))}")
        client = Client(opts.auth, f"{opts.user_prefix}{self.idx}", opts.password)
        self.send(
            b"<auth xmlns='%b' mechanism='%b'>%b</auth>"
            % (ns.SASL.encode(), opts.auth.encode(), client.first())
        )
        if client.scram:
            challenge = await self.expect(f"{{{ns.SASL}}}challenge")
            answer = client.answer(challenge.text)
            self.send(b"<response xmlns='%b'>%b</response>" % (ns.SASL.encode(), answer))
        success = await self.expect(f"{{{ns.SASL}}}success")
        client.verify(success.text)

    async def _bind(self, opts: Options, features: Element) -> None:
        self.send(
            f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{ns.BIND}'>"
            f"<resource>{opts.resource}</resource></bind></iq>"
        )
        result = await self.expect("{jabber:client}iq")
        self.jid = result.findtext(f"{{{ns.BIND}}}bind/{{{ns.BIND}}}jid") or ""
        if not self.jid:
            raise LoadError(f"bind: {tostring(result)[:300]!r}")
        session = features.find(f"{{{ns.SESSION}}}session")
        if session is not None and session.find(f"{{{ns.SESSION}}}optional") is None:
            self.send(
                f"<iq xmlns='jabber:client' type='set' id='s'><session xmlns='{ns.SESSION}'/></iq>"
            )
            await self.expect("{jabber:client}iq")
        if opts.sm:
            if features.find(f"{{{ns.SM}}}sm") is None:
                raise LoadError("stream management is not offered")
            self.send(f"<enable xmlns='{ns.SM}' resume='true'/>")
            enabled = await self.expect(f"{{{ns.SM}}}enabled")
            self.sm_on, self.sm_id = True, enabled.get("id")
            self.sm_in = self.sm_out = self.sm_acked = 0
        if opts.presence:
            self.send_stanza(b"<presence xmlns='jabber:client'/>")

    # Traffic: documents are scanned, and parsed only where they are no load messages.

    def cut(self) -> None:
        """Drop the connection without a word, to resume later."""
        self.live, link = False, self.link
        self.link = None
        if link is not None:
            link.abort()

    def send_load(self, to: "Session") -> None:
        """Send the next load message to another session."""
        self.send_mark(to.idx, to.jid, "chat", copies=1)

    def send_mark(self, to: int, jid: str, kind: str, copies: int) -> None:
        """Send the next load message to an address, which so many sessions must get."""
        head = self.heads.get(to)
        if head is None:
            head = self.heads[to] = (
                f"<message xmlns='jabber:client' type='{kind}' to='{jid}' id='{self.idx}-%d'>"
                f"<body>L{self.idx}.{to}.%d.%d.{self.load.pad}</body></message>"
            )
        self._send_numbered(to, head, copies)

    def send_status(self, to: int, copies: int) -> None:
        """Send a presence that is checked as load messages are."""
        head = self.heads.get(to)
        if head is None:
            head = self.heads[to] = (
                f"<presence xmlns='jabber:client' id='{self.idx}-%d'>"
                f"<status>L{self.idx}.{to}.%d.%d.{self.load.pad}</status></presence>"
            )
        self._send_numbered(to, head, copies)

    def _send_numbered(self, to: int, head: str, copies: int) -> None:
        number = self.sent[to]
        self.sent[to] = number + 1
        self.load.sending(copies)
        self.send_stanza((head % (number, number, int(now() * 1e6))).encode())

    def ask_ack(self) -> None:
        self.send(b"<r xmlns='urn:xmpp:sm:3'/>")

    def _acked(self, h: int) -> None:
        if not self.sm_acked <= h <= self.sm_out:
            self.on_error(f"server acknowledged {h} of {self.sm_out} stanzas")
        self.sm_acked = h

    def on_traffic(self, document: bytes) -> None:
        """Take what came in at once."""
        if self.sm_on and isinstance(self.link, WsLink):
            name = ns.NAME.match(document)
            if self._manage(name.group(1).decode() if name else "", document):
                return
            self._traffic(document, None)
        elif self.sm_on or self.look is not None:
            assert self.link is not None
            elements = self.link.elements(document)
            if self.sm_on:
                for element in elements:
                    self._manage(*_managed(element))
            self._traffic(document, elements)
        else:
            self._traffic(document, None)

    def _manage(self, name: str, document: bytes) -> bool:
        """Do what stream management wants; return whether the element was its own."""
        if name == "r":
            self.send(b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % self.sm_in)
        elif name == "a":
            h = ns.ACK_H.search(document)
            self._acked(int(h.group(1)) if h else -1)
        else:
            if name in ns.STANZAS:
                self.sm_in += 1
            return False
        return True

    def _traffic(self, document: bytes, elements: list[Element] | None) -> None:
        count, arrived = self.checker.take(document)
        for source, number, sent_us in arrived:
            self.load.arrived(self, source, number, sent_us)
        if self.look is None and (count or not document or document.endswith(b"/>")):
            return
        if elements is None:
            assert self.link is not None
            elements = self.link.elements(document)
        for element in elements:
            self._other(element)

    def _other(self, element: Element) -> None:
        name = ns.local(element.tag)
        if name == "iq" and element.get("type") == "get":
            to, request = element.get("from", ""), element.get("id")
            self.send_stanza(f"<iq xmlns='jabber:client' type='result' id='{request}' to='{to}'/>")
        elif name == "error" or element.get("type") == "error":
            self.on_error(f"received {tostring(element)[:300]!r}")
        elif name == "close":
            self.live = False
            self.deliver([element])
        elif self.look is not None:
            self.look(element)


def _managed(element: Element) -> tuple[str, bytes]:
    """Return the name of a parsed element, and of its text what stream management reads."""
    return ns.local(element.tag), b" h='%b'" % element.get("h", "").encode()
