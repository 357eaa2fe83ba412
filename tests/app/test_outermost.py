"""An application that is outermost, on a server that runs no lifespan and on one that does."""

import asyncio
import logging
import signal

import httpx
import pytest
from starlette.responses import PlainTextResponse
from support.asgi import AsgiClient

from andiron import create_app, outermost


@pytest.fixture
async def ended():
    """Stand in for the server's own handler of SIGTERM."""
    heard = asyncio.Event()
    original = signal.signal(signal.SIGTERM, lambda _number, _frame: heard.set())
    yield heard
    signal.signal(signal.SIGTERM, original)


async def get(app, path):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


@pytest.fixture
async def chat(ended):
    app = create_app(database="sqlite://")
    yield app
    if app.running:
        signal.raise_signal(signal.SIGTERM)
        await ended.wait()


async def test_the_first_request_starts_it(chat, caplog):
    caplog.set_level(logging.INFO, "andiron")
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    answers = await asyncio.gather(*(get(site, "/chat/healthz") for _ in range(5)))
    assert [answer.text for answer in answers] == ["ok\n"] * 5
    assert caplog.text.count("Started by the first request") == 1


async def test_a_websocket_starts_it(chat):
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    async with AsgiClient(site, path="/chat/ws"):
        assert chat.running


async def test_the_host_is_served_as_well(chat):
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    assert (await get(site, "/")).text == "host"


async def test_the_server_hears_of_the_end_when_all_is_stored(chat, ended):
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    client = await AsgiClient(site, path="/chat/ws").connected()
    client.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
    await client.texts(2)
    signal.raise_signal(signal.SIGTERM)
    assert "system-shutdown" in await client.text()
    assert not ended.is_set()
    assert chat.running
    await client.rest()
    await ended.wait()
    assert not chat.running
    answer = await get(site, "/chat/healthz")
    assert answer.status_code == 503
    assert "must run its lifespan" not in answer.text


async def test_a_start_that_fails_is_not_tried_again_at_once(ended, caplog):
    chat = create_app(database="sqlite:////nowhere/at/all.db")
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    for _ in range(3):
        answer = await get(site, "/chat/healthz")
        assert answer.status_code == 503
        assert "log says why" in answer.text
    assert (await get(site, "/")).text == "host"
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message.partition("/nowhere")[0] for record in errors] == [
        "Not started: The database "
    ]


async def test_a_start_that_failed_for_the_database_is_tried_again_later(
    ended, caplog, monkeypatch, tmp_path
):
    monkeypatch.setattr(outermost, "_PAUSE", 0.0)
    chat = create_app(database=f"sqlite:///{tmp_path}/folder/andiron.db")
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    for _ in range(2):
        assert (await get(site, "/chat/healthz")).status_code == 503
    assert caplog.text.count("Not started: The database ") == 2
    (tmp_path / "folder").mkdir()
    answers = await asyncio.gather(*(get(site, "/chat/healthz") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    signal.raise_signal(signal.SIGTERM)
    await ended.wait()
    assert (await get(site, "/chat/healthz")).status_code == 503
    assert not chat.running


async def test_a_start_that_nobody_foresaw_to_fail_says_so(chat, monkeypatch, caplog):
    monkeypatch.setattr("andiron.at_home.SessionManager", None)
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    assert (await get(site, "/chat/healthz")).status_code == 503
    assert "Traceback" in caplog.text


async def test_where_a_lifespan_runs_nothing_else_starts_it(chat, ended):
    site = chat.wrap(PlainTextResponse("host"), at="/chat")
    incoming, outgoing = asyncio.Queue(), asyncio.Queue()
    incoming.put_nowait({"type": "lifespan.startup"})
    server = asyncio.create_task(site({"type": "lifespan"}, incoming.get, outgoing.put))
    assert await outgoing.get() == {"type": "lifespan.startup.complete"}
    assert (await get(site, "/chat/healthz")).status_code == 200
    incoming.put_nowait({"type": "lifespan.shutdown"})
    assert await outgoing.get() == {"type": "lifespan.shutdown.complete"}
    await server
    assert (await get(site, "/chat/healthz")).status_code == 503
    assert not chat.running


async def test_where_the_host_runs_it_nothing_else_does(chat):
    site = chat.wrap(chat)
    async with chat.lifespan():
        assert (await get(site, "/healthz")).status_code == 200
    assert not chat.running
