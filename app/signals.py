"""Hears that the process shall end before the server does.

On SIGTERM a server closes its WebSockets at once, waits for requests that are
held, and tells the lifespan last, if at all. A handler in front of its own lets
sessions be ended properly first.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

Former = Callable[[int, FrameType | None], object] | int | None
"""What a signal had before: a handler, or one of the two words for none."""


@contextmanager
def before_exit(begin: Callable[[], object], patience: float) -> Iterator[None]:
    """Call ``begin`` on the running loop when SIGTERM or SIGINT comes, then go on as before.

    A SIGTERM that nobody handles ends the process ``patience`` seconds later,
    or at once when it comes again. So it is in the worker process of a server
    that tells its workers in another way to end, which does so meanwhile.
    Outside the main thread, where Python has no signals, nothing is heard.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    over = False

    def pass_on(former: Former, number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin)
        _act(former, number, frame)

    def postpone(number: int) -> None:
        if over:
            return
        if timers:
            _raise_by_default(number)
        timers.append(loop.call_later(patience, _raise_by_default, number))
        begin()

    with ExitStack() as stack:
        for number in _heard():
            former = signal.getsignal(number)
            if callable(former) and former is not signal.default_int_handler:
                stack.enter_context(_in_front(number, pass_on))
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
