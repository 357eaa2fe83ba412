"""One application for a database: the second is refused, and one that was replaced ends."""

import asyncio
import re

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from andiron import create_app
from andiron.application import Andiron
from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.domain import Domain


async def get(app, path):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


def application(**settings) -> Andiron:
    return create_app(shutdown_timeout=0, database="sqlite:///one.db", **settings)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("andiron.settings.settings._LEAVE", 0)


@pytest.mark.usefixtures("impatient")
async def test_a_second_application_on_one_database_is_refused():
    first, second = application(), application()
    async with first.lifespan():
        with pytest.raises(DatabaseError, match=r"one\.db cannot be served: this process"):
            async with second.lifespan():
                pass
        assert (await get(first, "/healthz")).status_code == 200
        assert (await get(second, "/healthz")).status_code == 503
    async with second.lifespan():
        assert (await get(second, "/healthz")).status_code == 200


@pytest.mark.usefixtures("impatient")
async def test_a_server_is_told_why():
    messages = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        messages.append(message)

    async with application().lifespan():
        await application()({"type": "lifespan"}, receive, send)
    (failed,) = messages
    assert failed["type"] == "lifespan.startup.failed"
    assert re.fullmatch(
        r"andiron: The database one\.db cannot be served: this process serves it already; .*\.",
        failed["message"],
    )


async def test_others_in_one_process_have_databases_of_their_own():
    async with application().lifespan(), create_app(database="sqlite:///two.db").lifespan():
        pass


async def test_accounts_are_managed_beside_it():
    async with application().lifespan():
        database = await Database.open("sqlite:///one.db")
        assert await Accounts(database, "localhost", 4096).create("alice", "x") == "alice"
        await database.close()


async def test_a_start_that_fails_later_holds_nothing(monkeypatch):
    async def fail(*_arguments):
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(Accounts, "mechanisms", fail)
        with pytest.raises(RuntimeError, match="no"):
            async with application().lifespan():
                pass
    async with application().lifespan():
        pass


async def test_one_that_was_replaced_says_so_and_serves_nothing(monkeypatch, caplog):
    lost = []
    started = starts(monkeypatch, lost)
    chat = application()
    ended = []
    chat.on_database_lost = lambda: ended.append(chat.database_lost)
    site = Starlette(routes=[Mount("/chat", chat)])
    async with chat.lifespan():
        assert started == [chat.domain]
        assert (await get(site, "/chat/healthz")).status_code == 200
        lost[0]("The database was taken.")
        assert ended == ["The database was taken."]
        answer = await get(site, "/chat/healthz")
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
        assert answer.text.startswith("This server has lost its database")
    assert caplog.messages == [
        "The database was taken. Nothing is served here any more: restart this process"
    ]


async def test_one_that_is_replaced_while_it_starts_does_not_start(monkeypatch):
    with monkeypatch.context() as patched:
        starts(patched, [], at_once=True)
        with pytest.raises(DatabaseError, match="taken"):
            async with application().lifespan():
                pass
    async with application().lifespan():
        pass


def starts(monkeypatch, lost, *, at_once=False):
    """Keep what a domain is to call when it is replaced; return the domains that were started."""
    started = []
    start = Domain.start

    async def noting(domain, call, *tenure):
        started.append(domain)
        lost.append(call)
        await start(domain, call, *tenure)
        if at_once:
            call("The database was taken.")

    monkeypatch.setattr(Domain, "start", noting)
    return started


async def test_sessions_of_one_that_was_replaced_are_told(monkeypatch):
    lost = []
    starts(monkeypatch, lost)
    chat = application()
    sent: asyncio.Queue = asyncio.Queue()
    incoming: asyncio.Queue = asyncio.Queue()
    scope = {
        "type": "websocket",
        "path": "/ws",
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1234),
        "subprotocols": ["xmpp"],
        "extensions": {},
    }
    async with chat.lifespan():
        incoming.put_nowait({"type": "websocket.connect"})
        serving = asyncio.create_task(chat(scope, incoming.get, sent.put))
        incoming.put_nowait(
            {
                "type": "websocket.receive",
                "text": "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost'"
                " version='1.0'/>",
            }
        )
        while "features" not in (await sent.get()).get("text", ""):
            pass
        lost[0]("The database was taken.")
        while "system-shutdown" not in (await sent.get()).get("text", ""):
            pass
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await serving
