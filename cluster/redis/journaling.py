"""The journal in Redis from its opening to its end, for who holds the lease."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from andiron.cluster.redis.address import Address, Keys
from andiron.cluster.redis.connecting import client, close
from andiron.cluster.redis.journal import RedisJournal
from andiron.cluster.redis.lease import Lease
from andiron.cluster.redis.opening import open_journal
from andiron.cluster.redis.pipe import Pipe
from andiron.sm.journal.config import JournalConfig
from andiron.sm.timers import Timers

__all__ = ["journaling"]

logger = logging.getLogger("andiron.cluster")

_READING: Final = 30.0
"""Seconds that an answer may take at the start, when much is read."""
_TOUCHES: Final = 4
"""How often it is used at least in the time for which it is kept."""
_DEFAULTS: Final = JournalConfig()


@contextlib.asynccontextmanager
async def journaling(
    address: Address,
    domain: str,
    lease: Lease,
    timers: Timers,
    clock: Callable[[], float],
    *,
    keep: float,
    patience: float = 5.0,
    config: JournalConfig = _DEFAULTS,
) -> AsyncIterator[RedisJournal]:
    """Give what the last holder of the lease left, and write on it while the block runs.

    This process holds the lease. ``timers`` are of ``clock``, which is the loop's, and run until
    the block has ended. Redis keeps it for ``keep`` seconds after it was used last: longer than
    any session can be resumed. At the end all that was recorded is waited for, ``patience``
    seconds, which is logged where it was not enough; nothing where it is lost.
    Raises :class:`~andiron.sm.journal.lines.JournalError` with a sentence.
    """
    keys = Keys(domain)
    name = f"of {domain} at {address}"
    reading = client(address, _READING)
    try:
        found = await open_journal(reading, keys, lease.key, lease.token, name)
    finally:
        await close(reading)
    writing = client(address, None)
    pipe = Pipe(writing, keys, lease.key, lease.token, keep, lease.hurry)
    touch = keep / _TOUCHES
    journal = RedisJournal(
        name, found.segment, found.state, timers, pipe, clock, touch=touch, config=config
    )
    try:
        yield journal
        await _finish(journal, clock, patience)
    finally:
        journal.close()
        await pipe.close()
        await close(writing)


async def _finish(journal: RedisJournal, clock: Callable[[], float], patience: float) -> None:
    safe = asyncio.Event()
    if journal.lost or journal.flush(clock(), safe.set):
        return
    try:
        async with asyncio.timeout(patience):
            await safe.wait()
    except TimeoutError:
        logger.warning(
            "The last that was recorded is not in the journal %s (%s): it was not promised",
            journal.name,
            journal.failing or "it does not answer",
        )
