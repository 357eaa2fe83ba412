"""The lease of a name in Redis: who holds it is the only one, and says where he is."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from redis.asyncio import Redis

from andiron.cluster.redis.address import Keys
from andiron.cluster.redis.belief import Belief, Standing, Timing
from andiron.cluster.redis.connecting import FAILURES, why
from andiron.cluster.redis.doorbell import Doorbell
from andiron.cluster.redis.ending import ended
from andiron.cluster.redis.scripts import CLAIM, RELEASE

__all__ = ["Lease", "boot_time"]

logger = logging.getLogger("andiron.cluster")

_KEPT: Final = 7 * 86400
"""Seconds for which the number of the last holder is kept."""
_GROUPS: Final = 8
"""How many of what may stand for those who ask are remembered."""
_DEFAULT: Final = Timing()


def boot_time() -> float:
    """Return seconds that pass also while the machine is suspended, where it can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Lease:
    """One process's part in it; :meth:`take`, and while it is held it is renewed in a task.

    ``lost`` is called, once, as soon as it is known, or must be assumed, that another may have it:
    whatever only its holder may do must end then, and :meth:`release` says that it has. A process
    that stood still is told late, so what matters asks :attr:`held` before, or is refused by Redis
    itself (:mod:`andiron.cluster.redis.journal`).
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        name: str,
        lost: Callable[[], object],
        *,
        timing: Timing = _DEFAULT,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self.key: Final = keys.key("lease", name)
        self.token = ""
        """What shows Redis that it is held; empty while it is not asked for."""
        self.fence = ""
        """The holder's number, higher than that of each one before."""
        self.failing = ""
        """Why Redis could not be asked the last time; empty when it could."""
        self.early = False
        """Whether nobody can have it yet: Redis was started a moment ago, and may have lost it."""
        self.groups = [secrets.token_hex(16)]
        """What stands for all who ask for it, by whatever name they call the server, and for nobody
        else: the first, once it is held. The others were, as far as this process knows, for a
        server that has lost all gets another unless who asks first knows which it was."""
        self._fences = keys.key("fence", name)
        self._group_key = keys.key("group", name)
        self._channel = keys.key("bell", name)
        self._client = client
        self._claim = client.register_script(CLAIM)
        self._release = client.register_script(RELEASE)
        self._timing = timing
        self._clock = clock
        self._belief = Belief(timing)
        self._lost = lost
        self._where = b""
        self._free_at = 0.0
        self._asking = asyncio.Lock()
        self._hurried = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether it is this process's now, and nobody else's."""
        return self._belief.held(self._clock())

    def doorbell(self) -> Doorbell:
        """Return what rings when it may be free, or when its holder is somewhere else."""
        return Doorbell(self._client, self._channel)

    def free_in(self) -> float:
        """Return in how many seconds to ask for it again, if nothing rings."""
        return min(max(self._free_at - self._clock(), self._timing.pause), self._timing.ttl)

    async def take(self) -> bool:
        """Ask for it once; tell whether it is held.

        After it was lost it is not asked for again before :meth:`release`.
        """
        if self._belief.standing is Standing.FREE:
            # The same as long as no answer came: what was asked before may have been done.
            self.token = self.token or secrets.token_hex(16)
            if await self._ask(self._timing.patience) and self._keeping is None:
                self._keeping = asyncio.create_task(self._keep())
        return self.held

    async def publish(self, where: bytes) -> None:
        """Let others find this at :meth:`where`, now or when Redis answers again."""
        self._where = where
        if self.held:
            await self._ask(self._timing.patience)

    def hurry(self) -> None:
        """Renew it now, if it is held: Redis seems to have lost it."""
        self._hurried.set()

    async def where(self) -> bytes | None:
        """Return what the holder says of itself; None: nobody holds it, or says anything.

        Raises what is in :data:`~andiron.cluster.redis.connecting.FAILURES`.
        """
        async with asyncio.timeout(self._timing.patience):
            found: Any = await self._client.hget(self.key, "where")
        return found if found is None else bytes(found)

    async def release(self) -> None:
        """Give it back: nothing is done any more that only its holder may do."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            await ended(keeping)
        self._belief.let_go()
        token, self.token, self.fence, self._where = self.token, "", "", b""
        if token:
            await self._give_back(token)

    async def _give_back(self, token: str) -> None:
        try:
            async with asyncio.timeout(self._timing.patience):
                await self._release(keys=[self.key, self._channel], args=[token])
        except FAILURES as error:
            logger.warning(
                "The lease %s could not be given back (%s): others wait until it ends by itself,"
                " %g seconds",
                self.key,
                why(error),
                self._timing.ttl,
            )

    async def _keep(self) -> None:
        try:
            await self._renew()
            logger.error("The lease %s is lost: %s", self.key, self.failing or "another has it")
        finally:
            if self._keeping is asyncio.current_task():
                self._lost()

    async def _renew(self) -> None:
        belief, clock = self._belief, self._clock
        while belief.held(now := clock()):
            due = belief.next_deadline() - now
            if due > 0 and not self._hurried.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(due):
                        await self._hurried.wait()
            else:
                self._hurried.clear()
                await self._ask(min(self._timing.patience, belief.left(now)))

    async def _ask(self, patience: float) -> bool:
        """Take or renew it; tell whether it is held."""
        keys = [self.key, self._fences, self._channel, self._group_key]
        ttl, kept = round(self._timing.ttl * 1000), _KEPT * 1000
        async with self._asking:
            token, sent = self.token, self._clock()
            try:
                async with asyncio.timeout(patience):
                    answer: Any = await self._claim(
                        keys=keys,
                        args=[token, ttl, self.fence, self._where, kept, self.groups[0]],
                    )
            except FAILURES as error:
                self._unanswered(why(error))
                return False
            return await self._answered(token, sent, answer)

    def _belong_to(self, group: str) -> None:
        if group != self.groups[0]:
            self.groups = [group, *(each for each in self.groups if each != group)][:_GROUPS]

    def _unanswered(self, reason: str) -> None:
        if not self.failing:
            logger.warning("Redis cannot be asked for the lease %s: %s", self.key, reason)
        self.failing = reason
        self._belief.unanswered(self._clock())

    async def _answered(self, token: str, sent: float, answer: Any) -> bool:
        self.failing = ""
        granted, value, group = answer
        self._belong_to(group.decode())
        now = self._clock()
        released = token != self.token
        early, self.early = self.early, granted < 0
        if self.early and not early:
            logger.warning(
                "Redis was started %g seconds ago and knows of no lease %s, which it may have lost:"
                " nobody can have it for another %g seconds",
                self._timing.ttl - value / 1000,
                self.key,
                value / 1000,
            )
        if granted <= 0:
            if not released:
                self._belief.refused()
            self._free_at = now + value / 1000
            return False
        if released or not self._belief.granted(sent, now):
            await self._give_back(token)
            return False
        self.fence = value.decode()
        return True
