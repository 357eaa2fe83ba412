"""The end of tasks that ask Redis."""

import asyncio
from typing import Any, Final

__all__ = ["ended"]

_AGAIN: Final = 0.1
"""Seconds after which a task that has not ended is cancelled again."""


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it has ended. Raises what it did.

    Before Python 3.12 a cancellation may be lost in ``asyncio.wait_for``, by which the client of
    Redis writes, so one is not always enough.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN)
    if not task.cancelled():
        task.result()
