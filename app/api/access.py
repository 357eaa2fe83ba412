"""The way from the site's code to the application that runs, and none while it does not."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from os import getpid
from typing import TYPE_CHECKING, Any, Final, TypeVar

from andiron.api.errors import ApiError, UnavailableError

if TYPE_CHECKING:
    from andiron.api.parts import Parts

__all__ = ["ELSEWHERE", "Access"]

T = TypeVar("T")

ELSEWHERE: Final = (
    "Another process of this chat is home, and only there its API, bots and accounts are to be had"
    " (the setting cluster, chat.at_home). Here use andiron.remote."
)
"""What is said where the application runs as one of several processes, and not at home."""
_PATIENCE: Final = 30.0
"""Seconds that synchronous code waits for an answer."""


class Access:
    """Gives the parts of an application to its API while the application runs."""

    def __init__(self) -> None:
        self._there: tuple[Parts, asyncio.AbstractEventLoop] | None = None
        self.elsewhere = False
        """Whether it runs as one of several processes, of which another may be home."""
        self._process = 0
        """Where it runs: a process that was forked from it has a copy that nothing drives."""

    def open(self, parts: "Parts") -> None:
        """Serve by these from now on, on the event loop that runs."""
        self._there = parts, asyncio.get_running_loop()
        self._process = getpid()

    def close(self) -> None:
        """Serve no more."""
        self._there = None

    @contextmanager
    def entered(self) -> Iterator["Parts"]:
        """Give the parts, and raise what goes wrong with them as :class:`ApiError`."""
        parts, loop = self._opened()
        if asyncio.get_running_loop() is not loop:
            raise RuntimeError(
                "this Andiron runs on another event loop: use its sync interface, as"
                " chat.sync.send(…) from a thread, see docs/api.md"
            )
        try:
            yield parts
        except ApiError:
            raise
        except Exception as error:
            told = parts.told(error)
            if told is None:
                raise
            raise told from error

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` on the application's loop, from a thread without one, and wait for it."""
        try:
            _check_thread()
        except BaseException:
            work.close()
            raise
        return self.wait(work)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do as :meth:`run` from any other thread than that of the application's loop."""
        try:
            _, loop = self._opened()
        except BaseException:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(_PATIENCE)
        except CancelledError:
            raise UnavailableError(
                "The application has ended. What was asked may be done all the same."
            ) from None
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise UnavailableError(
                f"The application has not answered in {_PATIENCE:g} s."
                " What was asked may be done all the same."
            ) from None

    def _opened(self) -> tuple["Parts", asyncio.AbstractEventLoop]:
        if self._there is None and self.elsewhere:
            raise UnavailableError(ELSEWHERE)
        if self._there is None or self._process != getpid():
            raise UnavailableError(
                "This Andiron does not run in this process: its API is there within its lifespan"
                " (async with chat.lifespan(): …). Other processes use andiron.remote."
            )
        return self._there


def _check_thread() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "chat.sync waits, which would stop this event loop: await chat.api.send(…) and the like"
        " in async code, or call it in a thread (asyncio.to_thread)"
    )
