"""Whether clients should be sent here."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from support.postgres import programs, running
from support.waiting import until

from andiron import create_app
from andiron.application import Andiron
from andiron.domain.database.database import DatabaseError
from andiron.web.readiness import Readiness
from tests.conftest import require

REQUEST = Request({"type": "http", "method": "GET", "path": "/readyz", "headers": []})


class Asked:
    """A database that is asked; ``release`` lets it answer, ``error`` is what it raises."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.release = asyncio.Event()
        self.release.set()

    async def ask(self) -> None:
        self.count += 1
        await self.release.wait()
        if self.error is not None:
            raise self.error


async def answer(readiness: Readiness) -> tuple[int, str]:
    response = await readiness.answer(REQUEST)
    return response.status_code, bytes(response.body).decode()


async def get(chat: Andiron, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(chat)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


async def test_ready_while_the_database_answers() -> None:
    asked = Asked()
    assert await answer(Readiness(asked.ask, lambda: False, lambda: False)) == (200, "ready\n")


@pytest.mark.parametrize("error", [DatabaseError("gone"), TimeoutError()])
async def test_not_ready_without_the_database_and_ready_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("andiron.web.readiness._LIFETIME", 0.0)
    asked = Asked()
    readiness = Readiness(asked.ask, lambda: False, lambda: False)
    asked.error = error
    assert await answer(readiness) == (503, "the database cannot be reached\n")
    asked.error = None
    assert await answer(readiness) == (200, "ready\n")


async def test_a_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andiron.web.readiness._PATIENCE", 0.01)
    asked = Asked()
    asked.release.clear()
    assert (await answer(Readiness(asked.ask, lambda: False, lambda: False)))[0] == 503


async def test_a_database_that_cannot_be_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("andiron.web.readiness._PATIENCE", 0.01)
    left, leaving = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()
            await left.wait()

    found = await answer(Readiness(ask, lambda: False, lambda: False))
    assert found == (503, "the database cannot be reached\n")
    await leaving.wait()
    left.set()


async def test_however_many_ask_the_database_is_asked_once() -> None:
    asked = Asked()
    asked.release.clear()
    readiness = Readiness(asked.ask, lambda: False, lambda: False)
    crowd = [asyncio.ensure_future(answer(readiness)) for _ in range(100)]
    await asyncio.sleep(0)
    crowd[0].cancel()  # Who hangs up takes nobody's answer away.
    asked.release.set()
    assert await asyncio.gather(*crowd[1:]) == [(200, "ready\n")] * 99
    assert await answer(readiness) == (200, "ready\n")
    assert asked.count == 1


async def test_while_it_ends_nobody_is_to_come() -> None:
    asked = Asked()
    assert await answer(Readiness(asked.ask, lambda: True, lambda: False)) == (503, "ending\n")
    assert asked.count == 0


async def test_a_glance_tells_what_was_found_last_and_has_it_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("andiron.web.readiness._LIFETIME", 0.0)
    asked = Asked()
    ending, failing = [False], [False]
    readiness = Readiness(asked.ask, lambda: ending[0], lambda: failing[0])
    asked.error = DatabaseError("gone")
    assert readiness.glance() == ""
    await until(lambda: readiness.glance() == "the database cannot be reached")
    asked.error = None
    await until(lambda: readiness.glance() == "")
    failing[0] = True
    assert readiness.glance() == "sessions cannot be written down"
    ending[0] = True
    await until(lambda: readiness._asking is None)
    count = asked.count
    assert readiness.glance() == "ending"
    await asyncio.sleep(0)
    assert asked.count == count


async def test_in_an_application(tmp_path: Path) -> None:
    chat = create_app(database=f"sqlite:///{tmp_path}/a.db")
    assert (await get(chat, "/readyz")).status_code == 503
    async with chat.lifespan():
        response = await get(chat, "/readyz")
        assert (response.status_code, response.text) == (200, "ready\n")
    assert (await get(chat, "/readyz")).status_code == 503


async def test_while_postgresql_is_away_it_is_healthy_and_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("andiron.web.readiness._LIFETIME", 0.0)
    with running(Path(require("PostgreSQL", str(programs() or "") or None))) as server:
        chat = create_app(database=server.url(await server.shared_database()))
        async with chat.lifespan():
            assert (await get(chat, "/readyz")).status_code == 200
            server.stop()
            assert (await get(chat, "/readyz")).status_code == 503
            assert (await get(chat, "/healthz")).status_code == 200
            server.start()
            assert (await get(chat, "/readyz")).status_code == 200


async def test_not_ready_while_sessions_cannot_be_written_down() -> None:
    asked = Asked()
    found = await answer(Readiness(asked.ask, lambda: False, lambda: True))
    assert found == (503, "sessions cannot be written down\n")
