"""What servers are given as ``andiron:app``."""

import asyncio
import signal

import httpx
import pytest
from support.asgi import AsgiClient

from andiron.described import Described


async def lifespan(app):
    """Begin the lifespan, and end it where it began well; return what was said."""
    incoming, outgoing = asyncio.Queue(), asyncio.Queue()
    incoming.put_nowait({"type": "lifespan.startup"})
    incoming.put_nowait({"type": "lifespan.shutdown"})
    await app({"type": "lifespan"}, incoming.get, outgoing.put)
    return [outgoing.get_nowait() for _ in range(outgoing.qsize())]


async def get(app, path, host="localhost"):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.get(path)


@pytest.fixture
def wrong(tmp_path):
    (tmp_path / "andiron.toml").write_text("port = 'x'")
    return Described()


async def test_it_is_made_when_it_is_needed(monkeypatch):
    described = Described()
    monkeypatch.setenv("ANDIRON_DOMAIN", "chat.example")
    monkeypatch.setenv("ANDIRON_DATABASE", "sqlite://")
    assert await lifespan(described) == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]
    assert described.application.settings.domain == "chat.example"
    assert described.application is described.application


async def test_it_serves_without_a_lifespan(monkeypatch):
    monkeypatch.setenv("ANDIRON_DATABASE", "sqlite://")
    described, heard = Described(), asyncio.Event()
    original = signal.signal(signal.SIGTERM, lambda *_: heard.set())
    try:
        assert (await get(described, "/healthz")).text == "ok\n"
        assert (await get(described, "/healthz", host="evil.example")).status_code == 421
        signal.raise_signal(signal.SIGTERM)
        await heard.wait()
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_a_wrong_setting_ends_the_start_with_one_sentence(wrong):
    assert await lifespan(wrong) == [
        {
            "type": "lifespan.startup.failed",
            "message": "andiron: \"port\" in andiron.toml is 'x', but must be a whole number from"
            " 0 to 65535 (the default is 8000)",
        }
    ]


async def test_a_wrong_setting_is_the_logs_to_tell_without_a_lifespan(wrong, caplog):
    for _ in range(3):
        answer = await get(wrong, "/healthz")
        assert (answer.status_code, "port" in answer.text) == (503, False)
    assert [record.message for record in caplog.records] == [
        "Not started: \"port\" in andiron.toml is 'x', but must be a whole number from 0 to 65535"
        " (the default is 8000)"
    ]
    status, text = await AsgiClient(wrong).refusal()
    assert (status, "port" in text) == (503, False)


async def test_what_nobody_foresaw_ends_the_start_too(monkeypatch, caplog):
    monkeypatch.setattr("andiron.described.create_app", None)
    assert await lifespan(Described()) == [
        {"type": "lifespan.startup.failed", "message": "andiron: startup failed"}
    ]
    assert "Traceback" in caplog.text
