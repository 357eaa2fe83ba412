"""Processes that are killed, stand still and come back: never two homes, and nothing lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pytest
from redis.asyncio import Redis
from support.redis_server import RedisServer

from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.connecting import client, close

TTL = 3.0
HOLDER = """
import asyncio, json, sys
from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.belief import Timing
from andiron.cluster.redis.connecting import client, close
from andiron.cluster.redis.journaling import journaling
from andiron.cluster.redis.lease import Lease
from andiron.sm.driver import TimerDriver
from andiron.sm.timers import Timers

address, domain, ttl = parse(sys.argv[1]), sys.argv[2], float(sys.argv[3])

def say(**what):
    print(json.dumps(what), flush=True)

async def main():
    redis, timers, clock = client(address, 2.0), Timers(), asyncio.get_running_loop().time
    TimerDriver(timers).start()
    lost = asyncio.Event()
    timing = Timing(ttl=ttl, margin=ttl / 5)
    lease = Lease(redis, Keys(domain), "home", lost.set, timing=timing)
    bell = lease.doorbell()
    bell.begin()
    while not await lease.take():
        await bell.wait(lease.free_in())
    await bell.end()
    async with journaling(address, domain, lease, timers, clock, keep=600) as journal:
        journal.on_lost = lost.set
        found = dict(journal.journal.state.notes)
        say(home=int(lease.fence), found=found)
        number = found.get("count", 0)
        while not lost.is_set():
            number += 1
            journal.journal.note("count", number)
            promised = lambda number=number: say(promised=number)
            if journal.flush(clock(), promised):
                promised()
            await asyncio.sleep(0.005)
        say(lost=True, held=lease.held, failing=journal.failing)
    await lease.release()
    await close(redis)

asyncio.run(main())
"""


class Holder:
    """A process that wants to be home, counts while it is, and says what is promised."""

    def __init__(self, url: str, keys: Keys, ttl: float) -> None:
        command = [sys.executable, "-c", HOLDER, url, keys.domain, str(ttl)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self._out: IO[bytes] = self.process.stdout

    async def hear(self, what: str) -> dict[str, Any]:
        """Return the next that it says of a kind."""
        while True:
            line = await asyncio.to_thread(self._out.readline)
            assert line, "it has ended"
            said: dict[str, Any] = json.loads(line)
            if what in said:
                return said

    async def last(self) -> int:
        """Return the last number that was promised, of a process that has ended."""
        lines = (await asyncio.to_thread(self._out.read)).splitlines()
        promised = [json.loads(each).get("promised", 0) for each in lines if each.endswith(b"}")]
        return max(promised, default=0)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


@contextmanager
def holder(url: str, keys: Keys, ttl: float = TTL) -> Iterator[Holder]:
    made = Holder(url, keys, ttl)
    with made.process:
        try:
            yield made
        finally:
            made.process.kill()


@pytest.fixture
async def domain(redis: Redis, keys: Keys) -> Keys:
    """Name one that had a home before, so nobody waits for a server that was just started."""
    await redis.set(keys.key("fence", "home"), 1)
    return keys


async def test_one_that_is_killed(redis_server: RedisServer, domain: Keys) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(holder(redis_server.url, domain))
        first = await one.hear("home")
        other = stack.enter_context(holder(redis_server.url, domain))
        for _ in range(20):
            await one.hear("promised")
        one.send(signal.SIGKILL)
        promised = await one.last()
        second = await other.hear("home")
        assert second["found"]["count"] >= promised >= 0
        assert second["home"] > first["home"]
        assert (await other.hear("promised"))["promised"] == second["found"]["count"] + 1


async def test_one_that_stands_still_and_comes_back(
    redis_server: RedisServer, domain: Keys
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(holder(redis_server.url, domain))
        await one.hear("home")
        await one.hear("promised")
        other = stack.enter_context(holder(redis_server.url, domain))
        one.send(signal.SIGSTOP)
        second = await other.hear("home")
        one.send(signal.SIGCONT)
        lost = await one.hear("lost")
        assert not lost["held"]
        for _ in range(5):
            told = await other.hear("promised")
        assert told["promised"] > second["found"]["count"]
        other.send(signal.SIGKILL)
        await other.last()
        third = await stack.enter_context(holder(redis_server.url, domain)).hear("home")
        assert third["found"]["count"] >= told["promised"], "the one that came back wrote nothing"


async def test_a_redis_that_starts_again_with_nothing(own_server: RedisServer, keys: Keys) -> None:
    """The home stays home, and writes anew what it has."""
    redis = client(parse(own_server.url), 5.0)
    await redis.set(keys.key("fence", "home"), 1)
    await close(redis)
    with ExitStack() as stack:
        one = stack.enter_context(holder(own_server.url, keys, ttl=60))
        await one.hear("home")
        for _ in range(20):
            await one.hear("promised")
        own_server.kill()
        own_server.start()
        redis = client(parse(own_server.url), 5.0)
        async with asyncio.timeout(60):
            while not await redis.exists(keys.key("journal")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        # What was promised before may not have been read yet.
        last = 0
        while (told := await one.hear("promised"))["promised"] < last + 200:
            last = last or told["promised"]
        one.send(signal.SIGKILL)  # It would have the lease again at once.
        await one.last()
        await redis.delete(keys.key("lease", "home"))
        second = await stack.enter_context(holder(own_server.url, keys)).hear("home")
        assert second["found"]["count"] >= told["promised"] > 20
    await close(redis)
