"""What hosts put around an application: a middleware of each usual kind, by name.

Each is a function that wraps an ASGI application. Those that Starlette has are
its own; the others do to ``receive`` and ``send`` what well-known ones do.
"""

import asyncio
import contextvars
import functools
import types
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

import anyio
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]
Middleware = Callable[[App], App]

SPAN: contextvars.ContextVar[str] = contextvars.ContextVar("span")


async def _hello(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-host"] = "here"
    return response


def around(wrap: Callable[[Any, Receive, Send], tuple[Receive, Send]]) -> Middleware:
    """Return a middleware that puts other ends in place of ``receive`` and ``send``."""

    def middleware(app: App) -> App:
        async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
            await app(scope, *wrap(scope, receive, send))

        return wrapped

    return middleware


def _plain(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def plain_receive() -> Message:
        return await receive()

    async def plain_send(message: Message) -> None:
        await send(message)

    return plain_receive, plain_send


def _timeouts(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def timed_send(message: Message) -> None:
        async with asyncio.timeout(30):
            await send(message)

    return receive, timed_send


def _cancel_scopes(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def scoped_send(message: Message) -> None:
        with anyio.fail_after(30):
            await send(message)

    return receive, scoped_send


def _spans(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Trace as OpenTelemetry does: each message in a span of its own below the request's."""
    SPAN.set(scope["type"])

    async def spanned_receive() -> Message:
        token = SPAN.set(f"{SPAN.get()} receive")
        try:
            return await receive()
        finally:
            SPAN.reset(token)

    async def spanned_send(message: Message) -> None:
        token = SPAN.set(f"{SPAN.get()} send")
        try:
            assert SPAN.get() == f"{scope['type']} send"
            await send(message)
        finally:
            SPAN.reset(token)

    return spanned_receive, spanned_send


class _Later:
    """An awaitable that is no coroutine, as servers written in other languages return."""

    def __init__(self, call: Callable[[], Awaitable[None]]) -> None:
        self._call = call

    def __await__(self) -> Generator[Any, Any, None]:
        future = asyncio.ensure_future(self._call())  # type: ignore[arg-type]
        return future.__await__()


def _awaitables(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    return receive, lambda message: _Later(functools.partial(send, message))


@types.coroutine
def _a_step() -> Generator[None, None, None]:
    yield


def _steps(scope: Any, receive: Receive, send: Send) -> tuple[Receive, Send]:
    async def stepping_send(message: Message) -> None:
        await _a_step()
        await send(message)
        await _a_step()

    return receive, stepping_send


def task_group(app: App) -> App:
    """Run the application in a task of anyio's, and hand it what another task receives."""

    async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        put, take = anyio.create_memory_object_stream[Message](16)

        async def pump() -> None:
            while True:
                message = await receive()
                await put.send(message)
                if message["type"].endswith("disconnect"):
                    return

        async with put, take, anyio.create_task_group() as tasks:
            tasks.start_soon(pump)
            await app(scope, take.receive, send)
            tasks.cancel_scope.cancel()

    return wrapped


MIDDLEWARE: dict[str, Middleware] = {
    "pure ASGI": around(_plain),
    "BaseHTTPMiddleware": lambda app: BaseHTTPMiddleware(app, dispatch=_hello),
    "sessions": lambda app: SessionMiddleware(app, secret_key="secret"),
    "CORS": lambda app: CORSMiddleware(app, allow_origins=["https://pages.example"]),
    "trusted host": lambda app: TrustedHostMiddleware(app, allowed_hosts=["localhost"]),
    "gzip": GZipMiddleware,
    "spans": around(_spans),
    "asyncio.timeout": around(_timeouts),
    "anyio cancel scope": around(_cancel_scopes),
    "anyio task group": task_group,
    "awaitable that is no coroutine": around(_awaitables),
    "a send of several steps": around(_steps),
}
