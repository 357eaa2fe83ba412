"""Who waits for something learns at once that it may have come: a channel of Redis.

Nothing is promised: a ring may be missed while the connection is lost, so who waits looks from time
to time all the same.
"""

import asyncio
import contextlib
import logging
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from andiron.cluster.redis.connecting import FAILURES, why
from andiron.cluster.redis.ending import ended

__all__ = ["Doorbell"]

logger = logging.getLogger("andiron.cluster")

_LISTENING: Final = 30.0
"""Seconds after which listening begins anew, if nothing comes."""
_PAUSE: Final = 1.0
"""Seconds until it is tried again after a failure."""


class Doorbell:
    """Listens to one channel from :meth:`begin` to :meth:`end`."""

    def __init__(self, client: Redis, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin, without waiting for the server."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen())

    async def end(self) -> None:
        """End; nothing where it has not begun."""
        task, self._task = self._task, None
        if task is not None:
            await ended(task)

    async def wait(self, most: float) -> None:
        """Wait for the next ring, ``most`` seconds; one since the last call counts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most):
                await self._rung.wait()
        self._rung.clear()

    async def _listen(self) -> None:
        while True:
            listening = self._client.pubsub()
            try:
                await listening.subscribe(self._channel)
                await self._hear(listening)
            except FAILURES as error:
                logger.debug("The channel %s is not heard: %s", self._channel, why(error))
            finally:
                with contextlib.suppress(*FAILURES):
                    await listening.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(_PAUSE)

    async def _hear(self, listening: PubSub) -> None:
        # What comes first says that it listens, and something may have come before that. Nothing
        # comes after a while, and at once of a connection that the kernel has given up.
        while await listening.get_message(timeout=_LISTENING) is not None:
            self._rung.set()
