"""The part of docs/performance.md that a comparison writes, and its pictures."""

import datetime
from pathlib import Path

from compare import growth as growing
from compare.plot import Bars, bars
from compare.results import Results
from compare.rows import EJABBERD, PEERS, PROSODY, SERVERS, TITLES, Row
from compare.servers import ITERATIONS
from compare.table import Table, title

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"
PICTURES = {
    "messages": ("pingpong", "fanout", "room"),
    "sign-ins": ("connect", "resume", "join"),
}
"""Which patterns each picture shows."""


def section(
    results: Results, rows: list[Row], when: datetime.date, growth: growing.Growth | None = None
) -> str:
    """Return the text between the markers, without them."""
    table = Table(results, rows)
    turns = max((run.turn for run in results.measurements), default=0)
    about = results.about
    libraries = ", ".join(
        f"{name} {version}"
        for name, version in about.items()
        if name not in ("machine", "andiron", *PEERS)
    )
    peers = " and ".join(f"{TITLES[name]} {about[name]}" for name in PEERS if name in about)
    parts = [
        f"Written by `make bench` on {when.isoformat()}: {about['machine']}; "
        f"Andiron {about['andiron']} ({libraries})" + (f" beside {peers}." if peers else "."),
        "",
        f"Medians of {turns} turns; the ratios are those of `andiron serve`, each taken within a "
        "turn, and more than one is better in every row. A server is started anew for each figure.",
        "",
        *table.lines(),
        "",
        *(f"![{alt(name)}](images/{file(name)})" for name in pictures(results, rows)),
        "",
        f"- Andiron hashes passwords with {ITERATIONS} iterations; the peers do as they are "
        "installed. What is not about passwords is measured with SASL ANONYMOUS or with accounts.",
        *table.notes(),
    ]
    if growth is not None:
        parts += [
            "",
            "What a message costs Andiron as that grows which it should not depend on "
            "(`bench/growth.py`):",
            "",
            *growing.table(growth),
            "",
            "![The cost of a message as each grows, in multiples of its first figure.]"
            f"(images/{file('growth')})",
        ]
    return "\n".join(parts)


def alt(name: str) -> str:
    return (
        f"{name.capitalize()} of each server, in multiples of the better peer's; goals are strokes."
    )


def file(name: str) -> str:
    return f"bench-{name}.svg"


def pictures(results: Results, rows: list[Row]) -> dict[str, str]:
    """Return the pictures by name: each figure over the better peer's, goals as strokes."""
    made = {}
    for name, patterns in PICTURES.items():
        shown = []
        for row in rows:
            medians = {server: results.median(row, server) for server in SERVERS}
            unit = max((medians[peer] or 0.0 for peer in PEERS), default=0.0)
            if row.pattern not in patterns or not unit:
                continue
            values = tuple(value and value / unit for value in medians.values())
            shown.append(Bars(title(row), values, _goal(results, row, unit, rows)))
        if shown:
            names = [TITLES[server].strip("`") for server in SERVERS]
            made[name] = bars(names, shown)
    return made


def _goal(results: Results, row: Row, unit: float, rows: list[Row]) -> float | None:
    """Return a row's first goal in multiples of the unit, where it is one beside a peer."""
    for goal in row.goals[:1]:
        of = next((each for each in rows if each.name == goal.row), row)
        besides = (goal.beside,) if goal.beside in (PROSODY, EJABBERD) else PEERS
        values = [value for peer in besides if (value := results.median(of, peer))]
        if values:
            return goal.amount * max(values) / unit
    return None


def write(page: Path, text: str) -> None:
    """Put a text between the markers of a page; what is around it stays.

    Raises ValueError where the page has no such markers.
    """
    whole = page.read_text()
    before, found, rest = whole.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise ValueError(f"{page} has no lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}")
