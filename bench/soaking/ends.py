"""What soaks have in common in which servers end: how, while everybody writes, and what is told."""

import argparse
import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from load.figures import percentile

from soaking.crowd import Crowd

T = TypeVar("T")

ENDS = (signal.SIGKILL, signal.SIGTERM)
BREATH = 0.5
"""Seconds for which everybody is back at the least."""


async def rage(
    crowd: Crowd, options: argparse.Namespace, end_one: Callable[[int], Awaitable[T]]
) -> list[T]:
    """Let everybody write while one end follows the other; return what each cost.

    ``end_one`` is given how many there were. It causes one, and returns when everybody is back.
    """
    writing = asyncio.create_task(crowd.rage())
    begun = time.monotonic()
    ends: list[T] = []
    due = begun + options.restart
    while due < begun + options.seconds if not options.times else len(ends) < options.times:
        await asyncio.sleep(due - time.monotonic())
        ends.append(await end_one(len(ends)))
        due = max(due + options.restart, time.monotonic() + BREATH)
    await asyncio.sleep(BREATH)
    writing.cancel()
    await asyncio.wait([writing])
    return ends


def back_after(seconds: Sequence[float]) -> str:
    """Tell how long those took who were resumed."""
    back = [percentile(seconds, share) for share in (50, 99, 100)] if seconds else []
    return f"back after (p50, p99, all) {', '.join(f'{each:.2f}' for each in back)} s"


def tell(crowd: Crowd, resumed: int) -> None:
    """Print what became of the crowd, of which so many were resumed in all."""
    print(f"signed in after {crowd.signed_in_after:.1f} s")
    print(f"owed: {crowd.owed}, came: {crowd.arrived}")
    print(f"resumed: {resumed}; begun anew: {dict(crowd.begun_anew)}")
    print(f"refused meanwhile: {dict(crowd.refusals)}; connections killed: {dict(crowd.kills)}")
