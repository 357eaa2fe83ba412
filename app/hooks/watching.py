"""Functions that are told what happened, each from a bounded queue of its own.

What one does too late or wrong keeps neither the chat nor another function waiting.
"""

import asyncio
import logging
from typing import Any

from andiron.domain.patience import TimeLimit, within
from andiron.hooks.complaints import Complaints
from andiron.hooks.hooks import Observer

__all__ = ["Watcher"]

logger = logging.getLogger("andiron.hooks")


class Watcher:
    """Tells one function of events, one after the other, in their order."""

    def __init__(self, kind: str, function: Observer[Any], timeout: float, most: int) -> None:
        """``most`` is how many events may wait, ``timeout`` how long one may take."""
        self.lost = 0
        """How many events were not told since it last kept up."""
        self._kind = kind
        self._function = function
        self._timeout = timeout
        self._queue: asyncio.Queue[object] = asyncio.Queue(most)
        loop = asyncio.get_running_loop()
        self._complaints = Complaints(kind, loop.time)
        self._task = loop.create_task(self._run())

    def tell(self, event: object) -> None:
        """Have the function told, when it has done with what came before."""
        if self._queue.full():
            if not self.lost:
                logger.error("The hook %s does not keep up: events are lost to it", self._kind)
            self.lost += 1
        else:
            self._queue.put_nowait(event)

    async def close(self) -> None:
        """End, when all is told, or ``timeout`` has passed."""
        told = asyncio.ensure_future(self._queue.join())
        await asyncio.wait([told, self._task], timeout=self._timeout, return_when="FIRST_COMPLETED")
        for task in (told, self._task):
            task.cancel()
        await asyncio.wait([told, self._task])
        if lost := self.lost + self._queue.qsize():
            logger.error("%d events were not told to the hook %s", lost, self._kind)

    async def _run(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await within(self._timeout, self._kind, self._function(event))
            except TimeLimit:
                logger.warning(
                    "The hook %s took longer than %g s (hook_timeout)", self._kind, self._timeout
                )
            except Exception as error:  # noqa: BLE001 - whatever the site's code did
                self._complaints.tell(error)
            finally:
                self._queue.task_done()
            if self.lost and self._queue.empty():
                logger.error("%d events were not told to the hook %s", self.lost, self._kind)
                self.lost = 0
