"""An application as its hosts run it: its lifespan, requests, and handshakes."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse

OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>"


async def get(app, path, **options):
    transport = httpx.ASGITransport(app, **options)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


class WebSocket:
    """A client's end of one WebSocket scope."""

    def __init__(self, app, path="/ws", subprotocols=("xmpp",), extensions=None):
        self.scope = {
            "type": "websocket",
            "path": path,
            "root_path": "",
            "scheme": "ws",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1234),
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}} if extensions is None else extensions,
        }
        self._incoming = asyncio.Queue()
        self._outgoing = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app):
        async def send(message):
            self._outgoing.put_nowait(message)

        await app(self.scope, self._incoming.get, send)

    async def receive(self):
        """Return the next event from the application, or raise what ended it."""
        getting = asyncio.create_task(self._outgoing.get())
        await asyncio.wait([getting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            await self.task
            raise EOFError
        return getting.result()

    async def until(self, words):
        """Return the next frame that holds ``words``."""
        while words not in (text := (await self.receive()).get("text", "")):
            pass
        return text

    def send(self, text):
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def leave(self):
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.task


async def opened(app, path="/ws", domain="localhost"):
    """Return a WebSocket on which the server has offered its features."""
    socket = WebSocket(app, path)
    assert (await socket.receive())["type"] == "websocket.accept"
    socket.send(OPEN.format(domain))
    assert "<open" in (await socket.receive())["text"]
    assert "features" in (await socket.receive())["text"]
    return socket


class Server:
    """Runs an application's lifespan as a server does."""

    def __init__(self, app):
        self._app = app
        self._incoming = asyncio.Queue()
        self._outgoing = asyncio.Queue()

    async def begin(self):
        self.task = asyncio.create_task(
            self._app({"type": "lifespan"}, self._incoming.get, self._outgoing.put)
        )
        self._incoming.put_nowait({"type": "lifespan.startup"})
        return await self._outgoing.get()

    async def end(self):
        self._incoming.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._outgoing.get()
        await self.task
        return answer

    async def __aenter__(self):
        assert (await self.begin())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *_exc):
        assert (await self.end())["type"] == "lifespan.shutdown.complete"


async def serves(app, prefix=""):
    """Check that HTTP and WebSocket are served below ``prefix``."""
    assert (await get(app, f"{prefix}/healthz")).text == "ok\n"
    for path in (f"{prefix}/ws", f"{prefix}/ws/"):
        assert (await get(app, path)).status_code == 426
        await (await opened(app, path)).leave()


async def without_lifespan(scope, receive, send):
    """Answer as Django does: only HTTP."""
    if scope["type"] != "http":
        raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")
    await PlainTextResponse(f"host {scope['path']}")(scope, receive, send)
