"""An HTTP request that is held: it ends with its answer, or when its connection is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from types import CoroutineType, coroutine
from typing import Any, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_MOST_MESSAGES: Final = 8
"""How often to ask whether the connection is gone: some middleware answers with the body it read,
as often as it is asked."""


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
        for _ in range(_MOST_MESSAGES):
            if self.text is not None:
                return True
            message = await _watched(self, receive())
            if message is not None and message["type"] == "http.disconnect":
                return self.text is not None
        while self.text is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return True

    def _wake(self, _waited_for: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


# A held request is nearly all that an idle session costs, and a task to watch
# its connection would be half of that. So ``receive`` is driven by hand, as
# ``await`` would drive it: what is thrown in while it waits is its own first,
# because middleware has timeouts and cancel scopes in it.


@coroutine
def _watched(call: HttpCall, receiving: Awaitable[Message]) -> Generator[Any, Any, Message | None]:
    """Return what a call of ``receive`` gives; None where the answer came first."""
    driven = receiving if isinstance(receiving, CoroutineType) else _awaited(receiving)
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    thrown: BaseException | None = None
    try:
        while True:
            waits_for = driven.send(None) if thrown is None else driven.throw(thrown)
            if waits_for is None:
                thrown = yield from _paused(None)
                continue
            thrown = None
            waits_for.add_done_callback(call._wake)
            try:
                while call.text is None and not waits_for.done():
                    call._waiter = loop.create_future()
                    yield from call._waiter
            except BaseException as error:  # noqa: BLE001
                thrown = yield from _interrupted(waits_for, error)
                continue
            if not waits_for.done():
                waits_for.remove_done_callback(call._wake)
                yield from _cancelled(task, driven, waits_for, before)
                return None
    except StopIteration as end:
        message: Message = end.value
        return message
    except Exception:
        if call.text is None:
            raise
        return None


async def _awaited(receiving: Awaitable[Message]) -> Message:
    """Make a coroutine of what some servers return instead of one."""
    return await receiving


def _paused(waits_for: Any) -> Generator[Any, Any, BaseException | None]:
    """Wait for it and nothing else; return what was thrown in meanwhile."""
    try:
        yield waits_for
    except BaseException as error:  # noqa: BLE001
        return error
    return None


def _interrupted(waits_for: Any, error: BaseException) -> Generator[Any, Any, BaseException | None]:
    """Cancel what is waited for as its task would; return what is to be thrown instead."""
    cancelled = isinstance(error, asyncio.CancelledError) and waits_for is not None
    if not (cancelled and waits_for.cancel(*error.args)):
        return error
    return None if waits_for.done() else (yield from _paused(waits_for))


def _cancelled(
    task: "asyncio.Task[Any]",
    driven: Coroutine[Any, Any, Message],
    waits_for: Any,
    before: int,
) -> Generator[Any, Any, None]:
    """End it by a cancellation of this task, which goes no further than here.

    Another one that came since there were ``before`` goes on: ``driven`` may
    have been told of it, and be tidying up, when the answer came.
    """
    asked = task.cancelling()
    thrown = None
    try:
        if asked or not waits_for.cancel():
            task.cancel()
        else:
            if waits_for.done():
                # Nearly always it ends here, and need not wait for a turn of the loop.
                waits_for = driven.send(None)
            error = yield from _counted(task)
            if error is not None:
                thrown = yield from _interrupted(waits_for, error)
        while True:
            if thrown is None:
                thrown = yield from _paused(waits_for)
            waits_for = driven.send(None) if thrown is None else driven.throw(thrown)
            thrown = None
    except StopIteration:
        return
    except asyncio.CancelledError:
        if task.cancelling() > before + 1:
            raise
    finally:
        if task.cancelling() > asked:
            task.uncancel()


def _counted(task: "asyncio.Task[Any]") -> Generator[Any, Any, BaseException | None]:
    """Have the task count a cancellation that was delivered by hand; return one that came since.

    By that count a timeout that ends meanwhile knows that the task is to end as well.
    """
    task.cancel()
    error = yield from _paused(None)
    own = isinstance(error, asyncio.CancelledError) and task.cancelling() == 1
    return None if own else error
