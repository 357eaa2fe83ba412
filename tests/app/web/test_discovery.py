"""What a client is told that looks up where to connect (XEP-0156)."""

import json
import re
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from andiron import create_app
from andiron.settings import SettingsError
from andiron.web.discovery import base_url
from andiron.web.proxy import Proxies

XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
WEBSOCKET = "urn:xmpp:alt-connections:websocket"
BOSH = "urn:xmpp:alt-connections:xbosh"
FILES = ["/.well-known/host-meta", "/.well-known/host-meta.json"]
LOOPBACK = Proxies.of(["127.0.0.1", "::1"])


def links(answer):
    """Return the links of either format by relation."""
    if answer.request.url.path.endswith(".json"):
        assert answer.headers["content-type"] == "application/json"
        return {link["rel"]: link["href"] for link in json.loads(answer.text)["links"]}
    assert answer.headers["content-type"] == "application/xrd+xml; charset=utf-8"
    root = fromstring(answer.text)
    assert root.tag == f"{XRD}XRD"
    return {link.get("rel"): link.get("href") for link in root.iter(f"{XRD}Link")}


async def request(app, path, method="GET", client="127.0.0.1", root_path="", **headers):
    transport = httpx.ASGITransport(app, client=(client, 1234), root_path=root_path)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://chat.example") as session:
        return await session.request(method, path, headers=named)


@pytest.fixture
async def app():
    app = create_app(database="sqlite://")
    async with app.lifespan():
        yield app


def found(base):
    secure = "s" if base.startswith("https") else ""
    rest = base.partition("://")[2]
    return {WEBSOCKET: f"ws{secure}://{rest}/ws", BOSH: f"http{secure}://{rest}/http-bind"}


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    ("client", "headers", "base"),
    [
        ("127.0.0.1", {}, "http://chat.example"),
        ("127.0.0.1", {"host": "chat.example:8443"}, "http://chat.example:8443"),
        ("127.0.0.1", {"host": "[2001:db8::1]:8000"}, "http://[2001:db8::1]:8000"),
        ("127.0.0.1", {"x_forwarded_proto": "https"}, "https://chat.example"),
        ("127.0.0.1", {"forwarded": "for=192.0.2.1;proto=https"}, "https://chat.example"),
        ("127.0.0.1", {"x_forwarded_proto": "https, http"}, "http://chat.example"),
        ("192.0.2.1", {"x_forwarded_proto": "https"}, "http://chat.example"),
        # Nobody vouches for these: a proxy passes them on as the client wrote them.
        ("127.0.0.1", {"x_forwarded_host": "evil.example"}, "http://chat.example"),
    ],
)
async def test_urls_are_as_the_client_sees_them(app, path, client, headers, base):
    answer = await request(app, path, client=client, **headers)
    assert answer.status_code == 200
    assert links(answer) == found(base)


@pytest.mark.parametrize(
    ("scheme", "base"), [("https", "https://chat.example"), ("http", "http://chat.example")]
)
async def test_tls_that_ends_at_the_server_counts(scheme, base):
    scope = {"scheme": scheme, "client": None, "headers": [(b"host", b"chat.example")]}
    assert base_url(scope, LOOPBACK) == base


@pytest.mark.parametrize("path", FILES)
async def test_fixed_public_url_is_told_to_everybody(path):
    app = create_app(database="sqlite://", public_url="https://www.example.org:8443/talk/")
    async with app.lifespan():
        answer = await request(app, path, host="10.0.0.1:8000")
    assert links(answer) == found("https://www.example.org:8443/talk")


@pytest.mark.parametrize(
    "url",
    ["www.example.org", "ws://example.org", "https://", "https://a.example/?b", "https://a b"],
)
def test_public_url_that_is_none_stops_the_start(url):
    with pytest.raises(SettingsError, match=r"public_url .*a URL such as https://"):
        create_app(public_url=url)


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("host", ["", 'a"b', "a/b", "user@a", "a b", "a:port", "a,b", "<a>"])
async def test_host_that_cannot_be_one_is_not_echoed(app, path, host):
    answer = await request(app, path, host=host)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert not host or host not in answer.text


async def test_two_hosts_are_none():
    headers = [(b"host", b"a.example"), (b"host", b"b.example")]
    assert base_url({"scheme": "http", "client": None, "headers": headers}, LOOPBACK) is None


@pytest.mark.parametrize("path", FILES)
async def test_pages_of_any_site_may_read_it(app, path):
    answer = await request(app, path, origin="https://elsewhere.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    preflight = await request(
        app,
        path,
        "OPTIONS",
        origin="https://elsewhere.example",
        access_control_request_method="GET",
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "GET" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize("path", ["/healthz", "/ws", "/nothing"])
async def test_nothing_else_may_be_read_by_pages_of_other_sites(app, path):
    answer = await request(app, path, origin="https://elsewhere.example")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", FILES)
async def test_head_and_post(app, path):
    head = await request(app, path, "HEAD")
    assert (head.status_code, head.text) == (200, "")
    assert (await request(app, path, "POST")).status_code == 405


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_root_of_a_host_site_names_the_mounted_endpoints(path, wrapped):
    chat = create_app(database="sqlite://")
    if wrapped:
        app = chat.wrap(PlainTextResponse("host"), at="/chat", discovery=True)
    else:
        app = Starlette(routes=[*chat.discovery_routes(at="/chat"), Mount("/chat", chat)])
    async with chat.lifespan():
        at_root = await request(app, path)
        below = await request(app, f"/chat{path}")
        prefixed = await request(app, f"/site{path}", root_path="/site")
    assert links(at_root) == links(below) == found("http://chat.example/chat")
    assert links(prefixed) == found("http://chat.example/site/chat")


@pytest.mark.parametrize("path", FILES)
async def test_a_slash_after_the_path_means_nothing(path):
    chat = create_app(database="sqlite://")
    wrapped = chat.wrap(PlainTextResponse("host"), at="/chat/", discovery=True)
    listed = Starlette(routes=chat.discovery_routes(at="/chat/"))
    root = Starlette(routes=chat.discovery_routes(at="/"))
    async with chat.lifespan():
        assert (await request(wrapped, "/chat/healthz")).text == "ok\n"
        assert links(await request(wrapped, path)) == found("http://chat.example/chat")
    assert links(await request(listed, path)) == found("http://chat.example/chat")
    assert links(await request(root, path)) == found("http://chat.example")


@pytest.mark.parametrize("at", ["chat", "chat/", "/a b", "/{chat}", "/a//b", "//"])
def test_a_path_that_is_none(at):
    chat = create_app(database="sqlite://")
    with pytest.raises(ValueError, match=r"^at(='/' leaves| must be a path such as '/chat')"):
        chat.wrap(PlainTextResponse("host"), at=at)


def test_discovery_needs_to_know_the_path():
    chat = create_app(database="sqlite://")
    with pytest.raises(ValueError, match=r"^at must be a path such as '/chat'"):
        chat.discovery_routes(at="chat")
    with pytest.raises(ValueError, match="leaves nothing to the host"):
        chat.wrap(PlainTextResponse("host"), at="/")
    with pytest.raises(ValueError, match="discovery=True needs to be told where"):
        chat.wrap(PlainTextResponse("host"), discovery=True)


async def test_a_wrapped_host_keeps_its_own_file_unless_told_otherwise():
    chat = create_app(database="sqlite://")
    app = chat.wrap(PlainTextResponse("host"), at="/chat")
    assert (await request(app, FILES[0])).text == "host"


@pytest.mark.parametrize("path", FILES)
async def test_every_link_leads_to_an_endpoint(app, path):
    for url in links(await request(app, path)).values():
        assert (await request(app, re.sub(r"^\w+://[^/]+", "", url))).status_code != 404


async def test_files_are_found_at_the_paths_of_the_rfc():
    chat = create_app(database="sqlite://")
    assert [route.path for route in chat.discovery_routes()] == FILES
    app = Starlette(routes=[*chat.discovery_routes(), Route("/", PlainTextResponse("host"))])
    assert (await request(app, FILES[0])).status_code == 200
