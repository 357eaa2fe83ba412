"""XMPP over BOSH (XEP-0124, XEP-0206): hold='1', so up to two requests on two connections."""

import asyncio
import random
import urllib.parse
from xml.etree.ElementTree import Element, fromstring

from load import names as ns
from load.link import LoadError, Receiver
from load.requests import HttpConnection


class BoshLink:
    """One BOSH session."""

    def __init__(
        self,
        session: Receiver,
        url: str,
        domain: str,
        wait: int,
        local: tuple[str, int] | None,
    ) -> None:
        self.session, self.domain, self.wait, self.local = session, domain, wait, local
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname or "localhost", parts.port or 80)
        self.head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: text/xml; charset=utf-8\r\nContent-Length: "
        ).encode()
        self.connections: list[HttpConnection] = []
        self.connecting = False
        """Later requests wait meanwhile, so that they arrive in order."""
        self.rid = random.randrange(1, 2**48)
        self.next_in = self.rid
        """Answers are handed on in the order of their requests."""
        self.early: dict[int, bytes] = {}
        self.queue: list[bytes] = []
        self.sid: str | None = None
        self.limit = 1
        self.pump_due = False
        self.closing = False
        self.aborted = False
        """Whether nothing goes out any more, also not the word that the session ends."""

    async def open(self) -> Element:
        await self._connect()
        self._post(
            f"<body xmlns='{ns.HTTPBIND}' rid='%d' to='{self.domain}' xml:lang='en' "
            f"wait='{self.wait}' hold='1' ver='1.6' content='text/xml; charset=utf-8' "
            "xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'/>"
        )
        created = await self.session.expect_document()
        if created.get("type") == "terminate" or not created.get("sid"):
            raise LoadError(f"BOSH session refused: {created.attrib}")
        self.sid = created.get("sid")
        self.limit = min(2, int(created.get("requests", "2")))
        self.session.deliver(list(created))
        return await self.session.expect(f"{{{ns.STREAMS}}}features")

    async def restart(self) -> Element:
        attributes = (
            f"to='{self.domain}' xml:lang='en' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
        )
        self._send_body(attributes, b"")
        return await self.session.expect(f"{{{ns.STREAMS}}}features")

    def send(self, stanza: bytes) -> None:
        self.queue.append(stanza)
        self._pump_soon()

    def elements(self, document: bytes) -> list[Element]:
        return list(fromstring(document))

    def _pump_soon(self) -> None:
        """See to requests when this turn of the loop is done: what is queued in it shares one."""
        if not self.pump_due:
            self.pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self.pump_due = False
        if not self.sid or self.closing or self.connecting:
            return
        busy = sum(connection.rid is not None for connection in self.connections)
        if busy < self.limit and (self.queue or not busy):
            payload, self.queue = b"".join(self.queue), []
            self._send_body("", payload)

    def _send_body(self, attributes: str, payload: bytes) -> None:
        start = f"<body xmlns='{ns.HTTPBIND}' rid='%d' sid='{self.sid}' {attributes}"
        self._post(start + ">%s</body>" if payload else start + "/>", payload)

    def _post(self, template: str, payload: bytes = b"") -> None:
        rid, self.rid = self.rid, self.rid + 1
        body = (template % ((rid, payload.decode()) if payload else rid)).encode()
        for connection in self.connections:
            if connection.rid is None and connection.transport is not None:
                connection.post(rid, body)
                return
        self.session.spawn(self._connect_and_post(rid, body))

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: HttpConnection(self), *self.address, local_addr=self.local
        )
        self.connections.append(connection)
        return connection

    async def _connect_and_post(self, rid: int, body: bytes) -> None:
        self.connecting = True
        try:
            connection = await self._connect()
            if self.aborted and connection.transport is not None:
                connection.transport.abort()
            else:
                connection.post(rid, body)
        except OSError as exc:
            self.session.on_error(f"connect: {exc}")
        finally:
            self.connecting = False
        self._pump()

    def on_response(self, rid: int, status: int, body: bytes) -> None:
        if status != 200:
            self.session.on_error(f"HTTP {status}")
            return
        self.early[rid] = body
        while (document := self.early.pop(self.next_in, None)) is not None:
            self.next_in += 1
            if b"terminate" in document[: document.find(b">")] and not self.closing:
                self.sid = None
                self.session.on_error(f"BOSH session terminated: {document[:200]!r}")
                self.session.on_lost(self)
                return
            self.session.on_doc(document)
        self._pump_soon()

    def on_bad_response(self, text: str) -> None:
        self.session.on_error(text)

    def on_connection_lost(self, connection: HttpConnection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        if connection.rid is not None and not self.closing:
            self.session.on_error("HTTP connection lost with a request in flight")
            self.session.on_lost(self)

    def abort(self) -> None:
        self.closing = self.aborted = True
        for connection in self.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        if self.sid and not self.closing:
            self.closing = True
            self._send_body("type='terminate'", b"")
            for _ in range(100):
                if not any(connection.rid is not None for connection in self.connections):
                    break
                await asyncio.sleep(0.02)
        self.abort()
