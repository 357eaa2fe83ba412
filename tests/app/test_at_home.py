"""What serves a chat at home: how it ends, and what becomes of those who are there."""

import asyncio
import base64
import signal

import httpx
import pytest
from support.hosted import OPEN, Server, opened

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


async def test_the_end_tells_every_session_and_waits_for_it(chat):
    server = Server(chat)
    await server.begin()
    socket = await opened(chat)
    ending = asyncio.create_task(server.end())
    assert "system-shutdown" in (await socket.receive())["text"]
    assert "<close" in (await socket.receive())["text"]
    assert not ending.done()
    socket.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    assert (await socket.receive())["type"] == "websocket.close"
    await socket.leave()
    assert (await ending)["type"] == "lifespan.shutdown.complete"


async def test_the_end_waits_no_longer_than_it_may(caplog):
    chat = create_app(database=DATABASE, shutdown_timeout=0.01)
    server = Server(chat)
    await server.begin()
    socket = await opened(chat)
    assert (await server.end())["type"] == "lifespan.shutdown.complete"
    assert "1 connections did not end in time" in caplog.text
    await socket.leave()


def plain(name, password):
    secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"


async def online(app, name):
    """Return a WebSocket of an account that is available and has stream management on."""
    socket = await opened(app)
    socket.send(plain(name, "secret"))
    await socket.until("<success")
    socket.send(OPEN.format("localhost"))
    await socket.until("features")
    socket.send(
        "<iq xmlns='jabber:client' type='set' id='b'>"
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    )
    await socket.until("id='b'")
    socket.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    await socket.until("<enabled")
    socket.send("<presence xmlns='jabber:client'/>")
    await socket.until("<presence")
    return socket


async def test_what_was_not_confirmed_is_there_after_a_restart(tmp_path):
    chat = create_app(
        database=f"sqlite:///{tmp_path}/a.db", auth_iterations=4096, durability="memory"
    )
    async with chat.lifespan():
        accounts = Accounts(chat.domain.database, "localhost", 4096)
        await accounts.create_many([("alice", "secret"), ("bob", "secret")])
        alice, bob = await online(chat, "alice"), await online(chat, "bob")
        alice.send(
            "<message xmlns='jabber:client' to='bob@localhost' type='chat' id='m1'>"
            "<body>kept</body></message>"
        )
        await bob.until("kept")
        await alice.leave()
        await bob.leave()  # without a word, so his session waits to be resumed
    async with chat.lifespan():
        bob = await online(chat, "bob")
        text = await bob.until("kept")
        assert "<delay" in text
        await bob.leave()


async def test_a_signal_begins_the_end_before_the_server_hears_of_it(chat):
    heard, acted = [], asyncio.Event()

    def hear(signum, _frame):
        heard.append(signum)
        acted.set()

    original = signal.signal(signal.SIGTERM, hear)
    try:
        async with chat.lifespan():
            socket = await opened(chat)
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
            assert "system-shutdown" in (await socket.receive())["text"]
            await acted.wait()
            assert heard == [signal.SIGTERM]
            await socket.leave()
    finally:
        signal.signal(signal.SIGTERM, original)


@pytest.mark.parametrize("path", ["/http-bind", "/http-bind/"])
async def test_bosh_requests_are_answered_when_the_application_ends(path):
    chat = create_app(database=DATABASE)
    body = "<body xmlns='http://jabber.org/protocol/httpbind'"
    transport = httpx.ASGITransport(chat)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        async with chat.lifespan():
            create = f"{body} rid='1' to='localhost' wait='60' hold='1' ver='1.6'/>"
            created = await client.post(path, content=create)
            sid = created.text.split(" sid='")[1].split("'")[0]
            held = asyncio.create_task(client.post(path, content=f"{body} rid='2' sid='{sid}'/>"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert not held.done()
        answer = await held
    assert answer.text == f"{body} type='terminate' condition='system-shutdown'/>"
