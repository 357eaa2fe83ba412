"""Ids of archived messages: they grow, and tell the time.

An id has 43 bits for the Unix time in milliseconds, which last until 2248, and
20 that nobody can guess (XEP-0313 section 3). So a span of time is a range of
ids, and the order of ids is that of the archive.
"""

import re
from os import urandom
from typing import Final

__all__ = [
    "HIGHEST",
    "ID_BITS",
    "Ids",
    "first_at",
    "id_after",
    "last_at",
    "parse_id",
    "time_of",
    "write_id",
]

ID_BITS: Final = 20
"""How many bits of an id are below its time."""
_STEP: Final = 0x7F
_CHANCE: Final = (1 << ID_BITS) - 1
_BLOCK: Final = 4 * 256
_FORM: Final = re.compile(r"[0-7][0-9a-f]{15}", re.ASCII)
HIGHEST: Final = (1 << 63) - 1
"""No id is greater."""


class Ids:
    """Gives out ids, each greater than all before it."""

    __slots__ = ("_chances", "last")

    def __init__(self) -> None:
        self._chances: list[int] = []
        self.last = 0
        """No later id will be so low. Raise it to the last one that was given out earlier."""

    def next(self, stamp: float) -> int:
        """Return the id of a message of Unix time ``stamp``, in seconds, which is not negative.

        Where the clock was set back, it is that of a message just after the last.
        """
        chances = self._chances
        if not chances:
            # In blocks: to ask the system gives the interpreter lock away, and waits to have it
            # back.
            chances.extend(memoryview(urandom(_BLOCK)).cast("I"))
        chance = chances.pop()
        identity = (int(stamp * 1000) << ID_BITS) + (chance & _CHANCE)
        if identity <= self.last:
            identity = self.last + 1 + (chance & _STEP)
        self.last = identity
        return identity


def id_after(last: int | None, milliseconds: int) -> int | None:
    """Return an id of a Unix time behind ``last``, the last one that this time has, if any.

    None where that time has no more.
    """
    chance = int.from_bytes(urandom(3))
    if last is None:
        # The lower half: what is added later for the same time comes behind it.
        return first_at(milliseconds) + (chance >> 5)
    identity = last + 1 + (chance & _STEP)
    return identity if identity <= last_at(milliseconds) else None


def time_of(identity: int) -> float:
    """Return when a message was archived, in Unix seconds, to the millisecond."""
    return (identity >> ID_BITS) / 1000


def first_at(milliseconds: int) -> int:
    """Return the lowest id of a Unix time."""
    return min(max(milliseconds, 0) << ID_BITS, HIGHEST)


def last_at(milliseconds: int) -> int:
    """Return the highest id of a Unix time; -1 before there was any."""
    return min(max(milliseconds + 1, 0) << ID_BITS, HIGHEST + 1) - 1


def write_id(identity: int) -> str:
    """Return an id as clients see it."""
    return f"{identity:016x}"


def parse_id(text: str) -> int | None:
    """Return the id that a client sent, None for what cannot be one."""
    return int(text, 16) if _FORM.fullmatch(text) else None
