"""What goes on beside a domain's sessions."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from andiron.sm.eager import begun

logger = logging.getLogger("andiron.domain")


class Tasks:
    """Coroutines that run in tasks of their own, and whose failures are logged.

    Wait for :meth:`stored`, then :meth:`cancel` the rest, when the domain ends.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it ends, or is cancelled with the domain."""
        _track(asyncio.get_running_loop().create_task(coroutine), self._running)

    def begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as :meth:`spawn` does, at once as far as it has nothing to wait for."""
        _track(begun(coroutine), self._running)

    def spawn_store(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that :meth:`stored` waits for."""
        _track(asyncio.get_running_loop().create_task(coroutine), self._storing)

    async def stored(self) -> None:
        """Wait until what is being stored is stored."""
        while self._storing:
            await asyncio.wait(self._storing)

    async def cancel(self) -> None:
        """Cancel what stores nothing, and wait for its end."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)


def _track(task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
    if task.done():
        _log_failure(task)
        return
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    task.add_done_callback(_log_failure)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a task failed", exc_info=error)
