"""Who waits for a ring hears it, whatever became of the connection meanwhile."""

import asyncio
import errno
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from support.waiting import until

from andiron.cluster.redis import doorbell
from andiron.cluster.redis.address import Keys


class Noticed(PubSub):
    """A subscription that ends the test where it is asked without end."""

    asked = 0

    async def get_message(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        if self.asked > 100:
            raise AssertionError("it is asked again and again, and nobody else has a turn")
        return await super().get_message(*arguments, **options)


async def test_a_connection_that_the_kernel_gave_up_is_made_anew(
    redis: Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "_PAUSE", 0.01)
    made: list[Noticed] = []

    def pubsub(**options: Any) -> PubSub:
        made.append(Noticed(redis.connection_pool, **options))
        return made[-1]

    monkeypatch.setattr(redis, "pubsub", pubsub)
    bell = doorbell.Doorbell(redis, keys.key("bell"))
    bell.begin()
    try:
        await until(lambda: made and made[0].asked > 1)
        assert len(made) == 1, "that it listens is no reason to begin anew"
        # As where the way to it is cut: asyncio has one kind of error for this and for patience.
        assert made[0].connection is not None
        made[0].connection._reader.set_exception(TimeoutError(errno.ETIMEDOUT, "timed out"))
        await until(lambda: len(made) == 2 and made[1].asked)
        await bell.wait(5)
        await redis.publish(keys.key("bell"), "free")
        async with asyncio.timeout(30):
            await bell.wait(60)
    finally:
        await bell.end()
