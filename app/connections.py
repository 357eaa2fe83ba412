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
        self._idle: asyncio.Event | None = None

    def one(self) -> Self:
        """Return what counts one more while a block runs: ``with connections.one():``."""
        return self

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_error: object) -> None:
        self._count -= 1
        if not self._count and self._idle is not None:
            self._idle.set()

    async def ended(self, patience: float) -> None:
        """Return when nothing is being served, after ``patience`` seconds at the latest."""
        if not self._count:
            return
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(patience):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("%d connections did not end in time", self._count)
        finally:
            self._idle = None
