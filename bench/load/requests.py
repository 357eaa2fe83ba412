"""HTTP/1.1 as BOSH needs it of a client: POST on a connection that is kept."""

import asyncio
import socket
from typing import Protocol, cast

import httptools


class Asker(Protocol):
    """Who asks on a connection."""

    head: bytes
    """A request's head as far as the value of Content-Length."""

    def on_response(self, rid: int, status: int, body: bytes) -> None:
        """Take the whole answer to a request."""

    def on_bad_response(self, text: str) -> None:
        """Hear that what came is no HTTP."""

    def on_connection_lost(self, connection: "HttpConnection") -> None:
        """Hear that a connection is gone."""


class HttpConnection(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.transport: asyncio.Transport | None = None
        self.rid: int | None = None
        """Of the request in flight."""
        self.parser = httptools.HttpResponseParser(self)
        self.body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.transport = None
        self.asker.on_connection_lost(self)

    def post(self, rid: int, body: bytes) -> None:
        assert self.transport is not None
        self.rid = rid
        self.transport.write(b"%b%d\r\n\r\n%b" % (self.asker.head, len(body), body))

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.asker.on_bad_response(f"bad HTTP response: {exc}")
            if self.transport is not None:
                self.transport.abort()

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        body, self.body = b"".join(self.body), []
        rid, self.rid = self.rid, None
        if not self.parser.should_keep_alive() and self.transport is not None:
            self.transport.close()
            self.transport = None
        if rid is not None:
            self.asker.on_response(rid, status, body)
