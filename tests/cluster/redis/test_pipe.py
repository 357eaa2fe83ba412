"""The journal in a real Redis: promised when it answers, and what becomes of what fails."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from support.journal import plain, session
from support.redis_server import RedisServer
from support.waiting import until

from andiron.cluster.redis import pipe as pipe_module
from andiron.cluster.redis.address import Keys, parse
from andiron.cluster.redis.connecting import client, close
from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.opening import open_journal
from andiron.cluster.redis.pipe import Pipe
from andiron.sm.driver import TimerDriver
from andiron.sm.journal.config import JournalConfig
from andiron.sm.journal.lines import JournalError, NewerError
from andiron.sm.timers import Timers

TEXT = f"<message>{'x' * 300}</message>"
SMALL = JournalConfig(floor=20_000, slice=2000)


class Process:
    """One that holds the lease as ``token``, and its journal."""

    def __init__(self, redis: Redis, url: str, keys: Keys, token: str) -> None:
        self.redis = redis
        self.lease = keys.key("lease", "home")
        self.keys = keys
        self.token = token
        self.own = client(parse(url), None)
        self.pipe = Pipe(self.own, keys, self.lease, token, keep=600)
        self.told: list[int] = []
        self.lost = asyncio.Event()
        self._number = 0

    async def open(self, config: JournalConfig = SMALL) -> None:
        await self.redis.hset(self.lease, "token", self.token)
        found = await open_journal(self.redis, self.keys, self.lease, self.token, "chat")
        timers = Timers()
        clock = asyncio.get_running_loop().time
        self.file = RedisJournal(
            "chat", found.segment, found.state, timers, self.pipe, clock, touch=60, config=config
        )
        self.file.on_lost = self.lost.set
        self.journal = self.file.journal
        self.driver = TimerDriver(timers)
        self.driver.start()

    def note(self, value: object, key: str = "a") -> int:
        """Record it as a turn of its own; return the number that will be told."""
        self._number = number = self._number + 1
        self.journal.note(key, value)  # type: ignore[arg-type]
        clock = asyncio.get_running_loop().time
        if self.file.flush(clock(), lambda: self.told.append(number)):
            self.told.append(number)
        return number

    async def promised(self, number: int) -> None:
        await until(lambda: number in self.told, lambda: self.file.failing)

    async def close(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
            self.driver.stop()
        await self.pipe.close()
        await close(self.own)


@asynccontextmanager
async def process(
    redis: Redis, url: str, keys: Keys, token: str = "one", config: JournalConfig = SMALL
) -> AsyncIterator[Process]:
    made = Process(redis, url, keys, token)
    try:
        await made.open(config)
        yield made
    finally:
        await made.close()


@pytest.fixture
def url(redis_server: RedisServer) -> str:
    return redis_server.url


async def test_the_next_process_finds_what_was_promised(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        one.journal.began(session("s1", 0, [(TEXT, 1.5)]))
        await one.promised(one.note({"subject": 'Verona \ud800 "ж"'}))
        assert one.told == [1]
        before = plain(one.journal.state)
    async with process(redis, url, keys, "two") as two:
        assert plain(two.journal.state) == before
        await two.promised(two.note(2))
    async with process(redis, url, keys, "three") as three:
        assert three.journal.state.notes == {"a": 2}
        assert set(three.journal.state.sessions) == {"s1"}


async def test_many_turns_are_promised_in_order(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys, config=JournalConfig()) as one:
        await one.promised(one.note(0))
        name = await redis.hget(keys.key("journal"), "current")
        key = keys.key("journal", name.decode())
        before = await redis.llen(key)
        for number in range(3000):
            one.note(number)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await one.promised(3001)
        assert one.told == list(range(1, 3002))
        assert one.file.failing == ""
        assert await redis.llen(key) == before + 3000


async def test_all_is_written_anew_while_turns_go_on(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        for number in range(40):
            one.journal.began(session(f"s{number}", 0, [(TEXT, 1.5)]))
        await one.promised(one.note(0))
        names = set()
        number = 0
        while len(names) < 3:
            number = one.note(f"{number} {TEXT}")
            one.journal.handled(f"s{number % 40}", number)
            await asyncio.sleep(0.001)
            name = await redis.hget(keys.key("journal"), "current")
            names.add(name)
        await one.promised(one.note("last"))
        assert one.told == list(range(1, one._number + 1))
        before = plain(one.journal.state)
    found = [key async for key in redis.scan_iter(keys.key("journal:*"))]
    assert len(found) == 1, "former lists are gone"
    async with process(redis, url, keys, "two") as two:
        assert plain(two.journal.state) == before


async def test_a_connection_that_breaks_loses_nothing(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note(0))
        for _ in range(5):
            for _ in range(50):
                one.note(TEXT)
            await asyncio.sleep(0)
            await redis.client_kill_filter(_type="normal", skipme=True)
            await one.promised(one.note("then"))
        assert one.told == list(range(1, one._number + 1))
        await until(lambda: not one.file.failing)
        before = plain(one.journal.state)
    async with process(redis, url, keys, "two") as two:
        assert plain(two.journal.state) == before


async def test_a_connection_that_breaks_while_it_is_idle(
    redis: Redis, url: str, keys: Keys
) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note(0))
        line = one.pipe._line
        assert line is not None
        await redis.client_kill_filter(_type="normal", skipme=True)
        await until(lambda: line._over is not None)
        assert one.file.failing == ""
        await one.promised(one.note("then"))


async def test_a_connection_that_has_just_ended(redis: Redis, url: str, keys: Keys) -> None:
    """What is written to it raises an error that is no failure of a network's."""
    async with process(redis, url, keys) as one:
        await one.promised(one.note(0))
        line = one.pipe._line
        assert line is not None
        assert line._connection is not None
        writer = line._connection._writer
        assert writer is not None
        writer.transport.abort()
        await asyncio.sleep(0)
        await one.promised(one.note("then"))


async def test_who_lost_the_lease_writes_nothing(
    redis: Redis, url: str, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note("mine"))
        async with process(redis, url, keys, "two") as two:
            assert two.journal.state.notes == {"a": "mine"}
            one.note("too late")
            await one.lost.wait()
            assert one.told == [1]
            assert one.file.failing == "another process has taken over"
            assert not one.file.flush(0.0)
            await two.promised(two.note("theirs", "b"))
    assert [each.levelno for each in caplog.records] == [logging.ERROR]
    async with process(redis, url, keys, "three") as three:
        assert three.journal.state.notes == {"a": "mine", "b": "theirs"}


async def test_while_nobody_has_the_lease_nothing_is_written(
    redis: Redis, url: str, keys: Keys
) -> None:
    """Whether it is lost, its holder finds out; or Redis has lost it, and gets it again."""
    async with process(redis, url, keys) as one:
        await one.promised(one.note("mine"))
        await redis.delete(one.lease)
        number = one.note("later")
        await until(lambda: one.file.failing == "it does not know who is home")
        assert number not in one.told
        await redis.hset(one.lease, "token", one.token)
        await one.promised(number)
        assert not one.lost.is_set()


async def test_what_redis_has_lost_is_written_anew(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        one.journal.began(session("s1", 0, [(TEXT, 1.5)]))
        await one.promised(one.note(1))
        found = [key async for key in redis.scan_iter(keys.key("journal*"))]
        await redis.delete(*found)
        await one.promised(one.note(2))
        await until(lambda: not one.file.failing)
        before = plain(one.journal.state)
    async with process(redis, url, keys, "two") as two:
        assert plain(two.journal.state) == before


async def test_a_server_that_starts_again_without_anything(
    own_server: RedisServer, keys: Keys
) -> None:
    redis = client(parse(own_server.url), 5.0)
    async with process(redis, own_server.url, keys) as one:
        one.journal.began(session("s1", 0, [(TEXT, 1.5)]))
        await one.promised(one.note(1))
        own_server.kill()
        number = one.note(2)
        await until(lambda: one.file.failing != "")
        assert number not in one.told
        own_server.start()
        await redis.hset(one.lease, "token", one.token)
        await one.promised(number)
        before = plain(one.journal.state)
        async with process(redis, own_server.url, keys, "two") as two:
            assert plain(two.journal.state) == before
    await close(redis)


async def test_a_server_that_hangs(
    own_server: RedisServer, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe_module, "_PATIENCE", 0.5)
    redis = client(parse(own_server.url), 5.0)
    async with process(redis, own_server.url, keys) as one:
        await one.promised(one.note(1))
        assert own_server.process is not None
        os.kill(own_server.process.pid, signal.SIGSTOP)
        try:
            number = one.note(2)
            await until(lambda: one.file.failing == "it does not answer")
            assert number not in one.told
        finally:
            os.kill(own_server.process.pid, signal.SIGCONT)
        await one.promised(number)
        await until(lambda: not one.file.failing)
        before = plain(one.journal.state)
        async with process(redis, own_server.url, keys, "two") as two:
            assert plain(two.journal.state) == before
    await close(redis)


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, OSError])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_connection_that_ends_as_it_is_written_to(
    redis: Redis,
    url: str,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    at_once: bool,
) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note(1))
        assert one.pipe._line is not None
        connection = one.pipe._line._connection

        async def fails(*_arguments: object, **_options: object) -> None:
            monkeypatch.undo()
            if not at_once:
                await asyncio.sleep(0)
            raise error("the handler is closed")

        monkeypatch.setattr(connection, "send_packed_command", fails)
        await one.promised(one.note(2))
        assert not one.file.failing


async def test_a_server_without_memory(own_server: RedisServer, keys: Keys) -> None:
    redis = client(parse(own_server.url), 5.0)
    async with process(redis, own_server.url, keys) as one:
        await one.promised(one.note(1))
        await redis.config_set("maxmemory", "64kb")
        number = one.note(2)
        await until(lambda: "maxmemory" in one.file.failing, lambda: one.file.failing)
        assert number not in one.told
        await redis.config_set("maxmemory", "0")
        await one.promised(number)
        await until(lambda: not one.file.failing)
    await close(redis)


async def test_what_is_kept_has_an_end(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note(1))
        found = [key async for key in redis.scan_iter(keys.key("journal*"))]
        assert len(found) == 2
        for key in found:
            assert 0 < await redis.pttl(key) <= 600_000


async def test_what_is_idle_is_kept(redis: Redis, url: str, keys: Keys) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note(1))
        found = [key async for key in redis.scan_iter(keys.key("journal*"))]
        for key in found:
            await redis.pexpire(key, 30_000)
        one.file._touch_at = 0.0
        one.file.on_timer(asyncio.get_running_loop().time())
        async with asyncio.timeout(20):
            while min([await redis.pttl(key) for key in found]) < 40_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_damaged_one_is_read_as_far_as_it_goes_and_kept_aside(
    redis: Redis, url: str, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(redis, url, keys) as one:
        await one.promised(one.note("good"))
        await one.promised(one.note("bad"))
        name = (await redis.hget(keys.key("journal"), "current")).decode()
    key = keys.key("journal", name)
    await redis.lset(key, -1, b'00000000[["note","a","wrong"]]\n')
    for token in ("two", "three"):
        caplog.clear()
        made = Process(redis, url, keys, token)
        await made.open()
        assert made.journal.state.notes == {"a": "good"}
        await made.close()  # Before it was written anew.
        assert [each.levelno for each in caplog.records] == [logging.ERROR]
        assert f"kept for a week as {key}:damaged" in caplog.records[0].getMessage()
    async with process(redis, url, keys, "four") as four:
        await four.promised(four.note("b", "b"))
    async with process(redis, url, keys, "five") as five:
        assert five.journal.state.notes == {"a": "good", "b": "b"}
    assert await redis.lindex(f"{key}:damaged", -1) == b'00000000[["note","a","wrong"]]\n'
    assert await redis.pttl(f"{key}:damaged") > 0
    assert not await redis.exists(key)


@pytest.mark.parametrize(
    ("first", "error", "says"),
    [
        (b"andiron journal 99 0123456789abcdef\n", NewerError, "newer Andiron"),
        (b"something else\n", JournalError, "not one of Andiron's"),
    ],
)
async def test_what_another_wrote_is_left_as_it_is(
    redis: Redis, url: str, keys: Keys, first: bytes, error: type[JournalError], says: str
) -> None:
    await redis.hset(keys.key("journal"), "current", "other")
    await redis.rpush(keys.key("journal", "other"), first)
    made = Process(redis, url, keys, "one")
    with pytest.raises(error, match=says):
        await made.open()
    await made.close()
    assert await redis.lrange(keys.key("journal", "other"), 0, -1) == [first]


async def test_a_server_that_is_not_there(redis: Redis, keys: Keys) -> None:
    """It was when the journal was opened."""
    made = Process(redis, "redis://127.0.0.1:1", keys, "one")
    await made.open()
    made.note(1)
    await until(lambda: made.file.failing != "")
    assert not made.told
    with contextlib.suppress(ConnectionError):
        await made.close()
