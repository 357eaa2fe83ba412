"""Uvicorn's protocols with the bounds they lack against clients that mean harm.

Uvicorn waits without end for a request, takes its head, trailers and all that
is pipelined behind it however large they are, answers pings faster than they
are read, and keeps any number of a message's fragments. Behind a web server
the former cannot happen; the latter can.
"""

import asyncio
import logging
from http import HTTPStatus
from math import inf
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from andiron.serving.frames import text_frame
from andiron.serving.pieces import PIECE, Pieces
from andiron.serving.silent import Silent
from andiron.serving.unhurried import UnhurriedProtocol
from andiron.sm.payers import WIDE

logger = logging.getLogger("andiron")

_TOO_LARGE: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_EXTENSIONS: Final[dict[str, dict[object, object]]] = {"andiron": {"alone": True}}
"""Tells the application that nobody but it looks at the scope."""
_MOST_FIELDS: Final = 100
"""Headers and trailers of one request."""
_MOST_PIPELINED: Final = 8
"""Requests that wait for the answer of an earlier one."""
_BEHIND: Final = 4
"""What part of a head may come while an earlier request is answered: nobody hurries with more."""
_LINGER: Final = 2.0
"""Seconds in which a client that was refused can read why; what it sends meanwhile is dropped."""
_MOST_FRAGMENTS: Final = 1024
"""Fragments of one message; a client has no reason to send them smaller than some hundred bytes."""
_LOOSE: Final = 32
"""Fragments that are kept one by one."""
_TOLERANCE: Final = 4096
"""Bytes by which a stranger's message may exceed the bound and still get its answer."""
_STRANGERS_BUFFER: Final = 16_384
"""Bytes that may wait for a stranger to read them before nothing more is sent."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP in which a request's head and trailers are bounded in size, and its head in time."""

    def __init__(self, *args: Any, silent: Silent, max_head: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._silent = silent
        self._max_head = max_head
        self._stalled = 0
        """Bytes since a request last got on, by the end of its head, by its body or its end."""
        self._fields = 0
        self.in_body = False
        """Whether a request's head has come, and its end has not."""
        self._excess = False
        self._too_long = False
        self._over = False
        self.url = b""
        self.network = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.network = self._silent.network(self.client[0]) if self.client else ""
        self._silent.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._silent.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece, as far as it may go without getting anywhere."""
        while data and not self._over:
            most = self._max_head // _BEHIND if self._answering else self._max_head
            room = max(0, most - self._stalled)
            room = min(room, PIECE)
            piece, data = data[:room], data[room:]
            self._stalled += len(piece)
            super().data_received(piece)
            if self._excess or self._stalled >= most:
                self._refuse()
            elif self.transport.is_closing():
                return
        if self._stalled and not self.in_body and not self._over:
            self._silent.begin(self)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the WebSocket."""
        pieces = self.transport.get_protocol()
        super().handle_websocket_upgrade()
        self._over = True
        if isinstance(pieces, Pieces):
            websocket: Any = self.transport.get_protocol()
            self.transport.set_protocol(pieces.before(websocket))
        # The parser holds what holds it, with all of the head.
        self.parser = None  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL, which is half of a head at most."""
        if len(self.url) + len(url) > self._max_head // 2:
            self._excess = self._too_long = True
        else:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is nothing that anybody here asks for."""
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            self._excess = True
        elif not self.in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Serve the request that came."""
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._excess = True
        if self._excess:
            return
        self._got_on(in_body=True)
        self._silent.remove(self)
        self.scope["extensions"] = _EXTENSIONS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._excess:
            self._got_on(in_body=True)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        if not self._excess:
            self._got_on(in_body=False)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of this, unless the next came already."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.cycle.body = bytearray()
            self._silent.add(self, idle=not (self.in_body or self._stalled))

    @property
    def _answering(self) -> bool:
        """Whether there is a request that has come whole and is not answered."""
        return not (self.in_body or self.cycle is None or self.cycle.response_complete)

    def _got_on(self, *, in_body: bool) -> None:
        self._stalled = 0
        self.in_body = in_body

    def _refuse(self) -> None:
        """End a connection on which too much came; say why, where a request is not answered yet."""
        self._over = True
        address = self.client[0] if self.client else "unix"
        logger.info("%s dropped: too much in one request that is not its body", address)
        if self.in_body or self._answering:
            self.transport.abort()
            return
        status = HTTPStatus.REQUEST_URI_TOO_LONG if self._too_long else _TOO_LARGE
        text = f"{status.phrase}.\n".encode()
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(text)
        line = STATUS_LINE[status]
        self.transport.write(b"".join((line, head, b"connection: close\r\n\r\n", text)))
        self.headers = []
        self.url = b""
        # To close it with unread bytes in it would take the answer away from the client.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.abort)


class WebSocketProtocol(UnhurriedProtocol):
    """A WebSocket on which nothing is kept for a client that does not read.

    Messages are bounded by ``max_negotiation_size``, and a little, until the application has
    called ``scope["extensions"]["andiron"]["signed_in"]``.
    """

    in_body = False

    def __init__(
        self, *args: Any, close_timeout: float, max_negotiation_size: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = close_timeout
        # What is somewhat larger than it may be is answered by the stream's own error.
        most = max_negotiation_size + _TOLERANCE
        self.conn.max_message_size = min(most, self.config.ws_max_size)
        self._most_wide: float = max_negotiation_size // WIDE + _TOLERANCE
        self._fragments = 0
        self._pong = b""
        self._plain = False
        """Whether texts go out as they are: somebody signed in, without compression."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin as with a stranger."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_STRANGERS_BUFFER)

    def handle_connect(self, event: Request) -> None:
        """Begin the handshake."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["andiron"] = {"signed_in": self.signed_in}

    def start_keepalive(self) -> None:
        """End the handshake, of which nobody needs the head any more."""
        super().start_keepalive()
        # The library goes on holding the request.
        self.request.headers.clear()
        self.request.path = ""
        del self.request, self.response
        self.scope["headers"] = []

    async def send(self, message: Any) -> None:
        """Send what the application has to say; nearly always a text, which is a frame as it is."""
        text = message.get("text")
        if (
            text is None
            or not self._plain
            or self.close_sent
            or self.disconnected
            or not self.writable.is_set()
            or self.conn.state is not State.OPEN
        ):
            await super().send(message)
            return
        self.transport.write(text_frame(text))

    def signed_in(self) -> None:
        """Lift the limits for strangers."""
        self._plain = not self.conn.extensions
        self.conn.max_message_size = self.config.ws_max_size
        self._most_wide = inf
        self.transport.set_write_buffer_limits()

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

    def send_receive_event_to_app(self) -> None:
        """Hand a message over, but a stranger's that would take much more as a text than it has."""
        if (
            self._most_wide != inf
            and sum(map(len, self.frames)) > self._most_wide
            and not all(part.isascii() for part in self.frames)
        ):
            self._refuse("too large before sign-in")
        else:
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Keep a fragment, within bounds."""
        if self.conn.close_sent is not None:
            return
        self._fragments = 0 if event.fin else self._fragments + 1
        if self._fragments < _MOST_FRAGMENTS:
            super().handle_cont(event)
            if len(self.frames) > _LOOSE:
                self.frames = [b"".join(self.frames)]
            return
        self._refuse("too many fragments")

    def _refuse(self, reason: str) -> None:
        self.frames = []
        self.conn.fail(CloseCode.MESSAGE_TOO_BIG, reason)
        self.handle_parser_exception()
