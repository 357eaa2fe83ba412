"""The HTTP around BOSH: what any client, browser or passer-by sees."""

import asyncio
import gzip
import json
from urllib.parse import quote

import httpx
import pytest
from support.asgi import settle
from support.bosh import OPEN, RECOVERABLE, attributes, terminal
from support.direct import DirectTransport, scope_of
from support.sessions import GUARD, SIGN_IN, MemoryBackend

from andiron.bosh.config import BoshConfig
from andiron.bosh.endpoint import BoshEndpoint
from andiron.bosh.registry import BoshRegistry
from andiron.sm.config import SmConfig
from andiron.sm.driver import Driver
from andiron.sm.link import Channel
from andiron.sm.manager import SessionManager
from andiron.sm.strangers import Strangers

CREATE = f"{OPEN} rid='100' to='localhost' wait='60' hold='1' ver='1.6'/>"
PAGE = "https://chat.example"


class Site:
    """An endpoint under the running loop, and a client for it.

    ``way`` is how the endpoint is reached.
    """

    def __init__(self, scheme="http", *, way="ASGI", most=100, most_per_address=100, **config):
        loop = asyncio.get_running_loop()
        self.manager = SessionManager(SmConfig(turn=60.0), MemoryBackend(), clock=loop.time)
        self.config = BoshConfig(**config)
        self.registry = BoshRegistry(
            self.manager, self.config, GUARD, Strangers(most, most_per_address), loop.call_soon
        )
        self.driver = Driver(self.manager.timers, self.manager.rounds)
        self.driver.start()
        self.endpoint = BoshEndpoint(
            self.registry,
            self.config,
            channel_of=lambda scope: Channel(
                scope["client"][0], secure=scope["scheme"] == "https", kind="bosh"
            ),
        )
        self.transport = httpx.ASGITransport if way == "ASGI" else DirectTransport
        self.http = self.client(scheme)

    def client(self, scheme):
        return httpx.AsyncClient(
            transport=self.transport(self.endpoint),
            base_url=f"{scheme}://chat.example",
            headers={"accept-encoding": ""},
        )

    async def post(self, content, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post("/http-bind", content=content, headers=named)

    async def create(self):
        answer = await self.post(CREATE)
        return attributes(answer.text)["sid"]


@pytest.fixture(params=["ASGI", "direct"])
async def at(request):
    sites = []

    def make(*args, **config):
        sites.append(Site(*args, way=request.param, **config))
        return sites[-1]

    yield make
    for site in sites:
        site.driver.stop()
        await site.http.aclose()


@pytest.fixture
async def site(at):
    return at()


async def test_a_session_is_created(site):
    answer = await site.post(CREATE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert attributes(answer.text)["sid"]


async def test_the_content_type_that_the_client_asked_for(site):
    first = await site.post(CREATE.replace("/>", " content='text/html'/>"))
    assert first.headers["content-type"] == "text/html"
    sid = attributes(first.text)["sid"]
    answer = await site.post(f"{OPEN} rid='101' sid='{sid}' type='terminate'/>")
    assert answer.headers["content-type"] == "text/html"
    refused = await site.post(f"{OPEN} rid='101' sid='x'/>")
    assert refused.headers["content-type"] == "text/xml; charset=utf-8"


async def test_a_held_request_is_answered_when_there_is_something(site):
    sid = await site.create()
    answer = await site.post(f"{OPEN} rid='101' sid='{sid}'>{SIGN_IN.format('juliet')}</body>")
    assert "<success/>" in answer.text


async def test_get_says_what_this_is(site):
    answer = await site.http.get("/http-bind")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "XEP-0124" in answer.text
    head = await site.http.head("/http-bind")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods(method, site):
    answer = await site.http.request(method, "/http-bind")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST, OPTIONS"


@pytest.mark.parametrize("origins", [(PAGE,), ("*",)])
@pytest.mark.parametrize("body", [CREATE, "nonsense", f"{OPEN} rid='1' sid='none'/>"])
async def test_every_answer_may_be_read_by_allowed_origins(body, origins, at):
    site = at(origins=origins)
    answer = await site.post(body, origin=PAGE, host="other.example")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"


async def test_cors_on_what_is_no_post(at):
    site = at(origins=(PAGE,), max_body_size=20_000)
    headers = {"origin": PAGE, "host": "other.example"}
    for method in ("GET", "PUT", "OPTIONS"):
        answer = await site.http.request(method, "/", headers=headers)
        assert answer.headers["access-control-allow-origin"] == PAGE
    large = await site.post("x" * 30_000, **headers)
    assert large.headers["access-control-allow-origin"] == PAGE


async def test_the_own_origin_is_allowed(site):
    answer = await site.post(CREATE, origin="http://chat.example")
    assert answer.headers["access-control-allow-origin"] == "http://chat.example"


async def test_other_origins_are_refused(site):
    answer = await site.post(CREATE, origin="https://evil.example")
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert "bosh_origins" in answer.text
    assert len(site.registry) == 0


async def test_an_origin_that_is_refused_is_a_warning_once(site, caplog):
    for _ in range(3):
        await site.post(CREATE, origin="https://evil.example")
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "pages of 'https://evil.example' may not connect to 'chat.example'" in record.message
    assert "ANDIRON_BOSH_ORIGINS" in record.message


async def test_two_origins_are_none(site):
    headers = [("origin", "http://chat.example")] * 2
    answer = await site.http.post("/", content=CREATE, headers=headers)
    assert answer.status_code == 403


async def test_preflight(at):
    site = at(origins=(PAGE,))
    headers = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = await site.http.options("/http-bind", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Content-Type" in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == "86400"


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        ("gzip, deflate", True),
        ("gzip;q=0.5", True),
        ("*", True),
        ("deflate", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, deflate", False),
        ("xgzip", False),
        ("", False),
    ],
)
async def test_compression_when_asked(accepted, zipped, at):
    site = at(compress_from=100)
    answer = await site.post(CREATE, accept_encoding=accepted)
    assert (answer.headers.get("content-encoding") == "gzip") is zipped
    assert attributes(answer.text)["sid"]


@pytest.mark.parametrize("compress_from", [0, 10_000])
async def test_compression_when_worth_it(compress_from, at):
    site = at(compress_from=compress_from)
    answer = await site.post(CREATE, accept_encoding="gzip")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("coding", ["gzip", "Deflate", "br", "identity, zstd", "gzip,"])
@pytest.mark.parametrize("content", [gzip.compress(CREATE.encode()), CREATE.encode()])
async def test_compressed_requests_are_not_taken(coding, content, site):
    answer = await site.post(content, content_encoding=coding)
    assert answer.text == terminal("bad-request")


@pytest.mark.parametrize(
    "value",
    ["identity", "", "text/xml; charset=utf-8", "UTF-8", "text/xml", "none", "xgzip", "gzip/x"],
)
async def test_an_encoding_that_names_no_coding_is_ignored(value, site):
    answer = await site.post(CREATE, content_encoding=value)
    assert attributes(answer.text)["sid"]


async def test_a_coding_beside_what_names_none_counts(site):
    headers = [("content-encoding", "gzip"), ("content-encoding", "text/xml; charset=utf-8")]
    answer = await site.http.post("/", content=CREATE, headers=headers)
    assert answer.text == terminal("bad-request")


async def pieces(*parts):
    for part in parts:
        yield part.encode()
        await asyncio.sleep(0)


async def test_chunked_requests(site):
    half = len(CREATE) // 2
    answer = await site.post(pieces(CREATE[:half], CREATE[half:]))
    assert attributes(answer.text)["sid"]


async def test_what_is_too_large_is_not_read_to_its_end(at):
    site = at(max_negotiation_size=1_000)
    read = []

    async def endless():
        for number in range(1000):
            read.append(number)
            yield b"x" * 100

    answer = await site.post(endless())
    assert answer.text == terminal("bad-request")
    assert answer.headers["connection"] == "close"
    assert len(read) < 20


async def test_a_session_that_signed_in_may_send_more(at):
    site = at(max_negotiation_size=1_000, max_body_size=5_000)
    sid = await site.create()
    large = f"<message xmlns='jabber:client' to='x' id='{'x' * 2000}'/>"

    def body(rid):
        return pieces(f"{OPEN} rid='{rid}' sid='{sid}'>", large[:1500], large[1500:], "</body>")

    assert (await site.post(body(101))).text == terminal("bad-request")
    await site.post(f"{OPEN} rid='101' sid='{sid}'>{SIGN_IN.format('juliet')}</body>")
    restart = "to='localhost' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
    await site.post(f"{OPEN} rid='102' sid='{sid}' {restart}/>")
    posted = asyncio.create_task(site.post(body(103)))
    await settle()
    assert site.registry._find(sid)._window.last == 103
    await site.post(f"{OPEN} rid='104' sid='{sid}' type='terminate'/>")
    await posted


async def never():
    yield b"<body"
    await asyncio.Event().wait()


async def test_a_body_that_does_not_come_is_not_waited_for(at):
    site = at(request_timeout=0.01)
    answer = await site.post(never())
    assert answer.text == terminal("bad-request")


async def test_bodies_that_do_not_come_make_room_for_others(at):
    site = at(most=4, most_per_address=2)
    late = [asyncio.create_task(site.post(never())) for _ in range(3)]
    await late[0]
    assert late[0].result().text == terminal("bad-request")
    assert len(site.endpoint._incoming) == 2
    # Whoever says at once what he wants is not counted.
    assert await site.create()
    assert [task.done() for task in late] == [True, False, False]
    for task in late[1:]:
        task.cancel()
    await asyncio.wait(late[1:])
    assert len(site.endpoint._incoming) == 0


async def test_a_body_before_sign_in_is_bounded_by_the_memory_it_takes(at):
    site = at(max_negotiation_size=1_000)
    sid = await site.create()
    wide = f"{OPEN} rid='101' sid='{sid}'><a>{'x' * 200}\U0001f40e</a></body>"
    assert (await site.post(wide)).text == terminal("bad-request")
    await site.post(f"{OPEN} rid='101' sid='{sid}'>{SIGN_IN.format('juliet')}</body>")
    restart = "to='localhost' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'"
    await site.post(f"{OPEN} rid='102' sid='{sid}' {restart}/>")
    posted = asyncio.create_task(site.post(wide.replace("101", "103")))
    await settle()
    assert site.registry._find(sid)._window.last == 103
    await site.post(f"{OPEN} rid='104' sid='{sid}' type='terminate'/>")
    await posted


async def test_the_head_of_a_held_request_is_let_go_where_nobody_else_looks_at_it(at):
    site = at()
    sid = await site.create()
    heads = {}

    async def noting(scope, receive, send):
        scope["extensions"] = {"andiron": {"alone": True}}
        heads[scope["path"]] = scope["headers"]
        await site.endpoint(scope, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(noting), base_url="http://chat.example"
    ) as client:
        content = f"{OPEN} rid='101' sid='{sid}'/>"
        held = asyncio.create_task(client.post("/held", content=content))
        await settle()
        assert heads["/held"] == []
        content = f"{OPEN} rid='102' sid='{sid}' type='terminate'/>"
        await client.post("/answered", content=content)
        assert heads["/answered"] != []
        await held


async def test_a_secure_session_is_refused_over_http(at):
    site = at("https")
    sid = await site.create()
    async with site.client("http") as plain:
        answer = await plain.post("/", content=f"{OPEN} rid='101' sid='{sid}'/>")
    assert answer.text == terminal("item-not-found")
    answer = await site.post(f"{OPEN} rid='101' sid='{sid}' type='terminate'/>")
    assert "condition" not in answer.text


async def test_clients_of_old_get_http_codes(site):
    created = await site.post(CREATE.replace(" ver='1.6'", ""))
    sid = attributes(created.text)["sid"]
    answer = await site.post(f"{OPEN} rid='900' sid='{sid}'/>")
    assert answer.status_code == 404


async def test_script_syntax(at):
    site = at(script_syntax=True)
    answer = await site.http.get(f"/http-bind?{quote(CREATE)}")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.text.startswith("_BOSH_(")
    text = json.loads(answer.text[len("_BOSH_(") : -1])
    assert attributes(text)["sid"]
    assert "<" not in answer.text


async def test_script_syntax_is_off_unless_wished(site):
    answer = await site.http.get(f"/http-bind?{quote(CREATE)}")
    assert "POST" in answer.text
    assert len(site.registry) == 0


class Request:
    """An ASGI request whose connection the test breaks."""

    def __init__(self, endpoint, content):
        self.incoming = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request", "body": content.encode()})
        self.sent = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "scheme": "http",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.create_task(endpoint(scope, self.incoming.get, self.send))

    async def send(self, message):
        self.sent.append(message)

    async def leave(self):
        self.incoming.put_nowait({"type": "http.disconnect"})
        await self.task


async def test_a_connection_that_is_lost_is_noticed(site):
    sid = await site.create()
    held = Request(site.endpoint, f"{OPEN} rid='101' sid='{sid}'/>")
    await settle()
    connection = site.registry._find(sid)
    assert [entry.call is not None for entry in connection._window.held] == [True]
    await held.leave()
    assert held.sent[1]["body"].decode() == RECOVERABLE, "middleware expects an answer"
    assert [entry.call is not None for entry in connection._window.held] == [False]
    again = Request(site.endpoint, f"{OPEN} rid='101' sid='{sid}'/>")
    await settle()
    await site.post(f"{OPEN} rid='102' sid='{sid}' type='terminate'/>")
    await again.task
    assert again.sent[1]["body"].decode() == f"{OPEN} type='terminate'/>"


async def test_a_task_that_is_cancelled_lets_the_request_go(site):
    sid = await site.create()
    held = Request(site.endpoint, f"{OPEN} rid='101' sid='{sid}'/>")
    await settle()
    held.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.task
    assert [entry.call for entry in site.registry._find(sid)._window.held] == [None]


async def test_a_client_that_leaves_while_it_posts(site):
    request = Request(site.endpoint, "")
    request.incoming.get_nowait()
    await request.leave()
    assert request.sent[1]["body"].decode() == terminal("bad-request")
    assert len(site.registry) == 0


# What is served without ASGI, and what is not.


@pytest.fixture
async def direct():
    site = Site(way="direct", origins=(PAGE,), max_body_size=20_000)
    yield site
    site.driver.stop()
    await site.http.aclose()


async def test_requests_that_are_taken_without_asgi(direct):
    sid = await direct.create()
    await direct.post(f"{OPEN} rid='101' sid='{sid}' type='terminate'/>", origin=PAGE)
    await direct.post("nonsense")
    assert direct.http._transport.taken == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"content_encoding": "gzip"},
        {"content_length": "20001"},
    ],
)
async def test_requests_that_are_refused_go_by_asgi(headers, direct):
    await direct.post(CREATE, **headers)
    assert direct.http._transport.taken == 0
    assert len(direct.registry) == 0


async def test_requests_of_which_the_site_is_asked_go_by_asgi(direct):
    request = direct.http.build_request("POST", "/http-bind", content=CREATE)
    assert direct.endpoint.direct(scope_of(request)) is not None
    asking = BoshEndpoint(
        direct.registry, direct.config, channel_of=direct.endpoint._channel_of, visitors=object()
    )
    assert asking.direct(scope_of(request)) is None


async def test_a_connection_that_is_lost_without_asgi_is_noticed(direct):
    sid = await direct.create()
    request = direct.http.build_request("POST", "/http-bind")
    held = direct.endpoint.direct(scope_of(request))
    answers = []
    held.begin(f"{OPEN} rid='101' sid='{sid}'/>".encode(), lambda *answer: answers.append(answer))
    await settle()
    connection = direct.registry._find(sid)
    assert [entry.call for entry in connection._window.held] == [held]
    held.lost()
    assert [entry.call for entry in connection._window.held] == [None]
    again = await direct.post(f"{OPEN} rid='101' sid='{sid}' type='terminate'/>")
    assert again.status_code == 200
    assert not answers
