#!/usr/bin/env python3
"""What writing sessions down into Redis costs, beside the file: a turn, its wait, a start.

    bench/journal_redis.py [--redis URL] [--seconds N]

The turns are those of `journal.py`. Without a URL a `redis-server` of this machine's is started,
without a disk, and stopped at the end. Microseconds of this process's processor and of Redis's;
the wait is from the turn's end until it may be promised, with a turn each two milliseconds, and
with one behind the other. Use a Redis that nobody else uses.
"""

import argparse
import asyncio
import contextlib
import resource
import secrets
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import journal as file_bench
from redis.asyncio import Redis

from andiron.cluster.redis.address import Address, Keys, parse
from andiron.cluster.redis.connecting import client, close
from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.journaling import journaling
from andiron.cluster.redis.lease import Lease
from andiron.sm.driver import TimerDriver
from andiron.sm.journal.config import JournalConfig
from andiron.sm.recording import Writer
from andiron.sm.timers import Timers

LARGE = JournalConfig(floor=1 << 29, maximum=1 << 32)


@contextlib.contextmanager
def server(named: str = "redis-server") -> Iterator[str]:
    program = shutil.which(named)
    if program is None:
        raise SystemExit(f"there is no {named}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL) as process:
            try:
                while socket.socket().connect_ex(("127.0.0.1", port)):
                    time.sleep(0.02)
                yield f"redis://127.0.0.1:{port}"
            finally:
                process.terminate()


@contextlib.asynccontextmanager
async def opened(
    redis: Redis, address: Address, domain: str, config: JournalConfig
) -> AsyncIterator[RedisJournal]:
    keys, timers, clock = Keys(domain), Timers(), asyncio.get_running_loop().time
    # Somebody had it before, so it is not waited for.
    await redis.set(keys.key("fence", "home"), 1, ex=60)
    lease = Lease(redis, keys, "home", lambda: None)
    assert await lease.take()
    driver = TimerDriver(timers)
    driver.start()
    async with journaling(address, domain, lease, timers, clock, keep=60, config=config) as journal:
        await settled(journal)
        yield journal
    driver.stop()
    await lease.release()


async def settled(journal: Writer) -> None:
    """Wait until all that was recorded is promised."""
    over = asyncio.Event()
    if not journal.flush(asyncio.get_running_loop().time(), over.set):
        await over.wait()


async def used(redis: Redis) -> tuple[float, int]:
    """Return seconds of Redis's processor, and bytes that it was sent."""
    info = await redis.info()
    return (
        info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"],
        info["total_net_input_bytes"],
    )


def own_seconds() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


async def measure(
    redis: Redis, journal: Writer, turn: Callable[[], None], seconds: float, pause: float
) -> str:
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    turns = 0
    theirs, sent = await used(redis)
    ours, until = own_seconds(), loop.time() + seconds
    while loop.time() < until:
        began = loop.time()
        turn()
        turns += 1

        def promised(began: float = began) -> None:
            waits.append(loop.time() - began)

        if journal.flush(began, promised):
            promised()
        await asyncio.sleep(pause)
    await settled(journal)
    ours = own_seconds() - ours
    theirs_then, sent_then = await used(redis)
    waits.sort()
    busy = (theirs_then - theirs) / turns * 1e6
    return (
        f"{turns / seconds:9.0f} {ours / turns * 1e6:9.1f} {busy:9.1f}"
        f" {(sent_then - sent) / turns:9.0f} {statistics.median(waits) * 1e3:9.2f}"
        f" {waits[len(waits) * 99 // 100] * 1e3:9.2f}"
    )


async def turns(redis: Redis, address: Address, seconds: float) -> None:
    print("stanzas a turn   turns/s   µs here µs Redis     bytes   wait, ms, median, p99")
    for stanzas in file_bench.TURNS:
        for pause in (0.002, 0.0):
            domain = f"{secrets.token_hex(4)}.bench"
            async with opened(redis, address, domain, LARGE) as journal:
                turn = file_bench.with_journal(journal, stanzas)
                await settled(journal)
                print(f"{stanzas:14} {await measure(redis, journal, turn, seconds, pause)}")
            with (
                tempfile.TemporaryDirectory(prefix="andiron-bench-") as folder,
                file_bench.journal(Path(folder) / "journal") as file,
            ):
                turn = file_bench.with_journal(file, stanzas)
                print(f"     in a file {await measure(redis, file, turn, seconds, pause)}")


async def big(redis: Redis, address: Address) -> None:
    """Print what the many sessions cost at a start, and a rewriting."""
    domain = f"{secrets.token_hex(4)}.bench"
    async with opened(redis, address, domain, LARGE) as journal:
        for number in range(file_bench.SESSIONS):
            journal.journal.began(file_bench.frozen(number))
        await settled(journal)
        for place in range(file_bench.QUEUED):
            for number in range(file_bench.SESSIONS):
                text = f"{file_bench.TEXT[:280]}{place * file_bench.SESSIONS + number:020}"
                journal.journal.queued(f"{number:048d}", text, 1.5e9 + place)
            await settled(journal)
        print(f"{journal.size / 1e6:.0f} MB, {len(journal.journal.state.sessions)} sessions")
    began = time.monotonic()
    async with opened(redis, address, domain, LARGE) as journal:
        print(f"start: {time.monotonic() - began:.2f} s")
        await rewrite(journal)


async def rewrite(journal: RedisJournal) -> None:
    """Write it anew by its timer, and print how long others wait for the event loop at most."""
    name = journal._current.name if journal._current else ""
    journal._config = JournalConfig()
    began, longest = time.monotonic(), 0.0
    journal.on_timer(began)
    while journal._current is None or journal._current.name == name:
        now = time.monotonic()
        await asyncio.sleep(0)
        longest = max(longest, time.monotonic() - now)
    print(f"anew: {time.monotonic() - began:.2f} s, the longest step {longest * 1e3:.1f} ms")


async def run(address: Address, seconds: float) -> None:
    redis = client(address, 10.0)
    try:
        await turns(redis, address, seconds)
        await big(redis, address)
    finally:
        await close(redis)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", help="redis://…; by default one is started")
    parser.add_argument("--seconds", type=float, default=3, help="for a figure")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.redis or stack.enter_context(server())
        asyncio.run(run(parse(url), options.seconds))


if __name__ == "__main__":
    main()
