"""From the opening to the end: what was recorded is there for the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from support.redis_server import RedisServer

from andiron.cluster.redis.address import Address, Keys, parse
from andiron.cluster.redis.belief import Timing
from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.journaling import journaling
from andiron.cluster.redis.lease import Lease
from andiron.sm.driver import TimerDriver
from andiron.sm.journal.lines import JournalError
from andiron.sm.timers import Timers


@pytest.fixture
async def lease(redis: Redis, keys: Keys) -> AsyncIterator[Lease]:
    await redis.set(keys.key("fence", "home"), 1)
    made = Lease(redis, keys, "home", lambda: None, timing=Timing(ttl=60.0))
    assert await made.take()
    yield made
    await made.release()


@asynccontextmanager
async def opened(
    address: Address, keys: Keys, lease: Lease, patience: float = 30.0
) -> AsyncIterator[RedisJournal]:
    timers = Timers()
    driver = TimerDriver(timers)
    driver.start()
    clock = asyncio.get_running_loop().time
    async with journaling(
        address, keys.domain, lease, timers, clock, keep=600, patience=patience
    ) as journal:
        yield journal
    driver.stop()


async def test_all_that_was_recorded_is_there_for_the_next(
    redis_server: RedisServer, keys: Keys, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    address = parse(redis_server.url)
    async with opened(address, keys, lease) as journal:
        assert journal.name == f"of {keys.domain} at {redis_server.url}/0"
        for number in range(100):
            journal.journal.note("a", number)
    async with opened(address, keys, lease) as journal:
        assert journal.journal.state.notes == {"a": 99}
    assert not caplog.records


async def test_what_could_not_be_written_is_said(
    redis_server: RedisServer, keys: Keys, lease: Lease, redis: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async with opened(parse(redis_server.url), keys, lease, patience=0.1) as journal:
        journal.journal.note("a", 1)
        await redis.client_pause(1000)
    assert "was not promised" in caplog.text


async def test_what_fails_in_the_block_is_not_waited_for(
    redis_server: RedisServer, keys: Keys, lease: Lease
) -> None:
    async def fail() -> None:
        async with opened(parse(redis_server.url), keys, lease, patience=1e9) as journal:
            journal.close()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()


async def test_a_redis_that_is_not_there(keys: Keys, lease: Lease) -> None:
    with pytest.raises(JournalError, match=r"cannot be read .*ANDIRON_CLUSTER"):
        async with opened(parse("redis://127.0.0.1:1"), keys, lease):
            pass
