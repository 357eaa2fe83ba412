"""Coroutines whose first step was made by hand."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from andiron.sm.byhand import continued


async def test_the_rest_is_awaited_and_its_result_returned() -> None:
    waiter: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        first = await waiter
        await asyncio.sleep(0)
        return first + " and more"

    coroutine = work()
    waits_for = coroutine.send(None)
    going_on = asyncio.ensure_future(_awaiting(coroutine, waits_for))
    await asyncio.sleep(0)
    assert not going_on.done()

    waiter.set_result("this")

    assert await going_on == "this and more"


async def test_a_cancellation_reaches_what_goes_on() -> None:
    told: list[str] = []
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await waiter
        except asyncio.CancelledError:
            told.append("cancelled")
        return "tidied up"

    coroutine = work()
    going_on = asyncio.ensure_future(_awaiting(coroutine, coroutine.send(None)))
    await asyncio.sleep(0)

    going_on.cancel()

    assert await going_on == "tidied up"
    assert told == ["cancelled"]


async def test_the_error_of_what_it_waits_for_is_its_own_to_handle() -> None:
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await waiter
        except OSError:
            return "handled"
        return "not raised"

    coroutine = work()
    going_on = asyncio.ensure_future(_awaiting(coroutine, coroutine.send(None)))
    await asyncio.sleep(0)

    waiter.set_exception(OSError("reset"))

    assert await going_on == "handled"


async def test_what_it_raises_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    coroutine = work()
    waits_for = coroutine.send(None)

    with pytest.raises(ValueError, match="no"):
        await continued(coroutine, waits_for)


async def _awaiting(coroutine: Coroutine[Any, Any, str], waits_for: object) -> str:
    return await continued(coroutine, waits_for)
