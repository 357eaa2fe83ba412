"""What the journal asks of Redis: a few operations, done in the order in which they are sent.

An operation is done whole or not at all, and only while this process holds the lease.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = [
    "Answer",
    "Append",
    "Broken",
    "Done",
    "Join",
    "Joined",
    "Operation",
    "Refused",
    "Store",
    "Switch",
]


@dataclass(frozen=True, slots=True)
class Join:
    """Connect. What was sent before and is not done when this is done never will be."""

    abandoned: str = ""
    """A list that is removed, unless it is the current one; empty for none."""


@dataclass(frozen=True, slots=True)
class Append:
    """Append lines to a list that has so many now; else nothing is done."""

    name: str
    at: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """Let a list that has so many lines be the current one, and remove that; else do nothing."""

    name: str
    length: int


Operation: TypeAlias = Join | Append | Switch


@dataclass(frozen=True, slots=True)
class Joined:
    """Answers :class:`Join`."""

    current: str
    """The name of the current list; empty where there is none."""
    length: int
    """How many lines it has."""


@dataclass(frozen=True, slots=True)
class Done:
    """Answers the others."""

    length: int
    """How many lines the list has; for a switch 0 where it was not done."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Whether it was done is not known, nor of any other under way: a new :class:`Join` tells."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The lease is not this process's any more: nothing was done, nor will be."""


Answer: TypeAlias = Joined | Done | Broken | Refused


class Store(Protocol):
    """Redis, as the journal knows it."""

    def send(self, operation: Operation, answered: Callable[[Answer], object]) -> None:
        """Have an operation done; ``answered`` is called later, in the order of the calls.

        After :class:`Broken` or :class:`Refused` nothing but :class:`Join` is to be sent.
        """
