"""The application as its hosts see it: started in each of the ways, again, and beside others."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from support.hosted import OPEN, Server, WebSocket, get, opened, serves, without_lifespan

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


# Started in each of the ways


async def test_started_by_a_server(chat):
    async with Server(chat):
        await serves(chat)


async def test_started_by_the_lifespan_of_a_starlette_host(chat):
    host = Starlette(routes=[Mount("/chat", chat)], lifespan=chat.lifespan)
    async with Server(host):
        await serves(host, "/chat")


async def test_started_by_the_lifespan_of_a_fastapi_host(chat):
    host = FastAPI(lifespan=chat.lifespan)
    host.mount("/chat", chat)
    async with Server(host):
        await serves(host, "/chat")


async def test_started_within_a_lifespan_of_the_hosts_own(chat):
    events = []

    @asynccontextmanager
    async def lifespan(_app):
        events.append("host began")
        async with chat.lifespan():
            yield {"of the host": True}
        events.append("host ended")

    host = Starlette(routes=[Mount("/a/b", chat)], lifespan=lifespan)
    server = Server(host)
    # The server must offer state for a lifespan that has some.
    scope = {"type": "lifespan", "state": {}}
    server._app = lambda _scope, receive, send: host(scope, receive, send)
    async with server:
        await serves(host, "/a/b")
    assert events == ["host began", "host ended"]
    assert scope["state"] == {"of the host": True}


async def test_started_by_the_wrapper_around_a_host_without_lifespan(chat):
    site = chat.wrap(without_lifespan, at="/chat")
    async with Server(site):
        await serves(site, "/chat")
        assert (await get(site, "/chatter")).text == "host /chatter"
        assert (await get(site, "/")).text == "host /"
        with pytest.raises(ValueError, match="Django"):
            await WebSocket(site, "/elsewhere").receive()


async def test_started_by_the_wrapper_where_the_host_mounts(chat):
    site = chat.wrap(Starlette(routes=[Mount("/chat", chat)]))
    async with Server(site):
        await serves(site, "/chat")


async def test_below_a_servers_root_path(chat):
    async with chat.lifespan():
        answer = await get(chat, "/xmpp/healthz", root_path="/xmpp")
        assert answer.text == "ok\n"


async def test_ended_is_not_started(chat):
    async with chat.lifespan():
        pass
    refused = await get(chat, "/healthz")
    assert refused.status_code == 503
    assert "must run its lifespan" not in refused.text


async def test_started_again(tmp_path):
    chat = create_app(database=f"sqlite:///{tmp_path}/a.db")
    for _ in range(2):
        async with chat.lifespan():
            await serves(chat)


async def test_started_twice_at_once(chat):
    async with chat.lifespan():
        with pytest.raises(RuntimeError, match="runs already"):
            await chat.lifespan().__aenter__()
        await serves(chat)


async def test_two_in_one_process_do_not_meet():
    one = create_app(database=DATABASE, domain="one.example")
    two = create_app(database=DATABASE, domain="two.example")
    host = Starlette(routes=[Mount("/one", one), Mount("/two", two)])
    async with one.lifespan(), two.lifespan():
        await Accounts(one.domain.database, "one.example").create("alice", "one's")
        assert await Accounts(two.domain.database, "two.example").names() == []
        first = await opened(host, "/one/ws", "one.example")
        second = await opened(host, "/two/ws", "two.example")
        stranger = WebSocket(host, "/one/ws")
        await stranger.receive()
        stranger.send(OPEN.format("two.example"))
        assert "<open" in (await stranger.receive())["text"]
        assert "host-unknown" in (await stranger.receive())["text"]
        for socket in (first, second, stranger):
            await socket.leave()


async def test_outside_the_main_thread(chat):
    def in_thread():
        async def started():
            async with chat.lifespan():
                return (await get(chat, "/healthz")).status_code

        return asyncio.run(started())

    assert await asyncio.to_thread(in_thread) == 200
