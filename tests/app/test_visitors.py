"""The site's own users: known by its cookies, or by the password that it checks."""

import asyncio
import base64
import logging
import re
import threading
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from support.asgi import OPEN, AsgiClient

from andiron import Person, create_app
from andiron.xmpp import namespaces as ns

SASL = f"xmlns='{ns.SASL}'"
EXTERNAL = f"<auth {SASL} mechanism='EXTERNAL'>{{}}</auth>"
BIND = f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{ns.BIND}'/></iq>"
CREATE = (
    "<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' wait='1' hold='1'"
    " ver='1.6' xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'/>"
)


async def by_cookie(connection):
    return connection.cookies.get("who")


@asynccontextmanager
async def serving(**options):
    chat = create_app(database="sqlite://", upload=False, shutdown_timeout=0.05, **options)
    async with chat.lifespan():
        yield chat


def dial(app, cookie="who=juliet", *, path="/ws", **headers):
    named = {"host": "localhost", "cookie": cookie} | headers
    given = [(name.replace("_", "-"), value) for name, value in named.items() if value]
    return AsgiClient(app, headers=given, path=path)


async def bound(client):
    """Sign in as the visitor and bind; return the full JID."""
    assert "EXTERNAL" in await client.opened()
    client.send(EXTERNAL.format("="))
    assert "<success" in await client.text()
    client.send(OPEN)
    await client.until("<stream:features")
    client.send(BIND)
    return re.search("<jid>(.*)</jid>", await client.until("<jid>"))[1]


async def test_a_visitor_is_signed_in_without_a_password():
    async with serving(identify=by_cookie) as chat:
        client = dial(chat)
        assert (await bound(client)).startswith("juliet@localhost/")
        assert await chat.domain.accounts.names() == ["juliet"]
        again = dial(chat)
        assert (await bound(again)).startswith("juliet@localhost/")


async def test_a_stranger_is_offered_what_strangers_are():
    async with serving(identify=by_cookie) as chat:
        client = dial(chat, "")
        assert "EXTERNAL" not in await client.opened()
        client.send(EXTERNAL.format("="))
        assert "<invalid-mechanism/>" in await client.text()


async def test_nobody_is_a_visitor_where_the_site_is_not_asked():
    async with serving() as chat:
        client = dial(chat)
        assert "EXTERNAL" not in await client.opened()
        client.send(EXTERNAL.format("="))
        assert "<invalid-mechanism/>" in await client.text()


@pytest.mark.parametrize(
    ("authzid", "answer"),
    [
        ("", "<success"),
        ("juliet", "<success"),
        ("juliet@localhost", "<success"),
        ("romeo", "<invalid-authzid/>"),
        ("romeo@localhost", "<invalid-authzid/>"),
        ("juliet@elsewhere.example", "<invalid-authzid/>"),
    ],
)
async def test_a_visitor_is_nobody_else(authzid, answer):
    async with serving(identify=by_cookie) as chat:
        client = dial(chat)
        await client.opened()
        client.send(EXTERNAL.format(base64.b64encode(authzid.encode()).decode() or "="))
        assert answer in await client.text()


async def test_who_is_asked_for_it_says_who_it_is():
    async with serving(identify=by_cookie) as chat:
        client = dial(chat)
        await client.opened()
        client.send(EXTERNAL.format(""))
        assert "<challenge" in await client.text()
        client.send(f"<response {SASL}/>")
        assert "<success" in await client.text()


async def test_without_provision_a_visitor_needs_an_account():
    async with serving(identify=by_cookie, provision=False) as chat:
        client = dial(chat)
        await client.opened()
        client.send(EXTERNAL.format("="))
        assert "<not-authorized/>" in await client.text()
        await chat.domain.accounts.create("juliet", "secret")
        client.send(EXTERNAL.format("="))
        assert "<success" in await client.text()


@pytest.mark.parametrize("name", ["ju liet", "juliet@localhost", "x" * 1024, "\ud800"])
async def test_a_name_that_no_account_can_have_lets_nobody_in(name):
    async def identify(_connection):
        return name

    async with serving(identify=identify) as chat:
        client = dial(chat)
        await client.opened()
        client.send(EXTERNAL.format("="))
        assert "<not-authorized/>" in await client.text()


ORIGINS = [
    ({}, True),
    ({"origin": "http://localhost"}, True),
    ({"origin": "https://localhost"}, True),
    ({"origin": "https://pages.example"}, True),
    ({"origin": "https://evil.example"}, False),
    ({"origin": "null"}, False),
    ({"sec_fetch_site": "cross-site"}, False),
    ({"sec_fetch_site": "same-site"}, False),
    ({"sec_fetch_site": "same-origin"}, True),
]


@pytest.mark.parametrize(("headers", "known"), ORIGINS)
async def test_only_pages_of_the_site_or_listed_ones_use_its_cookies(headers, known):
    """Cross-site WebSocket hijacking: ``*`` lets all pages connect, and none as the visitor."""
    listed = ("*", "https://pages.example")
    async with serving(identify=by_cookie, websocket_origins=listed) as chat:
        assert ("EXTERNAL" in await dial(chat, **headers).opened()) == known


async def refusing(_connection):
    raise LookupError("the site is down")


async def hanging(_connection):
    await asyncio.Event().wait()


async def stubborn(_connection):
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "juliet"


async def odd(_connection):
    return 7


@pytest.mark.parametrize("name", ["juliet@capulet.example", "Juliet Capulet"])
async def test_the_log_says_why_a_name_lets_nobody_in(name, caplog):
    async def identify(_connection):
        return Person(name)

    async with serving(identify=identify) as chat:
        client = dial(chat)
        await client.opened()
        client.send(EXTERNAL.format("="))
        assert "<not-authorized" in await client.text()
    (complaint,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert "a name that no account can have: it has U+00" in complaint
    assert "return another one" in complaint


@pytest.mark.parametrize(
    ("identify", "told"),
    [
        (refusing, "identify= failed"),
        (hanging, "identify= took longer than 0.05 s (site_timeout)"),
        (stubborn, "identify= took longer than 0.05 s (site_timeout)"),
        (odd, "identify= returned int, and not a name or None"),
    ],
)
async def test_a_site_that_fails_or_hangs_knows_nobody(identify, told, caplog):
    caplog.set_level(logging.INFO)
    async with serving(identify=identify, site_timeout=0.05) as chat:
        for _ in range(2):
            assert "EXTERNAL" not in await dial(chat).opened()
    complaints = [r for r in caplog.records if told in r.getMessage()]
    assert [record.levelno for record in complaints] == [logging.ERROR, logging.INFO]


def plain(name, password):
    message = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    return f"<auth {SASL} mechanism='PLAIN'>{message}</auth>"


async def asked(username, password):
    if username == "crash":
        raise LookupError
    if username == "hang":
        await asyncio.Event().wait()
    return (username, password) == ("juliet", "sesame")


@pytest.mark.parametrize(
    ("name", "password", "answer"),
    [
        ("juliet", "sesame", "<success"),
        ("Juliet", "sesame", "<success"),
        ("juliet", "wrong", "<not-authorized/>"),
        ("nurse", "own password", "<success"),
        ("nurse", "sesame", "<not-authorized/>"),
        ("crash", "sesame", "<temporary-auth-failure/>"),
        ("hang", "sesame", "<temporary-auth-failure/>"),
    ],
)
async def test_the_site_checks_passwords(name, password, answer):
    options = {"authenticate": asked, "site_timeout": 0.05, "auth_iterations": 4096}
    async with serving(**options) as chat:
        await chat.domain.accounts.create("nurse", "own password")
        client = dial(chat, "")
        offered = await client.opened()
        assert "SCRAM" not in offered
        assert "PLAIN" in offered
        client.send(plain(name, password))
        assert answer in await client.text()
        others = dial(chat, "")
        await others.opened()
        others.send(plain("juliet", "sesame"))
        assert "<success" in await others.text()


async def test_an_account_without_a_password_has_none_to_guess():
    async with serving(identify=by_cookie, auth_iterations=4096, auth_delay_first=0.001) as chat:
        await bound(dial(chat))
        await chat.domain.accounts.create("nurse", "own password")
        assert await chat.domain.accounts.mechanisms() != ()
        client = dial(chat, "")
        assert "SCRAM" in await client.opened()
        for guess in ("x", "juliet", " "):
            client.send(plain("juliet", guess))
            assert "<not-authorized/>" in await client.text()


@pytest.mark.parametrize("thread", [False, True])
async def test_signing_out_ends_the_streams(thread):
    async with serving(identify=by_cookie) as chat:
        clients = [dial(chat), dial(chat)]
        for client in clients:
            await bound(client)
        clients[1].send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        sm_id = re.search(" id='([^']+)'", await clients[1].until("<enabled"))[1]
        clients[1].leave()
        await clients[1].task
        other = dial(chat, "who=romeo")
        await bound(other)
        unbound = dial(chat)
        await unbound.opened()
        unbound.send(EXTERNAL.format("="))
        assert "<success" in await unbound.text()
        if thread:
            assert await asyncio.to_thread(chat.end_sessions, "juliet") == 3
        else:
            assert chat.end_sessions("Juliet") == 3
        for client in (clients[0], unbound):
            assert "<not-authorized" in await client.until("<stream:error")
        again = dial(chat)
        assert "EXTERNAL" in await again.opened()
        again.send(EXTERNAL.format("="))
        await again.text()
        again.send(OPEN)
        await again.until("<stream:features")
        again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{sm_id}' h='0'/>")
        assert "item-not-found" in await again.text()
        other.send("<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert "id='p'" in await other.text()
        with pytest.raises(ValueError, match="localpart"):
            chat.end_sessions("not a name")
    assert chat.end_sessions("juliet") == 0


def test_there_are_no_sessions_to_end_before_the_start():
    chat = create_app(database="sqlite://", identify=by_cookie)
    assert chat.end_sessions("juliet") == 0
    threading.Thread(target=chat.end_sessions, args=["juliet"]).start()


class Bosh:
    """A page's BOSH client that sends its cookie each time."""

    def __init__(self, chat):
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(chat), base_url="http://localhost"
        )
        self.rid, self.sid = 1, ""

    async def create(self, cookie, **headers):
        answer = await self.post(CREATE, cookie, **headers)
        self.sid = re.search(" sid='([^']+)'", answer.text)[1]
        return answer

    async def send(self, payload, cookie, attributes=""):
        self.rid += 1
        return await self.post(
            f"<body xmlns='http://jabber.org/protocol/httpbind' rid='{self.rid}' sid='{self.sid}'"
            f" xmlns:xmpp='urn:xmpp:xbosh' {attributes}>{payload}</body>",
            cookie,
        )

    async def post(self, content, cookie, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            "/http-bind", content=content, headers=named | {"cookie": cookie}
        )


async def test_a_bosh_session_is_its_visitors_request_by_request():
    async with serving(identify=by_cookie) as chat:
        bosh = Bosh(chat)
        assert "EXTERNAL" in (await bosh.create("who=juliet")).text
        assert "<success" in (await bosh.send(EXTERNAL.format("="), "who=juliet")).text
        for cookie in ("", "who=romeo"):
            refused = await bosh.send("", cookie, "xmpp:restart='true'")
            assert "condition='item-not-found'" in refused.text
            bosh.rid -= 1
        answer = await bosh.send("", "who=juliet", "xmpp:restart='true'")
        assert "<bind" in answer.text
        await bosh.http.aclose()


async def test_a_bosh_session_of_a_stranger_stays_one():
    async with serving(identify=by_cookie) as chat:
        bosh = Bosh(chat)
        assert "EXTERNAL" not in (await bosh.create("")).text
        answer = await bosh.send(EXTERNAL.format("="), "who=juliet")
        assert "<invalid-mechanism/>" in answer.text
        await bosh.http.aclose()


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        ("http://localhost", True),
        ("https://pages.example", True),
        ("https://evil.example", False),
    ],
)
async def test_a_page_elsewhere_may_send_cookies_where_it_is_listed(origin, known):
    listed = ("*", "https://pages.example")
    async with serving(identify=by_cookie, bosh_origins=listed) as chat:
        bosh = Bosh(chat)
        answer = await bosh.create("who=juliet", origin=origin)
        assert ("EXTERNAL" in answer.text) == known
        allowed = answer.headers.get("access-control-allow-credentials")
        assert allowed == ("true" if known else None)
        await bosh.http.aclose()


async def test_the_word_of_a_script_element_is_nobodys():
    """Any page can make a browser ask so, with the visitor's cookies and without an origin."""
    async with serving(identify=by_cookie, bosh_script_syntax=True) as chat:
        transport = httpx.ASGITransport(chat)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            query = CREATE.replace(" ", "%20").replace("'", "%27")
            answer = await http.get(f"/http-bind?{query}", headers={"cookie": "who=juliet"})
            assert "_BOSH_(" in answer.text
            assert "EXTERNAL" not in answer.text


async def test_the_session_of_a_site_is_there_to_be_asked():
    async def identify(connection):
        return connection.session.get("name")

    async def sign_in(request):
        request.session["name"] = "juliet"
        return PlainTextResponse("welcome")

    chat = create_app(database="sqlite://", identify=identify, shutdown_timeout=0.01)
    site = Starlette(
        routes=[Route("/in", sign_in), Mount("/chat", chat)],
        middleware=[Middleware(SessionMiddleware, secret_key="a secret")],
        lifespan=chat.lifespan,
    )
    async with (
        chat.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://localhost") as http,
    ):
        cookie = (await http.get("/in")).headers["set-cookie"].partition(";")[0]
        assert "EXTERNAL" not in await dial(site, "", path="/chat/ws").opened()
        client = dial(site, cookie, path="/chat/ws")
        assert (await bound(client)).startswith("juliet@localhost/")
