"""Snapshots of counts and of processor time, and what lies between two."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

Figures = dict[str, float | None]
"""What a run gives, by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment; times in seconds, ``server`` None where its process is not known."""

    time: float
    delivered: int
    latencies: int
    server: float | None
    generator: float
    machine: float


@dataclasses.dataclass(frozen=True, slots=True)
class Since:
    """What happened between two moments."""

    seconds: float
    delivered: int
    latencies: list[float]
    server_cpu_s: float | None
    shares: Figures
    """Of one processor, in per cent: the server, the generator, and all others."""


def between(before: Snapshot, after: Snapshot, latencies: Sequence[float]) -> Since:
    seconds = after.time - before.time
    server = None if before.server is None or after.server is None else after.server - before.server
    generator = after.generator - before.generator
    other = after.machine - before.machine - generator - (server or 0)
    return Since(
        seconds,
        after.delivered - before.delivered,
        list(latencies[before.latencies : after.latencies]),
        server,
        {
            "server_cpu_pct": scaled(server, 100 / seconds),
            "generator_cpu_pct": generator * 100 / seconds,
            "other_cpu_pct": max(0.0, other * 100 / seconds),
        },
    )


def percentile(values: Iterable[float], percent: float) -> float:
    """Return a percentile, not a number where there are no values."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def medians(runs: Sequence[Figures]) -> dict[str, float]:
    """Return the median of each figure over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    found = {name: [v for run in runs if (v := run.get(name)) is not None] for name in names}
    return {name: statistics.median(values) for name, values in found.items() if values}
