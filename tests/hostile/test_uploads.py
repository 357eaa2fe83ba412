"""Uploads that lie about themselves, never end, or bring more than was agreed."""

import asyncio
import contextlib
import re

import pytest

from tests.hostile.conftest import eventually

SIZE = 200_000
PIECE = b"10000\r\n" + bytes(65_536) + b"\r\n"


async def slot(victim, size=SIZE):
    """Return the path and the header of a slot."""
    client = await victim.sign_in()
    await client.send(
        "<iq xmlns='jabber:client' type='get' id='u' to='localhost'><request"
        f" xmlns='urn:xmpp:http:upload:0' filename='x.bin' size='{size}'/></iq>"
    )
    answer = await client.until("<slot")
    client.close()
    (path,) = re.findall(r"<put url='http://[^/]+(/upload/[^']+)'", answer)
    (authorization,) = re.findall(r">(Bearer [^<]+)<", answer)
    return path, f"Authorization: {authorization}"


async def begin(victim, path, *headers):
    """Send the head of an upload."""
    wire = await victim.dial()
    lines = [f"PUT {path} HTTP/1.1", f"Host: localhost:{victim.port}", *headers, "", ""]
    wire.write("\r\n".join(lines).encode())
    return wire


def files(victim):
    return [path for path in victim.uploads.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Authorization: Bearer x.y", f"Content-Length: {SIZE}"], 403),
        ([f"Content-Length: {SIZE}"], 403),
        (["{authorization}", "Content-Length: 999999999999"], 413),
        (["{authorization}", "Content-Length: 1"], 400),
        (["{authorization}", "Content-Length: 1", "Transfer-Encoding: chunked"], 400),
        (["{authorization}", f"Content-Length: {SIZE}", "Content-Encoding: gzip"], 415),
        (["{authorization}", f"Content-Length: {SIZE}", "Origin: https://evil.example"], 403),
    ],
)
async def test_what_the_head_gives_away_is_refused_before_the_body(victim, headers, status):
    path, authorization = await slot(victim)
    wire = await begin(
        victim, path, *(line.format(authorization=authorization) for line in headers)
    )
    await wire.answer()
    assert wire.status == status
    assert files(victim) == []
    await victim.still_serves()


async def test_a_body_without_end_is_cut_off(victim):
    path, authorization = await slot(victim)
    before = victim.memory
    wire = await begin(victim, path, authorization, "Transfer-Encoding: chunked")

    async def flood():
        with contextlib.suppress(ConnectionError):
            for _ in range(4000):
                wire.write(PIECE)
                await wire.writer.drain()

    flooding = asyncio.create_task(flood())
    await wire.answer()
    assert wire.status == 413
    await wire.ended()
    await flooding
    assert victim.memory - before < 20
    assert files(victim) == []
    await victim.still_serves()


async def test_a_body_that_dribbles_is_not_waited_for(hurried):
    path, authorization = await slot(hurried)
    wire = await begin(hurried, path, authorization, f"Content-Length: {SIZE}")

    async def dribble():
        with contextlib.suppress(ConnectionError):
            while True:
                wire.write(b"x")
                await wire.writer.drain()
                await asyncio.sleep(0.1)

    dribbling = asyncio.create_task(dribble())
    await wire.answer()
    dribbling.cancel()
    assert wire.status == 408
    await wire.ended()
    assert files(hurried) == []


async def test_uploads_of_one_account_at_a_time_are_bounded(victim):
    wires = []
    for _ in range(10):
        path, authorization = await slot(victim)
        wires.append(await begin(victim, path, authorization, f"Content-Length: {SIZE}"))
        wires[-1].write(bytes(70_000))
    await eventually(lambda: len(files(victim)) == 10)
    path, authorization = await slot(victim)
    wire = await begin(victim, path, authorization, f"Content-Length: {SIZE}")
    await wire.answer()
    assert wire.status == 429
    for wire in wires:
        wire.reset()
    await eventually(lambda: files(victim) == [])


async def test_a_body_that_breaks_off_leaves_nothing(victim):
    path, authorization = await slot(victim)
    wire = await begin(victim, path, authorization, f"Content-Length: {SIZE}")
    wire.write(bytes(SIZE - 1))
    await eventually(lambda: len(files(victim)) == 1)
    wire.reset()
    await eventually(lambda: files(victim) == [])
    await victim.still_serves()


@pytest.mark.parametrize(
    "path",
    [
        "/upload/../../../../etc/passwd",
        "/upload/%2e%2e/%2e%2e",
        "/upload/..%2f..%2f..%2fetc%2fpasswd/x",
        "/upload/%00/%00",
        "/upload/" + "t" * 32 + "/%ff",
        "/upload//",
    ],
)
async def test_paths_that_lead_out_of_the_folder_lead_nowhere(victim, path):
    wire = await victim.dial()
    wire.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await wire.answer()
    assert wire.status in {400, 404}
    await victim.still_serves()
