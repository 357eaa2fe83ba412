"""Uvicorn's protocols with the bounds they lack against clients that mean harm.

Uvicorn waits without end for a request, answers pings faster than they are
read, and keeps any number of a message's fragments. Behind a web server the
first cannot happen; the others can.
"""

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

logger = logging.getLogger("andiron")

_GRACE = 1.0
"""Seconds in which those who have just connected can ask, however many they are."""
_PIECE = 8192
"""Bytes that are read of one connection before it is the others' turn."""
_FOLDED_PIECE = 256
"""The same where what comes is compressed: a thousandth of what it may unfold to."""
_MOST_FRAGMENTS = 1024
"""Fragments of one message; a client has no reason to send them smaller than some hundred bytes."""


class Silent:
    """The connections on which no request is under way: few of them, each not for long.

    ``most`` may wait at a time, ``patience`` seconds each. Where there are more,
    those that have waited longest are dropped, so whoever speaks gets in.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._timers: dict[HttpProtocol, asyncio.TimerHandle] = {}
        self._trimming: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, protocol: "HttpProtocol") -> None:
        """Wait for a request on this connection."""
        self.remove(protocol)
        self._timers[protocol] = protocol.loop.call_later(self._patience, self._drop, protocol)
        if len(self._timers) > self._most and self._trimming is None:
            self._trimming = protocol.loop.call_later(_GRACE, self._trim)

    def remove(self, protocol: "HttpProtocol") -> None:
        """Wait no more: a request came, or the connection ended."""
        timer = self._timers.pop(protocol, None)
        if timer is not None:
            timer.cancel()

    def _trim(self) -> None:
        self._trimming = None
        for _ in range(len(self._timers) - self._most):
            self._drop(next(iter(self._timers)))

    def _drop(self, protocol: "HttpProtocol") -> None:
        self.remove(protocol)
        address = protocol.client[0] if protocol.client else "unix"
        logger.info("%s dropped: no request came", address)
        protocol.transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """HTTP in which the time for a request's head is bounded."""

    def __init__(self, *args: Any, silent: Silent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._silent = silent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._silent.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._silent.remove(self)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Serve the request that came."""
        self._silent.remove(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless that came already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._silent.add(self)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket on which nothing is kept for a client that does not read.

    What comes is read piece by piece, the next one when the application has taken
    what was in the last: a buffer full of frames would keep all others waiting.
    """

    def __init__(self, *args: Any, close_timeout: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = close_timeout
        self._pong = b""
        self._piece = _PIECE
        self._rest = bytearray()
        """What the network brought and nobody has read yet."""

    def data_received(self, data: bytes) -> None:
        """Read a piece, and leave the rest for later."""
        if not self._rest and len(data) <= self._piece:
            super().data_received(data)
            return
        waiting = bool(self._rest)
        self._rest += data
        if not waiting:
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Read what the client sent before it left."""
        if self._rest:
            rest, self._rest = bytes(self._rest), bytearray()
            super().data_received(rest)
        super().connection_lost(exc)

    async def receive(self) -> Any:
        """Return the next event; when none is left, read on."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            if self._rest:
                self.loop.call_soon(self._read_on)
            else:
                self._read_again()
        return message

    def _read_on(self) -> None:
        if not self._rest:
            return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        piece = bytes(self._rest[: self._piece])
        del self._rest[: self._piece]
        super().data_received(piece)
        if self.transport.is_closing():
            self._rest.clear()
        elif self.queue.empty():
            # A frame that is longer than a piece, or one for nobody.
            if self._rest:
                self.loop.call_soon(self._read_on)
            else:
                self._read_again()

    def _read_again(self) -> None:
        self.read_paused = False
        self.transport.resume_reading()

    def handle_connect(self, event: Request) -> None:
        """Take a handshake, and less at a time from then on where compression was agreed."""
        super().handle_connect(event)
        if self.conn.extensions:
            self._piece = _FOLDED_PIECE

    def handle_ping(self) -> None:
        """Answer a ping, the latest only when the client does not read (RFC 6455 section 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._pong = b"".join(self.conn.data_to_send()) or self._pong

    def resume_writing(self) -> None:
        """Send what waited for the client to read."""
        super().resume_writing()
        if self._pong and not self.transport.is_closing():
            self.transport.write(self._pong)
        self._pong = b""

    def handle_cont(self, event: Frame) -> None:
        """Keep a fragment, within bounds."""
        if self.conn.close_sent is not None:
            return
        if len(self.frames) < _MOST_FRAGMENTS:
            super().handle_cont(event)
            return
        self.frames = []
        self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        self.handle_parser_exception()
