"""Waiting for what sends a test no event, and not for ever."""

import asyncio
from collections.abc import Callable

_PATIENCE = 60.0
_TURNS = 100
"""Turns of the loop after which some other thread or process must be what is waited for."""


async def until(condition: Callable[[], bool], what: Callable[[], object] | str = "it") -> None:
    """Go on once the condition holds; fail with ``what`` did not happen where it never does."""
    try:
        async with asyncio.timeout(_PATIENCE):
            turns = 0
            while not condition():
                await asyncio.sleep(0 if turns < _TURNS else 0.001)
                turns += 1
    except TimeoutError:
        told = what if isinstance(what, str) else what()
        raise AssertionError(f"waited {_PATIENCE:g} seconds in vain for {told}") from None
