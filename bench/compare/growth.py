"""How the cost of a message grows: the table and the picture. bench/growth.py measures."""

import json
from pathlib import Path

from compare.plot import curves
from compare.servers import HERE
from compare.table import number

Growth = dict[str, list[tuple[int, float]]]
"""Microseconds a message, by how many there are, of each kind."""
FILE = HERE.parent / ".cache" / "bench" / "growth.json"
KINDS = {
    "sessions": "sessions on the process, over sockets",
    "contacts": "contacts of the sender, in the process",
    "queued": "stanzas that wait for an acknowledgement, in the process",
}


def read(path: Path, about: dict[str, str]) -> Growth | None:
    """Return what was measured on this machine and of these versions, None where nothing was."""
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    growth: Growth | None = kept["growth"] if kept["about"] == about else None
    return growth


def write(path: Path, about: dict[str, str], growth: Growth) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "growth": growth}, indent=1))


def table(growth: Growth) -> list[str]:
    """Return a table: a row for each kind, its own numbers in it, and the growth."""
    made = ["| µs a message, with so many | | | | | last over first |", "|---|---|---|---|---|---|"]
    for kind, points in growth.items():
        cells = [f"{count:,}: {number(cost)}" for count, cost in points]
        cells += [""] * (4 - len(cells))
        ratio = points[-1][1] / points[0][1] if points else float("nan")
        made.append(f"| {KINDS[kind]} | {' | '.join(cells)} | {ratio:.2f} |")
    return made


def picture(growth: Growth) -> str:
    """Return all kinds as multiples of their first figure."""
    lines = {
        kind: [(float(count), cost / points[0][1]) for count, cost in points]
        for kind, points in growth.items()
        if points
    }
    return curves(lines, "how many")
