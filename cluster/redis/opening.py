"""How a journal in Redis is found at the start: read, and kept aside where it cannot be."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from andiron.cluster.redis.address import SETTING, Keys
from andiron.cluster.redis.connecting import FAILURES, why
from andiron.cluster.redis.scripts import ASIDE
from andiron.cluster.redis.segment import Segment
from andiron.sm.journal import lines
from andiron.sm.journal.lines import JournalError, NewerError
from andiron.sm.journal.state import State

__all__ = ["Opened", "open_journal"]

logger = logging.getLogger("andiron.cluster")

_AT_ONCE: Final = 200
"""Lines that are asked for together."""
_ASIDE: Final = 7 * 86400
"""Seconds for which a damaged one is kept."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found."""

    segment: Segment | None
    """None: nothing that can be gone on with, and ``state`` is to be written anew."""
    state: State


class _LostError(Exception):
    """Another process has the lease."""


async def open_journal(client: Redis, keys: Keys, lease: str, token: str, name: str) -> Opened:
    """Return what the last holder of the lease left; this process must hold it.

    Where not all of it can be read the whole is kept aside for a week, and the log, which calls
    it ``name``, says so. Raises :class:`~andiron.sm.journal.lines.JournalError` with a sentence,
    and leaves it as it is. The reading of many megabytes is done in a thread.
    """
    base = keys.key("journal")
    try:
        current: Any = await client.hget(base, "current")
        if current is None:
            return Opened(None, State())
        key = f"{base}:{current.decode()}"
        found = [line async for line in _lines(client, key)]
        reading = await asyncio.to_thread(lines.read, lambda: found)
        if reading.size and len(found) != 1 + reading.batches:
            await _keep_aside(client, lease, key, token, name, reading)
            return Opened(None, reading.state)
    except _LostError:
        raise JournalError(f"The journal {name} is another process's now ({SETTING}).") from None
    except FAILURES as error:
        raise JournalError(
            f"The journal {name} cannot be read ({why(error)}); start again when Redis can be"
            f" reached ({SETTING})."
        ) from None
    except NewerError:
        raise NewerError(
            f"The journal {name} was written by a newer Andiron and is left as it is; start that"
            f" one, or remove the keys {base}* and with them the sessions ({SETTING})."
        ) from None
    except JournalError:
        raise JournalError(
            f"The journal {name} is not one of Andiron's; remove the keys {base}*, or name another"
            f" database ({SETTING})."
        ) from None
    if not reading.size:
        return Opened(None, reading.state)
    segment = Segment(current.decode(), len(found), reading.size, reading.check)
    return Opened(segment, reading.state)


async def _lines(client: Redis, key: str) -> AsyncIterator[bytes]:
    at = 0
    while True:
        some: Any = await client.lrange(key, at, at + _AT_ONCE - 1)
        for line in some:
            yield line
        if len(some) < _AT_ONCE:
            return
        at += _AT_ONCE


async def _keep_aside(
    client: Redis, lease: str, key: str, token: str, name: str, reading: lines.Reading
) -> None:
    aside = f"{key}:damaged"
    keep = client.register_script(ASIDE)
    done: Any = await keep(keys=[lease, key, aside], args=[token, _ASIDE * 1000])
    if done != 1:
        raise _LostError
    logger.error(
        "The journal %s is damaged behind its first %d bytes (%d batches): what came after is"
        " lost, and the whole of it is kept for a week as %s",
        name,
        reading.size,
        reading.batches,
        aside,
    )
