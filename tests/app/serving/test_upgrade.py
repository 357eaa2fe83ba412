"""``andiron serve`` and handshakes: opened without ASGI, or by it, with the same answers."""

import re
import weakref

import pytest
from support.asgi import CLOSE, OPEN
from support.serving import Connected, ServedSite
from support.taken import frames_in, masked
from support.waiting import until

from andiron.serving.http_protocol import HttpProtocol
from andiron.serving.open_websocket import OpenWebSocket
from andiron.serving.upgrade import accepting, asked

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASKING = {
    b"host": b"localhost",
    b"upgrade": b"websocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
    b"sec-websocket-protocol": b"chat, xmpp",
    b"origin": b"http://localhost",
}


def test_what_a_client_asks_for():
    assert asked(ASKING.items()) == (KEY, ["chat", "xmpp"], False)
    wish = asked([*ASKING.items(), (b"sec-websocket-extensions", b"permessage-deflate")])
    assert wish is not None
    assert wish.extensions


def test_the_answer_is_that_of_the_rfc():
    """RFC 6455 section 1.3."""
    answer = accepting(KEY, "xmpp", [(b"date", b"now")])
    line, *lines = answer.decode().split("\r\n")
    assert line == "HTTP/1.1 101 Switching Protocols"
    assert lines == [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: xmpp",
        "date: now",
        "",
        "",
    ]


UNUSUAL = [
    {b"host": None},
    {b"upgrade": None},
    {b"upgrade": b"websocket, h2c"},
    {b"connection": None},
    {b"connection": b"keep-alive"},
    {b"connection": b"upgraded"},
    {b"sec-websocket-key": None},
    {b"sec-websocket-key": b""},
    {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25j"},
    {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZR=="},
    {b"sec-websocket-key": KEY + b"\n"},
    {b"sec-websocket-version": None},
    {b"sec-websocket-version": b"8"},
    {b"content-length": b"3"},
    {b"transfer-encoding": b"chunked"},
    {b"expect": b"100-continue"},
]


def headers_of(changes):
    fields = ASKING | changes
    return [(name, value) for name, value in fields.items() if value is not None]


@pytest.mark.parametrize("changes", UNUSUAL, ids=str)
def test_what_is_to_be_looked_at(changes):
    assert asked(headers_of(changes)) is None


@pytest.mark.parametrize("name", sorted(ASKING.keys() - {b"origin"}), ids=bytes.decode)
def test_twice_is_once_too_often(name):
    assert asked([*ASKING.items(), (name, ASKING[name])]) is None


class Site(ServedSite):
    """A server in this process."""

    way = "admit"

    async def ask(self, changes=(), line="GET /ws HTTP/1.1"):
        """Ask for a WebSocket; return the status, the headers, and the connection."""
        fields = headers_of(dict(changes))
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        reader, writer = await self.dial()
        writer.write(line.encode() + b"\r\n" + head + b"\r\n")
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
        first, *lines = answer.split("\r\n")
        told = dict(each.lower().split(": ", 1) for each in lines)
        return int(first.split()[1]), told, Client(reader, writer)


class Client(Connected):
    def send(self, *texts):
        self.writer.write(b"".join(masked(text.encode()) for text in texts))

    async def rest(self):
        return [payload.decode("latin-1") for _, payload in frames_in(await self.reader.read())]


async def test_a_stream_without_asgi(tmp_path):
    async with Site(tmp_path).running() as site:
        status, told, client = await site.ask()
        assert status == 101
        assert told["sec-websocket-protocol"] == "xmpp"
        assert not site.server.server_state.tasks
        assert [type(each) for each in site.server.server_state.connections] == [OpenWebSocket]
        client.send(OPEN, CLOSE)
        opening, features, close, _ = await client.rest()
        assert opening.startswith("<open ")
        assert features.startswith("<stream:features ")
        assert close == CLOSE
        await client.leave()
        assert site.taken == 1
        assert site.chat.strangers.count == 0


REQUESTS = [
    ({}, "GET /ws HTTP/1.1"),
    ({}, "GET /ws/ HTTP/1.1"),
    ({}, "GET /ws?token=1 HTTP/1.1"),
    ({}, "GET /websocket HTTP/1.1"),
    ({}, "GET /ws HTTP/1.0"),
    ({}, "POST /ws HTTP/1.1"),
    ({b"origin": b"https://evil.example"}, "GET /ws HTTP/1.1"),
    ({b"host": b"evil.example"}, "GET /ws HTTP/1.1"),
    ({b"sec-websocket-protocol": None}, "GET /ws HTTP/1.1"),
    ({b"sec-websocket-protocol": b"xmpp-framing"}, "GET /ws HTTP/1.1"),
    ({b"sec-websocket-extensions": b"permessage-deflate"}, "GET /ws HTTP/1.1"),
    *((changes, "GET /ws HTTP/1.1") for changes in UNUSUAL),
]
"""Of which the first two are opened without ASGI, and with compression off that with extensions."""


@pytest.mark.parametrize("compression", [False, True])
async def test_the_answers_are_the_same(tmp_path, compression):
    answers, admitted = [], []
    for by_asgi in (False, True):
        options = {"by_asgi": by_asgi, "websocket_compression": compression}
        async with Site(tmp_path, **options).running() as site:
            answers.append([])
            for changes, line in REQUESTS:
                status, told, client = await site.ask(changes, line)
                told.pop("date", None)
                answers[-1].append((changes, line, status, told))
                await client.leave()
            admitted.append(site.taken)
            await until(lambda: not site.server.server_state.connections)
            assert site.chat.strangers.count == 0
    assert answers[0] == answers[1]
    assert admitted == [2 if compression else 3, 0]


@pytest.mark.parametrize(
    ("changes", "line", "expected"),
    [
        ({}, "GET /ws HTTP/1.0", 505),
        ({b"sec-websocket-version": b"8"}, "GET /ws HTTP/1.1", 426),
        ({b"content-length": b"3"}, "GET /ws HTTP/1.1", 400),
        ({b"transfer-encoding": b"chunked"}, "GET /ws HTTP/1.1", 400),
        # Longer than the library reads a line, and shorter than a head may be.
        ({b"cookie": b"x" * 9000}, "GET /ws?1 HTTP/1.1", 400),
    ],
)
async def test_what_uvicorn_would_accept_or_never_answer(tmp_path, changes, line, expected):
    async with Site(tmp_path).running() as site:
        status, told, client = await site.ask(changes, line)
        assert status == expected
        assert told.get("sec-websocket-version") == ("13" if expected == 426 else None)
        await client.reader.read()
        await client.leave()
        await until(lambda: not site.server.server_state.connections)


async def test_strangers_of_one_address_are_bounded(tmp_path):
    async with Site(tmp_path, max_negotiating_per_address=1).running() as site:
        status, _, first = await site.ask()
        assert status == 101
        status, told, second = await site.ask()
        assert (status, told["retry-after"]) == (503, "5")
        assert site.chat.strangers.refused == 1
        await first.leave()
        await second.leave()
        await until(lambda: not site.chat.strangers.count)


async def test_a_site_that_knows_its_visitors_is_asked(tmp_path):
    seen = []

    async def identify(request):
        seen.append((request.url.path, request.headers["cookie"]))

    async with Site(tmp_path, app={"identify": identify}).running() as site:
        status, _, client = await site.ask({b"cookie": b"session=1"})
        assert status == 101
        assert seen == [("/ws", "session=1")]
        assert not site.taken
        await client.leave()


async def test_behind_a_request_that_is_not_answered_it_is_left_to_asgi(tmp_path, monkeypatch):
    async with Site(tmp_path).running() as site:
        monkeypatch.setattr(HttpProtocol, "_answering", True)
        _, _, client = await site.ask()
        assert not site.taken
        await client.leave()


async def test_the_way_of_a_client_behind_a_proxy(tmp_path):
    options = {"trusted_proxies": ("127.0.0.1",), "auth_plain": True}
    async with Site(tmp_path, **options).running() as site:
        told = {b"x-forwarded-for": b"192.0.2.7", b"x-forwarded-proto": b"http"}
        _, _, client = await site.ask(told)
        (session,) = site.chat._home.manager.sessions
        assert (session.channel.address, session.channel.secure) == ("192.0.2.7", False)
        assert session.channel.kind == "websocket"
        await client.leave()


async def test_nothing_is_left_of_the_handshake(tmp_path):
    async with Site(tmp_path).running() as site:
        made = []
        http = site.server.config.http_protocol_class

        def noting(**given):
            pieces = http(**given)
            made.append(weakref.ref(pieces._reader))
            return pieces

        site.server.config.http_protocol_class = noting
        _, _, client = await site.ask()
        assert all(each() is None for each in made)
        await client.leave()


async def test_the_end_of_the_server_closes_it(tmp_path):
    async with Site(tmp_path).running() as site:
        _, _, client = await site.ask()
        client.send(OPEN)
        await client.reader.readuntil(b"</stream:features>")
    assert re.search("system-shutdown|\x03\xf4", " ".join(await client.rest()))
    await client.leave()


async def test_nothing_is_admitted_before_the_start_and_after_the_end(tmp_path):
    site = Site(tmp_path)
    scope = {
        "type": "websocket",
        "headers": headers_of({}),
        "subprotocols": ["xmpp"],
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
    }
    assert site.chat.admit(scope) is None
    async with site.running():
        pass
    assert site.chat.admit(scope) is None


async def test_while_the_server_ends_no_stream_begins(tmp_path):
    async with Site(tmp_path).running() as site:
        site.chat._home._shutdown()
        status, told, client = await site.ask()
        assert (status, told["retry-after"]) == (503, "1")
        assert site.taken == 0
        await client.leave()
