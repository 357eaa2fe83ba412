"""A host's middleware in front of the endpoint: each usual kind, and all of them together."""

import asyncio

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from support.asgi import settle
from support.bosh import EMPTY, OPEN, attributes
from support.sessions import BIND, GUARD, SIGN_IN, MemoryBackend
from support.waiting import until

from andiron.bosh.config import BoshConfig
from andiron.bosh.endpoint import BoshEndpoint
from andiron.bosh.registry import BoshRegistry
from andiron.sm.config import SmConfig
from andiron.sm.link import Channel
from andiron.sm.manager import SessionManager
from andiron.sm.strangers import Strangers

PAGE = "https://page.example"
RESTART = "to='localhost' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"


def nothing(app):
    return app


def function_of_fastapi(app):
    host = FastAPI()

    @host.middleware("http")
    async def stamp(request, call_next):
        response = await call_next(request)
        response.headers["x-stamp"] = "seen"
        return response

    host.mount("/", app)
    return host


def two_functions(app):
    async def first(request, call_next):
        return await call_next(request)

    async def second(request, call_next):
        assert request.headers["host"]
        return await call_next(request)

    return BaseHTTPMiddleware(BaseHTTPMiddleware(app, first), second)


def function_that_reads_the_body(app):
    async def read(request, call_next):
        assert await request.body() is not None
        return await call_next(request)

    return BaseHTTPMiddleware(app, read)


def body_handed_out_for_ever(app):
    async def read(scope, receive, send):
        parts = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break

        async def again():
            return {"type": "http.request", "body": b"".join(parts)}

        await app(scope, again, send)

    return read


def compression(app):
    return GZipMiddleware(app, minimum_size=1)


def cors(app):
    return CORSMiddleware(app, allow_origins=[PAGE], allow_methods=["POST"], allow_headers=["*"])


def trusted_hosts(app):
    return TrustedHostMiddleware(app, allowed_hosts=["chat.example"])


def session(app):
    return SessionMiddleware(app, secret_key="secret")


def asyncio_timeout(app):
    async def timed(scope, receive, send):
        async with asyncio.timeout(60):
            await app(scope, receive, send)

    return timed


def anyio_timeout(app):
    async def timed(scope, receive, send):
        with anyio.fail_after(60):
            await app(scope, receive, send)

    return timed


def timeouts_of_each_step(app):
    async def timed(scope, receive, send):
        async def timed_receive():
            async with asyncio.timeout(60):
                return await receive()

        async def timed_send(message):
            with anyio.fail_after(60):
                await send(message)

        await app(scope, timed_receive, timed_send)

    return timed


def own_task_group(app):
    async def grouped(scope, receive, send):
        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, receive, send)

    return grouped


def everything(app):
    for kind in KINDS:
        app = kind(app)
    return app


KINDS = [
    nothing,
    function_of_fastapi,
    two_functions,
    function_that_reads_the_body,
    compression,
    cors,
    trusted_hosts,
    session,
    asyncio_timeout,
    anyio_timeout,
    timeouts_of_each_step,
    own_task_group,
]
behind = pytest.mark.parametrize("site", [*KINDS, everything], indirect=True)
# What hands out a body again does not pass the end of a connection on.
behind_any = pytest.mark.parametrize(
    "site", [*KINDS, everything, body_handed_out_for_ever], indirect=True
)


class Site:
    """The endpoint over a manager in memory, behind some middleware."""

    def __init__(self, kind):
        loop = asyncio.get_running_loop()
        self.backend = MemoryBackend()
        manager = SessionManager(SmConfig(), self.backend, clock=loop.time)
        config = BoshConfig(origins=(PAGE,), compress_from=0)
        self.registry = BoshRegistry(manager, config, GUARD, Strangers(9, 9), loop.call_soon)
        channel = Channel("127.0.0.1", secure=True, kind="bosh")
        self.app = kind(BoshEndpoint(self.registry, config, channel_of=lambda _scope: channel))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://chat.example"
        )
        self.rid = 100
        self.sid = ""

    def body(self, payload="", more=""):
        self.rid += 1
        return f"{OPEN} rid='{self.rid}' sid='{self.sid}' {more}>{payload}</body>"

    async def post(self, body):
        async with asyncio.timeout(60):
            answer = await self.http.post("/", content=body, headers={"origin": PAGE})
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
        return answer.text

    async def bound(self):
        created = await self.post(f"{OPEN} rid='100' to='localhost' ver='1.6' hold='1' wait='9'/>")
        self.sid = attributes(created)["sid"]
        assert "<success/>" in await self.post(self.body(SIGN_IN.format("juliet")))
        assert "<bind/>" in await self.post(self.body(more=RESTART))
        assert "result" in await self.post(self.body(BIND))

    def deliver(self):
        session = self.backend.links["juliet@localhost"][-1].session
        session.deliver("<message xmlns='jabber:client' id='in'/>", session.clock())

    @property
    def held(self):
        return [held.call is not None for held in self.registry._find(self.sid)._window.held]


@pytest.fixture
async def site(request):
    place = Site(request.param)
    yield place
    await place.http.aclose()


async def held(site) -> asyncio.Task:
    """Return a request of the site that is held by now."""
    task = asyncio.create_task(site.post(site.body()))
    await until(lambda: site.held == [True], lambda: f"a held request, not {site.held}")
    await settle()
    assert not task.done()
    return task


@behind_any
async def test_a_conversation(site):
    await site.bound()
    for _ in range(3):
        first = await held(site)
        site.deliver()
        assert "<message xmlns='jabber:client' id='in'/>" in await first
    waiting = await held(site)
    assert await site.post(site.body(more="type='terminate'")) == EMPTY
    assert "type='terminate'" in await waiting


@behind
async def test_a_client_that_leaves(site):
    await site.bound()
    leaving = asyncio.Event()
    body = [{"type": "http.request", "body": site.body().encode()}]

    async def receive():
        if body:
            return body.pop()
        await leaving.wait()
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"chat.example")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    task = asyncio.create_task(site.app(scope, receive, send))
    await until(lambda: site.held == [True], lambda: f"a held request, not {site.held}")
    leaving.set()
    await asyncio.wait_for(task, 10)
    assert site.held == [False]


@behind_any
async def test_a_request_that_is_cancelled(site):
    await site.bound()
    waiting = await held(site)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await settle()
    assert site.held == [False]
