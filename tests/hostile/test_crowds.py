"""Many connections that never speak: others get in, and when they are gone nothing is left.

``CROWD=10000 pytest tests/hostile/test_crowds.py`` makes the crowd larger; both
the tests and the server must be allowed that many open files.
"""

import asyncio
import contextlib
import os

from tests.hostile.conftest import eventually

CROWD = int(os.environ.get("CROWD", "300"))
ROOM = 16 + CROWD // 400
"""MiB that the server may take meanwhile and not give back."""


async def crowd(making):
    """Return what ``making`` returns for each number, some of them at a time."""
    gate = asyncio.Semaphore(100)

    async def one(number):
        async with gate:
            return await making(number)

    return await asyncio.gather(*[one(number) for number in range(CROWD)])


async def test_connections_that_never_ask(hurried):
    sockets, before = hurried.sockets, hurried.memory
    wires = await crowd(lambda _: hurried.dial(source="127.0.0.3"))
    await hurried.logged("127.0.0.3 dropped: no request came", CROWD - 200)
    await hurried.still_serves(source="127.0.0.3")
    for wire in wires:
        await wire.ended()
    await hurried.logged("127.0.0.3 dropped: no request came", CROWD)
    await eventually(lambda: hurried.sockets <= sockets)
    assert hurried.memory - before < ROOM


async def test_requests_that_never_end(hurried):
    sockets = hurried.sockets
    wires = await crowd(lambda _: hurried.dial(source="127.0.0.4"))
    for wire in wires:
        wire.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    await hurried.logged("127.0.0.4 dropped: no request came", CROWD - 200)
    await hurried.still_serves(source="127.0.0.4")
    ended = asyncio.gather(*[wire.ended() for wire in wires])
    with contextlib.suppress(OSError):
        while not ended.done():
            for wire in wires:
                wire.write(b"x")
            await asyncio.sleep(0.1)
    await ended
    await eventually(lambda: hurried.sockets <= sockets)


async def test_a_body_that_never_comes(hurried):
    sockets = hurried.sockets
    wire = await hurried.dial(source="127.0.0.5")
    wire.write(b"POST /ws HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
    await wire.answer()
    assert wire.status == 426

    async def trickle():
        while True:
            wire.write(b"x")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    await wire.ended()
    trickling.cancel()
    await asyncio.wait([trickling])
    await hurried.logged("127.0.0.5 dropped: no request came")
    await eventually(lambda: hurried.sockets <= sockets)


async def test_websockets_that_never_open(hurried):
    sockets, before = hurried.sockets, hurried.memory
    wires = await crowd(lambda _: hurried.ask(source="127.0.0.6"))
    # While a crowd comes, the first of it may be sent home, and others take their places.
    sent_home = hurried.said().count("127.0.0.6 closed: negotiation-timeout")
    statuses = [wire.status for wire in wires]
    admitted = statuses.count(101)
    assert 100 <= admitted <= 100 + sent_home
    assert statuses.count(503) == CROWD - admitted
    refused = next(wire for wire in wires if wire.status == 503)
    assert "retry-after: 5" in refused.headers
    assert b"try again soon" in await refused.reader.read()
    await hurried.logged("127.0.0.6 refused: Too many connections are signing in", CROWD - admitted)
    await hurried.still_serves(source="127.0.0.7")
    for wire in wires:
        if wire.status == 101:
            assert "<connection-timeout " in (await wire.rest())[1]
    await hurried.logged("127.0.0.6 closed: negotiation-timeout", admitted)
    await eventually(lambda: hurried.sockets <= sockets)
    assert hurried.memory - before < 2 * ROOM
    await hurried.still_serves(source="127.0.0.6")


async def test_strangers_from_everywhere(victim):
    wires = await crowd(lambda number: victim.ask(f"X-Forwarded-For: 203.0.113.{number % 250}"))
    sent_home = victim.said().count(" closed: negotiation-timeout")
    statuses = [wire.status for wire in wires]
    admitted = statuses.count(101)
    assert 200 <= admitted <= 200 + sent_home
    assert statuses.count(503) == CROWD - admitted
    for wire in wires:
        wire.reset()
    await victim.logged(" closed: ", admitted)
    await victim.still_serves(source="127.0.0.8")


async def test_the_guests_of_one_network(victim):
    async def stranger(number):
        address = f"X-Forwarded-For: 2001:db8:0:1::{number:x}"
        return await victim.ask(address)

    wires = await asyncio.gather(*[stranger(number) for number in range(150)])
    assert [wire.status for wire in wires].count(101) == 100
    for wire in wires:
        wire.reset()
    await victim.logged("closed: connection-lost", 100)
