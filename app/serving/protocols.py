"""Uvicorn's protocol for WebSockets, which hands Andiron's over when their handshake is done."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions import Extension
from websockets.http11 import Request

from andiron.serving.open_websocket import OpenWebSocket, Server
from andiron.serving.pieces import Pieces
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.connection import Connection

__all__ = ["WebSocketProtocol", "carried"]

_VERSION: Final = "13"
_OTHER_VERSION: Final = {
    "Connection": "upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": _VERSION,
}
_NOBODY: Final = asyncio.Protocol()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's handshake, after which Andiron's connections are an :class:`OpenWebSocket`.

    For ``uvicorn --ws andiron.serving.protocols:WebSocketProtocol`` as well. The WebSockets of
    other applications, and those with middleware around their ``send``, stay uvicorn's.
    """

    in_body = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._early: bytes | None = None
        """What came before the handshake was over; None when it is not under way."""

    def handle_connect(self, event: Request) -> None:
        """Begin the handshake; of another version it is refused (RFC 6455 section 4.2.2)."""
        versions = event.headers.get_all("Sec-WebSocket-Version")
        if versions and versions != [_VERSION]:
            text = f"WebSockets of version {_VERSION} are spoken here (RFC 6455).\n"
            self._reject(HTTPStatus.UPGRADE_REQUIRED, text, _OTHER_VERSION)
            return
        super().handle_connect(event)
        if not self.close_sent:
            self._early = b""
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["andiron"] = {"take_over": self.take_over}

    def data_received(self, data: bytes) -> None:
        """Leave frames that come too early for who will read them."""
        if self._early is not None:
            self._early += data
            self.transport.pause_reading()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Uvicorn would leave what the library cannot read unanswered, and open.
            self._reject(HTTPStatus.BAD_REQUEST, "This is no handshake that can be read.\n")

    def _reject(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        """Refuse the handshake, and end the connection."""
        response = self.conn.reject(status, text)
        response.headers.update(headers or {})
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(response.serialize())
        self.transport.close()

    async def send(self, message: Any) -> None:
        """Send what the application has to say, which may end the handshake."""
        await super().send(message)
        if self._early is not None and self.handshake_complete and not self.disconnected:
            early, self._early = self._early, None
            if early and not self.close_sent:
                super().data_received(early)
                if not self.read_paused:
                    self.transport.resume_reading()

    async def take_over(
        self, connection: Connection, config: WebSocketConfig, subprotocol: str
    ) -> None:
        """Accept the WebSocket and leave it to one who carries ``connection``."""
        early, self._early = self._early or b"", None
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol})
        if self.disconnected or self.transport.is_closing():
            raise ClientDisconnected
        self.stop_keepalive()
        self.connections.discard(self)
        server = Server(self.connections, self.ping_interval, self.ping_timeout)
        extension = next(iter(self.conn.extensions), None)
        carrier = carried(connection, config, self.transport, server, extension)
        self.loop.call_soon(carrier.begin, early)
        # What uvicorn does at the end of the handshake's task must not concern the connection.
        self.transport = _Left()
        # Nothing of the handshake is to wait for somebody to look for garbage.
        self.scope["extensions"] = {}
        self.conn.parser.close()


def carried(
    connection: Connection,
    config: WebSocketConfig,
    transport: asyncio.Transport,
    server: Server,
    extension: Extension | None = None,
) -> OpenWebSocket:
    """Give a transport, whose handshake is over, to one who carries ``connection``."""
    pieces = transport.get_protocol()
    buffer = pieces.buffer if isinstance(pieces, Pieces) else None
    carrier = OpenWebSocket(
        connection, config, transport, server, extension=extension, buffer=buffer
    )
    # uvloop goes on holding the latest protocol that has no buffer of its own.
    transport.set_protocol(_NOBODY)
    transport.set_protocol(carrier)
    return carrier


class _Left(asyncio.Transport):
    """The transport of a protocol that another has taken the place of."""

    def close(self) -> None:
        """Close nothing."""

    def is_closing(self) -> bool:
        """Tell that nothing can be sent."""
        return True
