"""The lease in a real Redis: one holder, who says where he is, and lets go in time."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from support.redis_server import RedisServer

from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.belief import Timing
from andiron.cluster.redis.connecting import client, close
from andiron.cluster.redis.lease import Lease, boot_time

TIMING = Timing(ttl=1.5, margin=0.5, pause=0.05, patience=0.5)
LONG = Timing(ttl=30.0, margin=2.0, pause=0.05, patience=5.0)
"""For what must not end by itself, however busy the machine is."""


class Process:
    """Who may hold it, with the time at which it learned that it had lost it."""

    def __init__(self, redis: Redis, keys: Keys, timing: Timing = LONG) -> None:
        self.over = asyncio.Event()
        self.lease = Lease(redis, keys, "home", self.over.set, timing=timing)

    async def take(self) -> None:
        """Ask as often as necessary: a server that was just started gives it to nobody."""
        async with asyncio.timeout(30):
            while not await self.lease.take():  # noqa: ASYNC110 - nothing rings for that
                await asyncio.sleep(0.05)


@pytest.fixture
async def make(redis: Redis, keys: Keys) -> AsyncIterator[Callable[..., Process]]:
    """Make processes that release what they hold at the end; a fence was given before."""
    await redis.set(keys.key("fence", "home"), 1)
    made: list[Process] = []

    def one(timing: Timing = LONG) -> Process:
        made.append(Process(redis, keys, timing))
        return made[-1]

    yield one
    for each in made:
        await each.lease.release()


Make = Callable[..., Process]


async def test_one_holds_it(make: Make) -> None:
    one, other = make(), make()
    assert await one.lease.take()
    assert await one.lease.take(), "still"
    assert one.lease.held
    assert not await other.lease.take()
    assert not other.lease.held
    assert 0 < other.lease.free_in() <= LONG.ttl


async def test_it_is_given_back_and_the_next_has_a_higher_fence(make: Make) -> None:
    one, other = make(), make()
    assert await one.lease.take()
    fence = one.lease.fence
    await one.lease.release()
    assert not one.lease.held
    assert not one.over.is_set(), "who gives it back does not lose it"
    assert await other.lease.take()
    assert int(other.lease.fence) > int(fence) > 1


async def test_where_the_holder_is(make: Make) -> None:
    one, other = make(), make()
    assert await other.lease.where() is None
    await one.lease.take()
    assert await other.lease.where() is None
    await one.lease.publish(b"10.0.0.1:5000 \x00\xff")
    assert await other.lease.where() == b"10.0.0.1:5000 \x00\xff"
    await one.lease.release()
    assert await other.lease.where() is None


async def test_it_is_renewed(make: Make) -> None:
    one, other = make(TIMING), make(TIMING)
    assert await one.lease.take()
    until = boot_time() + 2 * TIMING.ttl
    while boot_time() < until and one.lease.held:
        # A machine on which this stands still for long may lose it.
        assert not await other.lease.take() or not one.lease.held
        await asyncio.sleep(0.05)


async def test_others_hear_of_it(make: Make) -> None:
    one, other = make(), make()
    await one.lease.take()
    bell = other.lease.doorbell()
    await bell.end()
    bell.begin()
    await bell.wait(30)  # It has begun to listen.
    ringing = asyncio.create_task(bell.wait(60))
    await one.lease.publish(b"here")
    async with asyncio.timeout(30):
        await ringing
    await one.lease.release()
    async with asyncio.timeout(30):
        await bell.wait(60)
    assert await other.lease.take()
    await bell.end()


async def test_who_asks_for_it_is_known_by_one_name(make: Make, redis: Redis, keys: Keys) -> None:
    one, other = make(), make()
    own = other.lease.groups[0]
    await one.take()
    await other.lease.take()
    group = one.lease.groups[0]
    assert other.lease.groups == [group, own]
    await one.lease.release()
    await redis.delete(keys.key("group", "home"))
    third = make()
    await other.take()
    await third.lease.take()
    assert third.lease.groups[0] == group, "who knows it tells the others"
    assert await redis.get(keys.key("group", "home")) == group.encode()


async def test_what_was_its_name_is_not_forgotten(make: Make, redis: Redis, keys: Keys) -> None:
    one, other = make(), make()
    await one.take()
    former = one.lease.groups[0]
    await one.lease.release()
    await redis.delete(keys.key("group", "home"))
    await other.take()
    assert not await one.lease.take()
    assert one.lease.groups == [other.lease.groups[0], former]
    for number in range(20):
        one.lease._belong_to(str(number))
    assert len(one.lease.groups) == 8


async def test_who_lost_it_is_told_and_lets_go_before_he_asks_again(
    make: Make, redis: Redis
) -> None:
    one, other = make(TIMING), make()
    await one.lease.take()
    await redis.delete(one.lease.key)
    assert await other.lease.take()
    async with asyncio.timeout(30):
        await one.over.wait()
    assert not one.lease.held
    assert not await one.lease.take()
    await one.lease.release()
    assert other.lease.held
    assert not await one.lease.take(), "what it released was not the other's"
    assert await other.lease.where() is None


async def test_what_the_server_has_lost_its_holder_gets_again(make: Make, redis: Redis) -> None:
    one, other = make(Timing(ttl=6.0, margin=1.0)), make()
    await one.take()
    await one.lease.publish(b"here")
    fence, token = one.lease.fence, one.lease.token
    await redis.delete(one.lease.key)
    async with asyncio.timeout(30):
        while await redis.hget(one.lease.key, "token") != token.encode():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert one.lease.fence == fence
    assert await other.lease.where() == b"here"


async def test_a_server_that_was_just_started_gives_it_to_nobody_new(
    own_server: RedisServer, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    redis = client(parse(own_server.url), 5.0)
    one = Process(redis, keys, LONG)
    other = Process(redis, keys, Timing(ttl=1.5, margin=0.5))
    for _ in range(3):
        assert not await one.lease.take()
    assert 0 < one.lease.free_in() <= 30
    assert one.lease.early
    (told,) = [each.message for each in caplog.records]
    assert "knows of no lease" in told
    await other.take()
    await other.lease.release()
    assert await one.lease.take(), "its number is known now"
    assert not one.lease.early
    await one.lease.release()
    await close(redis)


async def test_who_is_cut_off_lets_go_before_another_has_it(
    own_server: RedisServer, keys: Keys
) -> None:
    """The server hangs; when it goes on the lease has ended there, too."""
    redis = client(parse(own_server.url), 5.0)
    one = Process(redis, keys, TIMING)
    await one.take()
    began = boot_time()
    assert own_server.process is not None
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            await one.over.wait()
        assert one.lease.failing == "it does not answer"
        assert boot_time() - began < 30
        assert not one.lease.held
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
    other = Process(redis, keys, LONG)
    await other.take()
    await one.lease.release()
    assert other.lease.held
    assert not await one.lease.take()
    await other.lease.release()
    await close(redis)


async def test_a_process_that_stood_still_knows(make: Make) -> None:
    """Its clock went on; no task of it needs to have run."""
    late = 0.0
    one = make()
    one.lease._clock = lambda: boot_time() + late
    await one.lease.take()
    assert one.lease.held
    late = LONG.ttl - LONG.margin
    assert not one.lease.held
    assert not one.over.is_set(), "it is told when it comes to it"


async def test_a_server_that_is_not_there(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    redis = client(parse("redis://127.0.0.1:1"), 1.0)
    one = Process(redis, keys)
    for _ in range(3):
        assert not await one.lease.take()
    assert one.lease.failing
    assert len(caplog.records) == 1, "it is said once"
    with contextlib.suppress(ConnectionError):
        await one.lease.release()
    await close(redis)


async def test_an_answer_that_comes_after_the_release_gives_nothing(
    make: Make, redis: Redis
) -> None:
    one, other = make(), make()
    await one.lease.take()
    publishing = asyncio.create_task(one.lease.publish(b"here"))
    await asyncio.sleep(0)
    await one.lease.release()
    await publishing
    assert not one.lease.held
    assert await other.lease.take()
    assert not one.over.is_set()


async def test_what_is_kept_has_an_end(make: Make, redis: Redis, keys: Keys) -> None:
    one = make()
    await one.lease.take()
    await one.lease.publish(b"here")
    found = await redis.keys(keys.key("*").replace("[", "\\["))
    assert len(found) == 3
    for key in found:
        assert await redis.pttl(key) > 0


async def test_a_server_whose_memory_is_full_renews_it(own_server: RedisServer, keys: Keys) -> None:
    """It gives it to nobody else, though: for that something must be set."""
    redis = client(parse(own_server.url), 5.0)
    await redis.set(keys.key("fence", "home"), 1)
    one, other = Process(redis, keys), Process(redis, keys)
    await one.take()
    await redis.pexpire(one.lease.key, 20_000)
    await redis.config_set("maxmemory", "1")
    assert await one.lease._ask(5.0)
    assert await redis.pttl(one.lease.key) > 25_000
    assert one.lease.held
    await one.lease.release()
    assert not await other.lease.take()
    assert "maxmemory" in other.lease.failing
    await redis.config_set("maxmemory", "0")
    assert await other.lease.take()
    await other.lease.release()
    await close(redis)
