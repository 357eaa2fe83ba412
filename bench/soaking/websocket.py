"""A stream over WebSocket (RFC 7395), by hand: it must be able to end in the middle of a frame."""

import asyncio
import random
import socket
import struct
from typing import cast

from soaking import words
from soaking.link import CONNECTING, Addresses, Owner

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29ha3NvYWtzb2Frc29haw==\r\n"
    b"Sec-WebSocket-Protocol: xmpp\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LEFT = struct.pack("!H", 1001)
RESET = struct.pack("ii", 1, 0)
"""What makes a socket's end a reset."""


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a client's frame; its mask is all zeros, which saves the machine some work."""
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | min(size, 126))
    if size >= 126:
        head += struct.pack("!H", size)
    return head + b"\0\0\0\0" + payload


class WebSocketLink(asyncio.Protocol):
    """One WebSocket."""

    transport: asyncio.Transport

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.ready = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._upgraded = False

    @classmethod
    async def connect(cls, owner: Owner, addresses: Addresses) -> "WebSocketLink":
        """Connect; raises OSError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECTING):
            _, link = await loop.create_connection(lambda: cls(owner), *random.choice(addresses))
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.owner.carried_by(self)
        self.transport.write(HANDSHAKE)

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        self.ready = False
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.owner.refused(head[:12].decode())
                self.transport.abort()
                return
            self._upgraded, self._buffer = True, rest
            self.restart()
        self._read_frames()

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            opcode, size, start = buffer[at] & 15, buffer[at + 1], at + 2
            if size == 126:
                if len(buffer) < at + 4:
                    break
                (size,) = struct.unpack_from("!H", buffer, start)
                start += 2
            if len(buffer) < start + size:
                break
            at = start + size
            self._frame(opcode, buffer[start:at])
        self._buffer = buffer[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            text = payload.decode()
            if text.startswith("<close"):
                self.send(words.CLOSE)
            else:
                self.owner.receive(self, text)
        elif opcode == PING:
            self.transport.write(frame(payload, PONG))
        elif opcode == CLOSE:
            self.transport.write(frame(payload, CLOSE))

    def restart(self) -> None:
        self.send(words.OPEN)

    def send(self, text: str) -> None:
        self.transport.write(frame(text.encode()))

    def kill(self, how: str) -> None:
        if not self._upgraded:
            how = "reset"
        if how == "mid-frame":
            text = frame(words.MESSAGE.encode())
            self.transport.write(text[: random.randrange(1, len(text))])
        if how in ("reset", "mid-frame"):
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
            self.ready = False
        elif how == "leave":
            self.transport.write(frame(LEFT, CLOSE))
            self.ready = False
        else:
            self._end()

    def close(self) -> None:
        self.send(words.CLOSE)
