"""The site's own code is waited for only so long."""

import asyncio

import pytest

from andiron.domain.patience import GaveUp, TimeLimit, within


async def test_an_answer_in_time():
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await within(60, "test", work()) == 7


async def test_an_error_is_the_works_own():
    async def work() -> None:
        raise LookupError("as it happens")

    with pytest.raises(LookupError, match="as it happens"):
        await within(60, "test", work())


async def test_a_cancellation_of_the_works_own_is_an_error():
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    with pytest.raises(GaveUp, match="CancelledError"):
        await within(10, "test", task)


async def test_who_takes_too_long_is_cancelled():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeLimit):
        await within(0.01, "test", work())
    await ended.wait()


async def test_who_goes_on_all_the_same_holds_nobody_up(caplog):
    caplog.set_level("INFO")
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await go_on.wait()
            ended.set()
            raise LookupError("too late") from None

    with pytest.raises(TimeLimit):
        await within(0.01, "test", work())
    go_on.set()
    await ended.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "too late failed" in caplog.text


async def test_who_stops_waiting_stops_the_work():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(within(60, "test", work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()
