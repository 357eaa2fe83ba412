"""The command of `make bench`."""

import argparse
import datetime
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from compare import growth, machine, page, servers
from compare.measuring import GENERATOR, Measuring
from compare.results import Results
from compare.rows import PEERS, ROWS, SERVERS, Row, selected
from compare.table import Table, number

ROOT = servers.HERE.parent
CACHE = ROOT / ".cache" / "bench"
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
GROWTH = "growth"
"""Is asked for like a row, but is a script of its own."""


def parse(description: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "rows",
        nargs="*",
        metavar="ROW",
        help="rows, or how their names begin, or growth (default all)",
    )
    add("--server", action="append", choices=SERVERS, help="only these (repeatable)")
    add("--quick", action="store_true", help="a few rows, one short turn: for trying")
    add("--turns", type=int, help="how often each is measured (default 3; 1 if quick)")
    add("--tries", type=int, help="how often at most where something else ran (default 3; 1)")
    add("--minutes", type=float, help="begin nothing more after so many; go on at the next call")
    add("--fresh", action="store_true", help="forget what was measured of these rows before")
    add("--list", action="store_true", help="show the rows and end")
    add("--no-write", action="store_true", help=f"leave {PAGE.relative_to(ROOT)} as it is")
    options = parser.parse_args(arguments)
    options.turns = options.turns or (1 if options.quick else 3)
    options.tries = options.tries or (1 if options.quick else 3)
    return options


def main(description: str | None = None, arguments: Sequence[str] | None = None) -> int:
    options = parse(description, arguments)
    names = [name for name in options.rows if name != GROWTH]
    try:
        rows = selected(names, quick=options.quick) if names or not options.rows else []
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if options.list:
        show(rows)
        return 0
    if not GENERATOR.exists():
        raise SystemExit(f"{GENERATOR} is not there; say where the generator is with XMPPLOAD")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    there = available(options.server or SERVERS)
    file = CACHE / ("quick.json" if options.quick else "results.json")
    about = machine.described()
    results = Results.read(file, about)
    if options.fresh:
        results.forget(rows)
    compare(results, rows, there, options, file)
    everything = not (options.rows or options.quick or options.server or options.minutes)
    if GROWTH in options.rows or (everything and not growth.read(growth.FILE, about)):
        measured = [sys.executable, str(servers.HERE / "growth.py"), *["--quick"] * options.quick]
        subprocess.run(measured, check=True)
    table = Table(results, rows)
    print("\n".join(["", *table.lines(), "", *table.notes()]))
    if not (options.quick or options.no_write or options.server):
        write_when_complete(results, there, options.turns)
    return failed(results, rows)


def show(rows: list[Row]) -> None:
    for row in rows:
        goals = "; ".join(map(str, row.goals)) or "none"
        print(f"{row.name:16} {row.transport:4} {row.title}; goal: {goals}")


def available(chosen: Sequence[str]) -> list[str]:
    """Return which of these servers can be started here; say why where one cannot."""
    reasons = servers.install_peers() if set(chosen) & set(PEERS) else {}
    for reason in reasons.values():
        print(reason, file=sys.stderr)
    return [server for server in chosen if server not in reasons]


def compare(
    results: Results,
    rows: list[Row],
    chosen: Sequence[str],
    options: argparse.Namespace,
    file: Path,
) -> None:
    """Measure what is not measured yet, the servers of a row by turns."""
    end = time.monotonic() + (options.minutes or 1e9) * 60
    with tempfile.TemporaryDirectory(prefix="andiron-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # the peers have accounts of their own
        measuring = Measuring(servers.Servers(directory), quick=options.quick, tries=options.tries)
        for row in rows:
            for turn in range(1, options.turns + 1):
                if time.monotonic() > end:
                    return
                for server in chosen:
                    if results.is_done(row.name, server, turn):
                        continue
                    made = measuring.measure(row, server, turn)
                    results.add(made)
                    results.write(file)
                    value = made.figures.get(row.figure)
                    shown = "; ".join(made.errors) or number(value or 0.0)
                    other = f"   (others: {made.other:.0f} %)" if made.disturbed else ""
                    print(f"{row.name:16} {turn} {server:9} {shown}{other}", flush=True)


def remaining(results: Results, rows: list[Row], chosen: Sequence[str], turns: int) -> int:
    return sum(
        not results.is_done(row.name, server, turn)
        for row in rows
        for server in chosen
        for turn in range(1, turns + 1)
    )


def failed(results: Results, rows: list[Row]) -> int:
    """Return the exit status: 1 where a check of Andiron's own failed."""
    own = (server for server in SERVERS if server not in PEERS)
    return int(any(results.failures(row.name, server) for server in own for row in rows))


def write_when_complete(results: Results, there: Sequence[str], turns: int) -> None:
    """Write the page and its pictures, if there is nothing left to be measured for it."""
    rows = list(ROWS)
    left = remaining(results, rows, there, turns)
    grown = growth.read(growth.FILE, results.about)
    if left or grown is None:
        more = " and growth" if grown is None else ""
        print(f"\n{left} measurements{more} to go, then {PAGE.relative_to(ROOT)} is written.")
        return
    pictures = page.pictures(results, rows) | {GROWTH: growth.picture(grown)}
    for name, picture in pictures.items():
        (IMAGES / page.file(name)).write_text(picture)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    page.write(PAGE, page.section(results, rows, today, grown))
    print(f"\n{PAGE.relative_to(ROOT)} is written.")
