"""``andiron serve`` and POSTs of BOSH: served without ASGI, or by it, with the same answers."""

import contextlib
import dataclasses
import itertools
import re

import pytest
from support.bosh import EMPTY, OPEN, TERMINATE, attributes, terminal
from support.serving import Connected, ServedSite
from support.waiting import until

from andiron.serving.direct import DirectCycle

CREATE = f"{OPEN} rid='1' to='localhost' wait='60' hold='1' ver='1.6'/>"
PAGE = "https://chat.example"
HOST = "Host: localhost"


class Site(ServedSite):
    """A server in this process, and what tests look at in it."""

    way = "direct"

    @property
    def tasks(self):
        return len(self.server.server_state.tasks)

    @property
    def protocols(self):
        return list(self.server.server_state.connections)

    async def client(self):
        return Client(*await self.dial())

    async def held(self):
        """Return a client with a request that is held, and its session."""
        client = await self.client()
        sid = attributes((await client.post(CREATE))[2])["sid"]
        client.send(f"{OPEN} rid='2' sid='{sid}'/>")
        (session,) = self.registry._connections.values()
        await until(lambda: session.held)
        return client, session

    @property
    def registry(self):
        return self.chat._ways.endpoints.bosh._registry


class Client(Connected):
    """A client's connection."""

    def send(self, body, *fields, line="POST /http-bind HTTP/1.1"):
        self.writer.write(request(body, *fields, line=line))

    async def post(self, body, *fields, **line):
        self.send(body, *fields, **line)
        return await self.answer()

    async def answer(self):
        """Return status, headers and body of the next answer."""
        head = "HTTP/1.1 100"
        while head.startswith("HTTP/1.1 100"):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = dict(each.lower().split(": ", 1) for each in lines)
        assert len(headers) == len(lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(line.split()[1]), headers, body.decode("latin-1")


def request(body, *fields, line="POST /http-bind HTTP/1.1"):
    if not any(field.startswith("Host") for field in fields):
        fields = (HOST, *fields)
    length = f"Content-Length: {len(body.encode())}"
    return "\r\n".join((line, *fields, length, "", body)).encode()


@pytest.fixture
async def make(tmp_path):
    async with contextlib.AsyncExitStack() as on:

        async def make(**options):
            return await on.enter_async_context(Site(tmp_path, **options).running())

        yield make


@pytest.fixture
async def site(make):
    return await make()


@pytest.fixture(params=["direct", "ASGI"])
def by_asgi(request):
    return request.param == "ASGI"


# Both ways


FIELDS = [
    (),
    (f"Origin: {PAGE}",),
    ("Accept-Encoding: gzip",),
    ("Connection: close",),
    ("Origin: https://evil.example",),
    ("Host: evil.example",),
    ("Host: a", "Host: b"),
    ("Content-Encoding: gzip",),
    ("Expect: 100-continue",),
    ("Connection: upgrade", "Upgrade: h2c"),
]
PATHS = ["/http-bind", "/http-bind/", "/http-bind?a", "/%68ttp-bind"]
USUAL = set(itertools.product(PATHS[:2], FIELDS[:4]))


async def test_the_answers_are_the_same(tmp_path):
    seen = {False: {}, True: {}}
    for by_asgi, answers in seen.items():
        (tmp_path / str(by_asgi)).mkdir()
        options = {"bosh_origins": (PAGE,), "bosh_compress_from": 1}
        async with Site(tmp_path / str(by_asgi), by_asgi=by_asgi, **options).running() as site:
            for path, fields in itertools.product(PATHS, FIELDS):
                client, taken = await site.client(), site.taken
                client.send(f"{OPEN} sid='x' rid='1'/>", *fields, line=f"POST {path} HTTP/1.1")
                answer = await client.answer()
                answers[path, fields] = answer[0], {**answer[1], "date": ""}, answer[2]
                if "Connection: close" in fields:
                    assert await client.reader.read() == b""
                await client.leave()
                assert site.taken - taken == ((path, fields) in USUAL and not by_asgi)
    assert seen[False] == seen[True]


async def test_http_1_0(make, by_asgi):
    site = await make(by_asgi=by_asgi)
    client = await site.client()
    status, headers, body = await client.post(CREATE, line="POST /http-bind HTTP/1.0")
    assert (status, headers["connection"]) == (200, "close")
    assert attributes(body)["sid"]
    assert await client.reader.read() == b""
    assert site.taken == (not by_asgi)
    await client.leave()


@pytest.mark.parametrize("trusted", [True, False])
async def test_the_client_of_a_proxy(make, by_asgi, trusted):
    options = {"trusted_proxies": ("127.0.0.1",)} if trusted else {"trusted_proxies": ()}
    site = await make(by_asgi=by_asgi, **options)
    client = await site.client()
    await client.post(CREATE, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
    (session,) = site.registry._connections.values()
    channel = session.channel
    assert (channel.address, channel.secure) == (
        ("192.0.2.7", True) if trusted else ("127.0.0.1", False)
    )
    if trusted:
        body = f"{OPEN} rid='2' sid='{session.sid}'/>"
        answer = await client.post(body, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http")
        assert answer[2] == terminal("item-not-found")
    await client.leave()


async def test_requests_that_are_pipelined_are_answered_in_order(make, by_asgi):
    site = await make(by_asgi=by_asgi)
    client = await site.client()
    sid = attributes((await client.post(CREATE))[2])["sid"]
    get = f"GET /healthz HTTP/1.1\r\n{HOST}\r\n\r\n".encode()
    held = request(f"{OPEN} rid='2' sid='{sid}'/>")
    last = request(f"{OPEN} rid='3' sid='{sid}' type='terminate'/>")
    other = await site.client()
    client.writer.write(held + get + get + request("nonsense"))
    (session,) = site.registry._connections.values()
    await until(lambda: session.held)
    other.writer.write(last)
    assert (await other.answer())[2] == EMPTY
    assert (await client.answer())[2] == TERMINATE
    assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    assert (await client.answer())[2] == terminal("bad-request")
    assert site.taken == (0 if by_asgi else 3)
    await client.leave()
    await other.leave()


async def test_a_connection_that_is_lost_while_its_request_is_held(make, by_asgi):
    site = await make(by_asgi=by_asgi)
    client, session = await site.held()
    assert site.tasks == by_asgi
    await client.leave()
    await until(lambda: [each.call for each in session._window.held] == [None])
    other = await site.client()
    last = await other.post(f"{OPEN} rid='3' sid='{session.sid}' type='terminate'/>")
    assert last[2] == TERMINATE
    await other.leave()


async def test_held_requests_are_answered_when_the_server_ends(tmp_path, by_asgi):
    async with Site(tmp_path, by_asgi=by_asgi).running() as site:
        client, _ = await site.held()
        site.chat._home._shutdown()
        site.server.should_exit = True
        assert (await client.answer())[2] == terminal("system-shutdown")
        assert await client.reader.read() == b""
        await client.leave()
    assert not site.protocols


async def test_the_end_does_not_wait_for_an_answer_without_end(tmp_path):
    async with Site(tmp_path, shutdown_timeout=0.0).running() as site:
        client, _ = await site.held()
        site.server.should_exit = True
        _, headers, body = await client.answer()
        assert body == terminal("system-shutdown")
        assert headers["connection"] == "close"
        await client.leave()


async def test_a_body_that_is_too_large(make, by_asgi):
    site = await make(by_asgi=by_asgi, max_stanza_size=20_000, max_negotiation_size=10_000)
    for body in (
        f"{OPEN} rid='1' to='localhost'>{'x' * 6000}{'y' * 6000}</body>",
        f"{OPEN} rid='1' to='localhost'>{'x' * 100_000}</body>",
    ):
        client = await site.client()
        assert (await client.post(body))[2] == terminal("bad-request")
        await client.leave()
    assert len(site.registry) == 0


# Without ASGI


async def test_nothing_is_left_of_a_request_that_was_answered(site):
    client = await site.client()
    for _ in range(3):
        assert (await client.post("nonsense"))[2] == terminal("bad-request")
    (protocol,) = site.protocols
    assert isinstance(protocol.cycle, DirectCycle)
    assert protocol._direct is None
    assert protocol.cycle.body == b""
    assert site.taken == site.server.server_state.total_requests == 3
    assert site.tasks == 0
    await client.leave()


async def test_a_connection_without_asgi_is_idle_as_long_as_any(make):
    site = await make(http_keep_alive=1)
    client = await site.client()
    await client.post("nonsense")
    assert await client.reader.read() == b""
    await client.leave()


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("PUT", 405)]
)
async def test_other_methods_go_by_asgi(site, method, status):
    client = await site.client()
    client.writer.write(f"{method} /http-bind HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
    assert b" %d " % status in await client.reader.readline()
    assert site.taken == 0
    await client.leave()


async def test_a_body_in_pieces_goes_by_asgi_where_it_is_timed(site):
    client = await site.client()
    whole = request(CREATE)
    head, middle = whole.index(b"\r\n\r\n") + 4, len(whole) - 20
    for parts in ((whole[:head], whole[head:]), (whole[:middle], whole[middle:])):
        client.writer.write(parts[0])
        await until(lambda: site.tasks)
        client.writer.write(parts[1])
        assert attributes((await client.answer())[2])["sid"]
        await until(lambda: not site.tasks)
    endpoint = site.chat._ways.endpoints.bosh
    endpoint._config = dataclasses.replace(endpoint._config, request_timeout=0.01)
    client.writer.write(whole[:middle])
    _, headers, body = await client.answer()
    assert (headers["connection"], body) == ("close", terminal("bad-request"))
    assert len(site.chat.incoming) == 0
    await client.leave()


async def test_a_client_that_does_not_read_is_written_no_more(site):
    client = await site.client()
    await client.post("nonsense")
    (protocol,) = site.protocols
    protocol.flow.pause_writing()
    client.send("nonsense")
    await until(lambda: site.tasks)
    assert site.taken == 1
    protocol.flow.resume_writing()
    assert (await client.answer())[2] == terminal("bad-request")
    await client.leave()


async def test_a_request_that_fails_is_an_error_that_says_nothing(site, monkeypatch, caplog):
    def fail(*_args):
        raise ValueError("secret")

    monkeypatch.setattr(site.chat._ways.endpoints.bosh, "take", fail)
    client = await site.client()
    status, _, body = await client.post(CREATE)
    assert (status, body) == (500, "Internal server error.\n")
    assert "A request failed" in caplog.text
    monkeypatch.undo()
    assert re.search(" sid='", (await client.post(CREATE))[2])
    await client.leave()


async def test_nothing_is_taken_before_the_start_and_after_the_end(tmp_path):
    scope = {"headers": [(b"host", b"localhost")], "http_version": "1.1"}
    site = Site(tmp_path)
    assert site.chat.direct(scope) is None
    async with site.running():
        assert site.chat.direct(scope) is not None
    assert site.chat.direct(scope) is None
