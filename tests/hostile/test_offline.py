"""Much that waits for one who is away: it costs no more than a page of it, and shuts nobody out."""

import os
import re
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hostile.conftest import Victim, andiron_serve, eventually, looked_at, serving
from tests.hostile.wire import Wire
from tests.interop.server import andiron_environment, running

SM = "urn:xmpp:sm:3"
AVAILABLE = "<presence xmlns='jabber:client'/>"
LARGE = "\U0001f434" * 60_000
"""240,000 bytes, of which Python holds twice as many."""
WAITING = 150
ROOM = 24
"""MiB that the server may take while they are taken; they have 34 themselves."""
LIMIT = 20
BYTES = 1_000_000


@pytest.fixture(scope="module")
def shared_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    settings = {"ARCHIVE": "false", "OFFLINE_LIMIT": str(LIMIT), "OFFLINE_BYTES": str(BYTES)}
    with serving(tmp_path_factory.mktemp("away"), people=6, **settings) as victim:
        yield victim


@pytest.fixture
async def away(shared_away: Victim) -> AsyncIterator[Victim]:
    async for victim in looked_at(shared_away):
        yield victim


def database(victim: Victim) -> Path:
    (found,) = victim.uploads.parent.glob("*.db")
    return found


def message(to: str, identity: object, body: str) -> str:
    return (
        f"<message xmlns='jabber:client' type='chat' to='{to}' id='{identity}'>"
        f"<body>{body}</body></message>"
    )


def let_wait(victim: Victim, name: str) -> None:
    """Put large messages into the store of an account, as if they had come before."""
    rows = [
        (
            name,
            time.time(),
            message(f"{name}@localhost", n, LARGE),
            "alice@localhost",
            len(LARGE) * 4,
        )
        for n in range(WAITING)
    ]
    with closing(sqlite3.connect(database(victim))) as connection, connection:
        statement = "insert into offline_messages (username, stamp, text, sender, size)"
        connection.executemany(f"{statement} values (?, ?, ?, ?, ?)", rows)


def stored(victim: Victim, name: str) -> tuple[int, int]:
    """Return how many messages wait for an account, and how many bytes."""
    with closing(sqlite3.connect(database(victim))) as connection:
        query = "select count(*), coalesce(sum(size), 0) from offline_messages where username = ?"
        number, size = connection.execute(query, (name,)).fetchone()
        return number, size


async def take(wire: Wire, victim: Victim, most: int) -> tuple[list[str], int]:
    """Take messages, acknowledging what is asked for; return their ids, and the memory it took."""
    ids = list[str]()
    handled, before, peak = 0, victim.memory, 0
    await wire.send(AVAILABLE)
    while len(ids) < most:
        text = await wire.text()
        if text.startswith(("<message", "<presence", "<iq")):
            handled += 1
        if text.startswith("<message"):
            ids.append(re.findall(r"id='(\d+)'", text.partition(">")[0])[0])
            peak = max(peak, victim.memory)
        elif text.startswith("<r "):
            await wire.send(f"<a xmlns='{SM}' h='{handled}'/>")
    return ids, peak - before


@pytest.mark.parametrize(("name", "sm"), [("user0", True), ("user1", False)])
async def test_who_comes_back_to_many_large_messages_gets_them_all(
    away: Victim, name: str, sm: bool
):
    let_wait(away, name)
    wire = await away.sign_in(name)
    if sm:
        await wire.send(f"<enable xmlns='{SM}'/>")
    ids, memory = await take(wire, away, WAITING)
    assert ids == [str(number) for number in range(WAITING)]
    assert memory < ROOM
    if not sm:
        await eventually(lambda: stored(away, name) == (0, 0))
    await away.still_serves()


async def test_who_takes_and_does_not_acknowledge_gets_a_page_and_leaves_the_rest(away: Victim):
    let_wait(away, "user2")
    before = away.memory
    for _ in range(3):
        wire = await away.sign_in("user2")
        await wire.send(f"<enable xmlns='{SM}'/>", AVAILABLE)
        await wire.until("<message")
        assert await wire.until("<r ")
        await wire.gone()
    assert away.memory - before < ROOM
    assert stored(away, "user2")[0] == WAITING


async def test_a_flood_by_number_locks_nobody_out(away: Victim):
    alice, bob = await away.sign_in("alice"), await away.sign_in("bob")
    await alice.send(*[message("user3@localhost", n, "flood") for n in range(2 * LIMIT)])
    refusals = [await alice.until("type='error'") for _ in range(2 * LIMIT - LIMIT // 2)]
    assert all("service-unavailable" in each and "too much of yours" in each for each in refusals)
    await bob.send(message("user3@localhost", 1000, "honest"), message(bob.jid, 1, "done"))
    assert "<body>done" in await bob.until("<message")
    await eventually(lambda: stored(away, "user3")[0] == LIMIT // 2 + 1)
    carol = await away.sign_in("user3")
    assert (await take(carol, away, LIMIT // 2 + 1))[0][-1] == "1000"
    await eventually(lambda: stored(away, "user3") == (0, 0))


async def test_a_flood_by_bytes_locks_nobody_out(away: Victim):
    alice, bob = await away.sign_in("alice"), await away.sign_in("bob")
    before = database(away).stat().st_size
    await alice.send(*[message("user4@localhost", n, "x" * 200_000) for n in range(20)])
    for _ in range(18):
        assert "too much of yours" in await alice.until("type='error'")
    await bob.send(message("user4@localhost", 1, "x" * 200_000), message(bob.jid, 1, "done"))
    assert "<body>done" in await bob.until("<message")
    await eventually(lambda: stored(away, "user4")[0] == 3)
    assert stored(away, "user4")[1] < BYTES
    assert database(away).stat().st_size - before < 2 * BYTES


async def test_a_kill_loses_nothing_that_was_stored_and_doubles_nothing_acknowledged(
    tmp_path: Path,
):
    with serving(tmp_path, people=1) as victim:
        alice = await victim.sign_in("alice")
        await alice.send(f"<enable xmlns='{SM}'/>")
        await alice.send(*[message("user0@localhost", n, "hello") for n in range(10)])
        await eventually(lambda: stored(victim, "user0")[0] == 10)
        carol = await victim.sign_in("user0")
        await carol.send(f"<enable xmlns='{SM}'/>")
        await take(carol, victim, 10)
        # Her presence and four messages.
        await carol.send(f"<a xmlns='{SM}' h='5'/>")
        await eventually(lambda: stored(victim, "user0")[0] == 6)
        os.kill(victim.pid, signal.SIGKILL)
        await carol.ended()
        for wire in victim.wires:
            await wire.gone()
    environment = andiron_environment(tmp_path)
    with running(
        andiron_serve(victim.port), victim.port, victim.log, environment=environment
    ) as process:
        again = await replace(victim, pid=process.pid, wires=[]).sign_in("user0")
        await again.send(AVAILABLE)
        came = [await again.until("<message") for _ in range(6)]
        await again.gone()
    assert [re.findall(r" id='(\d)'", text)[0] for text in came] == list("456789")
