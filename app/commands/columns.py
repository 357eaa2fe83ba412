"""What is shown of a session, and of a process."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Final, NamedTuple

from andiron.api.values import Process, Session
from andiron.commands.table import Column, duration, size

__all__ = ["PROCESSES", "SESSIONS", "SESSIONS_OF_SEVERAL", "Row", "counted"]

SESSIONS: Final[tuple[Column[Session], ...]] = (
    Column("ADDRESS", lambda one: one.address),
    Column("TRANSPORT", lambda one: one.transport),
    Column("STATE", lambda one: one.state),
    Column(
        "UNACKED",
        lambda one: str(one.unacknowledged) if one.managed else "-",
        lambda one: one.unacknowledged,
    ),
    Column(
        "BYTES",
        lambda one: size(one.unacknowledged_bytes) if one.managed else "-",
        lambda one: one.unacknowledged_bytes,
    ),
    Column("IDLE", lambda one: duration(one.idle), lambda one: one.idle),
    Column(
        "LEFT",
        lambda one: "-" if one.resumable_for is None else duration(one.resumable_for),
        # Those that end first are of interest, and come first as the largest of others do.
        lambda one: -(inf if one.resumable_for is None else one.resumable_for),
    ),
    Column("H-IN", lambda one: str(one.handled), lambda one: one.handled),
    Column(
        "H-OUT",
        lambda one: str(one.acknowledged) if one.managed else "-",
        lambda one: one.acknowledged,
    ),
    Column("FROM", lambda one: one.ip),
    Column("SESSION", lambda one: one.id),
)
"""The most telling first, since a narrow terminal shows no more.

``H-IN`` and ``H-OUT`` are stream management's counts of the client's stanzas, and of those sent
to it.
"""
SESSIONS_OF_SEVERAL: Final[tuple[Column[Session], ...]] = (
    *SESSIONS[:-2],
    Column("PROCESS", lambda one: one.process or "-"),
    *SESSIONS[-2:],
)
"""The same where several processes serve the chat."""


class Row(NamedTuple):
    """A process, and how many sessions have their connection by it."""

    process: Process
    sessions: int


def counted(processes: Sequence[Process], sessions: Mapping[str, int]) -> list[Row]:
    """Return processes with the counts of sessions by their names."""
    return [Row(each, sessions.get(each.name, 0)) for each in processes]


PROCESSES: Final[tuple[Column[Row], ...]] = (
    Column("PROCESS", lambda one: one.process.name),
    Column("ROLE", lambda one: "home" if one.process.home else "door"),
    Column("SESSIONS", lambda one: str(one.sessions), lambda one: one.sessions),
    Column(
        "RELAYED",
        lambda one: "-" if one.process.home else str(one.process.relayed),
        lambda one: one.process.relayed,
    ),
    Column(
        "MEMORY",
        lambda one: "-" if one.process.memory is None else size(one.process.memory),
        lambda one: one.process.memory or 0,
    ),
    Column(
        "LAG",
        lambda one: "-" if one.process.lag is None else f"{one.process.lag * 1000:.0f}ms",
        lambda one: one.process.lag or 0.0,
    ),
    Column("SILENT", lambda one: f"{one.process.silent}s", lambda one: one.process.silent),
    Column("SINCE", lambda one: f"{one.process.since.astimezone():%Y-%m-%d %H:%M}"),
    Column("VERSION", lambda one: one.process.version),
)
