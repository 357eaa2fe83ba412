"""What was measured, kept in a file so that a comparison may be made in pieces."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare.rows import BEST_PEER, ITSELF, PEERS, Goal, Row

DISTURBED = 5.0
"""What else may run, in per cent of a processor."""
BUSY = 92.0
"""From here on a process was at the limit of its processor, in per cent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """One run of a row on one server."""

    row: str
    server: str
    turn: int
    figures: dict[str, float]
    errors: list[str]
    """What the checks found: such a run has no figure."""
    tries: int = 1

    @property
    def other(self) -> float:
        return self.figures.get("other_cpu_pct", 0.0)

    @property
    def disturbed(self) -> bool:
        return self.other > DISTURBED

    @property
    def bound_by_generator(self) -> bool:
        """Whether the generator was the limit, not the server: the figure is a lower bound."""
        generator = self.figures.get("generator_cpu_pct", 0.0)
        return generator > BUSY and self.figures.get("server_cpu_pct", 0.0) < BUSY


class Results:
    """All measurements of one comparison."""

    def __init__(self, about: dict[str, str], measurements: Sequence[Measurement] = ()) -> None:
        self.about = about
        self.measurements = list(measurements)

    @classmethod
    def read(cls, path: Path, about: dict[str, str]) -> "Results":
        """Read those of this machine and these versions; begin anew where it has others."""
        if not path.exists():
            return cls(about)
        kept: dict[str, Any] = json.loads(path.read_text())
        if kept["about"] != about:
            return cls(about)
        return cls(about, [Measurement(**each) for each in kept["measurements"]])

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "about": self.about,
            "measurements": [dataclasses.asdict(each) for each in self.measurements],
        }
        path.write_text(json.dumps(kept, indent=1))

    def add(self, measurement: Measurement) -> None:
        self.measurements.append(measurement)

    def forget(self, rows: Sequence[Row]) -> None:
        """Let go what was measured of these rows."""
        names = {row.name for row in rows}
        self.measurements = [each for each in self.measurements if each.row not in names]

    def of(self, row: str, server: str) -> list[Measurement]:
        """Return the good runs, in the order of their turns."""
        return [
            each
            for each in self.measurements
            if each.row == row and each.server == server and not each.errors
        ]

    def failures(self, row: str, server: str) -> list[str]:
        return [
            error
            for each in self.measurements
            if each.row == row and each.server == server
            for error in each.errors
        ]

    def is_done(self, row: str, server: str, turn: int) -> bool:
        """Whether there is nothing more to measure: it was, or it cannot."""
        failed = self.failures(row, server) and not self.of(row, server)
        return bool(failed) or any(
            (each.row, each.server, each.turn) == (row, server, turn) for each in self.measurements
        )

    def median(self, row: Row, server: str) -> float | None:
        values = [each.figures[row.figure] for each in self.of(row.name, server)]
        return statistics.median(values) if values else None

    def ratio(
        self, row: Row, server: str, beside: str, beside_row: Row | None = None
    ) -> float | None:
        """Return the median, over the turns, of one server's figure over another's.

        For figures of which less is better it is the other way round, so that
        more than one is always better.
        """
        other = beside_row or row
        theirs = {each.turn: each.figures[other.figure] for each in self.of(other.name, beside)}
        ratios = [
            each.figures[row.figure] / theirs[each.turn]
            for each in self.of(row.name, server)
            if theirs.get(each.turn)
        ]
        if not ratios:
            return None
        ratio = statistics.median(ratios)
        return 1 / ratio if row.less_is_better and ratio else ratio

    def reached(
        self, goal: Goal, row: Row, server: str, rows: Sequence[Row]
    ) -> tuple[float, bool] | None:
        """Return what a server came to against a goal, and whether that is enough.

        None where it or what it is compared with was not measured.
        """
        if not goal.beside:
            value = self.median(row, server)
            return None if value is None else (value, value <= goal.amount)
        other = next((each for each in rows if each.name == goal.row), row)
        besides = {BEST_PEER: PEERS, ITSELF: (server,)}.get(goal.beside, (goal.beside,))
        ratios = [self.ratio(row, server, each, other) for each in besides]
        found = [ratio for ratio in ratios if ratio is not None]
        return (min(found), min(found) >= goal.amount) if found else None
