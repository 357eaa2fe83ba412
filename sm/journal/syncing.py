"""One thread for what waits for the disk, so that the event loop does not."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

__all__ = ["Syncing", "SyncingThread"]


class Syncing(Protocol):
    """Does one job at a time beside the event loop."""

    def start(self, job: Callable[[], None], done: Callable[[OSError | None], object]) -> None:
        """Do a job, then tell ``done`` on the event loop how it failed, or None. Do not wait."""

    def end(self) -> None:
        """Wait until the job that was begun is done; no other will begin. It may be told later."""


class SyncingThread:
    """:class:`Syncing` in a thread, begun when it is first needed.

    ``call`` has something called on the event loop, from any thread: ``call_soon_threadsafe``.
    """

    def __init__(self, call: Callable[[Callable[[], object]], object]) -> None:
        self._call = call
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="andiron-journal")

    def start(self, job: Callable[[], None], done: Callable[[OSError | None], object]) -> None:
        """Do a job in the thread, then call ``done`` on the event loop."""

        def tell(future: "Future[None]") -> None:
            error = future.exception()
            failure = error if error is None or isinstance(error, OSError) else OSError(str(error))
            self._call(lambda: done(failure))

        self._threads.submit(job).add_done_callback(tell)

    def end(self) -> None:
        """Wait for the thread."""
        self._threads.shutdown(wait=True)
