"""Files put and got by HTTP: what is refused before it is read, and what a browser is told."""

import asyncio
import base64
import os
import re
import sys
import tracemalloc
from dataclasses import replace
from urllib.parse import quote, unquote
from xml.etree.ElementTree import fromstring

import httpx
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from andiron import create_app
from andiron.domain.uploads.service import SiteChannel
from andiron.domain.uploads.slot import Slot, new_token
from andiron.web.proxy import Proxies
from andiron.web.upload import byte_range, disposition, served_as, site_channel_of

SITE = "http://chat.example"
FOREIGN = "https://pages.example"


class Site:
    """An application, its clock, and a client of it."""

    def __init__(self, app, serving=None):
        self.app = app
        self.uploads = app.domain.uploads
        self.now = 1_700_000_000.0
        self.uploads.clock = lambda: self.now
        transport = httpx.ASGITransport(serving or app, client=("127.0.0.1", 1234))
        self.client = httpx.AsyncClient(transport=transport, base_url=SITE)

    def slot(self, size=5, kind="text/plain", name="hello.txt", owner="alice"):
        return Slot(new_token(), name, kind, size, owner, int(self.now) + 300)

    def signed(self, slot):
        return {"authorization": self.uploads._signer.authorization(slot)}

    async def put(self, slot, content=b"hello", path="", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.put(
            path or url(slot), content=content, headers=self.signed(slot) | named
        )

    async def get(self, slot, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, url(slot), headers=named)

    async def uploaded(self, content=b"hello", **about):
        slot = self.slot(len(content), **about)
        answer = await self.put(slot, content)
        assert answer.status_code == 201, answer.text
        return slot

    def files(self):
        return [path.name for path in self.uploads._store._directory.rglob("*") if path.is_file()]


def url(slot):
    return f"/upload/{slot.token}/{quote(slot.name, safe='')}"


@pytest.fixture
async def make(tmp_path):
    """Return a function that starts an application with some settings."""
    running = []

    async def make(**settings):
        app = create_app(
            database="sqlite://",
            upload_dir=str(tmp_path / "files"),
            auth_iterations=4096,
            **settings,
        )
        lifespan = app.lifespan()
        await lifespan.__aenter__()
        running.append(lifespan)
        await app.domain.accounts.create("alice", "secret")
        return Site(app)

    yield make
    for lifespan in running:
        await lifespan.__aexit__(None, None, None)


@pytest.fixture
async def site(make):
    return await make()


# Uploads


async def test_a_file_goes_there_and_back(site):
    slot = site.slot()
    assert (await site.get(slot)).status_code == 404
    answer = await site.put(slot, content_type="text/plain;charset=UTF-8")
    assert (answer.status_code, answer.content) == (201, b"")
    answer = await site.get(slot)
    assert (answer.status_code, answer.content) == (200, b"hello")


@pytest.mark.parametrize(
    "name", ["très cool.jpg", "100% #;&=+.txt", "дом.txt", "x" * 200, "it's (1).txt", "a b.txt"]
)
async def test_names_of_all_kinds(site, name):
    slot = await site.uploaded(name=name)
    assert (await site.get(slot)).content == b"hello"
    assert (await site.get(replace(slot, name="other"))).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_length": "4"}, 400),
        ({"content_length": "6"}, 413),
        ({"content_length": "9" * 30}, 413),
        ({"content_length": "5, 5"}, 400),
        ({"content_length": "+5"}, 400),
        ({"content_encoding": "gzip"}, 415),
        ({"content_type": "text/html"}, 415),
        ({"content_type": "nonsense"}, 415),
        ({"authorization": ""}, 403),
        ({"authorization": "Bearer x.y"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
async def test_what_is_refused_before_it_is_read(site, headers, status):
    slot = site.slot()
    sent = [(name.encode(), value.encode()) for name, value in site.signed(slot).items()]
    sent.append((b"host", b"chat.example"))
    for name, value in headers.items():
        key = name.replace("_", "-").encode()
        sent = [pair for pair in sent if pair[0] != key] + [(key, value.encode())]
    answer = await call(site, url(slot), sent, reading_fails)
    assert answer[0]["status"] == status
    assert site.files() == []


async def call(site, path, headers, receive, method="PUT"):
    """Send a request as a server does, and return the application's messages."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1234),
    }
    async with asyncio.timeout(60):
        await site.app(scope, receive, send)
    return sent


async def reading_fails():
    raise AssertionError("the body was read")


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 6},
        {"type": "text/html"},
        {"owner": "bob"},
        {"token": new_token()},
        {"name": "other.txt"},
        {"expires": 2_000_000_000},
    ],
)
async def test_forged_slots(site, changed):
    slot = site.slot()
    forged = replace(slot, **changed)
    headers = site.signed(slot)
    if set(changed) <= {"size", "type", "owner", "expires"}:
        claim = site.signed(forged)["authorization"].partition(".")[0]
        headers = {"authorization": f"{claim}.{headers['authorization'].partition('.')[2]}"}
    answer = await site.client.put(url(forged), content=b"hello", headers=headers)
    assert answer.status_code == 403
    assert site.files() == []


async def test_an_expired_slot(site):
    slot = site.slot()
    site.now += 300
    assert (await site.put(slot)).status_code == 403


async def test_a_slot_that_was_used(site):
    slot = await site.uploaded()
    assert (await site.put(slot, b"other")).status_code == 409
    assert (await site.get(slot)).content == b"hello"


async def chunks(*parts):
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"hello"], 201),
        ([b"he", b"", b"llo"], 201),
        ([b"hell"], 400),
        ([], 400),
        ([b"hello", b"!"], 413),
        ([b"hello!"], 413),
    ],
)
async def test_bodies_whose_length_is_not_told(site, parts, status):
    slot = site.slot()
    answer = await site.put(slot, chunks(*parts))
    assert answer.status_code == status
    assert len(site.files()) == (status == 201)


async def test_an_endless_body_is_cut_off(site):
    slot = site.slot(size=100_000)
    read = 0

    async def receive():
        nonlocal read
        read += 1
        return {"type": "http.request", "body": bytes(40_000), "more_body": True}

    headers = [(b"authorization", site.signed(slot)["authorization"].encode())]
    start, _ = await call(site, url(slot), headers, receive)
    assert (start["status"], read) == (413, 3)
    assert site.files() == []


async def test_a_client_that_leaves(site):
    slot = site.slot()
    messages = [
        {"type": "http.request", "body": b"hel", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    headers = [(b"authorization", site.signed(slot)["authorization"].encode())]
    assert await call(site, url(slot), headers, receive) == []
    assert site.files() == []
    assert (await site.put(slot)).status_code == 201


async def test_a_slow_body_ends(make):
    site = await make(upload_timeout=0.05)
    slot = site.slot()

    messages = [{"type": "http.request", "body": b"hel", "more_body": True}]

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    headers = [(b"authorization", site.signed(slot)["authorization"].encode())]
    start, _ = await call(site, url(slot), headers, receive)
    assert start["status"] == 408
    assert site.files() == []


async def test_uploads_of_an_account_at_a_time_are_bounded(make):
    site = await make(upload_concurrent=1)
    slot, silent = site.slot(), asyncio.Event()

    async def receive():
        silent.set()
        await asyncio.Event().wait()

    headers = [(b"authorization", site.signed(slot)["authorization"].encode())]
    first = asyncio.create_task(call(site, url(slot), headers, receive))
    await silent.wait()
    assert (await site.put(slot)).status_code == 409
    refused = await site.put(site.slot())
    assert (refused.status_code, "retry-after" in refused.headers) == (429, True)
    first.cancel()
    await asyncio.wait([first])
    await site.uploaded()


async def test_no_more_than_the_quota(make):
    site = await make(upload_quota=10_000)
    await site.uploaded()
    await site.uploaded()
    assert (await site.put(site.slot())).status_code == 507
    assert len(site.files()) == 2


async def test_an_account_that_is_gone(site):
    assert (await site.put(site.slot(owner="nobody"))).status_code == 403
    assert site.files() == []


async def test_a_disk_that_is_full(site, monkeypatch, caplog):
    async def create(folder, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.uploads._store, "create", create)
    answer = await site.put(site.slot())
    assert answer.status_code == 503
    assert "No space left" not in answer.text
    assert "No space left" in caplog.text


async def test_a_large_body_is_never_in_memory(make):
    site = await make(upload_max_size=2**30, upload_quota=2**30)
    piece, count = bytes(65_536), 500
    slot = site.slot(size=len(piece) * count)
    left = count

    async def receive():
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": piece, "more_body": left > 0}

    headers = [(b"authorization", site.signed(slot)["authorization"].encode())]
    tracemalloc.start()
    try:
        start, _ = await call(site, url(slot), headers, receive)
        taken = 0

        async def send(message):
            nonlocal taken
            taken += len(message.get("body", b""))

        scope = {"type": "http", "method": "GET", "path": url(slot), "root_path": ""}
        scope |= {"scheme": "http", "query_string": b"", "headers": [], "client": None}
        scope["asgi"] = {"spec_version": "2.4"}
        await site.app(scope, reading_fails, send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert start["status"] == 201
    assert taken == slot.size
    assert peak < 5_000_000


# Downloads


@pytest.mark.parametrize(
    ("kind", "served", "shown"),
    [
        ("image/png", "image/png", True),
        ("image/avif", "image/avif", True),
        ("image/svg+xml", "application/octet-stream", False),
        ("text/html", "application/octet-stream", False),
        ("application/xhtml+xml", "application/octet-stream", False),
        ("text/xml", "application/octet-stream", False),
        ("text/javascript", "application/octet-stream", False),
        ("text/css", "application/octet-stream", False),
        ("text/plain", "text/plain; charset=utf-8", True),
        ("video/mp4", "video/mp4", True),
        ("audio/ogg", "audio/ogg", True),
        ("audio/x-anything", "audio/x-anything", True),
        ("application/pdf", "application/pdf", False),
        ("multipart/x-mixed-replace", "application/octet-stream", False),
        ("message/rfc822", "application/octet-stream", False),
        ("application/octet-stream", "application/octet-stream", False),
        ("", "application/octet-stream", False),
    ],
)
async def test_what_a_file_is_served_as(site, kind, served, shown):
    assert served_as(kind) == (served, shown)
    slot = await site.uploaded(kind=kind, name="x.html")
    answer = await site.get(slot)
    assert answer.headers["content-type"] == served
    how = answer.headers["content-disposition"].partition(";")[0]
    assert how == ("inline" if shown else "attachment")
    sandbox = answer.headers["content-security-policy"].rpartition("; ")[2]
    played = served.startswith(("audio/", "video/"))
    assert sandbox == ("sandbox allow-same-origin" if played else "sandbox")


async def requests_of_each_kind(site):
    slot = await site.uploaded()
    return [
        await site.get(slot),
        await site.get(slot, "HEAD"),
        await site.get(slot, range="bytes=1-2"),
        await site.get(slot, range="bytes=9-"),
        await site.get(slot, if_none_match="*"),
        await site.get(site.slot()),
        await site.get(slot, "OPTIONS"),
        await site.get(slot, "POST"),
        await site.put(slot),
        await site.put(site.slot()),
        await site.put(site.slot(), authorization=""),
    ]


async def test_every_answer_is_harmless(site):
    answers = await requests_of_each_kind(site)
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 206, 416, 304, 404, 204, 405, 409, 201, 403]
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none';")
        assert "sandbox" in headers["content-security-policy"].split("; ")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "script" not in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["vary"] == "Origin"
        assert "access-control-allow-origin" not in headers
        assert "set-cookie" not in headers


async def test_a_file_may_be_kept_for_as_long_as_it_is_here(make):
    site = await make(upload_expiry=1000)
    slot = await site.uploaded()
    site.now += 400
    answer = await site.get(slot)
    assert answer.headers["cache-control"] == "private, max-age=600, immutable"
    site.now += 600
    gone = await site.get(slot)
    assert (gone.status_code, gone.headers["cache-control"]) == (404, "no-store")


async def test_a_file_without_end_may_be_kept_for_a_year(make):
    site = await make(upload_expiry=0)
    slot = await site.uploaded()
    answer = await site.get(slot)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_a_file_that_is_known_is_not_sent_again(site):
    slot = await site.uploaded()
    etag = (await site.get(slot)).headers["etag"]
    assert re.fullmatch('"[0-9a-f]{32}"', etag)
    assert slot.token not in etag
    for known in (etag, f'"x", W/{etag}', "*"):
        again = await site.get(slot, if_none_match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await site.get(slot, if_none_match='"x"')).status_code == 200


async def test_head_is_get_without_the_file(site):
    slot = await site.uploaded()
    got, headed = await site.get(slot), await site.get(slot, "HEAD")
    assert headed.headers == got.headers
    assert (headed.content, headed.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-1", 206, b"he", "bytes 0-1/5"),
        ("bytes=1-", 206, b"ello", "bytes 1-4/5"),
        ("bytes=-2", 206, b"lo", "bytes 3-4/5"),
        ("bytes=-9", 206, b"hello", "bytes 0-4/5"),
        ("bytes=4-9", 206, b"o", "bytes 4-4/5"),
        ("bytes=5-", 416, b"", "bytes */5"),
        ("bytes=-0", 416, b"", "bytes */5"),
        ("bytes=3-2", 200, b"hello", None),
        ("bytes=0-1,3-4", 200, b"hello", None),
        ("bytes=-", 200, b"hello", None),
        ("lines=0-1", 200, b"hello", None),
        ("bytes=" + "9" * 400 + "-", 200, b"hello", None),
    ],
)
async def test_ranges(site, asked, status, content, told):
    slot = await site.uploaded()
    answer = await site.get(slot, range=asked)
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("content-range") == told
    assert answer.headers["content-length"] == str(len(content))
    headed = await site.get(slot, "HEAD", range=asked)
    assert (headed.status_code, headed.headers) == (status, answer.headers)


@given(st.text("bytes=-0123456789, ", max_size=20), st.integers(1, 100))
def test_a_range_is_within_the_file(header, size):
    found = byte_range(header, size)
    assert found is None or (found[0] >= 0 and found[1] <= size)


async def test_a_range_of_another_file_is_not_heeded(site):
    slot = await site.uploaded()
    etag = (await site.get(slot)).headers["etag"]
    assert (await site.get(slot, range="bytes=1-1", if_range=etag)).content == b"e"
    assert (await site.get(slot, range="bytes=1-1", if_range='"x"')).content == b"hello"


async def test_a_file_that_is_lost(site):
    slot = await site.uploaded()
    upload = await site.uploads.find(slot.token, slot.name)
    await site.uploads._store.remove_folder((await anext(folders(site)))[0])
    assert upload is not None
    assert (await site.get(slot)).status_code == 404


async def folders(site):
    async for found in site.uploads._store.older(1e12):
        yield found


@pytest.mark.parametrize(
    ("shown", "name", "header"),
    [
        (False, "a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        (True, "дом.txt", "inline; filename=\"___.txt\"; filename*=UTF-8''%D0%B4%D0%BE%D0%BC.txt"),
        (
            False,
            "50% off;.txt",
            "attachment; filename=\"50_ off;.txt\"; filename*=UTF-8''50%25%20off%3B.txt",
        ),
    ],
)
def test_the_name_it_is_saved_under(shown, name, header):
    assert disposition(shown, name) == header


@pytest.mark.parametrize(
    "path",
    [
        "/upload/",
        "/upload/x",
        "/upload/x/y",
        "/upload/../../etc/passwd",
        "/upload/..%2f..%2fetc%2fpasswd/x",
        "/upload/%2e%2e/%2e%2e",
        "/upload/%00/x",
        "/upload/" + "t" * 32 + "/%ff%fe",
        "/upload/" + "t" * 32 + "/..%2f",
        "/upload/" + "t" * 10_000 + "/x",
    ],
)
async def test_paths_that_lead_nowhere(site, path):
    await site.uploaded()
    for method in ("GET", "HEAD"):
        answer = await site.client.request(method, path)
        assert answer.status_code == 404
    assert (await site.client.put(path, content=b"x")).status_code in {403, 404}


# Pages of other origins


ALLOWED = {"websocket_origins": [FOREIGN]}, {"bosh_origins": [FOREIGN]}, {"bosh_origins": ["*"]}


@pytest.mark.parametrize("settings", ALLOWED)
async def test_a_page_that_may_connect_may_upload(make, settings):
    site = await make(**settings)
    slot = site.slot()
    asked = await site.get(
        slot,
        "OPTIONS",
        origin=FOREIGN,
        access_control_request_method="PUT",
        access_control_request_headers="authorization,content-type",
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == FOREIGN
    assert "PUT" in asked.headers["access-control-allow-methods"].split(", ")
    assert {"Authorization", "Content-Type"} <= set(
        asked.headers["access-control-allow-headers"].split(", ")
    )
    for answer in (await site.put(slot, origin=FOREIGN), await site.get(slot, origin=FOREIGN)):
        assert answer.status_code in {200, 201}
        assert answer.headers["access-control-allow-origin"] == FOREIGN
        assert answer.headers["vary"] == "Origin"
    refused = await site.put(slot, origin=FOREIGN)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (409, FOREIGN)


async def test_the_sites_own_page_may_upload(site):
    assert (await site.put(site.slot(), origin=SITE)).status_code == 201


async def test_a_page_that_may_not_connect_may_not_upload(site):
    slot = await site.uploaded()
    assert (await site.put(site.slot(), origin=FOREIGN)).status_code == 403
    asked = await site.get(slot, "OPTIONS", origin=FOREIGN)
    assert asked.status_code == 403
    shown = await site.get(slot, origin=FOREIGN)
    assert (shown.status_code, shown.content) == (200, b"hello")
    for answer in (asked, shown):
        assert "access-control-allow-origin" not in answer.headers


# Where it is


def scope(kind="websocket", scheme="ws", root_path="", host=b"chat.example", **headers):
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": kind,
        "scheme": scheme,
        "root_path": root_path,
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", host), *named],
    }


@pytest.mark.parametrize(
    ("scope", "base"),
    [
        (scope(), "http://chat.example"),
        (scope(scheme="wss", host=b"chat.example:8443"), "https://chat.example:8443"),
        (scope("http", "http", "/talk"), "http://chat.example/talk"),
        (scope(x_forwarded_proto="https"), "https://chat.example"),
        (scope(host=b"evil.example/<'>"), ""),
        (scope(host=b""), ""),
    ],
)
def test_a_channel_knows_the_site(scope, base):
    channel = site_channel_of(Proxies.of(["127.0.0.1"]))(scope)
    assert isinstance(channel, SiteChannel)
    assert channel.base_url == base
    assert channel.kind == ("websocket" if scope["type"] == "websocket" else "bosh")


async def test_below_the_path_of_a_host(make):
    site = await make()
    host = Starlette(routes=[Mount("/talk", site.app)])
    mounted = Site(site.app, host)
    slot = mounted.slot()
    assert (await mounted.put(slot, path="/talk" + url(slot))).status_code == 201
    assert (await mounted.client.get("/talk" + url(slot))).content == b"hello"


async def test_without_uploads_there_is_nothing(make):
    async with create_app(database="sqlite://", upload=False).lifespan():
        pass
    app = create_app(database="sqlite://", upload=False)
    async with app.lifespan():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            answer = await client.get(f"/upload/{new_token()}/x")
    assert (answer.status_code, "vary" in answer.headers) == (404, False)


# With a real server


@pytest.fixture
async def server(tmp_path):
    """Run ``andiron serve --demo``; return its address, and a person's name and password."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANDIRON_")}
    environment["ANDIRON_AUTH_ITERATIONS"] = "4096"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "andiron", "serve", "--demo", "--port", "0"),
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            found = None
            while found is None:
                line = (await process.stdout.readline()).decode()
                assert line
                found = re.search(r"http://(\S+)/#(\w+):(\S+)$", line.rstrip())
        yield found.groups()
    finally:
        process.terminate()
        await process.communicate()


OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
UPLOAD = "{urn:xmpp:http:upload:0}"


async def asked_for_slot(client, name, password, size):
    """Sign in and return the URL and the header of a slot."""
    secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    for text, awaited in (
        (OPEN, "PLAIN"),
        (f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>", "<success"),
        (OPEN, "<bind"),
        (f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'/></iq>", "<jid>"),
        (
            "<iq xmlns='jabber:client' type='get' id='u' to='localhost'>"
            f"<request xmlns='{UPLOAD[1:-1]}' filename='big.mp4' size='{size}'"
            " content-type='video/mp4'/></iq>",
            "<slot",
        ),
    ):
        await client.send(text)
        while awaited not in (answer := await client.recv()):
            pass
    slot = fromstring(answer)[0]
    return slot[0].get("url"), slot[1].get("url"), {"authorization": slot[0][0].text}


async def test_some_megabytes_by_a_real_server(server):
    address, name, password = server
    content = os.urandom(8_000_000)
    async with (
        asyncio.timeout(60),
        websockets.connect(f"ws://{address}/ws", subprotocols=["xmpp"]) as stream,
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
    ):
        put, got, header = await asked_for_slot(stream, name, password, len(content))
        assert put.startswith(f"http://{address}/upload/")
        early = await client.put(put, content=content[:-1], headers=header)
        assert early.status_code == 400
        answer = await client.put(put, content=content, headers=header)
        assert answer.status_code == 201
        whole = await client.get(got)
        assert whole.content == content
        part = await client.get(got, headers={"range": "bytes=4000000-4999999"})
        assert (part.status_code, part.content) == (206, content[4_000_000:5_000_000])
        assert (await client.put(put, content=content, headers=header)).status_code == 409
