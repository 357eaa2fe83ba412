"""A server that serves POSTs of BOSH without ASGI, where the endpoint takes them."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import httpx

from andiron.bosh.endpoint import BoshEndpoint


def scope_of(request: httpx.Request) -> dict[str, Any]:
    """Return a request's scope, which nobody else looks at."""
    return {
        "type": "http",
        "method": request.method,
        "http_version": "1.1",
        "path": unquote(request.url.path),
        "scheme": request.url.scheme,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1),
    }


class DirectTransport(httpx.AsyncBaseTransport):
    """What comes in one piece is taken by its head; all else is served by ASGI."""

    def __init__(self, endpoint: BoshEndpoint) -> None:
        self._endpoint = endpoint
        self._asgi = httpx.ASGITransport(endpoint)
        self.taken = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Serve a request."""
        whole = isinstance(request.stream, httpx.ByteStream) and request.method == "POST"
        post = self._endpoint.direct(scope_of(request)) if whole else None
        if post is None:
            return await self._asgi.handle_async_request(request)
        self.taken += 1
        answered: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()

        def write(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
            length = (b"content-length", b"%d" % len(body))
            stream = httpx.ByteStream(body)
            answered.set_result(httpx.Response(status, headers=[*headers, length], stream=stream))

        post.begin(await request.aread(), write)
        return await answered
