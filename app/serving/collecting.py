"""When garbage is looked for: little at a time, and never because somebody sends much.

Python looks for cycles after so many new objects, and through all there are after a quarter
more of them: tens of milliseconds in which nobody is served, brought about by a few large
stanzas. Nearly all of ours is let go of by its count of references, so it can wait.
"""

import asyncio
import gc
import sys
from typing import Final

__all__ = ["collect_seldom"]

_YOUNG: Final = 1000
"""New objects after which the youngest are looked at; and
after so many times those that were there then, too: a millisecond at most."""
_TIMES: Final = 4
_NEVER: Final = 2**31 - 1
PAUSE: Final = 60.0
"""Seconds after which it may be time for all objects again."""
_GROWN: Final = 50
"""How often the young had been looked at for it to be time, and"""
_LONGEST: Final = 10
"""after how many pauses it is time in any case."""


def collect_seldom() -> None:
    """Look for garbage now, and from now on by this module's rules, as long as the loop runs.

    What is there now stays out of it, as what a server starts with is never let go of. To be
    called by who owns the process. Python 3.14 looks a little at a time by itself.
    """
    gc.collect()
    gc.freeze()
    if sys.version_info < (3, 14):
        gc.set_threshold(_YOUNG, _TIMES, _NEVER)
        asyncio.get_running_loop().call_later(PAUSE, _look, 1)


def _look(pauses: int) -> None:
    if gc.get_count()[2] >= _GROWN or pauses >= _LONGEST:
        gc.collect()
        pauses = 0
    asyncio.get_running_loop().call_later(PAUSE, _look, pauses + 1)
