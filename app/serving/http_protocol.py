"""Uvicorn's HTTP with the bounds it lacks against clients that mean harm.

Uvicorn waits without end for a request, and takes its head, trailers and all
that is pipelined behind it however large they are. Behind a web server that
cannot happen. What a client can do on an open WebSocket is another's concern
(:mod:`andiron.serving.open_websocket`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from andiron.bosh.direct import Post
from andiron.bosh.http import Headers, Scope
from andiron.refusals import FAILED
from andiron.routes import BOSH_PATHS, WEBSOCKET_PATHS
from andiron.serving.direct import DirectCycle
from andiron.serving.open_websocket import Server
from andiron.serving.outbox import Turn
from andiron.serving.pieces import PIECE, Pieces
from andiron.serving.protocols import carried
from andiron.serving.silent import Silent
from andiron.serving.upgrade import accepting, asked
from andiron.websocket.endpoint import Admitted
from andiron.websocket.handshake import SUBPROTOCOL, Refusal

__all__ = ["HttpProtocol"]

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
_DIRECT: Final = frozenset(path.encode() for path in BOSH_PATHS)
_WEBSOCKETS: Final = frozenset(path.encode() for path in WEBSOCKET_PATHS)
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_CLOSE: Final = (b"connection", b"close")
_OLD_HTTP: Final = Refusal(505, "WebSockets need HTTP/1.1 (RFC 6455 section 4.2.1).\n")
_NONE_WAITING: Final = ()
"""Requests that wait for the answer of an earlier one, until there is one."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP in which a request's head and trailers are bounded in size, and its head in time.

    POSTs of BOSH that ``direct`` takes by their head are served without ASGI, when they come
    in one piece, and no earlier request waits for its answer; so are WebSockets that ``admit``
    takes, and ask for nothing unusual.
    """

    # With more than thirty attributes Python makes a dictionary of one and a half KiB for each.
    # So uvicorn's take longer to find, some five in a hundred instructions of a request.
    __slots__ = (
        "_admits",
        "_direct",
        "_excess",
        "_fields",
        "_max_head",
        "_over",
        "_silent",
        "_stalled",
        "_takes",
        "_too_long",
        "_turn",
        "in_body",
        "network",
    )

    def __init__(
        self,
        *args: Any,
        silent: Silent,
        max_head: int,
        direct: Callable[[MutableMapping[str, Any]], Post | None],
        admit: Callable[[Scope], Admitted | None],
        turn: Turn,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.pipeline = _NONE_WAITING  # type: ignore[assignment]
        self._takes = direct
        self._admits = admit
        self._turn = turn
        self._direct: DirectCycle | None = None
        """The request that is served without ASGI, until it is answered."""
        self._silent = silent
        self._max_head = max_head
        self._stalled = 0
        """Bytes since a request last got on, by the end of its head, by its body or its end."""
        self._fields = 0
        self._upgrade: bool | None = None
        """Whether the request asks for a WebSocket; None: that was not looked at yet."""
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
        self.flow = _Flow(transport)
        self.network = self._silent.network(self.client[0]) if self.client else ""
        self._silent.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._silent.remove(self)
        direct, self._direct = self._direct, None
        super().connection_lost(exc)
        if direct is not None:
            direct.post.lost()

    def data_received(self, data: bytes) -> None:
        """Read a piece, and serve what of it is a whole request without ASGI."""
        self._read(data)
        direct = self._direct
        if direct is None or direct.begun:
            return
        if not direct.more_body:
            self._serve(direct)
        elif not self.transport.is_closing():
            self._leave_to_asgi(direct)

    def _read(self, data: bytes) -> None:
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
        self._over = True
        if self._opened():
            return
        if self.scope["http_version"] != "1.1":
            # To the library every handshake is one of HTTP/1.1.
            self._end_with(_OLD_HTTP)
            return
        pieces = self.transport.get_protocol()
        super().handle_websocket_upgrade()
        if isinstance(pieces, Pieces):
            websocket: Any = self.transport.get_protocol()
            self.transport.set_protocol(pieces.before(websocket))
        # The parser holds what holds it, with all of the head.
        self.parser = None  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._fields = 0
        self._upgrade = None
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
        if not self._taken():
            if not (self.cycle is None or self.cycle.response_complete or self.pipeline):
                self.pipeline = deque()
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
        if self.pipeline:
            super().on_response_complete()
        else:
            # As uvicorn does, but for a timer of its own for each connection.
            self.server_state.total_requests += 1
            if not self.transport.is_closing():
                self.flow.resume_reading()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.cycle.body = bytearray()
            self._silent.add(self, idle=not (self.in_body or self._stalled))

    def _should_upgrade(self) -> bool:
        """Tell whether a request whose head has come asks for a WebSocket."""
        if self._upgrade is None:
            self._upgrade = super()._should_upgrade()
        return self._upgrade

    # Without ASGI

    def _taken(self) -> bool:
        """Take a request that can do without ASGI, and has nothing unusual about it."""
        if (
            self.url not in _DIRECT
            or self.parser.get_method() != b"POST"
            or not (self.cycle is None or self.cycle.response_complete)
            or self.flow.write_paused
            or self.expect_100_continue
            or self.parser.should_upgrade()
        ):
            return False
        version = self.parser.get_http_version()
        self.scope["method"] = "POST"
        self.scope["http_version"] = version
        post = self._takes(cast(dict[str, Any], self.scope))
        if post is None:
            return False
        self._direct = DirectCycle(post, version != "1.0" and self.parser.should_keep_alive())
        self.cycle = self._direct  # type: ignore[assignment]
        return True

    def _opened(self) -> bool:
        """Open a WebSocket that can do without ASGI, and has nothing unusual about it."""
        if (
            self.url not in _WEBSOCKETS
            or self.scope["method"] != "GET"
            or self.scope["http_version"] != "1.1"
            or self._answering
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return False
        wish = asked(self.headers)
        if wish is None or (wish.extensions and self.config.ws_per_message_deflate):
            return False
        scheme = "wss" if self.scheme == "https" else "ws"
        handshake = {"type": "websocket", "scheme": scheme, "subprotocols": wish.subprotocols}
        admitted = self._admits({**self.scope, **handshake})
        if admitted is None:
            return False
        self.connections.discard(self)
        self.transport.write(accepting(wish.key, SUBPROTOCOL, self.server_state.default_headers))
        config = self.config
        pings = config.ws_ping_interval, config.ws_ping_timeout
        server = Server(self.connections, *pings, self._turn)
        carrier = carried(admitted.connection, admitted.config, self.transport, server)
        admitted.begin()
        self.loop.call_soon(carrier.begin, b"")
        # The parser holds what holds it, with all of the head.
        self.parser = None  # type: ignore[assignment]
        return True

    def _leave_to_asgi(self, direct: DirectCycle) -> None:
        """Serve by ASGI a request whose body has not come whole: there it is counted and timed."""
        self._direct = None
        self.cycle = None  # type: ignore[assignment]
        super().on_headers_complete()
        if direct.body:
            super().on_body(direct.body)

    def _serve(self, direct: DirectCycle) -> None:
        direct.begun = True
        body, direct.body = direct.body, b""
        try:
            direct.post.begin(body, self._answer)
        except Exception:
            logger.exception("A request failed")
            direct.post.lost()
            if self._direct is direct:
                self._answer(FAILED.status, [_TEXT], FAILED.text.encode())

    def _answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer the request that is served without ASGI."""
        direct, self._direct = self._direct, None
        if direct is None:
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            parts += (name, b": ", value, b"\r\n")
        if not direct.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"content-length: %d\r\n\r\n" % len(body), body)
        if not self.transport.is_closing():
            self.transport.write(b"".join(parts))
        direct.response_complete = True
        if not direct.keep_alive:
            self.transport.close()
        self.on_response_complete()

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
        status = HTTPStatus.REQUEST_URI_TOO_LONG if self._too_long else _TOO_LARGE
        self._end_with(Refusal(status, f"{status.phrase}.\n"))

    def _end_with(self, refusal: Refusal) -> None:
        """Say why nothing more is read, unless another answer is due, and end the connection."""
        if self.in_body or self._answering:
            self.transport.abort()
            return
        text = refusal.text.encode()
        parts = [STATUS_LINE[refusal.status]]
        for name, value in (_TEXT, _CLOSE, *refusal.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"content-length: %d\r\n\r\n" % len(text), text)
        self.transport.write(b"".join(parts))
        self.headers = []
        self.url = b""
        # To close it with unread bytes in it would take the answer away from the client.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.abort)


class _Flow(FlowControl):
    """Uvicorn's, which has something to wait for only while somebody may have to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = self.write_paused = False

    def pause_writing(self) -> None:
        """Let those who would write wait from now on."""
        if not self.write_paused:
            self._is_writable_event = asyncio.Event()
        super().pause_writing()
