"""An HTTP request that is held: it ends with its answer, or when its connection is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class HttpCall:
    """The :class:`~andiron.bosh.connection.Call` of one ASGI request.

    Await :meth:`answered`, then send ``text``.
    """

    __slots__ = ("_waiter", "content_type", "status", "text")

    def __init__(self) -> None:
        self.text: str | None = None
        self.status = 200
        self.content_type = ""
        self._waiter: asyncio.Future[None] | None = None

    def reply(self, text: str, status: int, content_type: str) -> None:
        """Answer the request."""
        if self.text is None:
            self.text = text
            self.status = status
            self.content_type = content_type
            self._wake()

    async def answered(self, receive: Receive) -> bool:
        """Wait for the answer; False when the connection was lost first."""
        return self.text is not None or await _Watch(self, receive)

    def _wake(self, _waited_for: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Watch:
    """Awaits an answer and ``receive``, whichever comes first, without a second task.

    A held request is nearly all that an idle session costs, and a task to
    watch its connection would be half of that.
    """

    __slots__ = ("_call", "_receive")

    def __init__(self, call: HttpCall, receive: Receive) -> None:
        self._call = call
        self._receive = receive

    def __await__(self) -> Generator[Any, Any, bool]:
        call = self._call
        loop = asyncio.get_running_loop()
        watching = self._receive().__await__()
        while True:
            try:
                waits_for = next(watching)
            except StopIteration as end:
                if end.value["type"] == "http.disconnect":
                    return call.text is not None
                watching = self._receive().__await__()
                continue
            if waits_for is None:
                yield None
                continue
            waits_for.add_done_callback(call._wake)
            try:
                while call.text is None and not waits_for.done():
                    call._waiter = loop.create_future()
                    yield from call._waiter
            except BaseException:
                yield from _cancelled(watching)
                raise
            if call.text is not None:
                yield from _cancelled(watching)
                return True


def _cancelled(watching: Generator[Any, Any, Any]) -> Generator[Any, Any, None]:
    """End what waits for the connection as the cancellation of its task would."""
    try:
        waits_for = watching.throw(asyncio.CancelledError())
        while True:
            yield waits_for
            waits_for = next(watching)
    except (StopIteration, asyncio.CancelledError):
        return
