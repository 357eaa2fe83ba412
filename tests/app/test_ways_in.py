"""What comes to an application: before its start, for which hosts, and what goes wrong with it."""

import logging

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from support.hosted import Server, WebSocket, get, without_lifespan

from andiron import create_app

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


# Not started


@pytest.mark.parametrize("path", ["/chat/ws", "/chat/healthz", "/chat/"])
async def test_a_forgotten_lifespan_is_named(chat, path):
    host = Starlette(routes=[Mount("/chat", chat)])
    answer = await get(host, path)
    assert answer.status_code == 503
    assert "lifespan" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_a_forgotten_lifespan_is_called_as_the_documentation_does(chat):
    transport = httpx.ASGITransport(chat)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        text = (await client.get("/healthz")).text
    assert "chat.lifespan" in text
    assert "andiron.lifespan" not in text


async def test_a_forgotten_lifespan_is_logged_once(chat, caplog):
    for _ in range(3):
        await get(chat, "/healthz")
    assert [record.levelname for record in caplog.records if record.name == "andiron"] == ["ERROR"]


async def test_a_forgotten_lifespan_is_named_in_a_handshake(chat):
    socket = WebSocket(chat)
    start, body = await socket.receive(), await socket.receive()
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert b"lifespan" in body["body"]


async def test_a_forgotten_lifespan_refuses_where_the_server_cannot_carry_an_answer(chat):
    assert await WebSocket(chat, extensions={}).receive() == {"type": "websocket.close"}


# What does not go well


@pytest.fixture
def broken(chat, monkeypatch):
    """An application one of whose pages fails."""

    async def fail(_request):
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("andiron.routes.healthy", fail)
    return chat


@pytest.mark.parametrize("mounted", [False, True])
async def test_no_client_sees_a_traceback(broken, caplog, mounted):
    app = Starlette(debug=True, routes=[Mount("/chat", broken)]) if mounted else broken
    async with broken.lifespan():
        answer = await get(app, "/chat/healthz" if mounted else "/healthz")
    assert (answer.status_code, answer.text) == (500, "Internal server error.\n")
    assert "a secret of the inside" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR


async def test_an_answer_that_broke_off_is_not_begun_again(chat, monkeypatch):
    async def break_off(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    sent = []

    async def send(message):
        sent.append(message["type"])

    async with chat.lifespan():
        monkeypatch.setattr(chat._ways, "_router", break_off)
        await chat({"type": "http", "path": "/"}, None, send)
    assert sent == ["http.response.start"]


# For which hosts


PATHS = ["/healthz", "/ws", "/http-bind", "/.well-known/host-meta", "/", "/nowhere", "/upload/a/b"]
EVIL = "evil.example:8000"


async def asked_for(app, host, path="/healthz"):
    """Return the status for a request, and for a handshake, that name a host."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(path, headers={"host": host})
    socket = WebSocket(app, path)
    socket.scope["headers"] = [(b"host", host.encode())]
    start = await socket.receive()
    status = start.get("status", 101)
    if status == 101:
        await socket.leave()
    return answer.status_code, status, answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_alone_it_takes_requests_for_its_own_hosts(chat, path):
    async with Server(chat):
        status, handshake, text = await asked_for(chat, EVIL, path)
        assert (status, handshake) == (421, 421)
        assert "allowed_hosts" in text
        for host in ("localhost:8000", "127.0.0.1:8000", "[::1]"):
            assert 421 not in await asked_for(chat, host, path)


async def test_alone_it_takes_them_for_what_the_settings_say():
    chat = create_app(database=DATABASE, domain="chat.example", allowed_hosts=["a.example"])
    async with Server(chat):
        for host in ("chat.example", "a.example:1"):
            assert (await asked_for(chat, host))[0] == 200
        assert (await asked_for(chat, EVIL))[0] == 421


async def test_in_a_site_the_hosts_are_the_sites_business(chat):
    host = Starlette(routes=[Mount("/chat", chat)], lifespan=chat.lifespan)
    async with Server(host):
        assert (await asked_for(host, EVIL, "/chat/healthz"))[0] == 200
    wrapped = chat.wrap(without_lifespan, at="/chat", discovery=True)
    async with Server(wrapped):
        assert (await asked_for(wrapped, EVIL, "/chat/healthz"))[0] == 200


async def test_hosts_that_are_allowed_no_more_leave_all_as_it_was():
    chat = create_app(database=DATABASE)
    host = Starlette(routes=[Mount("/chat", chat)], lifespan=chat.lifespan)
    async with Server(host):
        await chat.api.change_setting("allowed_hosts", ["a.example"])
        assert (await asked_for(host, EVIL, "/chat/healthz"))[0] == 421
        await chat.api.change_setting("allowed_hosts", [])
        assert (await asked_for(host, EVIL, "/chat/healthz"))[0] == 200
    alone = create_app(database=DATABASE)
    async with Server(alone):
        await alone.api.change_setting("allowed_hosts", ["*"])
        assert (await asked_for(alone, EVIL))[0] == 200
        await alone.api.change_setting("allowed_hosts", [])
        assert (await asked_for(alone, EVIL))[0] == 421


async def test_in_a_site_too_where_it_is_set():
    chat = create_app(database=DATABASE, allowed_hosts=["a.example"])
    host = Starlette(routes=[Mount("/chat", chat)], lifespan=chat.lifespan)
    async with Server(host):
        assert (await asked_for(host, EVIL, "/chat/healthz"))[:2] == (421, 421)
        assert (await asked_for(host, "a.example", "/chat/healthz"))[0] == 200
