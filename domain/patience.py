"""The site's own code is waited for only so long."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from andiron.tracing.traces import begin

__all__ = ["GaveUp", "TimeLimit", "within"]

logger = logging.getLogger("andiron.domain")

T = TypeVar("T")


class TimeLimit(Exception):  # noqa: N818
    """The site's own code has not answered in time."""


class GaveUp(Exception):  # noqa: N818
    """The site's own code has ended by what is no error, such as a cancellation of its own."""


async def within(seconds: float, what: str, work: Awaitable[T]) -> T:
    """Return what ``work`` returns. Raises :class:`TimeLimit` when that takes longer.

    In a trace it is called ``site`` and ``what``: the parameter or the hook by which it was given.
    It is cancelled then, and not waited for: code that goes on all the same holds nobody up.
    Whatever it raises is an :class:`Exception`, :class:`GaveUp` where it was none: a
    cancellation within it is not one of whoever waits for it.
    """
    with begin(f"site {what}"):
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=seconds)
            if task.done():
                return _result(task)
        finally:
            if not task.done():
                task.add_done_callback(_let_go)
                task.cancel()
        raise TimeLimit


def _result(task: "asyncio.Future[T]") -> T:
    try:
        return task.result()
    except Exception:
        raise
    except BaseException as error:
        raise GaveUp(type(error).__name__) from error


def _let_go(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.info("what the site's own code did too late failed", exc_info=task.exception())
