"""The endpoint of ``/http-bind``: HTTP requests to BOSH sessions, and what others are told."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from andiron.bosh import body as wire
from andiron.bosh.config import BoshConfig
from andiron.bosh.connection import BoshConnection, Call
from andiron.bosh.direct import DirectPost
from andiron.bosh.http import HARMLESS, Headers, RequestHeaders, Scope, answer, preflight
from andiron.bosh.registry import BoshRegistry
from andiron.bosh.terms import TEXT_XML
from andiron.bosh.waiting import HttpCall, Message, Receive
from andiron.sm.byhand import continued
from andiron.sm.link import STRANGER, Channel, Visitor
from andiron.sm.notices import Notices
from andiron.sm.origin import why_refused
from andiron.sm.strangers import Newcomers, network_of
from andiron.xmpp.errors import BoshCondition

logger = logging.getLogger("andiron.bosh")

Send = Callable[[Message], Awaitable[None]]

_TEXT: Final = b"text/plain; charset=utf-8"
_SCRIPT: Final = "text/javascript; charset=utf-8"
_BAD_REQUEST: Final = wire.terminal(BoshCondition.BAD_REQUEST)
_EXPLANATION: Final = (
    b"This is an XMPP endpoint for BOSH clients (XEP-0124, XEP-0206).\n"
    b"They send POST requests to this address.\n"
)
_WRONG_ORIGIN: Final = (
    b"Pages of this origin may not connect.\n"
    b"The operator can allow it with the setting bosh_origins.\n"
)
_ALLOW: Final = (b"allow", b"GET, POST, OPTIONS")
_CLOSE: Final = (b"connection", b"close")
_CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")


class Visitors(Protocol):
    """Tells who the site says makes a request."""

    async def find(self, scope: Scope, /) -> Visitor:
        """Return who that is."""

    def trusted(self, scope: Scope, /) -> bool:
        """Tell whether the page that makes it may use the visitor's cookies."""


class BoshEndpoint:
    """An ASGI application for ``http`` scopes of one path.

    A server that can do without ASGI asks :meth:`direct` first.

    ``channel_of`` tells who connects and whether passwords may pass, ``secure`` only the
    latter, where that takes less time. Endpoints
    that are given one ``incoming`` have room for so many bodies together. ``visitors``
    tells who the site says makes a request; None: nobody can be known.
    """

    def __init__(
        self,
        registry: BoshRegistry,
        config: BoshConfig,
        *,
        channel_of: Callable[[Scope], Channel],
        secure: Callable[[Scope], bool] | None = None,
        incoming: Newcomers[asyncio.Timeout] | None = None,
        visitors: Visitors | None = None,
    ) -> None:
        self._registry = registry
        self._config = config
        self._channel_of = channel_of
        self._secure = secure or (lambda scope: channel_of(scope).secure)
        self._visitors = visitors
        self._incoming = incoming if incoming is not None else Newcomers(registry.strangers)
        self._notices = Notices()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = RequestHeaders(scope)
        cors = self._cors(headers, scope)
        if cors is None:
            self._log_wrong_origin(headers)
            await _respond(send, 403, _WRONG_ORIGIN, [(b"content-type", _TEXT)])
            return
        method = scope["method"]
        if method == "POST":
            await self._post(scope, receive, send, headers, cors)
        elif method == "OPTIONS":
            await _respond(send, 200, b"", preflight(cors))
        elif method not in ("GET", "HEAD"):
            await _respond(send, 405, _EXPLANATION, [(b"content-type", _TEXT), _ALLOW, *cors])
        elif self._config.script_syntax and scope.get("query_string"):
            await self._script(scope, receive, send, cors)
        else:
            content = b"" if method == "HEAD" else _EXPLANATION
            await _respond(send, 200, content, [(b"content-type", _TEXT), *cors])

    def direct(
        self, scope: MutableMapping[str, Any], visitor: Visitor | None = None
    ) -> DirectPost | None:
        """Return what takes a POST by its head, and answers it without ASGI.

        None: it is to be served as ever, as one that is refused, or the site is asked about,
        unless it has said already that it is ``visitor``'s.
        Whoever has one calls nothing else here for that request.
        """
        if self._visitors is None:
            visitor = STRANGER
        elif visitor is None:
            return None
        headers = RequestHeaders(scope)
        cors = self._cors(headers, scope)
        if cors is None or headers.encoded or headers.length > self._config.max_body_size:
            return None
        return DirectPost(self, scope, visitor, cors, self._compress_from(headers))

    def _cors(self, headers: RequestHeaders, scope: Scope) -> Headers | None:
        """Return the headers that let the page read the answer; None: it may not ask at all."""
        cors = headers.cors(self._config.origins)
        if cors and self._visitors is not None and self._visitors.trusted(scope):
            cors.append(_CREDENTIALS)
        return cors

    def take(
        self, data: bytes, call: Call, scope: Scope, visitor: Visitor = STRANGER
    ) -> BoshConnection | None:
        """Take a request's body; the session it belongs to is returned, where it has one."""
        return self._registry.receive(
            data,
            call,
            lambda: self._channel_of(scope),
            lambda: self._secure(scope),
            visitor=visitor,
            via=_known(scope).get("via", ""),
        )

    def _compress_from(self, headers: RequestHeaders) -> int:
        return self._config.compress_from if headers.gzip else 0

    def _log_wrong_origin(self, headers: RequestHeaders) -> None:
        page = ((headers.origin or b"").decode("latin-1"), headers.host.decode("latin-1"))
        first = self._notices.first(page, asyncio.get_running_loop().time())
        reason = why_refused(*page, "ANDIRON_BOSH_ORIGINS")
        logger.log(logging.WARNING if first else logging.INFO, "refused: %s", reason)

    async def _post(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: RequestHeaders,
        cors: Headers,
    ) -> None:
        data = None
        if headers.length <= self._config.max_body_size and not headers.encoded:
            try:
                data = await self._read_in_time(scope, receive)
            except (_Gone, TimeoutError):
                logger.debug("a request did not come in")
        if data is None:
            content = [(b"content-type", TEXT_XML.encode()), _CLOSE, *cors]
            await _respond(send, 200, _BAD_REQUEST.encode(), content)
            return
        call = HttpCall()
        text = await self._answer(data, call, scope, receive)
        content, body = answer(text, call.content_type, cors, self._compress_from(headers))
        await _respond(send, call.status, body, content)

    async def _script(self, scope: Scope, receive: Receive, send: Send, cors: Headers) -> None:
        """Answer a script element: the body comes in the query, and goes in a call of ``_BOSH_``.

        This was the alternative script syntax, for pages of browsers without CORS.
        """
        call = HttpCall()
        answer = await self._answer(unquote_to_bytes(scope["query_string"]), call, scope, receive)
        text = json.dumps(answer).replace("<", "\\u003c")
        content = [(b"content-type", _SCRIPT.encode()), *HARMLESS[:1], *cors]
        await _respond(send, call.status, f"_BOSH_({text})".encode(), content)

    async def _answer(self, data: bytes, call: HttpCall, scope: Scope, receive: Receive) -> str:
        """Return what a request is to be answered with.

        Where nobody waits for it any more there is an answer all the same:
        middleware that gets none takes that for a fault, and complains at length.
        """
        visitor = STRANGER if self._visitors is None else await self._visitors.find(scope)
        connection = self.take(data, call, scope, visitor)
        if call.text is None and _known(scope).get("alone"):
            # It may be held for long, and its head is as large as a stranger made it.
            scope["headers"].clear()
        try:
            answered = await call.answered(receive)
        except BaseException:
            if connection is not None:
                connection.gone(call)
            raise
        if not answered:
            if connection is not None:
                connection.gone(call)
            call.reply(wire.RECOVERABLE, 200, TEXT_XML)
        assert call.text is not None
        return call.text

    async def _read_in_time(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return a request's body as :meth:`_read` does.

        Raises TimeoutError where it takes too long, or longest of too many.
        """
        reading = self._read(receive)
        try:
            waits_for = reading.send(None)
        except StopIteration as end:
            # Nearly always it is there, and nothing needs to be counted or timed.
            body: bytes | None = end.value
            return body
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._config.request_timeout) as patience:
            counting = loop.call_soon(self._count, scope, patience)
            try:
                return await continued(reading, waits_for)
            finally:
                counting.cancel()
                self._incoming.remove(patience)

    def _count(self, scope: Scope, patience: asyncio.Timeout) -> None:
        self._incoming.add(patience, network_of(self._channel_of(scope).address))
        for late in self._incoming.surplus():
            logger.info("a request dropped that did not come in: too many do not")
            late.reschedule(0.0)

    async def _read(self, receive: Receive) -> bytes | None:
        """Return a request's body; None for one that is larger than its sender's may be."""
        message = await receive()
        if message["type"] != "http.request":
            raise _Gone
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        parts = bytearray(body)
        limit = 0
        while message.get("more_body"):
            if not limit and len(parts) > self._config.max_negotiation_size:
                limit = self._registry.limit(bytes(parts))
            if limit and len(parts) > limit:
                return None
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            parts += message.get("body", b"")
        return bytes(parts)


class _Gone(Exception):  # noqa: N818
    """The connection was lost before the request had come in."""


def _known(scope: Scope) -> Mapping[str, Any]:
    """Return what the server, or whatever passed a request on, says of it."""
    known: Mapping[str, Any] = scope.get("extensions", {}).get("andiron", {})
    return known


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    except OSError:
        return  # The client has left; it will ask again.
