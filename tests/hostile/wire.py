"""A WebSocket client that can break every rule: it writes frames byte by byte."""

import asyncio
import base64
import contextlib
import os
import socket
import struct
from typing import Self

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
FAREWELL = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
PATIENCE = 60.0 + int(os.environ.get("CROWD", "0")) / 200


class Gone(Exception):  # noqa: N818
    """The server closed the connection."""


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, length: int = -1) -> bytes:
    """Return a client's frame; ``length`` claims another length than the payload's.

    The mask is all zeros, which RFC 6455 does not forbid a test.
    """
    size = len(payload) if length < 0 else length
    head = bytes([(fin << 7) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 2**16:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + bytes(4) + payload


class Wire:
    """One TCP connection. Every wait for the server has an end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers = ""
        self.jid = ""
        self.code: int | None = None
        """The code of the server's WebSocket close frame."""

    @classmethod
    async def dial(cls, port: int, *, source: str = "127.0.0.1", receive_buffer: int = 0) -> Self:
        """Connect and say nothing; ``source`` is any address of 127.0.0.0/8."""
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            connection.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=connection, limit=2**22))
        except BaseException:  # the attack may be over meanwhile
            connection.close()
            raise

    def ask(self, port: int, *headers: str, path: str = "/ws") -> None:
        """Send a handshake, with ``headers`` added."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: localhost:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Protocol: xmpp",
            *headers,
        ]
        self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def answer(self) -> None:
        """Read the head of an HTTP answer."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.status = int(head.split(" ", 2)[1])
        self.headers = head.lower()

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def send(self, *texts: str) -> None:
        """Send each text as a frame."""
        self.write(b"".join(frame(text.encode("utf-8", "surrogatepass")) for text in texts))
        with contextlib.suppress(OSError):
            await self.writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload; raises :class:`Gone` at the end."""
        try:
            async with asyncio.timeout(PATIENCE):
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
                payload = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise Gone from None
        return first & 0x0F, payload

    async def text(self) -> str:
        """Return the next text frame, answering pings; raises :class:`Gone` at the end."""
        while True:
            opcode, payload = await self.receive()
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                self.write(frame(payload, PONG))
            elif opcode == CLOSE:
                self.code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                self.write(frame(payload, CLOSE))

    async def rest(self) -> list[str]:
        """Answer a farewell and return all texts up to the connection's end."""
        texts: list[str] = []
        with contextlib.suppress(Gone):
            while True:
                texts.append(await self.text())
                if texts[-1].startswith("<close"):
                    await self.send(FAREWELL)
        return texts

    async def until(self, part: str) -> str:
        """Return the first text that holds ``part``."""
        while part not in (text := await self.text()):
            pass
        return text

    async def ended(self) -> None:
        """Wait until the server has closed the connection, whatever it still says."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(2**16):
                    pass

    async def sign_in(self, name: str, password: str) -> None:
        """Sign in by PLAIN and bind; ``jid`` holds the full JID."""
        await self.send(OPEN)
        await self.until("<stream:features")
        await self.send(plain(name, password))
        await self.until("<success")
        await self.send(OPEN)
        await self.until("<stream:features")
        await self.send(
            "<iq xmlns='jabber:client' type='set' id='b'>"
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
        )
        self.jid = (await self.until("<jid>")).partition("<jid>")[2].partition("<")[0]

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Vanish with a TCP reset."""
        connection = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Vanish, and wait until that is done."""
        self.reset()
        with contextlib.suppress(OSError):
            # Who is cancelled here must not cancel it for all who wait.
            await asyncio.shield(self.writer.wait_closed())


def plain(name: str, password: str) -> str:
    """Return the ``<auth/>`` of SASL PLAIN."""
    message = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    return f"<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>"
