"""The ASGI endpoint of ``/ws/``: who may connect, and what others are told."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from andiron.sm.link import Channel, StreamHeader, Visitor
from andiron.sm.manager import SessionManager
from andiron.sm.notices import Notices
from andiron.sm.origin import read_origin, why_refused
from andiron.sm.strangers import Strangers
from andiron.websocket.asgi import AsgiWire, Receive
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.connection import Connection, WebSocketConnection
from andiron.websocket.handshake import (
    NOT_A_WEBSOCKET,
    SUBPROTOCOL,
    TOO_MANY,
    WRONG_ORIGIN,
    Refusal,
    check_handshake,
)
from andiron.websocket.writer import Message, Send, needs_no_task
from andiron.xmpp.xml import Guard

logger = logging.getLogger("andiron.websocket")

Scope = Mapping[str, Any]
Reply = Callable[[Message], Awaitable[None]]
TakeOver = Callable[[Connection, WebSocketConfig, str], Awaitable[None]]
"""Accepts a WebSocket with that subprotocol and carries the connection, whose scope ends then.

It raises OSError where the client has left.
"""


class Admitted(NamedTuple):
    """A connection whose client may connect: to be given a wire, then begun, once accepted."""

    connection: WebSocketConnection
    config: WebSocketConfig
    begin: Callable[[], None]


class WebSocketEndpoint:
    """An ASGI application for ``http`` and ``websocket`` scopes of one path.

    ``domain`` names the server in errors that come before a stream is open;
    ``channel_of`` tells who connects and whether passwords may pass. Endpoints
    that are given one ``strangers`` have room for so many together; ``by_hand``
    tells of an ASGI ``send`` whether it needs no task. ``visitor_of`` tells who
    the site says connects; None: nobody can be known. ``serving`` is a context
    for as long as a connection lasts that outlives its scope.
    """

    def __init__(  # noqa: PLR0913
        self,
        manager: SessionManager,
        config: WebSocketConfig,
        *,
        domain: str,
        guard: Guard,
        channel_of: Callable[[Scope], Channel],
        strangers: Strangers | None = None,
        by_hand: Callable[[Send], bool] = needs_no_task,
        visitor_of: Callable[[Scope], Awaitable[Visitor]] | None = None,
        serving: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._manager = manager
        self._config = config
        self._domain = domain
        self._guard = guard
        self._channel_of = channel_of
        self._by_hand = by_hand
        self._visitor_of = visitor_of
        self._serving = serving
        self._notices = Notices()
        self.strangers = strangers or Strangers(
            config.max_negotiating, config.max_negotiating_per_address
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection to its end."""
        if scope["type"] == "http":
            await refuse_http(NOT_A_WEBSOCKET, send)
            return
        await receive()  # websocket.connect
        channel = self._channel_of(scope)
        refusal = check_handshake(scope, self._config.origins)
        if refusal is None and not self.strangers.admit(channel.address):
            refusal = TOO_MANY
        if refusal is not None:
            self._log(refusal, scope, channel)
            await refuse_websocket(refusal, scope, send)
            return
        stranger = _Once(lambda: self.strangers.release(channel.address))
        try:
            if self._visitor_of is not None:
                channel = channel.of(await self._visitor_of(scope))
            take_over = take_over_of(scope)
            # Middleware that stands around the server's ``send`` is to see every frame.
            if take_over is not None and self._by_hand(send):
                await self._hand_over(take_over, channel, stranger)
            else:
                await self._carry(channel, stranger, receive, send)
        except OSError:
            stranger()  # The client left during the handshake.
        except BaseException:
            stranger()
            raise

    def admit(self, scope: Scope, visitor: Visitor | None = None) -> Admitted | None:
        """Return the connection of a client that may connect, for a server to carry without ASGI.

        None: it is to be served as ever, as one that is refused, or the site is asked about,
        unless it has said already that it is ``visitor``. The server accepts it at once, with the
        subprotocol ``xmpp``.
        """
        asks = self._visitor_of is not None
        if (asks and visitor is None) or check_handshake(scope, self._config.origins):
            return None
        channel = self._channel_of(scope)
        if not self.strangers.has_room(channel.address):
            return None
        if asks and visitor is not None:
            channel = channel.of(visitor)
        self.strangers.admit(channel.address)
        return self._admitted(channel, _Once(lambda: self.strangers.release(channel.address)))

    async def _carry(
        self, channel: Channel, stranger: "_Once", receive: Receive, send: Send
    ) -> None:
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        connection = self._connection(channel, stranger, on_lost=stranger)
        wire = AsgiWire(connection, send, self._config.buffer_bytes, by_hand=self._by_hand(send))
        self._manager.connect(connection, asyncio.get_running_loop().time())
        await wire.run(receive)

    async def _hand_over(self, take_over: TakeOver, channel: Channel, stranger: "_Once") -> None:
        admitted = self._admitted(channel, stranger)
        await take_over(admitted.connection, self._config, SUBPROTOCOL)
        admitted.begin()

    def _admitted(self, channel: Channel, stranger: "_Once") -> Admitted:
        serving = self._serving()

        def lost() -> None:
            stranger()
            serving.__exit__(None, None, None)

        def begin() -> None:
            serving.__enter__()
            self._manager.connect(connection, asyncio.get_running_loop().time())

        connection = self._connection(channel, stranger, on_lost=lost)
        return Admitted(connection, self._config, begin)

    def _connection(
        self, channel: Channel, stranger: "_Once", *, on_lost: Callable[[], None]
    ) -> WebSocketConnection:
        return WebSocketConnection(
            channel,
            self._config,
            self._guard,
            header=self._header,
            on_authenticated=stranger,
            on_lost=on_lost,
        )

    def _log(self, refusal: Refusal, scope: Scope, channel: Channel) -> None:
        level, reason = logging.INFO, refusal.text.partition("\n")[0]
        if refusal is WRONG_ORIGIN:
            origin, host = read_origin(scope["headers"]) or ("", "")
            reason = why_refused(origin, host, "ANDIRON_WEBSOCKET_ORIGINS")
            if self._notices.first((origin, host), asyncio.get_running_loop().time()):
                level = logging.WARNING
        logger.log(level, "%s refused: %s", channel.address, reason)

    def _header(self) -> StreamHeader:
        return StreamHeader(self._domain, secrets.token_urlsafe(12))


def take_over_of(scope: Scope) -> TakeOver | None:
    """Return what takes a WebSocket over, of a server that can."""
    found: TakeOver | None = (scope.get("extensions") or {}).get("andiron", {}).get("take_over")
    return found


class _Once:
    """A call that counts the first time only."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


async def refuse_http(refusal: Refusal, send: Reply) -> None:
    """Answer an HTTP request with a refusal."""
    await _respond("http.response", refusal, send)


async def refuse_websocket(refusal: Refusal, scope: Scope, send: Reply) -> None:
    """Refuse a handshake with an HTTP answer, where the server can carry one, else with 403."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await _respond("websocket.http.response", refusal, send)
    else:
        await send({"type": "websocket.close"})


async def _respond(kind: str, refusal: Refusal, send: Reply) -> None:
    body = refusal.text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *refusal.headers,
    ]
    await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
