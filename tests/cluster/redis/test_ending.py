"""A task ends when it is told to, whatever becomes of that on the way."""

import asyncio
import contextlib

import pytest

from andiron.cluster.redis.ending import ended


async def test_a_cancellation_that_is_lost_is_repeated() -> None:
    async def careless() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    task = asyncio.create_task(careless())
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await ended(task)
    assert task.cancelled()


async def test_what_it_fails_with_is_heard() -> None:
    async def fails() -> None:
        raise ValueError("no")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="no"):
        await ended(task)


async def test_who_has_ended_is_not_waited_for() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    await ended(task)
    assert not task.cancelled()
