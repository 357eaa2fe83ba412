"""How late the event loop runs what is due: what everybody waits who is served by it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from andiron.sm.tally import Distribution

__all__ = ["measured"]

_EVERY: Final = 0.5
"""Seconds between two looks."""
_BOUNDS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


@contextmanager
def measured() -> Iterator[Distribution]:
    """Look twice a second, while the block runs, how late the running loop is."""
    lag = Distribution(_BOUNDS)
    loop = asyncio.get_running_loop()

    async def look() -> None:
        while True:
            due = loop.time() + _EVERY
            await asyncio.sleep(_EVERY)
            lag.add(max(0.0, loop.time() - due))

    looking = loop.create_task(look())
    try:
        yield lag
    finally:
        looking.cancel()
