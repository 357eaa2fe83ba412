#!/usr/bin/env python3
"""What it costs that sessions outlive their process: each setting by turns, side by side.

    nice -n -19 .venv/bin/python bench/durability.py [--turns 3] [--duration 4]

Messages a second among 50 pairs with stream management, 4 in flight; the 99th percentile
at 500 messages a second; memory of an idle session. What is written is the median of the turns,
and the median of the ratios to `memory` within a turn.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from compare.measuring import Measuring
from compare.rows import ANDIRON, Row
from compare.servers import Servers

SETTINGS = ("memory", "process", "disk")


def rows(duration: float) -> list[Row]:
    """Return what is measured: sessions of accounts that can be resumed."""
    times = ("--warmup", "0.5", "--duration", str(duration), "--sm")
    return [
        Row("messages", "messages/s", "ws", "pingpong", auth="PLAIN", options=times),
        Row("latency", "p99 at 500 messages/s, ms", "ws", "latency", auth="PLAIN", options=times),
        Row(
            "idle",
            "KiB per idle session",
            "ws",
            "idle",
            users=1000,
            auth="PLAIN",
            options=("--duration", "1", "--settle", "1.5", "--sm"),
        ),
    ]


def main() -> int:
    """Measure, print a table, and fail where a check of the generator does."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--duration", type=float, default=4.0, help="seconds of each")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="andiron-durability-") as folder:
        measuring = Measuring(Servers(Path(folder)), quick=False, tries=2)
        print(f"| | {' | '.join(SETTINGS)} | process : memory | disk : memory |")
        print("|---|---|---|---|---|---|")
        for row in rows(options.duration):
            turns: list[list[float]] = []
            for turn in range(options.turns):
                figures = []
                for setting in SETTINGS:
                    os.environ["ANDIRON_DURABILITY"] = setting
                    made = measuring.measure(row, ANDIRON, turn)
                    if made.errors:
                        failed = True
                        print(f"{row.name}, {setting}: {made.errors}", file=sys.stderr)
                        continue
                    figures.append(made.figures[row.figure])
                if len(figures) == len(SETTINGS):
                    turns.append(figures)
            if turns:
                print(line(row.title, turns), flush=True)
    return int(failed)


def line(title: str, turns: list[list[float]]) -> str:
    """Return a row of the table."""
    medians = [statistics.median(column) for column in zip(*turns, strict=True)]
    ratios = [statistics.median(turn[other] / turn[0] for turn in turns) for other in (1, 2)]
    return f"| {title} | {' | '.join(f'{each:.3g}' for each in (*medians, *ratios))} |"


if __name__ == "__main__":
    sys.exit(main())
