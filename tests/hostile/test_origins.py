"""Who says where he comes from: origins, proxies' headers, and what may pass in clear."""

import pytest

from tests.hostile.conftest import PASSWORD
from tests.hostile.wire import OPEN, plain

CLEAR = ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http")
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: xmpp\r\n"
)
SECURE = ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")


async def features(wire):
    await wire.send(OPEN)
    return await wire.until("<stream:features")


async def test_no_password_passes_in_clear(victim):
    wire = await victim.connect(*CLEAR)
    assert "PLAIN" not in await features(wire)
    await wire.send(plain("alice", PASSWORD))
    assert "<encryption-required/>" in await wire.text()
    await victim.logged("sign-in over websocket from 203.0.113.7 refused: encryption-required")
    assert PASSWORD not in victim.said()


async def test_a_trusted_proxys_https_is_secure(victim):
    wire = await victim.connect(*SECURE)
    assert "<mechanism>PLAIN</mechanism>" in await features(wire)
    await wire.send(plain("alice", "wrong"))
    assert "<not-authorized/>" in await wire.text()
    await victim.logged("sign-in over websocket from 203.0.113.7 refused: not-authorized")


@pytest.mark.parametrize(
    "headers",
    [
        ("X-Forwarded-For: 203.0.113.99", "X-Forwarded-Proto: https"),
        ("Forwarded: for=203.0.113.99;proto=https",),
        ("X-Forwarded-Proto: https",),
        ("X-Forwarded-Proto: wss", "X-Forwarded-For: 127.0.0.1"),
    ],
)
async def test_strangers_claims_are_not_believed(victim, headers):
    wire = await victim.connect(*headers, source="127.0.0.2")
    assert "PLAIN" not in await features(wire)
    await wire.send(plain("alice", PASSWORD))
    assert "<encryption-required/>" in await wire.text()
    await victim.logged("sign-in over websocket from 127.0.0.2 refused: encryption-required")
    assert "203.0.113.99" not in victim.said()


@pytest.mark.parametrize(
    "headers",
    [
        ("X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-Proto: https, http"),
        (*SECURE, "Forwarded: for=198.51.100.1;proto=http"),
        ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http", "X-Forwarded-Proto: https"),
    ],
)
async def test_headers_that_disagree_are_not_secure(victim, headers):
    wire = await victim.connect(*headers)
    assert "PLAIN" not in await features(wire)


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: https://evil.example",),
        ("Origin: null",),
        ("Origin: http://localhost.evil.example",),
        ("Origin: http://localhost:1",),
        ("Origin: http://\xff",),
        ("Origin:",),
        ("Origin: http://evil.example", "X-Forwarded-Host: evil.example"),
    ],
)
async def test_pages_of_others_may_not_connect(victim, headers):
    wire = await victim.ask(*headers)
    assert wire.status == 403
    assert b"origin" in await wire.reader.read()
    await victim.logged("127.0.0.1 refused: pages of ")
    assert "ERROR" not in victim.said()


async def test_a_page_has_one_origin(victim):
    own = f"Origin: http://localhost:{victim.port}"
    wire = await victim.ask(own, "Origin: https://evil.example")
    assert wire.status == 400


async def test_ones_own_page_may(victim):
    wire = await victim.connect(f"Origin: http://localhost:{victim.port}")
    assert "<mechanism>PLAIN</mechanism>" in await features(wire)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
        (b"POST /ws/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 426),
        (b"GET /ws\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /ws/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
async def test_http_that_is_no_handshake(victim, request_, status):
    wire = await victim.dial()
    wire.write(request_)
    await wire.answer()
    assert wire.status == status
    assert "Traceback" not in victim.said()


REBOUND = [
    "Host: evil.example:{port}",
    "Host: localhost.evil.example",
    "Host: 127.0.0.1.evil.example:{port}",
    "Host: evil.example.",
    "Host: EVIL.example",
    "Host: evil.example:{port}\r\nX-Forwarded-Host: localhost",
    "Host: evil.example:{port}\r\nForwarded: host=localhost",
]
NO_HOST = ["X: y", "Host:", "Host: localhost\r\nHost: evil.example", "Host: localhost@evil.example"]


@pytest.mark.parametrize(
    ("hosts", "status"), [*((each, 421) for each in REBOUND), *((each, 400) for each in NO_HOST)]
)
@pytest.mark.parametrize("path", ["/ws", "/http-bind", "/.well-known/host-meta", "/healthz"])
async def test_a_page_whose_name_was_led_here_reaches_nothing(victim, hosts, status, path):
    """DNS rebinding: the page's origin is the host that it asks for, only the name is not ours."""
    head = f"{hosts.format(port=victim.port)}\r\nOrigin: http://evil.example:{victim.port}\r\n"
    for upgrade in ("", UPGRADE):
        wire = await victim.dial()
        wire.write(f"GET {path} HTTP/1.1\r\n{head}{upgrade}\r\n".encode())
        await wire.answer()
        assert wire.status == status
        assert "access-control" not in wire.headers
    assert "Traceback" not in victim.said()
