#!/usr/bin/env python3
"""What it costs that clients come by another process than the one that is home (`cluster`).

    nice -n -19 .venv/bin/python bench/fellows.py [--turns 3] [--duration 4]

Messages a second among 50 pairs, 4 in flight, and microseconds of a processor that each takes at
home and at the door: with one process, with clients at the home, and with all at a door. The
99th percentile at 500 messages a second. Medians of the turns.
"""

import argparse
import functools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from load.accounts import ANDIRON, add_accounts

HERE = Path(__file__).parent
ARRANGEMENTS = ("alone", "at home", "by a door")
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured."""

    title: str
    transport: str
    pattern: str
    figure: str
    words: tuple[str, ...] = ()
    costs: str = ""
    """The figure that tells what it took of the processor."""
    scale: float = 1.0

    @property
    def url(self) -> str:
        """Where the generator goes."""
        return "ws://127.0.0.1:{}/ws" if self.transport == "ws" else "http://127.0.0.1:{}/http-bind"


PAIRS = ("--users", "100", "--window", "4", "--warmup", "1")
ROWS = tuple(
    row
    for name, transport in (("WebSocket", "ws"), ("BOSH", "bosh"))
    for row in (
        Row(
            f"{name}, messages/s (µs of a processor each)",
            transport,
            "pingpong",
            "msgs_per_s",
            PAIRS,
            "cpu_s_per_1000",
            1000.0,
        ),
        Row(f"{name}, p99 at 500 messages/s, ms", transport, "latency", "latency_ms_p99"),
        Row(
            f"{name}, KiB an idle session",
            transport,
            "idle",
            "kib_per_session",
            ("--users", "1000", "--settle", "1.5"),
            "kib_per_session",
        ),
    )
)
PATIENCE = 30.0
ACCOUNTS = 1001
"""As many as a row has users, and one who writes to those who resume."""
ITERATIONS = "4096"


@functools.cache
def accounts() -> bytes:
    """Return a database of accounts: nobody else's sessions are written down."""
    with tempfile.TemporaryDirectory(prefix="andiron-accounts-") as folder:
        file = Path(folder) / "a.db"
        told = {"ANDIRON_DATABASE": f"sqlite:///{file}", "ANDIRON_AUTH_ITERATIONS": ITERATIONS}
        add_accounts((f"user{n}" for n in range(ACCOUNTS)), "pw", os.environ | told, file.parent)
        return file.read_bytes()


class Process:
    """One ``andiron serve``, with those words and settings, of a chat that has its own folder."""

    def __init__(self, folder: Path, *words: str, **settings: str) -> None:
        database = folder / "a.db"
        if not database.exists():
            database.write_bytes(accounts())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        told = {
            "ANDIRON_PORT": str(self.port),
            "ANDIRON_DATABASE": f"sqlite:///{database}",
            "ANDIRON_AUTH_ITERATIONS": ITERATIONS,
            "ANDIRON_ACCOUNT_RATE": "1000000000",
            "ANDIRON_MAX_NEGOTIATING_PER_ADDRESS": "1000",
            "ANDIRON_LOG_LEVEL": "warning",
        }
        self.process = subprocess.Popen(
            [ANDIRON, "serve", *words], env=os.environ | told | settings
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit("a server did not start")

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def generate(row: Row, port: int, measured: int, duration: float, folder: Path) -> Figures:
    """Return what the generator found at a port, and of a process with its children."""
    out = folder / "figures.json"
    command = [
        *(sys.executable, str(HERE / "xmppload.py"), "--transport", row.transport),
        *("--url", row.url.format(port), "--pattern", row.pattern, *row.words),
        *("--duration", str(duration), "--json", str(out)),
        *("--server-pid", str(measured)),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    figures: Figures = json.loads(out.read_text())["medians"]
    out.unlink()
    return figures


def measure(arrangement: str, row: Row, duration: float, *, at_door: bool = False) -> Figures:
    """Return what the generator found, and of the processor what the home took, or the door."""
    with tempfile.TemporaryDirectory(prefix="andiron-fellows-") as name:
        folder = Path(name)
        settings = {} if arrangement == "alone" else {"ANDIRON_CLUSTER": f"unix:{folder}/chat"}
        processes = [Process(folder, **settings)]
        if arrangement == "by a door":
            processes.append(Process(folder, **settings))
        try:
            port, measured = processes[-1].port, processes[-1 if at_door else 0]
            return generate(row, port, measured.process.pid, duration, folder)
        finally:
            for each in reversed(processes):
                each.end()


def medians(arrangement: str, row: Row, options: argparse.Namespace) -> list[float]:
    """Return the figure, and microseconds of each process where that has one."""
    turns = []
    for _ in range(options.turns):
        found = measure(arrangement, row, options.duration)
        turn = [found[row.figure]]
        if row.costs:
            turn.append(found[row.costs] * row.scale)
        if row.costs and arrangement == "by a door":
            door = measure(arrangement, row, options.duration, at_door=True)
            turn.append(door[row.costs] * row.scale)
        turns.append(turn)
    return [statistics.median(column) for column in zip(*turns, strict=True)]


def wanted(described: str, rows: tuple[Row, ...]) -> tuple[argparse.Namespace, list[Row]]:
    """Return what the command line says, and the rows that it wants."""
    parser = argparse.ArgumentParser(description=described.split("\n", maxsplit=1)[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--duration", type=float, default=4.0, help="seconds of each")
    parser.add_argument("rows", nargs="*", help="these only, or those whose names begin so")
    options = parser.parse_args()
    begin = tuple(options.rows) or ("",)
    return options, [row for row in rows if row.title.startswith(begin)]


def main() -> int:
    """Measure, and print a table."""
    options, rows = wanted(__doc__, ROWS)
    print(f"| | {' | '.join(ARRANGEMENTS)} |")
    print("|---|---|---|---|")
    for row in rows:
        cells = [medians(each, row, options) for each in ARRANGEMENTS]
        told = [
            f"{figure:,.3g}"
            + (f" ({' + '.join(f'{each:.3g}' for each in costs)})" if costs else "")
            for figure, *costs in cells
        ]
        print(f"| {row.title} | {' | '.join(told)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
