"""An open WebSocket that carries XMPP with nothing between: no task, no queue, no ASGI message.

It reads a message when the one before has been worked on, so that what a
client sends faster waits with the client, and nothing is kept for one that
does not read but what it is owed, within a bound.
"""

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from websockets.extensions import Extension
from websockets.frames import CloseCode, Opcode

from andiron.serving.frames import (
    BrokenFrame,
    Closed,
    Event,
    FrameReader,
    Ping,
    Pong,
    close_frame,
    compressing,
    control_frame,
    text_frame,
)
from andiron.serving.outbox import Outbox, Turn
from andiron.serving.pieces import PIECE
from andiron.sm.payers import WIDE
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.connection import Connection

__all__ = ["OpenWebSocket", "Server"]

_TOLERANCE: Final = 4096
"""Bytes by which a message may exceed its bound and still be answered by the stream's error."""
_STRANGERS_BUFFER: Final = 16_384
"""Bytes that may wait for a stranger to read them before nothing more is sent."""
_DROPPED: Final = 65_536
"""Bytes of a client that broke the protocol which are dropped before its connection is."""
_PING: Final = b"alive"


@dataclass(frozen=True, slots=True)
class Server:
    """What all open WebSockets of one server share."""

    connections: set[Any]
    """Uvicorn's: at the end it has each of them :meth:`~OpenWebSocket.shutdown`, and waits."""
    ping_interval: float | None
    """Seconds between an answer and the next ping; None: no pings."""
    ping_timeout: float | None
    """Seconds in which a ping is to be answered; None: it need not be."""
    turn: Turn = field(default_factory=Turn)


class OpenWebSocket(asyncio.BufferedProtocol):
    """The :class:`~andiron.websocket.connection.Wire` of one connection, and asyncio's protocol.

    The handshake is over. :meth:`begin` is to be called when the connection is connected.
    ``buffer`` is where the network puts what it brings, one for all connections; without it
    each piece has its own. Of that :data:`PIECE` bytes are used, and all only for the rest
    of one long frame, of which nothing has to wait.
    """

    __slots__ = (
        "_buffer",
        "_code",
        "_config",
        "_connection",
        "_dropped",
        "_gone",
        "_loop",
        "_out",
        "_over",
        "_paused",
        "_piece",
        "_pong",
        "_reader",
        "_server",
        "_shared",
        "_timer",
        "_transport",
        "_turn",
        "send",
        "send_all",
    )

    def __init__(
        self,
        connection: Connection,
        config: WebSocketConfig,
        transport: asyncio.Transport,
        server: Server,
        *,
        extension: Extension | None = None,
        buffer: memoryview | None = None,
    ) -> None:
        self._connection = connection
        self._config = config
        self._transport = transport
        self._server = server
        self._shared = buffer
        self._piece = buffer if buffer is None else buffer[:PIECE]
        self._buffer = self._piece
        size = config.max_negotiation_size
        self._reader = FrameReader(size + _TOLERANCE, size // WIDE + _TOLERANCE, extension)
        encode = text_frame if extension is None else compressing(extension)
        self._turn = turn = server.turn
        self._out = Outbox(transport, encode, config.buffer_bytes, connection.failed, turn)
        self.send = self._out.send
        self.send_all = self._out.send_all
        self._loop = asyncio.get_running_loop()
        self._paused = True
        self._code = 0
        """With what it is to be closed once nothing waits; 0: not at all."""
        self._dropped = -1
        """How many bytes came, and were dropped, of a client that broke the protocol; -1: none."""
        self._gone = False
        """Whether the network has told of its end."""
        self._over = False
        """Whether the connection has been told of its end."""
        self._pong = b""
        self._timer: asyncio.TimerHandle | None = None
        """For the next ping, the answer to one, or the client's end of a close."""
        transport.set_write_buffer_limits(high=_STRANGERS_BUFFER)
        transport.pause_reading()
        server.connections.add(self)
        connection.carried_by(self)

    def begin(self, early: bytes) -> None:
        """Read; ``early`` is what came before the handshake was over."""
        self._reader.feed(early)
        if not self._gone:
            self._plan_ping()
        self.unpause()

    # asyncio's protocol

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to put what comes."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(PIECE))
        elif self._reader.missing > PIECE and self._shared is not None:
            self._buffer = self._shared[: self._reader.missing]
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read what was put there."""
        assert self._buffer is not None
        if self._dropped >= 0:
            self._dropped += nbytes
            if self._dropped > _DROPPED:
                self._transport.abort()
            return
        self._reader.feed(self._buffer[:nbytes].tobytes())
        self._buffer = self._piece
        if not self._paused:
            self._read()

    def eof_received(self) -> bool | None:
        """Let the transport close itself."""
        return None

    def connection_lost(self, _error: Exception | None) -> None:
        """End, once what the client sent before it left has been read."""
        self._server.connections.discard(self)
        self._cancel_timer()
        self._gone = True
        self._out.end()
        if self._over or not self._paused:
            self._let_go()

    def _let_go(self) -> None:
        self._end(CloseCode.ABNORMAL_CLOSURE)
        # It has this as its wire: neither is to wait for somebody to look for garbage.
        if hasattr(self, "_connection"):  # It may have gone between a close and what follows it.
            del self._connection

    def pause_writing(self) -> None:
        """Keep what is to be sent."""
        self._out.writable = False

    def resume_writing(self) -> None:
        """Send what waited."""
        self._out.writable = True
        if self._over or self._transport.is_closing():
            return
        if self._pong:
            pong, self._pong = self._pong, b""
            self._out.put(pong)
        if not self._out.send_on():
            return
        if self._code:
            self.close(self._code)
        else:
            self._connection.drained()

    def shutdown(self) -> None:
        """End with the server (:class:`uvicorn.Server`)."""
        self._hang_up(CloseCode.SERVICE_RESTART)

    # Reading

    def _read(self) -> None:
        """Read what is there, for as long as nobody says to stop."""
        reader, turn = self._reader, self._turn
        turn.reading = self._out
        try:
            while not self._paused:
                event = reader.next()
                if event is None:
                    return
                if type(event) is str and not self._over:
                    self._connection.hear(event)
                else:
                    self._take(event)
        except BrokenFrame as broken:
            self._refuse(broken.code, broken.reason)
        finally:
            turn.has_read()

    def _take(self, event: Event) -> None:
        if isinstance(event, Closed):
            self._client_closed(event.code)
        elif self._over:
            return
        elif isinstance(event, Ping):
            self._answer(control_frame(Opcode.PONG, event.data))
        elif isinstance(event, bytes):
            self._connection.hear_bytes()
        elif isinstance(event, Pong) and event.data == _PING and self._timer is not None:
            self._cancel_timer()
            self._plan_ping()

    def _answer(self, pong: bytes) -> None:
        """Answer a ping, the latest only when the client does not read (RFC 6455 section 5.5.3)."""
        if self._out.writable:
            self._out.put(pong)
        else:
            self._pong = pong

    def _client_closed(self, code: int) -> None:
        """Answer a close, unless it is an answer; a server ends the connection (section 7.1.1)."""
        self._hang_up(code)

    def _hang_up(self, code: int, reason: str = "") -> None:
        """Close the WebSocket, and the connection when the network has taken that."""
        self._out.end(close_frame(code, reason))
        self._end(code)
        self._transport.close()
        self._drop_later()

    def _refuse(self, code: int, reason: str) -> None:
        """Close the WebSocket, of which nothing more is read, and let the client read why."""
        self._out.end(close_frame(code, reason))
        self._end(code)
        self._dropped = 0
        # To close it with unread bytes in it would take the reason away from the client.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._drop_later()

    def _end(self, code: int) -> None:
        """Tell the connection that it is over; read what a client still sends for nobody."""
        if not self._over:
            self._over = True
            self._connection.ended(code)
            self._connection.lost()
            self._out.let_go()

    def pause(self) -> None:
        """Stop reading."""
        if not self._paused:
            self._paused = True
            if not self._transport.is_closing():
                self._transport.pause_reading()

    def unpause(self) -> None:
        """Read again, first what is there."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._read()
        if self._paused:
            return
        if self._gone:
            self._let_go()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    # Writing: the Wire

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return not self._out.writable

    @property
    def congested(self) -> bool:
        """Whether the network pushes back, so that what is sent now has to wait."""
        return not self._out.writable

    def take_back(self, *, lost: bool) -> list[str]:
        """Return the frames that wait."""
        return self._out.take_back() if lost or self.congested else []

    def signed_in(self) -> None:
        """Lift the limits for strangers."""
        self._reader.max_size = self._config.max_stanza_size + _TOLERANCE
        self._reader.max_wide = inf
        self._transport.set_write_buffer_limits()

    def close(self, code: int) -> None:
        """Close the WebSocket when all that waits has been sent."""
        if self._out.writable:
            self._out.end(close_frame(code))
            # Not at once: the connection is not called before this has returned.
            self._loop.call_soon(self._end, code)
            self._drop_later()
            self.unpause()
        else:
            self._code = code

    def drop(self) -> None:
        """Drop the connection."""
        self._out.end()
        self._paused = False
        self._transport.abort()
        if self._gone:
            # The network does not tell again. Not at once: see :meth:`close`.
            self._loop.call_soon(self._let_go)

    def _drop_later(self) -> None:
        self._cancel_timer()
        if not self._gone:
            self._timer = self._loop.call_later(self._config.close_timeout, self._transport.abort)

    # Pings

    def _plan_ping(self) -> None:
        if self._server.ping_interval:
            self._timer = self._loop.call_later(self._server.ping_interval, self._ping)

    def _ping(self) -> None:
        self._timer = None
        if self._over or self._transport.is_closing():
            return
        self._out.put(control_frame(Opcode.PING, _PING))
        if self._server.ping_timeout is None:
            self._plan_ping()
        else:
            self._timer = self._loop.call_later(self._server.ping_timeout, self._unanswered)

    def _unanswered(self) -> None:
        self._timer = None
        if self._paused:
            self._plan_ping()  # Whether there is an answer is not known: nothing was read.
        else:
            self._hang_up(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
