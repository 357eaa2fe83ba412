"""Strangers who begin and do not end, over HTTP, BOSH and WebSocket: none costs 64 KiB."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.hostile.conftest import Victim, eventually, looked_at, maltreated
from tests.hostile.wire import CONTINUATION, OPEN, PING, SASL, TEXT, Wire, frame

MANY = 90
"""Connections of one address; fewer than it may have."""
EACH = 64
"""KiB that one may cost."""
NOISE = 2
"""MiB by which the memory of a process grows without a reason of this test's."""
HEAD = b"GET /ws HTTP/1.1\r\nHost: localhost\r\n"
LINES = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 150) for number in range(100, 190))
CHUNKED = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
SOUND = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s"
BODY = "<body xmlns='http://jabber.org/protocol/httpbind' rid='{}' {}/>"


@pytest.fixture(scope="module")
def shared_roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with maltreated(tmp_path_factory.mktemp("roomy"), MAX_NEGOTIATING="3000") as victim:
        yield victim


@pytest.fixture
async def roomy(shared_roomy: Victim) -> AsyncIterator[Victim]:
    """A server that takes more strangers than all of these tests leave behind."""
    async for victim in looked_at(shared_roomy):
        yield victim


@pytest.fixture(scope="module")
def shared_narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with maltreated(tmp_path_factory.mktemp("narrow")) as victim:
        yield victim


@pytest.fixture
async def narrow(shared_narrow: Victim) -> AsyncIterator[Victim]:
    """A server with room for 200 strangers, 100 of an address, in which none is left behind."""
    async for victim in looked_at(shared_narrow):
        yield victim


async def upgraded(victim: Victim, wire: Wire) -> None:
    wire.ask(victim.port, *LINES.decode().split("\r\n")[:85])
    await wire.answer()
    assert wire.status == 101


async def unfinished_frame(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    wire.write(frame(b"x" * 250_000, length=262_144))


async def unfinished_small_frame(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    wire.write(frame(b"x" * 16_000, length=16_384))


async def fragments(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    part = frame(b"x" * 15, CONTINUATION, fin=False)
    wire.write(frame(b"<", TEXT, fin=False) + part * 1000)


async def frames_that_wait(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    auth = f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGFsaWNlAHdyb25n</auth>"
    texts = [OPEN, auth, auth, *["x" * 16_000] * 15]
    wire.write(b"".join(frame(text.encode()) for text in texts))


async def wide_elements(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    text = f"<auth xmlns='{SASL}' mechanism='PLAIN'>{'x' * 15_000}\U0001f40e</auth>"
    wire.write(b"".join(frame(text.encode()) for text in (OPEN, *[text] * 4)))


async def pings(victim: Victim, wire: Wire) -> None:
    await upgraded(victim, wire)
    wire.write(frame(b"x" * 125, PING) * 4000)


async def held_request(victim: Victim, wire: Wire) -> None:
    """A session that holds a request, with others piled up behind it."""
    created = BODY.format(1, "to='localhost' wait='60' hold='1' ver='1.6'").encode()
    wire.write(SOUND % (b"/http-bind", len(created), created))
    answer = (await wire.reader.readuntil(b"</body>")).decode()
    sid = answer.partition("sid='")[2].partition("'")[0]
    request = BODY.format(2, f"sid='{sid}'").encode()
    wire.write(
        SOUND % (b"/http-bind", len(request), request)
        + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    )


async def early_request(victim: Victim, wire: Wire) -> None:
    created = BODY.format(1, "to='localhost' wait='60' hold='1' ver='1.6'").encode()
    wire.write(SOUND % (b"/http-bind", len(created), created))
    answer = (await wire.reader.readuntil(b"</body>")).decode()
    sid = answer.partition("sid='")[2].partition("'")[0]
    wide = BODY.format(3, f"sid='{sid}'").replace("/>", f">{'x' * 15_000}\U0001f40e</body>")
    wire.write(SOUND % (b"/http-bind", len(wide.encode()), wide.encode()))


def written(data: bytes):
    async def write(victim: Victim, wire: Wire) -> None:
        wire.write(data)

    return write


KINDS = {
    "lines without end": written(HEAD + b"X-A: b\r\n" * 40_000),
    "a header without end": written(HEAD + b"X: " + b"x" * 300_000),
    "a URL without end": written(b"GET /ws?" + b"x" * 300_000),
    "a head nearly large enough": written(HEAD + LINES),
    "a head that is too large": written(HEAD + LINES * 6),
    "trailers": written(CHUNKED % b"/ws" + b"0\r\n" + b"X-A: b\r\n" * 40_000),
    "trailers of BOSH": written(CHUNKED % b"/http-bind" + b"0\r\n" + b"X-A: b\r\n" * 40_000),
    "chunk extensions": written(CHUNKED % b"/http-bind" + b"1;" + b"x=y;" * 80_000),
    "tiny chunks": written(CHUNKED % b"/http-bind" + b"1\r\na\r\n" * 16_000),
    "a body for nobody": written(SOUND % (b"/nowhere", 900_000, b"x" * 250_000)),
    "a file without a slot": written(
        (SOUND % (b"/upload/a/b", 900_000, b"x" * 250_000)).replace(b"POST", b"PUT")
    ),
    "a BOSH body": written(SOUND % (b"/http-bind", 900_000, b"<body " + b"x" * 250_000)),
    "a small BOSH body": written(SOUND % (b"/http-bind", 16_384, b"<body " + b"x" * 16_000)),
    "a held request": held_request,
    "an early request": early_request,
    "an unfinished frame": unfinished_frame,
    "an unfinished small frame": unfinished_small_frame,
    "fragments": fragments,
    "frames that wait": frames_that_wait,
    "wide elements": wide_elements,
    "pings": pings,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stranger_costs_little(roomy: Victim, kind: str):
    victim = roomy
    number = list(KINDS).index(kind)
    wires = [await victim.dial(source=f"127.0.2.{number + 1}") for _ in range(MANY)]
    before = victim.memory
    await asyncio.gather(*[KINDS[kind](victim, wire) for wire in wires])
    # Whoever is served after them is served after what they have sent.
    await victim.still_serves(source="127.0.0.9")
    assert victim.memory - before < MANY * EACH / 1024 + NOISE


REFUSED = {
    "a URL": (414, b"GET /ws?" + b"x" * 20_000),
    "a header": (431, HEAD + b"X: " + b"x" * 20_000),
    "a whole head": (431, HEAD + b"X: " + b"x" * 20_000 + b"\r\n\r\n"),
    "101 headers": (431, HEAD + b"X: y\r\n" * 100 + b"\r\n"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_head_that_is_too_large_is_refused(victim: Victim, kind: str):
    status, data = REFUSED[kind]
    wire = await victim.dial(source="127.0.2.100")
    wire.write(data)
    await wire.answer()
    assert wire.status == status
    assert "connection: close" in wire.headers
    await wire.ended()
    await victim.logged("127.0.2.100 dropped: too much in one request")


async def test_a_head_of_a_hundred_headers_is_answered(victim: Victim):
    wire = await victim.dial()
    wire.write(HEAD.replace(b"/ws", b"/healthz") + b"X: y\r\n" * 99 + b"\r\n")
    await wire.answer()
    assert wire.status == 200


async def test_heads_and_bodies_are_counted_each_for_itself(victim: Victim):
    """Many requests on one connection, each with a body, all together over the bound."""
    wire = await victim.dial()
    body = BODY.format(1, "sid='none'").encode() + b" " * 7000
    for _ in range(20):
        wire.write(SOUND % (b"/http-bind", len(body), body))
        await wire.answer()
        assert wire.status == 200
        await wire.reader.readuntil(b"/>")


async def trickled(narrow: Victim, count: int, data: bytes) -> list[Wire]:
    wires = [await narrow.dial(source=f"127.0.3.{number % 5 + 1}") for number in range(count)]
    for wire in wires:
        wire.write(data)
    return wires


@contextlib.asynccontextmanager
async def watched(wires: list[Wire]) -> AsyncIterator[Callable[[int], int]]:
    """Enter with what counts those connections, from a number on, that are open."""
    ends = [asyncio.create_task(wire.ended()) for wire in wires]
    yield lambda first=0: sum(not end.done() for end in ends[first:])
    for end in ends:
        end.cancel()
    await asyncio.wait(ends)


TRICKLES = {
    "BOSH bodies": SOUND % (b"/http-bind", 10_000, b"<body "),
    "bodies that nobody reads": SOUND % (b"/nowhere", 10_000, b"<body "),
    "heads": HEAD + b"X: ",
}


@pytest.mark.parametrize("kind", TRICKLES)
async def test_requests_that_do_not_end_make_room_for_each_other(narrow: Victim, kind: str):
    async with watched(await trickled(narrow, 300, TRICKLES[kind])) as there:
        await eventually(lambda: there() <= 200, lambda: f"{there()} are there")
        assert there() > 100
        await narrow.still_serves(source="127.0.3.1")


@pytest.mark.parametrize("kind", TRICKLES)
async def test_an_address_has_so_many_requests_that_do_not_end(narrow: Victim, kind: str):
    wires = [await narrow.dial(source="127.0.4.1") for _ in range(150)]
    for wire in wires:
        wire.write(TRICKLES[kind])
    async with watched(wires) as there:
        await eventually(lambda: there() <= 100, lambda: f"{there()} are there")
        assert there(100) == 50
        await narrow.still_serves(source="127.0.4.1")


async def test_a_body_that_comes_slowly_is_read(narrow: Victim):
    """Among others that do not come, of other addresses."""
    wires = await trickled(narrow, 100, TRICKLES["BOSH bodies"])
    slow = await narrow.dial(source="127.0.4.2")
    body = BODY.format(1, "to='localhost' wait='60' hold='1' ver='1.6'").encode()
    head, _, _ = (SOUND % (b"/http-bind", len(body), b"")).partition(b"\r\n\r\n")
    slow.write(head + b"\r\n\r\n")
    for at in range(0, len(body), 20):
        slow.write(body[at : at + 20])
        await slow.writer.drain()
    assert b"sid='" in await slow.reader.readuntil(b"</body>")
    async with watched(wires) as there:
        await narrow.still_serves(source="127.0.4.3")
        assert there() == 100


async def test_a_large_message_after_sign_in_is_taken(victim: Victim):
    wire = await victim.sign_in()
    text = "x" * 200_000
    await wire.send(f"<message xmlns='jabber:client' to='{wire.jid}'><body>{text}</body></message>")
    assert text in await wire.until("<message")


async def test_a_connection_stays_between_two_requests(hurried: Victim):
    """Also longer than a stranger may take who asks nothing."""
    wire, silent = await hurried.dial(), await hurried.dial()
    for _ in range(2):
        wire.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await wire.answer()
        assert wire.status == 200
        assert await wire.reader.readexactly(3) == b"ok\n"
        await silent.ended()
