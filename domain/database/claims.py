"""One server for a database: what a process holds while it serves one.

A domain's sessions live in the memory of one process. Two that serve one
database would split its people in two, who could not see each other. What
only looks something up or changes it, as ``andiron user`` does, needs no claim.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from andiron.domain.database.engines import DatabaseError
from andiron.domain.database.holders import Holder, Tenure, has_fellows
from andiron.domain.database.urls import parse

__all__ = ["Claim", "ServedAlready", "claim_database"]

logger = logging.getLogger("andiron.domain")

_PAUSE: Final = 0.1
"""Seconds between two attempts to take what another process still holds."""


class Claim(Protocol):
    """The right to serve a database, which one server has at a time."""

    name: str
    """What the operator calls the database, without a secret."""

    async def take(self) -> Holder | None:
        """Take it and keep it; return who has it, if somebody has. Raises DatabaseError."""
        ...

    async def release(self) -> None:
        """Let go of it."""
        ...


class ServedAlready(DatabaseError):  # noqa: N818
    """Another server has the database."""


async def claim_database(
    url: str,
    patience: float = 0,
    lost: Callable[[str], object] = lambda _sentence: None,
    *,
    fellows: bool = False,
    tenure: Tenure | None = None,
) -> Claim:
    """Take the right to serve a database; release it when it is closed.

    Who has it and is about to end, in a restart, is waited for ``patience``
    seconds, unless this is a second worker that a server was told to start, and these do not
    take turns, as ``fellows`` do. A ``tenure`` ends what is left of the one before, if it can.
    ``lost`` is called with a sentence for the operator should the database be
    another's later on, which can happen where the way to it broke, or be gone.
    Raises :class:`ServedAlready`, and :class:`DatabaseError` as ``Database.open`` does.
    """
    kind, parsed = parse(url)
    claim: Claim = kind.claim(parsed, lost, tenure)
    try:
        await _wait(claim, patience, fellows=fellows)
    except BaseException:
        await claim.release()
        raise
    return claim


async def _wait(claim: Claim, patience: float, *, fellows: bool) -> None:
    deadline = time.monotonic() + patience
    told = False
    while (holder := await claim.take()) is not None:
        sentence = f"The database {claim.name} cannot be served: {holder.refusal()}."
        hopeless = not fellows and has_fellows() and holder.is_fellow_worker()
        if hopeless or time.monotonic() >= deadline:
            raise ServedAlready(sentence)
        if not told:
            told = True
            logger.warning("%s Waiting for %g seconds", sentence, patience)
        await asyncio.sleep(_PAUSE)
