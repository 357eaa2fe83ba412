#!/usr/bin/env python3
"""What several processes of one chat (`andiron serve --workers`) carry, beside one.

    nice -n -19 .venv/bin/python bench/scaling.py [--turns 3] [--duration 4]

Messages a second among 50 pairs, 4 in flight, with 1, 2 and 4 processes at one address, to which
the kernel gives out the connections, and with all of them at the one of 2 that is not home;
microseconds of a processor that each message takes at the process that is home, and at all
together; and what a core of its own would let the home carry: all processes, and the generator,
share the cores of this machine. Medians of the turns.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fellows
from fellows import PAIRS, PATIENCE, Figures, Process, Row, generate, wanted

ARRANGEMENTS = {1: "1", 2: "2", 4: "4", 0: "2, all by the door"}
COLUMNS = "", "processes", "messages/s here", "µs at home", "µs in all", "a home's core: messages/s"
ROWS = (
    Row("WebSocket", "ws", "pingpong", "msgs_per_s", PAIRS),
    Row("WebSocket, stream management", "ws", "pingpong", "msgs_per_s", (*PAIRS, "--sm")),
    Row("BOSH", "bosh", "pingpong", "msgs_per_s", PAIRS),
)


def home_of(lock: Path) -> int:
    """Return the process that has the lock."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        inode = os.stat(lock).st_ino if lock.exists() else -1
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return int(words[4])
        time.sleep(0.05)
    raise SystemExit("no process became home")


def linked(path: Path) -> int:
    """Return how many connections there are to a socket file."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return sum(line.endswith(f" {path}") and line.split()[5] == "03" for line in lines)


def measure(processes: int, row: Row, duration: float, *, of_home: bool) -> Figures:
    """Return what the generator found, and of the processor what the home took, or all did."""
    with tempfile.TemporaryDirectory(prefix="andiron-scaling-") as name:
        folder = Path(name)
        words = ("--workers", str(processes))
        process = Process(folder, *words, ANDIRON_CLUSTER=f"unix:{folder}/chat")
        try:
            home = home_of(folder / "chat.lock")
            while linked(folder / "chat") < processes - 1:
                time.sleep(0.05)
            measured = home if of_home else process.process.pid
            return generate(row, process.port, measured, duration, folder)
        finally:
            process.end()


def medians(processes: int, row: Row, options: argparse.Namespace) -> tuple[float, float, float]:
    """Return messages a second, and microseconds at home and in all; 0: all by a door."""
    rates, home, others = [], [], []
    for _ in range(options.turns):
        for of_home, taken in ((True, home), (False, others)):
            if processes:
                found = measure(processes, row, options.duration, of_home=of_home)
            else:
                found = fellows.measure("by a door", row, options.duration, at_door=not of_home)
            rates.append(found[row.figure])
            taken.append(found["cpu_s_per_1000"] * 1000)
    at_home, elsewhere = statistics.median(home), statistics.median(others)
    in_all = elsewhere if processes else at_home + elsewhere
    return statistics.median(rates), at_home, in_all


def main() -> int:
    """Measure, and print a table."""
    options, rows = wanted(__doc__, ROWS)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for row in rows:
        for processes, named in ARRANGEMENTS.items():
            rate, home, everywhere = medians(processes, row, options)
            print(
                f"| {row.title} | {named} | {rate:,.0f} | {home:.0f} | {everywhere:.0f}"
                f" | {1e6 / home:,.0f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"the generator failed: {error}")
