"""What is shown of a session."""

from math import inf
from typing import Final

from andiron.api.values import Session
from andiron.commands.table import Column, duration, size

__all__ = ["SESSIONS"]

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
