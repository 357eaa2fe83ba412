"""What is at no path, and what is asked for in another way."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from support.hosted import WebSocket, get, without_lifespan

from andiron import create_app

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/ws/deeper", "/main.js", "//ws"])
async def test_what_is_not_there(chat, path):
    host = Starlette(routes=[Mount("/chat", chat)])
    async with chat.lifespan():
        for app, full in ((chat, path), (host, f"/chat{path}")):
            answer = await get(app, full)
            assert (answer.status_code, answer.text) == (404, "Not found.\n")
            start = await WebSocket(app, full).receive()
            assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)


async def test_a_method_that_is_not_allowed(chat):
    host = Starlette(routes=[Mount("/chat", chat), Route("/", without_lifespan)])
    async with chat.lifespan():
        for app, path in ((chat, "/healthz"), (host, "/chat/healthz")):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
                assert (await client.post(path)).status_code == 405
