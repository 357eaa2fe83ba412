"""A client of a server that takes connections over: real frames, and no network."""

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

from websockets.extensions import Extension

from andiron.serving.open_websocket import OpenWebSocket, Server
from andiron.serving.pieces import PIECE
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.connection import WebSocketConnection
from support.asgi import HTTP_ANSWERS, AsgiClient, Message

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"


def masked(payload: bytes, opcode: int = TEXT, *, fin: bool = True, bits: int = 0) -> bytes:
    """Return a client's frame; ``bits`` are the reserved ones of its first byte."""
    size = len(payload)
    head = bytes([fin << 7 | bits | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def frames_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Return first byte and payload of each of a server's frames."""
    while data:
        at, size = 2, data[1]
        assert size < 128, "a server does not mask"
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at])
        yield data[0], data[at : at + size]
        data = data[at + size :]


class Network(asyncio.Transport):
    """The transport of an open WebSocket, which a client empties."""

    def __init__(self, client: "TakenClient") -> None:
        super().__init__()
        self.client = client
        self.reading = True
        self.closing = False
        self.high: int | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def write(self, data: Any) -> None:
        if self.client.error is not None:
            raise self.client.error
        if not self.closing:
            self.client.received(bytes(data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.client.pump()

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.client.hang_up()

    def close(self) -> None:
        self._end()

    def abort(self) -> None:
        self._end()

    def _end(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.client.disconnected)


class TakenClient(AsgiClient):
    """An :class:`AsgiClient` whose connection is taken over when its handshake is done."""

    def __init__(
        self, app: Any, *, extensions: Any = None, server: Server | None = None, **options: Any
    ) -> None:
        self.network = Network(self)
        self.carrier: OpenWebSocket | None = None
        self.pongs: list[bytes] = []
        self.pings: list[bytes] = []
        self.code = 0
        """With what the server closed."""
        self.server = server or Server(set(), None, None)
        self.early = b""
        """What it sends before it is answered."""
        self.extension: Extension | None = None
        self.folded: list[bytes] = []
        """Compressed texts that the server has sent."""
        self.buffer: memoryview | None = None
        """Where the network puts what it brings; None: in what the server has for each piece."""
        self.pieces: list[int] = []
        """How many bytes at a time the server took."""
        self.writes = 0
        self._heard = asyncio.Event()
        self._bytes = b""
        self._lost = asyncio.Event()
        given = dict(HTTP_ANSWERS if extensions is None else extensions)
        given["andiron"] = {"take_over": self._take_over}

        async def until_lost(*call: Any) -> None:
            try:
                await app(*call)
                if self.carrier is not None:
                    await self._lost.wait()
            finally:
                self.disconnected()

        super().__init__(until_lost, extensions=given, **options)

    async def _take_over(
        self, connection: WebSocketConnection, config: WebSocketConfig, subprotocol: str
    ) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
        self.carrier = OpenWebSocket(
            connection,
            config,
            self.network,
            self.server,
            extension=self.extension,
            buffer=self.buffer,
        )
        asyncio.get_running_loop().call_soon(self.carrier.begin, self.early)

    # The server's side

    def received(self, data: bytes) -> None:
        """Take what the server has sent."""
        self._heard.set()
        self.writes += 1
        for first, payload in frames_in(data):
            message: Message = {}
            if first == 0x80 | TEXT:
                message = {"type": "websocket.send", "text": payload.decode()}
            elif first == 0x80 | CLOSE:
                self.code = int.from_bytes(payload[:2])
                message = {"type": "websocket.close", "code": self.code}
                if not self._gone:
                    self.feed(masked(payload, CLOSE))
            elif first == 0xC0 | TEXT:
                self.folded.append(payload)
            elif first == 0x80 | PING:
                self.pings.append(payload)
            else:
                assert first == 0x80 | PONG
                self.pongs.append(payload)
            if message:
                self.taken.append(message)
                self._outgoing.put_nowait(message)
                if self._room:
                    self.push_back(self._room - 1)

    def hang_up(self) -> None:
        """Hear that nothing more comes of the server, and close."""
        if not self._gone:
            asyncio.get_running_loop().call_soon(self.disconnected)

    def disconnected(self) -> None:
        """Lose the connection."""
        if self.carrier is not None and not self._lost.is_set():
            self.network.closing = True
            self.carrier.connection_lost(None)
            self._lost.set()

    # The client's side

    async def until_has(self, what: list[bytes], number: int = 1) -> None:
        """Wait until the server has sent so many of that kind."""
        while len(what) < number:
            self._heard.clear()
            await self._heard.wait()

    def feed(self, data: bytes) -> None:
        """Send bytes."""
        self._bytes += data
        asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Bring what was sent as far as the server reads."""
        while self._bytes and self.network.reading and not self.network.closing:
            assert self.carrier is not None
            buffer = self.carrier.get_buffer(-1)
            assert len(buffer) == PIECE or self.buffer is not None
            piece, self._bytes = self._bytes[: len(buffer)], self._bytes[len(buffer) :]
            buffer[: len(piece)] = piece
            self.pieces.append(len(piece))
            self.carrier.buffer_updated(len(piece))

    def send(self, *texts: str) -> None:
        self.feed(b"".join(masked(text.encode()) for text in texts))

    def send_binary(self, data: bytes) -> None:
        self.feed(masked(data, BINARY))

    def leave(self, code: int | None = 1001) -> None:
        if self.carrier is None:
            super().leave(code)
            return
        self._gone = True
        if code in (None, 1006):
            self.disconnected()
        else:
            self.feed(masked(b"" if code == 1005 else code.to_bytes(2), CLOSE))

    def push_back(self, after: int = 0) -> None:
        self._room = after
        if not after:
            assert self.carrier is not None
            self.carrier.pause_writing()

    def let_go(self) -> None:
        self._room = None
        assert self.carrier is not None
        self.carrier.resume_writing()
