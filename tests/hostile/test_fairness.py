"""One account floods: the others hardly notice, whatever it asks and over however many streams."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.conftest import Victim, maltreated
from tests.hostile.wire import FAREWELL, frame

ROOT = Path(__file__).parents[2]
PATIENT = {
    "STREAM_MANAGEMENT_REQUEST_TIMEOUT": "60",
    "SESSION_IDLE_PROBE": "60",
    "SESSION_NEGOTIATION_TIMEOUT": "60",
    "WEBSOCKET_PING_TIMEOUT": "60",
}
MESSAGE = "<message xmlns='jabber:client' to='{}' id='{}'><body>x</body></message>"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[Victim]:
    with maltreated(tmp_path_factory.mktemp("house"), **PATIENT) as victim:
        yield victim


@contextlib.contextmanager
def flood(victim: Victim, kind: str, connections: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.hostile.flood", str(victim.port), kind]
    process = subprocess.Popen(
        [*command, str(connections)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()  # It floods.
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


async def median(victim: Victim, messages: int) -> float:
    """Return how long an honest client's message to itself takes."""
    wire = await victim.sign_in("bob")
    times = []
    for number in range(messages):
        began = time.perf_counter()
        await wire.send(MESSAGE.format(wire.jid, f"h{number}"))
        await wire.until(f"id='h{number}'")
        times.append(time.perf_counter() - began)
    wire.close()
    return sorted(times)[messages // 2]


FLOODS = [("disco", 1), ("disco", 8), ("messages", 8), ("rooms", 1), ("archive", 2)]


@pytest.mark.parametrize(("kind", "connections"), FLOODS)
async def test_a_flood_is_its_own_hold_up(house, kind, connections):
    """Without turns the honest wait a thousand times as long as else; most of the rest is noise."""
    before = await median(house, 60)
    with flood(house, kind, connections):
        assert await median(house, 60) < 250 * before


async def test_a_burst_is_read_piece_by_piece_and_whole(victim):
    """Also what is sent just before the client leaves, without stream management."""
    romeo = await victim.sign_in("alice")
    juliet = await victim.sign_in("bob")
    texts = [MESSAGE.format(juliet.jid, n) for n in range(3000)]
    texts.insert(1500, MESSAGE.format(juliet.jid, "large").replace(">x<", f">{'y' * 50_000}<"))
    romeo.write(b"".join(frame(text.encode()) for text in [*texts, FAREWELL]))
    romeo.writer.write_eof()
    heard = []
    async with asyncio.timeout(60):
        while len(heard) < len(texts):
            heard.append((await juliet.until("<message")).partition(" id='")[2].partition("'")[0])
    assert heard == [*map(str, range(1500)), "large", *map(str, range(1500, 3000))]
