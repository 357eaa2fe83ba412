"""The command of `make bench`."""

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from compare import machine, page, servers
from compare.measuring import GENERATOR, Measuring
from compare.results import Results
from compare.rows import PEERS, ROWS, SERVERS, Row, selected
from compare.table import Table, number

ROOT = servers.HERE.parent
CACHE = ROOT / ".cache" / "bench"
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"


def parse(description: str | None, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help="rows, or how their names begin (default all)")
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
    try:
        rows = selected(options.rows, quick=options.quick)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    if options.list:
        for row in rows:
            print(f"{row.name:16} {row.title}; goal: {'; '.join(map(str, row.goals)) or 'none'}")
        return 0
    if not GENERATOR.exists():
        raise SystemExit(f"{GENERATOR} is not there; say where the generator is with XMPPLOAD")
    chosen = options.server or list(SERVERS)
    said = servers.install_peers() if set(chosen) & set(PEERS) else []
    for sentence in said:
        print(sentence, file=sys.stderr)
    if said:
        chosen = [server for server in chosen if server not in PEERS]
    file = CACHE / ("quick.json" if options.quick else "results.json")
    results = Results.read(file, machine.described())
    if options.fresh:
        results.forget(rows)
    compare(results, rows, chosen, options, file)
    print("\n" + "\n".join([*Table(results, rows).lines(), "", *Table(results, rows).notes()]))
    print(f"\n{file.relative_to(ROOT)} has every figure.")
    left = remaining(results, list(ROWS), list(SERVERS) if not said else chosen, options.turns)
    if options.quick or options.no_write or options.server:
        return failed(results, rows)
    if left:
        print(
            f"{left} measurements are still to be made; then {PAGE.relative_to(ROOT)} is written."
        )
    else:
        write(results)
    return failed(results, rows)


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


def write(results: Results) -> None:
    rows = list(ROWS)
    for name, picture in page.pictures(results, rows).items():
        (IMAGES / page.file(name)).write_text(picture)
    page.write(PAGE, page.section(results, rows, datetime.datetime.now(tz=datetime.UTC).date()))
    print(f"{PAGE.relative_to(ROOT)} is written.")
