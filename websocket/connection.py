"""One RFC 7395 connection: frames in and out of an ASGI WebSocket.

Reading is a loop in the connection's own task. Writing takes no task: an
ASGI ``send`` that meets no back pressure ends at its first step, so its
coroutine is driven by hand, and only what pushes back goes to a writer task.
"""

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any, Final

from andiron.sm.link import Carried, Channel, CloseReason, StreamHeader
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.framing import (
    CLOSE,
    not_opened,
    open_frame,
    read_open,
    redirect_frame,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.xml import Element, Guard, utf8_length

logger = logging.getLogger("andiron.websocket")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

_NORMAL: Final = 1000
# Codes with which a server reports that the client broke the WebSocket protocol
# (RFC 6455 section 7.4.1): bad frames, bad UTF-8, a frame over the limit.
_BROKEN: Final = {
    1002: StreamCondition.BAD_FORMAT,
    1003: StreamCondition.BAD_FORMAT,
    1007: StreamCondition.UNSUPPORTED_ENCODING,
    1009: StreamCondition.POLICY_VIOLATION,
}


class WebSocketConnection:
    """The :class:`~andiron.sm.link.Transport` of one WebSocket.

    ``header`` makes the stream header for errors that come before the stream
    is open; ``on_authenticated`` is called once, when the client signs in.
    """

    __slots__ = (
        "_answered",
        "_asgi_send",
        "_buffered",
        "_cancelled",
        "_closing",
        "_config",
        "_finished",
        "_gate",
        "_guard",
        "_header",
        "_limit",
        "_loop",
        "_losing",
        "_on_authenticated",
        "_open",
        "_pending",
        "_task",
        "_timer",
        "_writer",
        "channel",
        "session",
    )

    session: Carried

    def __init__(
        self,
        send: Send,
        channel: Channel,
        config: WebSocketConfig,
        guard: Guard,
        *,
        header: Callable[[], StreamHeader],
        on_authenticated: Callable[[], None],
    ) -> None:
        self._asgi_send = send
        self.channel = channel
        self._config = config
        self._guard = guard
        self._header = header
        self._on_authenticated = on_authenticated
        self._limit = config.max_negotiation_size
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._open = False
        self._answered = False
        self._closing = False
        self._finished = False
        self._cancelled = False
        self._losing = False
        self._pending: deque[str] | None = None
        self._buffered = 0
        self._writer: asyncio.Task[None] | None = None
        self._gate: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    # Reading

    async def run(self, receive: Receive) -> None:
        """Read frames until the WebSocket is closed; the caller has accepted it."""
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            # Dropping the connection ends the task this way; anyone else's cancellation goes on.
            if not self._cancelled or self._task is None or self._task.uncancel() > 0:
                raise
        finally:
            self._task = None
            self._closing = True
            if self._timer is not None:
                self._timer.cancel()
            if self._writer is not None:
                self._writer.cancel()
            self.session.transport_lost(self, self._loop.time())

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._disconnected(message.get("code"))
                return
            text = message.get("text")
            if text is None:
                self._fail(StreamError(StreamCondition.BAD_FORMAT, "frames are text (RFC 7395)"))
            else:
                self._receive(text)
            if self._gate is not None:
                await self._gate.wait()

    def _receive(self, text: str) -> None:
        try:
            element = self._guard.read(text, self._limit)
        except StreamError as error:
            # White space keeps some clients' connections alive and means nothing.
            if text.strip("\t\n\r "):
                self._fail(error)
            return
        if element.namespace == ns.FRAMING:
            self._receive_framing(element)
        elif self._closing:
            return
        elif self._open:
            self.session.receive(element, self._loop.time())
        else:
            self._fail(not_opened(element))

    def _receive_framing(self, element: Element) -> None:
        now, name = self._loop.time(), element.name
        if name == "close":
            if self._closing:
                self._finish()
            else:
                self.session.client_closed(now)
        elif self._closing:
            return
        elif name != "open":
            self._fail(StreamError(StreamCondition.BAD_FORMAT, f"<{name}/> is not a frame"))
        elif self._open:
            self._fail(StreamError(StreamCondition.POLICY_VIOLATION, "the stream is open"))
        elif self._config.see_other_uri:
            self._redirect()
        else:
            self._open = True
            self.session.open_stream(read_open(element), now)

    def _disconnected(self, code: int | None) -> None:
        """Take the WebSocket's end: a client that broke the protocol may not resume."""
        ended, self._closing = self._closing, True
        condition = _BROKEN.get(code or 0)
        if condition is not None and not ended:
            error = StreamError(condition, f"WebSocket closed with {code}")
            self.session.close(CloseReason.STREAM_ERROR, self._loop.time(), error)

    def _fail(self, error: StreamError) -> None:
        if not self._closing:
            self.session.close(CloseReason.STREAM_ERROR, self._loop.time(), error)

    def _redirect(self) -> None:
        self.open(self._header())
        self._farewell(redirect_frame(self._config.see_other_uri))
        self.session.close(CloseReason.REDIRECTED, self._loop.time())

    # Writing: the Transport protocol

    @property
    def congested(self) -> bool:
        """Whether frames wait for the network."""
        return self._writer is not None

    def open(self, header: StreamHeader) -> None:
        """Send the server's ``<open/>``."""
        self._answered = True
        self.send(open_frame(header))

    def send(self, text: str) -> None:
        """Send one frame, or buffer it while the network pushes back."""
        if self._writer is not None:
            self._buffer(text)
            return
        self._start({"type": "websocket.send", "text": text})

    def unsent(self) -> list[str]:
        """Take back the frames that wait for the network."""
        taken = list(self._pending or ())
        self._pending = None
        self._buffered = 0
        return taken

    def authenticated(self) -> None:
        """Lift the limits for strangers; the client opens the stream anew."""
        self._limit = self._config.max_stanza_size
        self._open = False
        self._answered = False
        self._on_authenticated()

    def close(self, error: StreamError | None = None) -> None:
        """Say why, send ``<close/>`` and wait a bounded time for the other side's.

        RFC 7395 section 3.6: whoever sent ``<close/>`` first closes the
        WebSocket when the answer comes.
        """
        if self._closing:
            return
        if error is not None:
            if not self._answered:
                self.open(self._header())
            self.send(error.to_xml())
        self._farewell(CLOSE)

    def abort(self) -> None:
        """End the connection's task, which drops the socket without ``<close/>``."""
        self._closing = True
        self._cancel()

    def pause(self) -> None:
        """Stop reading."""
        if self._gate is None:
            self._gate = asyncio.Event()

    def unpause(self) -> None:
        """Read again."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    # How frames get out

    def _farewell(self, frame: str) -> None:
        self.send(frame)
        self._closing = True
        self.unpause()
        self._timer = self._loop.call_later(self._config.close_timeout, self._finish)

    def _finish(self) -> None:
        """Close the WebSocket; where even that is held up, drop it."""
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is not None:
            self._cancel()
        else:
            self._start({"type": "websocket.close", "code": _NORMAL})
            self._timer = self._loop.call_later(self._config.close_timeout, self._cancel)

    def _cancel(self) -> None:
        # Not at once: it may be this very task that runs, and will not wait for anything again.
        self._loop.call_soon(self._cancel_reading)

    def _cancel_reading(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = self._task.cancel()

    def _start(self, message: Message) -> None:
        coroutine = self._asgi_send(message)
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        except OSError:
            # The peer is gone; the reader learns it from the server, too.
            return
        except Exception:
            # Whatever a server raises, it must not reach the other session that just delivered.
            logger.exception("%s: a frame could not be sent", self.channel.address)
            self._lose_soon(CloseReason.CONNECTION_LOST)
            return
        self._writer = self._loop.create_task(self._write(_continue(coroutine, waits_for)))

    def _buffer(self, text: str) -> None:
        if self._pending is None:
            self._pending = deque()
        self._pending.append(text)
        self._buffered += utf8_length(text)
        if self._buffered > self._config.buffer_bytes:
            self._lose_soon(CloseReason.SLOW_READER)

    def _lose_soon(self, reason: CloseReason) -> None:
        """Drop the connection, not before whoever is sending has returned."""
        if not self._losing:
            self._losing = True
            self._loop.call_soon(self._lose, reason)

    def _lose(self, reason: CloseReason) -> None:
        if not self._closing:
            self.session.transport_lost(self, self._loop.time(), reason)
        self.abort()

    async def _write(self, started: Awaitable[None]) -> None:
        try:
            await started
            while self._pending:
                text = self._pending.popleft()
                self._buffered -= utf8_length(text)
                await self._asgi_send({"type": "websocket.send", "text": text})
        except OSError:
            return
        except Exception:
            # As above; here nobody would hear of it, and the connection would stay.
            logger.exception("%s: a frame could not be sent", self.channel.address)
            self._lose_soon(CloseReason.CONNECTION_LOST)
            return
        finally:
            self._writer = None
        if not self._closing:
            self.session.writable(self._loop.time())


@types.coroutine
def _continue(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on awaiting a coroutine that was driven by hand to its first suspension."""
    try:
        while True:
            try:
                value = yield waits_for
            except asyncio.CancelledError as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(value)
    except StopIteration:
        return
