"""A host's own CORSMiddleware in front of BOSH and uploads: what docs/mounting.md says of it."""

from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from andiron import create_app

PAGE = "https://pages.example"
OTHER = "https://other.example"
CREATE = (
    "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' wait='1' hold='1'"
    " ver='1.11' content='text/xml; charset=utf-8' xmpp:version='1.0'"
    " xmlns:xmpp='urn:xmpp:xbosh'/>"
)
METHODS = ["GET", "POST", "PUT"]
HEADERS = ["Authorization", "Content-Type", "Cookie", "Expires"]


def site(chat, **options):
    """A host with the middleware in front of all that it serves."""
    return Starlette(
        routes=[Mount("/chat", chat)],
        middleware=[Middleware(CORSMiddleware, **options)],
        lifespan=chat.lifespan,
    )


@asynccontextmanager
async def browser(app, chat):
    transport = httpx.ASGITransport(app)
    async with (
        chat.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="https://site.example") as client,
    ):
        yield client


def application(*origins):
    return create_app(database="sqlite://", bosh_origins=origins, bosh_wait=0)


async def ask_first(client, origin=PAGE, path="/chat/http-bind", method="POST"):
    """Ask what a browser asks before it sends a page's request."""
    return await client.options(
        path,
        headers={
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": "content-type",
        },
    )


async def create(client, origin=PAGE):
    headers = {"origin": origin, "content-type": "text/xml; charset=utf-8"}
    return await client.post("/chat/http-bind", content=CREATE, headers=headers)


async def test_its_own_defaults_let_no_page_post():
    chat = application(PAGE)
    async with browser(site(chat, allow_origins=[PAGE]), chat) as client:
        answer = await ask_first(client)
    assert (answer.status_code, answer.text) == (400, "Disallowed CORS method")


async def test_a_page_that_it_does_not_list_cannot_connect_though_andiron_does():
    chat = application(PAGE)
    async with browser(site(chat, allow_origins=[OTHER], allow_methods=METHODS), chat) as client:
        assert (await ask_first(client)).text == "Disallowed CORS origin"


async def test_a_page_that_andiron_does_not_list_cannot_connect_though_it_does():
    chat = application()
    async with browser(site(chat, allow_origins=[PAGE], allow_methods=METHODS), chat) as client:
        assert (await ask_first(client)).status_code == 200
        answer = await create(client)
    assert answer.status_code == 403
    assert "bosh_origins" in answer.text


@pytest.mark.parametrize("allowed", [PAGE, "*"])
async def test_where_both_list_the_page_it_connects(allowed):
    chat = application(PAGE)
    app = site(chat, allow_origins=[allowed], allow_methods=METHODS, allow_headers=HEADERS)
    async with browser(app, chat) as client:
        for method, path in (("POST", "/chat/http-bind"), ("PUT", "/chat/upload/x/y")):
            answer = await ask_first(client, path=path, method=method)
            assert answer.status_code == 200
            assert method in answer.headers["access-control-allow-methods"]
        answer = await create(client)
        assert answer.status_code == 200
        assert "sid=" in answer.text
        assert answer.headers.get_list("access-control-allow-origin") == [allowed]


async def test_one_that_stands_in_front_of_the_rest_alone_leaves_it_to_andiron():
    chat = application(PAGE)

    async def data(_request):
        return PlainTextResponse("data")

    app = Starlette(
        routes=[
            Mount(
                "/api",
                routes=[Route("/data", data)],
                middleware=[Middleware(CORSMiddleware, allow_origins=[OTHER])],
            ),
            Mount("/chat", chat),
        ]
    )
    async with browser(app, chat) as client:
        answer = await ask_first(client)
        assert answer.status_code == 200
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert (await create(client)).headers["access-control-allow-origin"] == PAGE
        assert (await create(client, OTHER)).status_code == 403
        api = await client.get("/api/data", headers={"origin": OTHER})
        assert api.headers["access-control-allow-origin"] == OTHER
