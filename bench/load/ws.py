"""XMPP over WebSocket (RFC 7395), by picows. Every document is one message."""

import contextlib
from xml.etree.ElementTree import Element, fromstring

import picows

from load import names as ns
from load.link import STEP_TIMEOUT, LoadError, Receiver

TEXT = picows.WSMsgType.TEXT
CONTINUATION = picows.WSMsgType.CONTINUATION
CLOSE = picows.WSMsgType.CLOSE


class WsLink(picows.WSListener):
    """One connection."""

    def __init__(
        self, session: Receiver, url: str, domain: str, local: tuple[str, int] | None
    ) -> None:
        self.session, self.url, self.domain, self.local = session, url, domain, local
        self.transport: picows.WSTransport | None = None
        self.parts: list[bytes] = []

    async def open(self) -> Element:
        self.transport, _ = await picows.ws_connect(
            lambda: self,
            self.url,
            websocket_handshake_timeout=STEP_TIMEOUT,
            extra_headers={"Sec-WebSocket-Protocol": "xmpp"},
            local_addr=self.local,
        )
        if self.transport.response.headers.get("Sec-WebSocket-Protocol") != "xmpp":
            raise LoadError("server did not select the xmpp subprotocol")
        return await self.restart()

    async def restart(self) -> Element:
        self.send(f"<open xmlns='{ns.FRAMING}' to='{self.domain}' version='1.0'/>".encode())
        await self.session.expect(f"{{{ns.FRAMING}}}open")
        return await self.session.expect(f"{{{ns.STREAMS}}}features")

    def send(self, stanza: bytes) -> None:
        if self.transport is not None:
            self.transport.send(TEXT, stanza)

    def elements(self, document: bytes) -> list[Element]:
        return [fromstring(document)]

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind == TEXT and frame.fin:
            self.session.on_doc(frame.get_payload_as_bytes())
        elif kind in (TEXT, CONTINUATION):
            self.parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                document, self.parts = b"".join(self.parts), []
                self.session.on_doc(document)
        elif kind == CLOSE:
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, _transport: picows.WSTransport) -> None:
        self.transport = None
        self.session.on_lost(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    async def close(self) -> None:
        if self.transport is not None:
            self.send(f"<close xmlns='{ns.FRAMING}'/>".encode())
            with contextlib.suppress(LoadError):
                await self.session.expect(f"{{{ns.FRAMING}}}close", seconds=3)
        if self.transport is not None:
            self.transport.send_close(picows.WSCloseCode.OK)
            self.transport.disconnect()
