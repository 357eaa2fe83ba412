"""Going on with a coroutine of which somebody has made the first step by hand.

Most ends at that step, and needs neither a task nor a time limit.
"""

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["continued"]

T = TypeVar("T")


@types.coroutine
def continued(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Await the rest of ``coroutine``, whose ``send(None)`` has returned ``waits_for``."""
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001 - a failed future's is thrown in, too
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
