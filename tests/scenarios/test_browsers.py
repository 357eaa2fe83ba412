"""A site with a name in letters of its own: what is set in them, and what browsers say in ASCII.

``Host`` and ``Origin`` come in A-labels, as ``location.hostname`` does.
"""

import asyncio
import base64
import re

import httpx
import pytest
from support.asgi import AsgiClient

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts

DOMAIN = "m\xfcnchen.example"
IN_DNS = "xn--mnchen-3ya.example"
PAGES = "https://www.m\xfcnchen.example:8443"
ORIGIN = f"https://www.{IN_DNS}:8443"
PATIENCE = 60.0
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{}' version='1.0'/>"
SLOT = "<request xmlns='urn:xmpp:http:upload:0' filename='a.txt' size='3'/>"


@pytest.fixture
async def app(tmp_path):
    app = create_app(
        domain=IN_DNS,
        database="sqlite://",
        auth_iterations=4096,
        registration=True,
        upload_dir=str(tmp_path),
        websocket_origins=[PAGES],
        bosh_origins=[PAGES],
    )
    async with app.lifespan():
        await Accounts(app.domain.database, DOMAIN, 4096).create("juliet", "r0m30")
        yield app


class Browser(AsgiClient):
    def __init__(self, app, origin=f"https://{IN_DNS}", host=IN_DNS):
        super().__init__(app, headers=(("host", host), ("origin", origin)), scheme="wss")

    async def ask(self, text):
        self.send(text)
        async with asyncio.timeout(PATIENCE):
            return await self.text()

    async def open(self, to=IN_DNS):
        self.send(OPEN.format(to))
        async with asyncio.timeout(PATIENCE):
            return await self.texts(2)

    async def plain(self, authzid):
        message = base64.b64encode(f"{authzid}\0juliet\0r0m30".encode()).decode()
        return await self.ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{message}</auth>")


@pytest.mark.parametrize("origin", [f"https://{IN_DNS}", ORIGIN])
@pytest.mark.parametrize("to", [IN_DNS, DOMAIN, f"{DOMAIN}."])
@pytest.mark.parametrize("authzid", ["", "juliet@{}", "juliet"])
async def test_websocket(app, origin, to, authzid):
    async with Browser(app, origin) as browser:
        assert f"from='{DOMAIN}'" in (await browser.open(to))[0]
        assert "<success" in await browser.plain(authzid.format(to))
        await browser.open(to)
        bound = await browser.ask(
            "<iq xmlns='jabber:client' type='set' id='b'>"
            "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>w</resource></bind></iq>"
        )
        assert f"<jid>juliet@{DOMAIN}/w</jid>" in bound
        answer = await browser.ask(
            f"<iq xmlns='jabber:client' type='get' id='s' to='{to}'>{SLOT}</iq>"
        )
        urls = re.findall(r"url='([^']*)/upload/[^']*'", answer)
        assert urls == [f"https://{IN_DNS}"] * 2
        assert f"from='{DOMAIN}'" in answer


async def test_an_authzid_of_another_domain(app):
    async with Browser(app) as browser:
        await browser.open()
        assert "invalid-authzid" in await browser.plain(f"juliet@www.{IN_DNS}")


async def test_registration(app):
    async with Browser(app) as browser:
        await browser.open()
        query = "<username>\xc4nne</username><password>p4ssw0rd</password>"
        answer = await browser.ask(
            f"<iq xmlns='jabber:client' type='set' id='r' to='{IN_DNS}'>"
            f"<query xmlns='jabber:iq:register'>{query}</query></iq>"
        )
        assert answer == f"<iq xmlns='jabber:client' type='result' id='r' from='{DOMAIN}'/>"
    assert await app.domain.accounts.names() == ["juliet", "\xe4nne"]


@pytest.mark.parametrize("origin", ["https://xn--mnchn-kva.example", "https://munchen.example"])
async def test_pages_of_another_site(app, origin):
    status, _ = await Browser(app, origin).refusal()
    assert status == 403
    async with site(app) as http:
        assert (await http.post("/http-bind", headers={"origin": origin})).status_code == 403


@pytest.mark.parametrize("origin", [f"https://{IN_DNS}", ORIGIN])
@pytest.mark.parametrize("to", [IN_DNS, DOMAIN, f"{DOMAIN}."])
async def test_bosh(app, origin, to):
    body = (
        f"<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='{to}' wait='1' hold='1'"
        " xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>"
    )
    async with site(app) as http:
        answer = await http.post("/http-bind", content=body, headers={"origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
        assert f" from='{DOMAIN}'" in answer.text
        assert "SCRAM-SHA-256" in answer.text


async def test_discovery(app):
    async with site(app) as http:
        links = (await http.get("/.well-known/host-meta.json")).json()["links"]
    assert [link["href"] for link in links] == [f"wss://{IN_DNS}/ws", f"https://{IN_DNS}/http-bind"]


async def test_discovery_of_a_public_url():
    app = create_app(database="sqlite://", public_url="https://M\xfcnchen.example/gespr\xe4ch/")
    async with app.lifespan(), site(app) as http:
        text = (await http.get("/.well-known/host-meta")).text
    assert f'"wss://{IN_DNS}/gespr%C3%A4ch/ws"' in text
    assert text.isascii()


def site(app):
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1234))
    return httpx.AsyncClient(transport=transport, base_url=f"https://{IN_DNS}")
