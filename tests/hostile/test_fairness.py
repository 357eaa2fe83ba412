"""One account floods: the others hardly notice, whatever it asks and over however many streams."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.hostile.conftest import Victim, maltreated
from tests.hostile.wire import FAREWELL, Wire, frame

ROOT = Path(__file__).parents[2]
PATIENT = {
    "STREAM_MANAGEMENT_REQUEST_TIMEOUT": "60",
    "SESSION_IDLE_PROBE": "60",
    "SESSION_NEGOTIATION_TIMEOUT": "60",
    "WEBSOCKET_PING_TIMEOUT": "60",
}
ROSTER = "<iq xmlns='jabber:client' type='get' id='{}'><query xmlns='jabber:iq:roster'/></iq>"
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


@contextlib.asynccontextmanager
async def befriended(directory: Path, people: int, strangers: int) -> AsyncIterator[Victim]:
    """Run a server on which alice has contacts: of the house, who see her, and others."""
    with maltreated(directory, people=people, **PATIENT) as victim:
        befriend(victim, people, strangers)
        try:
            yield victim
        finally:
            for wire in victim.wires:
                await wire.gone()


def befriend(victim: Victim, people: int, strangers: int) -> None:
    row = "insert into contacts values (?, ?, true, ?, false, false, '', '', '')"
    friends = [f"user{number}" for number in range(people)]
    with contextlib.closing(sqlite3.connect(victim.database)) as database, database:
        database.executemany(row, [("alice", f"{name}@localhost", "both") for name in friends])
        database.executemany(row, [(name, "alice@localhost", "both") for name in friends])
        others = [("alice", f"c{number}@localhost", "none") for number in range(strangers)]
        database.executemany(row, others)


async def test_a_roster_of_10000_contacts_is_read_again_and_again(tmp_path):
    """Others get theirs, between two of hers, and their messages as ever."""
    async with befriended(tmp_path, 0, 10_000) as victim:
        before = await median(victim, 60)
        with flood(victim, "contacts", 4):
            rest = victim.memory
            wire = await victim.sign_in("bob")
            for number in range(5):
                await wire.send(ROSTER.format(number))
                await wire.until(f"id='{number}'")
            wire.close()
            assert await median(victim, 60) < 250 * before
            assert victim.memory - rest < 64


async def test_presence_is_told_to_many_contacts_again_and_again(tmp_path):
    """Whoever reads gets all of it in order, and those whom it does not concern wait little."""
    async with befriended(tmp_path, 8, 9_992) as victim:
        before = await median(victim, 60)
        seers = [await victim.sign_in(f"user{number % 8}") for number in range(80)]
        for seer in seers:
            await seer.send("<presence xmlns='jabber:client'/>")
        rest = victim.memory
        readers = [asyncio.create_task(statuses(seer, 20)) for seer in seers]
        with flood(victim, "presence", 1):
            assert await asyncio.gather(*readers) == [list(range(20))] * 80
            assert await median(victim, 60) < 250 * before
        assert victim.memory - rest < 64


async def statuses(wire: Wire, most: int) -> list[int]:
    """Return what so many presences of alice's said."""
    found: list[int] = []
    while len(found) < most:
        text = await wire.until("<status>")
        found.append(int(text.partition("<status>")[2].partition("<")[0]))
    return found


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
