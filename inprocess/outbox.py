"""What a bot has sent and its connection has not taken yet."""

import asyncio
from typing import Any, Final

from andiron.inprocess.line import Line

__all__ = ["OBJECT", "Outbox"]

OBJECT: Final = 4096
"""Bytes of memory that a stanza of slixmpp's takes besides its text, about."""


class Outbox(asyncio.Queue[Any]):
    """Stands in for slixmpp's queue of outgoing stanzas, which has no bound.

    Where more than ``limit`` bytes of memory wait, sending raises :class:`asyncio.QueueFull`.
    While ``line`` is busy nothing is taken from it.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._bytes = 0
        self.line: Line | None = None

    def full(self) -> bool:
        """Tell whether no more may wait."""
        return self._bytes > self._limit

    async def get(self) -> Any:
        """Return the next that may be sent."""
        if self.line is not None:
            await self.line.writable()
        return await super().get()

    def _put(self, item: Any) -> None:
        size = OBJECT + len(str(item[0]))
        self._bytes += size
        super()._put((size, item))

    def _get(self) -> Any:
        size, item = super()._get()
        self._bytes -= size
        return item
