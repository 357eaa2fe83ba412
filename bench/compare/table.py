"""Figures as a table in Markdown."""

import math

from compare.results import Results
from compare.rows import ANDIRON, EJABBERD, PROSODY, SERVERS, TITLES, Row

TRANSPORTS = {"ws": "WebSocket", "bosh": "BOSH"}
NARROW = "\N{NARROW NO-BREAK SPACE}"


def number(value: float) -> str:
    """Write three digits that count, thousands apart."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "?"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.{digits}f}".replace(",", NARROW)


def title(row: Row) -> str:
    return f"{TRANSPORTS[row.transport]}: {row.title}"


class Table:
    """The table of a comparison, and the notes below it."""

    def __init__(self, results: Results, rows: list[Row]) -> None:
        self.results, self.rows = results, rows
        self.servers = [
            server
            for server in SERVERS
            if any(
                results.of(row.name, server) or results.failures(row.name, server) for row in rows
            )
        ]
        self.peers = [server for server in (PROSODY, EJABBERD) if server in self.servers]

    def lines(self) -> list[str]:
        """Return the table: a row's figures, what it comes to beside the peers, its goals."""
        head = ["", *(TITLES[server] for server in self.servers)]
        head += [f"× {TITLES[peer]}" for peer in self.peers] + ["goal"]
        made = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for row in self.rows:
            cells = [f"{title(row)} (`{row.name}`)"]
            cells += [self.cell(row, server) for server in self.servers]
            cells += [self._beside(row, peer) for peer in self.peers]
            cells.append(self._goals(row))
            made.append("| " + " | ".join(cells) + " |")
        return made

    def cell(self, row: Row, server: str) -> str:
        value = self.results.median(row, server)
        if value is None:
            return "fails" if self.results.failures(row.name, server) else ""
        runs = self.results.of(row.name, server)
        bound = "≥ " if any(run.bound_by_generator for run in runs) else ""
        return bound + number(value) + ("*" if any(run.disturbed for run in runs) else "")

    def _beside(self, row: Row, peer: str) -> str:
        ratio = self.results.ratio(row, ANDIRON, peer)
        return "" if ratio is None else f"{ratio:.2f}"

    def _goals(self, row: Row) -> str:
        said = []
        for goal in row.goals:
            reached = self.results.reached(goal, row, ANDIRON, self.rows)
            text = str(goal)
            if reached is not None:
                text += ": reached" if reached[1] else f": **{number(reached[0])}**"
            said.append(text)
        return "; ".join(said)

    def notes(self) -> list[str]:
        """Return what must be known to read the table, as the items of a list."""
        made = [f"- `{row.name}`: {row.note}." for row in self.rows if row.note]
        for row in self.rows:
            for server in self.servers:
                if failures := self.results.failures(row.name, server):
                    kinds = "; ".join(sorted(set(failures)))
                    made.append(
                        f"- `{row.name}`, {TITLES[server]}, failed {len(failures)} ×: `{kinds}`."
                    )
        runs = [
            run
            for row in self.rows
            for server in self.servers
            for run in self.results.of(row.name, server)
        ]
        if any(run.disturbed for run in runs):
            worst = max(run.other for run in runs)
            made.append(
                "- \\* Something else ran meanwhile, also when measured anew: "
                f"up to {worst:.0f} % of a processor."
            )
        if any(run.bound_by_generator for run in runs):
            made.append("- ≥ The generator was the limit: the server can do more.")
        return made
