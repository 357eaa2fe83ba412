"""Tasks that take their first step at once."""

import asyncio
import sys
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

__all__ = ["begun"]


def begun(
    coroutine: Coroutine[Any, Any, None], context: Context | None = None
) -> asyncio.Task[None]:
    """Begin a task on the running loop, at once as far as it has nothing to wait for.

    Before Python 3.12 it begins in the loop's next turn.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        task = asyncio.Task(coroutine, loop=loop, context=context, eager_start=True)
    else:
        task = loop.create_task(coroutine, context=context)
    return task
