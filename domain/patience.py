"""The site's own code is waited for only so long."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

__all__ = ["TimeLimit", "within"]

logger = logging.getLogger("andiron.domain")

T = TypeVar("T")


class TimeLimit(Exception):  # noqa: N818
    """The site's own code has not answered in time."""


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return what ``work`` returns. Raises :class:`TimeLimit` when that takes longer.

    It is cancelled then, and not waited for: code that goes on all the same holds nobody up.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if task.done():
            return task.result()
    finally:
        if not task.done():
            task.add_done_callback(_let_go)
            task.cancel()
    raise TimeLimit


def _let_go(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.info("what the site's own code did too late failed", exc_info=task.exception())
