"""The application as its hosts see it: started, mounted, forgotten, ended."""

import asyncio
import base64
import logging
import signal
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts
from andiron.settings import Settings, SettingsError

DATABASE = "sqlite://"


@pytest.fixture
def chat():
    return create_app(database=DATABASE)


async def get(app, path, **options):
    transport = httpx.ASGITransport(app, **options)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


class WebSocket:
    """A client's end of one WebSocket scope."""

    def __init__(self, app, path="/ws", subprotocols=("xmpp",), extensions=None):
        self.scope = {
            "type": "websocket",
            "path": path,
            "root_path": "",
            "scheme": "ws",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1234),
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}} if extensions is None else extensions,
        }
        self._incoming = asyncio.Queue()
        self._outgoing = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(self._run(app))

    async def _run(self, app):
        async def send(message):
            self._outgoing.put_nowait(message)

        await app(self.scope, self._incoming.get, send)

    async def receive(self):
        """Return the next event from the application, or raise what ended it."""
        getting = asyncio.create_task(self._outgoing.get())
        await asyncio.wait([getting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            await self.task
            raise EOFError
        return getting.result()

    async def until(self, words):
        """Return the next frame that holds ``words``."""
        while words not in (text := (await self.receive()).get("text", "")):
            pass
        return text

    def send(self, text):
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    async def leave(self):
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.task


OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>"


async def opened(app, path="/ws", domain="localhost"):
    """Return a WebSocket on which the server has offered its features."""
    socket = WebSocket(app, path)
    assert (await socket.receive())["type"] == "websocket.accept"
    socket.send(OPEN.format(domain))
    assert "<open" in (await socket.receive())["text"]
    assert "features" in (await socket.receive())["text"]
    return socket


class Server:
    """Runs an application's lifespan as a server does."""

    def __init__(self, app):
        self._app = app
        self._incoming = asyncio.Queue()
        self._outgoing = asyncio.Queue()

    async def begin(self):
        self.task = asyncio.create_task(
            self._app({"type": "lifespan"}, self._incoming.get, self._outgoing.put)
        )
        self._incoming.put_nowait({"type": "lifespan.startup"})
        return await self._outgoing.get()

    async def end(self):
        self._incoming.put_nowait({"type": "lifespan.shutdown"})
        answer = await self._outgoing.get()
        await self.task
        return answer

    async def __aenter__(self):
        assert (await self.begin())["type"] == "lifespan.startup.complete"

    async def __aexit__(self, *_exc):
        assert (await self.end())["type"] == "lifespan.shutdown.complete"


async def serves(app, prefix=""):
    """Check that HTTP and WebSocket are served below ``prefix``."""
    assert (await get(app, f"{prefix}/healthz")).text == "ok\n"
    for path in (f"{prefix}/ws", f"{prefix}/ws/"):
        assert (await get(app, path)).status_code == 426
        await (await opened(app, path)).leave()


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


async def without_lifespan(scope, receive, send):
    """Answer as Django does: only HTTP."""
    if scope["type"] != "http":
        raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")
    await PlainTextResponse(f"host {scope['path']}")(scope, receive, send)


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


async def test_a_database_that_cannot_be_opened_stops_the_start():
    chat = create_app(database="sqlite:////nowhere/at/all.db")
    answer = await Server(chat).begin()
    assert answer["type"] == "lifespan.startup.failed"
    assert "/nowhere/at/all.db" in answer["message"]
    refused = await get(chat, "/healthz")
    assert refused.status_code == 503
    assert "log says why" in refused.text


async def test_an_unforeseen_failure_stops_the_start_too(chat, monkeypatch, caplog):
    monkeypatch.setattr("andiron.at_home.Driver", None)
    answer = await Server(chat).begin()
    assert answer == {"type": "lifespan.startup.failed", "message": "andiron: startup failed"}
    assert "Traceback" in caplog.text


def test_settings_and_overrides():
    settings = Settings(port=1, domain="a.example")
    assert create_app(settings).settings is settings
    assert create_app(settings, port=2).settings == settings.replaced(port=2)
    with pytest.raises(SettingsError):
        create_app(domian="a.example")


@pytest.mark.parametrize(
    "name", ["authenticate", "identify", "verify_token", "may_contact", "groups"]
)
def test_what_the_site_is_asked_by_is_async(name):
    class Asked:
        async def __call__(self, *_told):
            return None

    def synchronous(*_told):
        return None

    for function in (synchronous, "juliet"):
        with pytest.raises(SettingsError, match=f"{name}= must be an async function"):
            create_app(**{name: function})
    for function in (Asked(), Asked().__call__, partial(Asked().__call__, 1)):
        create_app(**{name: function})


def test_settings_are_named():
    with pytest.raises(SettingsError, match=r"'example.org'.*create_app\(domain=…\)"):
        create_app("example.org")


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


# Ended


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


async def test_outside_the_main_thread(chat):
    def in_thread():
        async def started():
            async with chat.lifespan():
                return (await get(chat, "/healthz")).status_code

        return asyncio.run(started())

    assert await asyncio.to_thread(in_thread) == 200


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
