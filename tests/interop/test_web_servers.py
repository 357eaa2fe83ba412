"""Andiron behind real web servers, with the configurations that deploy/ offers."""

import asyncio
import base64
import contextlib
import os
import re
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.interop.server import (
    DOMAIN,
    PASSWORD,
    PEOPLE,
    Server,
    andiron_command,
    andiron_environment,
    free_port,
    logged,
    running,
)

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parent.parent.parent
HOST = "chat.example.org"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
OPEN = f'<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="{DOMAIN}" version="1.0"/>'
NGINX = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr info;
events {{ }}
http {{
    access_log off;
    # As nginx' defaults of 60 seconds, in less time; the site must know better.
    proxy_read_timeout 1s;
    proxy_send_timeout 1s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{site}
}}
"""


CADDY = """
{{
    admin off
    auto_https disable_redirects
    default_sni localhost
}}
{site}
"""
HAPROXY = """
global
    log stderr format raw local0 warning
{site}
"""
Program = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Place:
    """A web server to be: ``directory`` holds its certificate, ``port`` is where it listens."""

    program: Program
    directory: Path
    port: int
    upstream: str
    """Where Andiron listens: an address and a port, or the path of a socket file."""

    def sample(self, name: str) -> str:
        """Return what deploy/ says, but for the files of the certificate."""
        text = (ROOT / "deploy" / name).read_text()
        # 127.0.0.2, whom these tests are, is near; others of this machine are far away.
        assert "127.0.0.0/8" in text
        text = text.replace("127.0.0.0/8", "127.0.0.0/30")
        text = text.replace("/etc/letsencrypt/live/chat.example.org", str(self.directory))
        return text.replace("/etc/haproxy/certs/chat.example.org.pem", f"{self.directory}/both.pem")

    def write(self, name: str, text: str) -> str:
        """Write a configuration file and return its path."""
        path = self.directory / name
        path.write_text(text)
        return str(path)


def nginx(place: Place, without: str = "") -> list[str]:
    """Return the command for deploy/nginx.conf, lines that begin with ``without`` aside."""
    text = place.sample("nginx.conf")
    text = re.sub(r"\[::\]:443|\b443\b", lambda found: f"127.0.0.1:{place.port}", text)
    text = re.sub(rf"(?m)^(.*listen 127.0.0.1:{place.port} ssl;\n)\1", r"\1", text)
    at = f"unix:{place.upstream}" if place.upstream.startswith("/") else place.upstream
    text = text.replace("127.0.0.1:8000", at)
    if without:
        text, count = re.subn(rf"(?m)^ *{without}.*\n", "", text)
        assert count
    user = "user root;" if os.geteuid() == 0 else ""
    text = NGINX.format(user=user, directory=place.directory, site=text)
    configuration = place.write("nginx.conf", text)
    return [
        place.program("nginx", "/usr/sbin/nginx"),
        "-p",
        str(place.directory),
        "-c",
        configuration,
    ]


def caddy(place: Place) -> list[str]:
    """Return the command for deploy/Caddyfile."""
    text = place.sample("Caddyfile")
    keys = f"{place.directory}/fullchain.pem {place.directory}/privkey.pem"
    text = text.replace("chat.example.org {", f"https://:{place.port} {{\n\ttls {keys}\n")
    at = f"unix/{place.upstream}" if place.upstream.startswith("/") else place.upstream
    text = text.replace("127.0.0.1:8000", at)
    configuration = place.write("Caddyfile", CADDY.format(site=text))
    return [place.program("caddy"), "run", "--adapter", "caddyfile", "--config", configuration]


def haproxy(place: Place) -> list[str]:
    """Return the command for deploy/haproxy.cfg."""
    both = [(place.directory / name).read_text() for name in ("fullchain.pem", "privkey.pem")]
    place.write("both.pem", "".join(both))
    text = place.sample("haproxy.cfg").replace(":::443 v4v6", f"127.0.0.1:{place.port}")
    at = f"unix@{place.upstream}" if place.upstream.startswith("/") else place.upstream
    # A client of a test may have to wait for a processor.
    text = text.replace("127.0.0.1:8000", at).replace("http-request 10s", "http-request 120s")
    configuration = place.write("haproxy.cfg", HAPROXY.format(site=text))
    return [place.program("haproxy", "/usr/sbin/haproxy"), "-db", "-f", configuration]


SERVERS = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}


@contextlib.contextmanager
def behind(
    command: Callable[[Place], list[str]], upstream: str, directory: Path, program: Program
) -> Iterator[int]:
    """Serve ``upstream`` over TLS; enter with the port."""
    subprocess.run(
        f"{program('openssl')} req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        " -keyout privkey.pem -out fullchain.pem".split(),
        cwd=directory,
        check=True,
        capture_output=True,
    )
    place = Place(program, directory, free_port(), upstream)
    environment = os.environ | {"HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with running(command(place), place.port, directory / "log", environment=environment):
        yield place.port


@pytest.fixture(scope="module", params=SERVERS)
def web_server(request: pytest.FixtureRequest) -> str:
    """The name of one of the web servers."""
    return str(request.param)


@pytest.fixture(scope="module")
def site(
    web_server: str,
    andiron_server: Server,
    program: Program,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[int]:
    """The port on which a web server serves ``andiron_server`` over TLS."""
    upstream = f"{andiron_server.host}:{andiron_server.port}"
    directory = tmp_path_factory.mktemp(web_server)
    with behind(SERVERS[web_server], upstream, directory, program) as port:
        yield port


@pytest.fixture
async def browser(site: int) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client whose address is 127.0.0.2."""
    async with client_of(site) as client:
        yield client


def client_of(port: int, address: str = "127.0.0.2") -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(verify=False, local_address=address)
    return httpx.AsyncClient(
        transport=transport, base_url=f"https://127.0.0.1:{port}", headers={"host": HOST}
    )


class Bosh:
    """A BOSH session through the web server, as far as these tests need one."""

    def __init__(self, client: httpx.AsyncClient, **headers: str) -> None:
        self._client = client
        self._headers = headers
        self._rid = 1_000_000
        self._sid = ""

    async def create(self, wait: int) -> str:
        """Begin a session; return the answer."""
        text = await self.ask(
            "",
            f"to='{DOMAIN}' wait='{wait}' hold='1' ver='1.11' xmpp:version='1.0'"
            " xmlns:xmpp='urn:xmpp:xbosh' content='text/xml; charset=utf-8'",
        )
        self._sid = str(re.findall(r"\bsid='([^']+)'", text)[0])
        return text

    async def ask(self, payload: str = "", attributes: str = "", skip: int = 0) -> str:
        """Send one request and return its answer."""
        self._rid += 1 + skip
        sid = f"sid='{self._sid}'" if self._sid else ""
        answer = await self._client.post(
            "/http-bind",
            content=f"<body xmlns='http://jabber.org/protocol/httpbind' rid='{self._rid}'"
            f" {sid} {attributes}>{payload}</body>",
            headers={"content-type": "text/xml; charset=utf-8", **self._headers},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.text

    async def sign_in(self) -> None:
        """Sign in by password and bind a resource."""
        plain = base64.b64encode(f"\0{PEOPLE[-5]}\0{PASSWORD}".encode()).decode()
        success = await self.ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{plain}</auth>")
        assert "<success" in success
        restart = f"to='{DOMAIN}' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
        assert "<bind" in await self.ask("", restart)
        bound = await self.ask(
            f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'/></iq>"
        )
        assert "<jid>" in bound


def mechanisms(port: int, **options: Any) -> set[str]:
    """Return the SASL mechanisms offered to a client that comes through the web server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with connect(
        f"wss://localhost:{port}/ws",
        ssl=context,
        sock=socket.create_connection(("127.0.0.1", port)),
        subprotocols=[Subprotocol("xmpp")],
        proxy=None,
        open_timeout=60,
        **options,
    ) as stream:
        stream.send(OPEN)
        assert "<open" in str(stream.recv(10))
        return set(re.findall(r"<mechanism>([^<]+)<", str(stream.recv(10))))


def test_way_over_tls_is_secure_enough_for_passwords(site: int) -> None:
    assert {"PLAIN", "SCRAM-SHA-256"} <= mechanisms(site)


def test_claims_of_the_client_do_not_get_through(site: int) -> None:
    claims = {"X-Forwarded-Proto": "http", "Forwarded": "for=192.0.2.1;proto=http"}
    assert "PLAIN" in mechanisms(site, additional_headers=claims)


def test_page_of_the_site_may_connect(site: int) -> None:
    assert mechanisms(site, origin=Origin(f"https://localhost:{site}"))


def test_page_of_another_site_may_not(site: int) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        mechanisms(site, origin=Origin("https://evil.example"))
    assert refusal.value.response.status_code == 403


async def test_held_poll_is_not_cut(browser: httpx.AsyncClient) -> None:
    session = Bosh(browser)
    features = await session.create(wait=2)
    assert "wait='2'" in features
    await session.sign_in()
    async with asyncio.timeout(30):
        assert re.fullmatch(r"<body[^>]*/>", await session.ask())
    assert "terminate" in await session.ask("", "type='terminate'")


async def test_poll_is_cut_where_nginx_is_not_told(
    andiron_server: Server, program: Program, tmp_path: Path
) -> None:
    def command(place: Place) -> list[str]:
        return nginx(place, without="proxy_read_timeout")

    upstream = f"{andiron_server.host}:{andiron_server.port}"
    with behind(command, upstream, tmp_path, program) as port:
        async with client_of(port) as client:
            session = Bosh(client)
            await session.create(wait=2)
            await session.sign_in()
            with pytest.raises(AssertionError, match="504 Gateway"):
                await session.ask()


async def test_answer_comes_by_the_request_that_is_held(browser: httpx.AsyncClient) -> None:
    session = Bosh(browser)
    await session.create(wait=50)
    await session.sign_in()
    held = asyncio.create_task(session.ask())
    ping = "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
    asking = asyncio.create_task(session.ask(ping))
    async with asyncio.timeout(40):
        assert "id='p'" in await held
        end = await session.ask("", "type='terminate'")
        assert "terminate" in end + await asking


async def test_way_of_bosh_over_tls_is_secure_enough_for_passwords(
    browser: httpx.AsyncClient,
) -> None:
    claims = {"x-forwarded-proto": "http", "forwarded": "for=192.0.2.1;proto=http"}
    assert "<mechanism>PLAIN</mechanism>" in await Bosh(browser, **claims).create(wait=1)


async def test_client_is_known_by_its_address_whatever_it_claims(
    browser: httpx.AsyncClient, andiron_server: Server
) -> None:
    claims = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9"}
    session = Bosh(browser, **claims)
    await session.create(wait=1)
    assert "item-not-found" in await session.ask(skip=1000)
    log = andiron_server.log.read_text()
    assert "127.0.0.2: BOSH session ended" in log
    assert "203.0.113.9" not in log


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/metrics?a=b"])
async def test_metrics_are_for_those_who_are_near(site: int, path: str) -> None:
    async with client_of(site) as near, client_of(site, "127.0.0.9") as far:
        # There is no token, and so nothing to be had.
        assert (await near.get("/metrics")).status_code == 404
        assert (await far.get("/healthz")).status_code == 200
        assert (await far.get(path)).status_code == 403


async def test_what_operators_ask_for_passes(browser: httpx.AsyncClient) -> None:
    for path, status in {"/healthz": 200, "/readyz": 200, "/api/v1/rooms": 404}.items():
        assert (await browser.get(path)).status_code == status


async def test_discovery_names_the_urls_of_the_site(browser: httpx.AsyncClient) -> None:
    claims = {"x-forwarded-proto": "http", "forwarded": "proto=http;host=evil.example"}
    answer = await browser.get("/.well-known/host-meta.json", headers=claims)
    assert [link["href"] for link in answer.json()["links"]] == [
        f"wss://{HOST}/ws",
        f"https://{HOST}/http-bind",
    ]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_file_goes_there_and_back(browser: httpx.AsyncClient) -> None:
    content = os.urandom(3_000_000)
    session = Bosh(browser)
    await session.create(wait=1)
    await session.sign_in()
    answer = await session.ask(
        "<iq xmlns='jabber:client' type='get' id='u' to='localhost'><request"
        f" xmlns='urn:xmpp:http:upload:0' filename='a b.png' size='{len(content)}'"
        " content-type='image/png'/></iq>"
    )
    while "<slot" not in answer:
        answer = await session.ask()
    (place,) = re.findall(rf"<put url='https://{HOST}(/upload/[^']+/a%20b\.png)'", answer)
    (authorization,) = re.findall(r"<header name='Authorization'>([^<]+)<", answer)
    put = await browser.put(
        place,
        content=content,
        headers={"authorization": authorization, "content-type": "image/png"},
        timeout=60,
    )
    assert put.status_code == 201, put.text
    got = await browser.get(place, timeout=60)
    assert (got.content == content, got.headers["content-type"]) == (True, "image/png")
    part = await browser.get(place, headers={"range": "bytes=-10"})
    assert (part.status_code, part.content) == (206, content[-10:])


async def test_file_that_is_too_large_ends_at_nginx(
    andiron_server: Server, program: Program, tmp_path: Path
) -> None:
    upstream = f"{andiron_server.host}:{andiron_server.port}"
    with behind(nginx, upstream, tmp_path, program) as port:
        async with client_of(port) as client:
            answer = await client.put("/upload/x/y", content=bytes(20_971_521), timeout=60)
    assert answer.status_code == 413
    assert "nginx" in answer.text


def test_way_over_a_socket_file(web_server: str, program: Program) -> None:
    # The path of a socket file must be short.
    with tempfile.TemporaryDirectory(prefix="andiron") as name:
        directory = Path(name)
        upstream = f"{name}/andiron.sock"
        environment = andiron_environment(directory) | {
            "ANDIRON_SOCKET": upstream,
            "ANDIRON_TRUSTED_PROXIES": "unix",
            "ANDIRON_REGISTRATION": "true",
        }
        command = [andiron_command(), "serve"]
        with (
            (directory / "andiron.log").open("wb") as log,
            subprocess.Popen(command, cwd=name, env=environment, stderr=log) as process,
        ):
            try:
                logged(re.compile("at the socket file"), 1, directory / "andiron.log", process)
                with behind(SERVERS[web_server], upstream, directory, program) as port:
                    assert "PLAIN" in mechanisms(port)
                    claims = {"X-Forwarded-Proto": "http", "Forwarded": "for=192.0.2.1;proto=http"}
                    assert "PLAIN" in mechanisms(port, additional_headers=claims)
            finally:
                process.terminate()
        assert "WARNING" not in (directory / "andiron.log").read_text()
