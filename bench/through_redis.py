#!/usr/bin/env python3
"""What passes through Redis where several processes meet by one (`cluster`).

    .venv/bin/python bench/through_redis.py [--redis-server PROGRAM] [--duration 8]

A home and a door, all clients at the door. Bytes that Redis was sent and sent itself, and its
commands, by its own counters: a second while nothing happens; for each sign-in with stream
management, resumption, and message among 50 pairs, 4 in flight. That of a second is taken off what
the others are, and for messages and resumptions a short run is taken off a long one, which leaves
out what happens once.
"""

import argparse
import contextlib
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fellows import PATIENCE, Process, Row, generate
from journal_redis import server
from redis import Redis

IDLE_SECONDS = 10.0
SHORT_SECONDS = 2.0
USERS = 200
SOME = ("--users", str(USERS))
CONNECT = Row("", "ws", "connect", "sessions_per_s", (*SOME, "--sm"))
RESUME = Row("", "ws", "resume", "resumptions_per_s", (*SOME, "--gap-messages", "0"))
PAIRS = ("--users", "100", "--window", "4", "--warmup", "0")
PLAIN = Row("", "ws", "pingpong", "msgs_per_s", PAIRS)
MANAGED = Row("", "ws", "pingpong", "msgs_per_s", (*PAIRS, "--sm"))


@dataclass(frozen=True, slots=True)
class Through:
    """What Redis counts; ``times`` is how often that was done of which it is the cost."""

    sent: float
    answered: float
    commands: float
    seconds: float
    times: float = 0.0

    def __sub__(self, other: "Through") -> "Through":
        return Through(
            self.sent - other.sent,
            self.answered - other.answered,
            self.commands - other.commands,
            self.seconds - other.seconds,
            self.times - other.times,
        )

    def each(self, idle: "Through | None" = None) -> str:
        """Say what one takes, without what a second takes anyway."""
        cells = []
        for name in ("sent", "answered", "commands"):
            always = 0.0 if idle is None else getattr(idle, name) / idle.seconds * self.seconds
            cells.append(f"{(getattr(self, name) - always) / self.times:,.2f}")
        return " | ".join(cells)


def through(redis: "Redis[bytes]", doing: Callable[[], float]) -> Through:
    """Return what passed while that was done, which tells how often it did it."""

    def counted() -> Through:
        found = redis.info("stats")
        return Through(
            found["total_net_input_bytes"],
            found["total_net_output_bytes"],
            found["total_commands_processed"],
            time.monotonic(),
        )

    before = counted()
    times = doing()
    after = counted()
    return after - Through(before.sent, before.answered, before.commands, before.seconds, -times)


@contextlib.contextmanager
def two_processes(folder: Path, url: str) -> Iterator[int]:
    """Run a home and a door; yield the port of the door."""
    (folder / "files").mkdir()
    settings = {"ANDIRON_CLUSTER": url, "ANDIRON_UPLOAD_DIR": str(folder / "files")}
    with contextlib.ExitStack() as ended:
        for _ in ("home", "door"):
            process = Process(folder, **settings)
            ended.callback(process.end)
            ready(process.port)
        yield process.port


def ready(port: int) -> None:
    """Wait until a process serves, which takes ten seconds with a Redis that has just begun."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError):  # A 503 is one, too.
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE).close()
            return
        time.sleep(0.1)
    raise SystemExit("a process is not ready")


def main() -> int:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--redis-server", default="redis-server", help="the program")
    parser.add_argument("--duration", type=float, default=8.0, help="seconds of the longer runs")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="andiron-redis-") as name,
        server(options.redis_server) as url,
        Redis.from_url(url) as redis,
        two_processes(Path(name), url) as port,
    ):
        count(redis, port, options.duration, Path(name))
    return 0


def count(redis: "Redis[bytes]", port: int, duration: float, folder: Path) -> None:
    """Print the rows."""

    def waited() -> float:
        time.sleep(IDLE_SECONDS)
        return IDLE_SECONDS

    def run(row: Row, seconds: float) -> Through:
        def generated() -> float:
            figures = generate(row, port, 0, seconds, folder)
            return figures[row.figure] * seconds

        return through(redis, generated)

    print(f"Redis {redis.info('server')['redis_version']}\n")
    print("| | bytes to it | from it | commands |\n|---|---|---|---|")
    idle = through(redis, waited)
    print(f"| a second, idle | {idle.each()} |", flush=True)
    signed_in = through(redis, lambda: generate(CONNECT, port, 0, 1, folder) and USERS)
    print(f"| a sign-in, and its end | {signed_in.each(idle)} |", flush=True)
    for title, row in (
        ("a resumption", RESUME),
        ("a message", PLAIN),
        ("a message with stream management", MANAGED),
    ):
        many = run(row, duration) - run(row, SHORT_SECONDS)
        print(f"| {title} | {many.each(idle)} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
