"""Open files that are this process's own: a child that is forked keeps none of them.

A lock ends with the last process that has the file open, and so does a connection for who is at its
other end. A child has all that its parent had, for as long as it lives, also where the parent is
killed; what it runs by exec(3) has not, since Python opens files so.
"""

import contextlib
import os
from typing import Final

__all__ = ["disown", "own"]

_numbers: Final[set[int]] = set()
"""As the kernel numbers files, so that there is one such set in a process, and in a child."""


def own(file: int) -> None:
    """Have no child keep an open file; :func:`disown` it before it is closed."""
    _numbers.add(file)


def disown(file: int) -> None:
    """Have a file be like any other: its number may be another's soon."""
    _numbers.discard(file)


def _leave() -> None:
    """Have nothing, in a child, in place of what is its parent's.

    Whoever thinks to have the file there may close it: by its number nothing else was opened.
    """
    if not _numbers:
        return
    # One first: the parent may have as many open as it may have.
    with contextlib.suppress(OSError):
        os.close(next(iter(_numbers)))
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in _numbers - {nothing}:
        os.dup2(nothing, file, inheritable=False)
    if nothing not in _numbers:
        os.close(nothing)
    _numbers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)
