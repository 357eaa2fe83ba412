"""Hears that the process shall end before the server does.

On SIGTERM a server closes its WebSockets at once, waits for requests that are
held, and tells the lifespan last. A handler in front of its own lets sessions
be ended properly first.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def before_exit(begin: Callable[[], object]) -> Iterator[None]:
    """Call ``begin`` on the running loop when SIGTERM or SIGINT comes, then go on as before.

    Signals that nobody handles are left alone, and so are all of them outside
    the main thread, where Python has none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    chained = [_chain(number, begin, loop) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for undo in chained:
            undo()


def _chain(
    number: int, begin: Callable[[], object], loop: asyncio.AbstractEventLoop
) -> Callable[[], None]:
    former = signal.getsignal(number)
    if not callable(former) or former is signal.default_int_handler:
        return lambda: None
    onward: Handler = former
    active = True

    def handle(signum: int, frame: FrameType | None) -> None:
        if active:
            loop.call_soon_threadsafe(begin)
        onward(signum, frame)

    def undo() -> None:
        nonlocal active
        active = False
        # Whoever chained in front of this one goes on calling it.
        if signal.getsignal(number) is handle:
            signal.signal(number, onward)

    signal.signal(number, handle)
    return undo
