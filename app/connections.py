"""What an application is serving, for its end to wait for."""

import asyncio
import logging
from typing import Self

__all__ = ["Connections"]

logger = logging.getLogger("andiron")


class Connections:
    """Counts what is being served, so that an end can wait for it."""

    __slots__ = ("_count", "_idle")

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def one(self) -> Self:
        """Return what counts one more while a block runs: ``with connections.one():``."""
        return self

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(self, *_error: object) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def idle(self) -> None:
        """Return when nothing is being served."""
        await self._idle.wait()

    async def ended(self, patience: float) -> None:
        """Return when nothing is being served, after ``patience`` seconds at the latest."""
        try:
            async with asyncio.timeout(patience):
                await self.idle()
        except TimeoutError:
            logger.warning("%d connections did not end in time", self._count)
