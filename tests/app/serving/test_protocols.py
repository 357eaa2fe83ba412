"""Uvicorn with our protocol for WebSockets: ours are taken over, and no others."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from support.asgi import OPEN
from support.taken import masked
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from andiron import create_app
from andiron.serving.open_websocket import OpenWebSocket
from andiron.serving.protocols import WebSocketProtocol

PROTOCOL = "andiron.serving.protocols:WebSocketProtocol"
FAREWELL = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"


class Site:
    """A site with a WebSocket of its own, that mounts Andiron at ``/chat``."""

    def __init__(self, chat, *, wrapping=False):
        self.chat = chat
        self.wrapping = wrapping
        self.sent = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.chat(scope, receive, send)
        elif scope["path"].startswith("/chat"):
            await self.chat({**scope, "root_path": "/chat"}, receive, self.around(send))
        else:
            await self.echo(receive, send)

    def around(self, send):
        async def noting(message):
            self.sent.append(message["type"])
            await send(message)

        return noting if self.wrapping else send

    async def echo(self, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await asyncio.sleep(0.01)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})


@contextlib.asynccontextmanager
async def served(site, **options) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    config = uvicorn.Config(site, ws=PROTOCOL, lifespan="on", log_config=None, **options)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield server, listener.getsockname()[1]
        server.should_exit = True
        await serving


@pytest.fixture
def chat(tmp_path):
    return create_app(database=f"sqlite:///{tmp_path}/andiron.db", shutdown_timeout=1.0)


def xmpp(port, **options):
    return connect(f"ws://127.0.0.1:{port}/chat/ws", subprotocols=["xmpp"], **options)


def taken(server):
    """Return which connections there are."""
    return [type(each) for each in server.server_state.connections]


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_a_stream_of_ours_is_taken_over(chat, compression):
    async with served(Site(chat)) as (server, port), xmpp(port, compression=compression) as client:
        await client.send(OPEN)
        assert (await client.recv()).startswith("<open ")
        assert (await client.recv()).startswith("<stream:features ")
        assert taken(server) == [OpenWebSocket]
        await client.send(FAREWELL)
        assert await client.recv() == FAREWELL
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1000
        assert not server.server_state.tasks


@pytest.mark.parametrize("early", [False, True])
async def test_others_stay_uvicorns(chat, early):
    async with served(Site(chat)) as (server, port):
        async with connect(f"ws://127.0.0.1:{port}/echo") as client:
            assert taken(server) == [WebSocketProtocol]
            if early:
                await client.send("hello")
                assert await client.recv() == "HELLO"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.sleep(0.005)
        writer.write(masked(b"too early"))
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readexactly(11)).endswith(b"TOO EARLY")
        writer.close()
        await writer.wait_closed()


async def test_middleware_around_send_sees_every_frame(chat):
    site = Site(chat, wrapping=True)
    async with served(site) as (server, port), xmpp(port) as client:
        await client.send(OPEN)
        await client.recv()
        assert taken(server) == [WebSocketProtocol]
        assert site.sent[:2] == ["websocket.accept", "websocket.send"]


async def test_refusals_are_the_same(chat):
    async with served(Site(chat)) as (_, port):
        url = f"ws://127.0.0.1:{port}/chat"
        for path, options, status in (
            ("/ws", {}, 400),
            ("/ws", {"subprotocols": ["xmpp"], "origin": "https://evil.example"}, 403),
            ("/nowhere", {"subprotocols": ["xmpp"]}, 404),
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url + path, **options):
                    pass
            assert refused.value.response.status_code == status


async def test_the_end_waits_for_those_that_were_taken_over(chat):
    async with served(Site(chat)) as (server, port):
        client = await xmpp(port)
        await client.send(OPEN)
        await client.recv()
        server.should_exit = True
        await client.wait_closed()
        assert client.close_code in (1000, 1012)
    assert not server.server_state.connections
    assert not chat.running


async def test_pings_are_the_servers(chat):
    async with served(Site(chat), ws_ping_interval=0.02, ws_ping_timeout=0.02) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /chat/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        assert (await reader.readexactly(2))[0] == 0x89
        assert (await reader.read()).endswith(b"keepalive ping timeout")
        writer.close()
        await writer.wait_closed()
