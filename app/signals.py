"""Hears that the process shall end before the server does.

On SIGTERM a server closes its WebSockets at once, waits for requests that are
held, and tells the lifespan last, if at all. A handler in front of its own lets
sessions be ended properly first.
"""

import asyncio
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

__all__ = ["before_exit", "instead_of_exit"]

Former = Callable[[int, FrameType | None], object] | int | None
"""What a signal had before: a handler, or one of the two words for none."""

_TURNS: Final = 10
"""Of the loop, in which the last words go through the tasks that send them."""


@contextmanager
def before_exit(begin: Callable[[], object], patience: float) -> Iterator[None]:
    """Call ``begin`` on the running loop when SIGTERM or SIGINT comes, then go on as before.

    Whoever handled the signal hears of it some turns of the loop later: else a server could
    close a connection on which the last word is not out. SIGINT that comes again is handled at
    once; SIGTERM comes twice where it goes to all processes and the first one passes it on.
    A SIGTERM that nobody handles ends the process ``patience`` seconds later,
    or at once when it comes again. So it is in the worker process of a server
    that tells its workers in another way to end, which does so meanwhile.
    Outside the main thread, where Python has no signals, nothing is heard.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    over = False

    def postpone(number: int) -> None:
        if over:
            return
        if timers:
            _raise_by_default(number)
        timers.append(loop.call_later(patience, _raise_by_default, number))
        begin()

    last_words = _LastWords(begin)
    with ExitStack() as stack:
        for number in _heard():
            former = signal.getsignal(number)
            if callable(former) and former is not signal.default_int_handler:
                stack.enter_context(_in_front(number, last_words.hear))
            elif number == signal.SIGTERM and former is signal.SIG_DFL:
                stack.enter_context(
                    _in_front(
                        number,
                        lambda _former, number, _frame: loop.call_soon_threadsafe(postpone, number),
                    )
                )
        try:
            yield
        finally:
            over = True
            for timer in timers:
                timer.cancel()
            last_words.end()


class _LastWords:
    """Keeps signals from those who handle them until what ``begin`` had said is out."""

    def __init__(self, begin: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._begin = begin
        self._kept: dict[int, Callable[[], None]] = {}
        """What lets each signal act that is kept."""

    def hear(self, former: Former, number: int, frame: FrameType | None) -> None:
        """Keep a signal, or let it act where it is kept already."""
        if number not in self._kept:
            self._kept[number] = functools.partial(_act, former, number, frame)
            self._loop.call_soon_threadsafe(self._speak, number)
        elif number == signal.SIGINT:
            _act(former, number, frame)

    def end(self) -> None:
        """Let what is kept act now."""
        for number in list(self._kept):
            self._pass_on(number)

    def _speak(self, number: int) -> None:
        if number in self._kept:
            try:
                self._begin()
            finally:
                self._wait(number, _TURNS)

    def _wait(self, number: int, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._wait, number, turns - 1)
        else:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        act = self._kept.pop(number, None)
        if act is not None:
            act()


@contextmanager
def instead_of_exit(begin: Callable[[], object]) -> Iterator[None]:
    """Call ``begin`` when SIGTERM or SIGINT comes, and let the signal act when the block has ended.

    For a server that tells its applications nothing; a second signal is not kept.
    """
    loop = asyncio.get_running_loop()
    kept: list[int] = []

    def keep(former: Former, number: int, frame: FrameType | None) -> None:
        if kept:
            _act(former, number, frame)
        else:
            kept.append(number)
            loop.call_soon_threadsafe(begin)

    with ExitStack() as stack:
        for number in _heard():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                stack.enter_context(_in_front(number, keep))
        yield
    for number in kept:
        signal.raise_signal(number)


def _heard() -> tuple[int, ...]:
    in_main_thread = threading.current_thread() is threading.main_thread()
    return (signal.SIGTERM, signal.SIGINT) if in_main_thread else ()


@contextmanager
def _in_front(
    number: int, hear: Callable[[Former, int, FrameType | None], object]
) -> Iterator[None]:
    """Let ``hear`` have a signal, and the handler that was there before, while the block runs."""
    former = signal.getsignal(number)
    active = True

    def handle(signum: int, frame: FrameType | None) -> None:
        # Whoever came in front of this one goes on calling it.
        if active:
            hear(former, signum, frame)
        else:
            _act(former, signum, frame)

    signal.signal(number, handle)
    try:
        yield
    finally:
        active = False
        if signal.getsignal(number) is handle:
            signal.signal(number, former)


def _act(former: Former, number: int, frame: FrameType | None) -> None:
    if callable(former):
        former(number, frame)
    else:
        _raise_by_default(number)


def _raise_by_default(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
