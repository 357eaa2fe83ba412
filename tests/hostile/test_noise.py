"""What strangers do wrong takes no more than a few lines of the log, under either server."""

import sys
from pathlib import Path

import pytest

from tests.hostile.conftest import andiron_serve, maltreated
from tests.hostile.wire import BINARY, CLOSE, CONTINUATION, OPEN, PING, frame

BAD = b"\xff\xfe"
OPENING = frame(OPEN.encode())
FRAMES = {
    "bad UTF-8": frame(BAD),
    "bad UTF-8 twice": frame(BAD) * 2,
    "bad UTF-8 in fragments": frame(b"\xe2", fin=False) + frame(b"\x28\xa1", CONTINUATION),
    "bad UTF-8 after a good frame": OPENING + frame(BAD),
    "bad UTF-8 before a good frame": frame(BAD) + OPENING,
    "bad UTF-8 in a close": frame(b"\x03\xe8" + BAD, CLOSE),
    "a close of one byte": frame(b"\x03", CLOSE),
    "a close with a bad code": OPENING + frame(b"\x00\x01", CLOSE),
    "a frame after the close": frame(b"\x03\xe8", CLOSE) + OPENING,
    "a close after a good frame": OPENING + frame(b"\x03\xe8", CLOSE),
    "a surrogate": frame(b"\xed\xa0\x80"),
    "an opcode that is none": OPENING + frame(b"x", 3),
    "bits that are reserved": OPENING + b"\xf1" + frame(b"x")[1:],
    "a frame without mask": OPENING + b"\x81\x01x",
    "a continuation of nothing": OPENING + frame(b"x", CONTINUATION),
    "text within text": OPENING + frame(b"x", fin=False) + frame(b"y"),
    "a large ping": OPENING + frame(b"x" * 200, PING),
    "a ping in fragments": OPENING + frame(b"x", PING, fin=False),
    "a length of 64 bits": OPENING + frame(b"", length=2**63 - 1),
    "a binary frame": frame(BAD, BINARY),
    "XML that is none": OPENING + frame(b"<a><b></a>"),
}
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /http-bind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
REQUESTS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no method": b"FOO BAR BAZ\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header that is none": HEAD + b"bad header\r\n\r\n",
    "a long header": HEAD + b"Connection: close\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    "bytes in a header": HEAD + b"Connection: close\r\nX: \xff\xfe\r\n\r\n",
    "bytes in the path": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a length that is none": POST + b"Content-Length: x\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a chunk that is none": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a body that is not UTF-8": POST + b"Content-Length: 2\r\n\r\n\xff\xff",
    "a body that is no body": POST + b"Content-Length: 4\r\n\r\n<a/>",
    "no key": UPGRADE + b"Sec-WebSocket-Protocol: xmpp\r\n\r\n",
    "a key that is none": UPGRADE + b"Sec-WebSocket-Key: \xff\r\n\r\n",
    "no subprotocol": UPGRADE + KEY + b"\r\n",
    "a subprotocol that is none": UPGRADE + KEY + b"Sec-WebSocket-Protocol: ,;\xff\r\n\r\n",
    "an origin that is none": UPGRADE
    + KEY
    + b"Sec-WebSocket-Protocol: xmpp\r\nOrigin: \xff\r\n\r\n",
    "another upgrade": HEAD + b"Connection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
}


def uvicorn_serve(port):
    return [sys.executable, "-m", "uvicorn", "--port", str(port), "andiron:app"]


@pytest.fixture(scope="module", params=[andiron_serve, uvicorn_serve])
def noisy(request, tmp_path_factory):
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("what a process has open is read from /proc, which is missing")
    directory = tmp_path_factory.mktemp("noisy")
    with maltreated(directory, request.param, started="Serving|Uvicorn running") as victim:
        yield victim


@pytest.fixture
async def victim(noisy):
    noisy.mark()
    yield noisy
    for wire in noisy.wires:
        await wire.gone()
    noisy.wires.clear()


async def told_in_brief(victim):
    wire = await victim.dial()
    wire.write(HEAD + b"Connection: close\r\n\r\n")
    await wire.ended()  # so whatever was to be logged has been by now
    said = victim.said()
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 5, said


@pytest.mark.parametrize("name", FRAMES)
async def test_frames(victim, name):
    wire = await victim.connect()
    wire.write(FRAMES[name])
    await wire.rest()
    await wire.ended()
    await told_in_brief(victim)


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests(victim, name):
    wire = await victim.dial()
    wire.write(REQUESTS[name])
    await wire.ended()
    await told_in_brief(victim)


@pytest.mark.parametrize("said", [b"", OPENING, OPENING + frame(b"<a")[:4]])
async def test_resets(victim, said):
    wire = await victim.connect()
    wire.write(said)
    wire.reset()
    await told_in_brief(victim)
