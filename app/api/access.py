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

__all__ = ["Access"]

T = TypeVar("T")

_PATIENCE: Final = 30.0
"""Seconds that synchronous code waits for an answer."""


class Access:
    """Gives the parts of an application to its API while the application runs."""

    def __init__(self) -> None:
        self._parts: Parts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """On which the application runs, whether it is home or not."""
        self._process = 0
        """Where it runs: a process that was forked from it has a copy that nothing drives."""

    def begin(self) -> None:
        """Run on this event loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._process = getpid()

    def end(self) -> None:
        """Run no more."""
        self._loop = None

    def open(self, parts: "Parts") -> None:
        """Serve by these from now on."""
        self._parts = parts

    def close(self) -> None:
        """Serve no more."""
        self._parts = None

    @property
    def at_home(self) -> bool:
        """Whether the application serves here."""
        return self._parts is not None

    @property
    def running(self) -> bool:
        """Whether the application runs, at home or not."""
        return self._loop is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which it runs. Raises UnavailableError where it does not run."""
        if self._loop is None or self._process != getpid():
            raise _not_running()
        return self._loop

    def check_loop(self) -> None:
        """Raise :class:`RuntimeError` on any other event loop, and as :attr:`loop` does."""
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError(
                "this Andiron runs on another event loop: use its sync interface, as"
                " chat.sync.send(…) from a thread, see docs/api.md"
            )

    @contextmanager
    def entered(self) -> Iterator["Parts"]:
        """Give the parts, and raise what goes wrong with them as :class:`ApiError`."""
        self.check_loop()
        parts = self._parts
        if parts is None:
            raise _not_running()
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
            loop = self.loop
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


def _not_running() -> UnavailableError:
    return UnavailableError(
        "This Andiron does not run in this process: its API is there within its lifespan"
        " (async with chat.lifespan(): …). Other processes use andiron.remote."
    )


def _check_thread() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "chat.sync waits, which would stop this event loop: await chat.api.send(…) and the like"
        " in async code, or call it in a thread (asyncio.to_thread)"
    )
