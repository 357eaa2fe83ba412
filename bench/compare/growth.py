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


def read(path: Path) -> Growth | None:
    """Return what was measured, None where nothing was."""
    if not path.exists():
        return None
    growth: Growth = json.loads(path.read_text())["growth"]
    return growth


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
