"""Waiting for an answer and for a connection's end at once, whatever ``receive`` is made of."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import anyio
import pytest
from support.asgi import settle
from support.bosh import EMPTY

from andiron.bosh.waiting import HttpCall

GONE = {"type": "http.disconnect"}
Receive = Callable[[], Awaitable[dict]]


class Wire:
    """A server's ``receive``; ``listening`` is how many wait for it."""

    def __init__(self) -> None:
        self.messages = asyncio.Queue()
        self.listening = 0

    async def receive(self) -> dict:
        self.listening += 1
        try:
            return await self.messages.get()
        finally:
            self.listening -= 1

    def leave(self) -> None:
        self.messages.put_nowait(GONE)


def plain(receive: Receive) -> Receive:
    return receive


def with_timeout(receive: Receive) -> Receive:
    async def wrapped():
        async with asyncio.timeout(60):
            return await receive()

    return wrapped


def in_a_task(receive: Receive) -> Receive:
    async def wrapped():
        return await asyncio.create_task(receive())

    return wrapped


def in_a_task_group(receive: Receive) -> Receive:
    async def wrapped():
        async with asyncio.TaskGroup() as group:
            other = group.create_task(asyncio.Event().wait())
            message = await group.create_task(receive())
            other.cancel()
        return message

    return wrapped


def as_starlette(receive: Receive) -> Receive:
    """Wait as BaseHTTPMiddleware does, in a cancel scope that ends by its own cancellation."""

    async def wrapped():
        async with anyio.create_task_group() as group:

            async def first(of):
                result = await of()
                group.cancel_scope.cancel()
                return result

            group.start_soon(first, asyncio.Event().wait)
            message = await first(receive)
        # The scope has ended, and with it its cancellation.
        return message  # noqa: RET504

    return wrapped


def with_anyio_timeout(receive: Receive) -> Receive:
    async def wrapped():
        with anyio.fail_after(60):
            return await receive()

    return wrapped


def after_a_turn(receive: Receive) -> Receive:
    async def wrapped():
        await asyncio.sleep(0)
        try:
            return await receive()
        finally:
            await asyncio.sleep(0)

    return wrapped


class Foreign:
    """An awaitable as a server in another language has it: an iterator and a future in one."""

    _asyncio_future_blocking = False

    def __init__(self, task: asyncio.Task) -> None:
        self._task = task
        self.get_loop = task.get_loop
        self.add_done_callback = task.add_done_callback
        self.remove_done_callback = task.remove_done_callback
        self.cancel = task.cancel
        self.done = task.done
        self.result = task.result

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.done():
            raise StopIteration(self.result())
        self._asyncio_future_blocking = True
        return self


def no_coroutine(receive: Receive) -> Receive:
    return lambda: Foreign(asyncio.ensure_future(receive()))


def a_future(receive: Receive) -> Receive:
    return lambda: asyncio.ensure_future(receive())


KINDS = [
    plain,
    with_timeout,
    in_a_task,
    in_a_task_group,
    as_starlette,
    with_anyio_timeout,
    after_a_turn,
    no_coroutine,
    a_future,
]


@pytest.fixture(params=KINDS + [(outer, as_starlette) for outer in KINDS])
def made_of(request):
    """Return what wraps a ``receive``: one kind, or one around another."""
    if not isinstance(request.param, tuple):
        return request.param
    outer, inner = request.param
    return lambda receive: outer(inner(receive))


@pytest.fixture
def call():
    return HttpCall()


@pytest.fixture
def wire():
    return Wire()


async def waits(call: HttpCall, receive: Receive) -> asyncio.Task:
    """Return what waits for the answer, after some turns in which there was none."""
    waiting = asyncio.create_task(call.answered(receive))
    await settle()
    assert not waiting.done()
    return waiting


async def ended(waiting: asyncio.Task) -> bool:
    async with asyncio.timeout(60):
        return await waiting


def nothing_is_left(wire: Wire) -> None:
    assert wire.listening == 0
    assert len(asyncio.all_tasks()) == 1


async def test_the_answer_comes(made_of, call, wire):
    waiting = await waits(call, made_of(wire.receive))
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True
    nothing_is_left(wire)


async def test_the_connection_is_lost(made_of, call, wire):
    waiting = await waits(call, made_of(wire.receive))
    wire.leave()
    assert await ended(waiting) is False
    nothing_is_left(wire)


async def test_both_at_once(made_of, call, wire):
    waiting = await waits(call, made_of(wire.receive))
    wire.leave()
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True
    nothing_is_left(wire)


async def test_the_task_is_cancelled(made_of, call, wire):
    waiting = await waits(call, made_of(wire.receive))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended(waiting)
    assert waiting.cancelled()
    nothing_is_left(wire)


async def test_the_task_is_cancelled_with_the_answer(made_of, call, wire):
    waiting = await waits(call, made_of(wire.receive))
    call.reply(EMPTY, 200, "text/xml")
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        assert await ended(waiting) is True
    assert waiting.done()
    nothing_is_left(wire)


@pytest.mark.parametrize("scope", ["asyncio", "anyio"])
async def test_time_is_up_around_it(scope, made_of, call, wire):
    async def timed():
        if scope == "anyio":
            with anyio.fail_after(0.005):
                await call.answered(made_of(wire.receive))
        else:
            async with asyncio.timeout(0.005):
                await call.answered(made_of(wire.receive))

    with pytest.raises(TimeoutError):
        await ended(asyncio.create_task(timed()))
    nothing_is_left(wire)


@pytest.mark.parametrize("scope", ["asyncio", "anyio"])
async def test_time_that_is_up_within_it_again_and_again(scope, call, wire):
    passed = asyncio.Event()
    times = 0

    async def looking_about():
        nonlocal times
        while True:
            if scope == "anyio":
                with anyio.move_on_after(0.001):
                    return await wire.receive()
            else:
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(wire.receive(), 0.001)
            times += 1
            if times == 3:
                passed.set()

    waiting = asyncio.create_task(call.answered(looking_about))
    await passed.wait()
    assert not waiting.done()
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True
    nothing_is_left(wire)


async def test_time_is_up_within_it(call, wire):
    async def impatient():
        async with asyncio.timeout(0.001):
            return await wire.receive()

    with pytest.raises(TimeoutError):
        await ended(asyncio.create_task(call.answered(impatient)))


async def test_an_answer_outweighs_a_failure_that_comes_with_it(call):
    waiting_for = asyncio.get_running_loop().create_future()

    async def receive():
        await waiting_for

    waiting = await waits(call, receive)
    waiting_for.set_exception(ConnectionError())
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True


async def test_the_task_is_cancelled_while_that_which_listens_ends(call):
    leaving = asyncio.Event()

    async def receive():
        try:
            await asyncio.Event().wait()
        finally:
            leaving.set()
            await asyncio.Event().wait()

    waiting = await waits(call, receive)
    call.reply(EMPTY, 200, "text/xml")
    await leaving.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended(waiting)


async def test_the_answer_comes_while_that_which_listens_ends_for_a_cancellation(call, wire):
    tidied = asyncio.Event()

    async def receive():
        try:
            return await wire.receive()
        finally:
            await tidied.wait()

    waiting = await waits(call, receive)
    waiting.cancel()
    await settle()
    call.reply(EMPTY, 200, "text/xml")
    await settle()
    tidied.set()
    with pytest.raises(asyncio.CancelledError):
        await ended(waiting)
    assert waiting.cancelled()
    nothing_is_left(wire)


async def test_a_cancellation_that_somebody_forgot_is_not_taken_for_a_new_one(call, wire):
    async def caller():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return await call.answered(wire.receive)

    waiting = asyncio.create_task(caller())
    await settle()
    waiting.cancel()
    await settle()
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True
    nothing_is_left(wire)


async def test_an_answer_that_is_there_is_not_waited_for(call):
    call.reply(EMPTY, 200, "text/xml")
    call.reply("another", 500, "text/plain")
    assert await call.answered(asyncio.Queue().get)
    assert (call.text, call.status) == (EMPTY, 200)


async def test_messages_that_are_no_disconnect_are_passed_over(call, wire):
    waiting = asyncio.create_task(call.answered(wire.receive))
    for _ in range(3):
        wire.messages.put_nowait({"type": "http.request"})
        await settle()
    assert not waiting.done()
    wire.leave()
    assert await ended(waiting) is False


async def test_a_body_that_is_handed_out_for_ever_is_not_asked_for_for_ever(call):
    asked = 0

    async def receive():
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"<body/>"}

    waiting = await waits(call, receive)
    assert asked < 10
    call.reply(EMPTY, 200, "text/xml")
    assert await ended(waiting) is True


async def test_what_listens_may_take_its_time_to_end(call):
    ends = []
    tidied = asyncio.Event()

    async def receive():
        try:
            await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ends.append("told")
            await tidied.wait()
            ends.append("tidied")

    async def caller():
        answered = await call.answered(receive)
        return answered, asyncio.current_task().cancelling()

    waiting = asyncio.create_task(caller())
    await settle()
    call.reply(EMPTY, 200, "text/xml")
    await settle()
    assert ends == ["told"]
    tidied.set()
    assert await ended(waiting) == (True, 0)
    assert ends == ["told", "tidied"]


async def test_a_failure_of_the_server_is_not_swallowed(call):
    async def receive():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await call.answered(receive)
