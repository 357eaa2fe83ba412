"""Several processes, one chat: which of them is home, and what this one is while it runs."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp

from andiron.cluster.door import HomeLink
from andiron.cluster.hello import Hello
from andiron.cluster.home import Direct, DoorLink, Home, Serve
from andiron.cluster.place import PlaceError
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.holders import Tenure
from andiron.fellows.doorway import TROUBLE, Doorway
from andiron.fellows.meeting import failed, files_of, journal_of, place_of, tenure_of
from andiron.processes import Processes, introduced, told
from andiron.settings import Settings
from andiron.sm.timers import Timers
from andiron.vitals import Vitals

if TYPE_CHECKING:
    from andiron.cluster.redis.journal import RedisJournal

__all__ = ["Fellows"]

logger = logging.getLogger("andiron")

BeHome = Callable[[], AbstractAsyncContextManager[ASGIApp]]
"""Serves the chat in this process while the block runs."""

_GREETING: Final = 10.0
"""Seconds in which a home says who it is, and a start waits for one."""
_PAUSES: Final = (1.0, 10.0)
"""Seconds after which a process tries again to be home where that failed: first, and at most."""
_MARGIN: Final = 65_536
"""Bytes that a message may have besides what the application would take of it."""


class Fellows:
    """One of the processes of a chat, while :meth:`running`.

    ``serve`` serves, at home, what others relay, and ``direct`` what it can of that without ASGI.
    ``lost`` is called when another process may be home: all connections are to be closed, and
    nothing more is to be promised or served here.
    ``vitals`` is how this process does, which a home is told.
    Raises :class:`DatabaseError` where what it needs is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        doorway: Doorway,
        serve: Serve,
        direct: Direct,
        lost: Callable[[], object],
        vitals: Vitals,
    ) -> None:
        self._settings = settings
        self._place = place_of(settings, self._lose)
        self._doorway = doorway
        self._serve = serve
        self._direct = direct
        self._lost = lost
        self._limit = 4 * settings.max_stanza_size + _MARGIN
        self._vitals = vitals
        self.own: Final = introduced(settings.domain, files_of(settings), self._limit)
        """Who this process is, for the others."""
        self.processes: Final = Processes(self.own, vitals, lambda: self.doors)
        self.trouble: Callable[[], str] = str
        """Returns, at home, why clients should not be sent to this chat now; empty: they may be."""
        self.tell: Callable[[], Mapping[str, Any]] = dict
        """Returns what, at home, the others are told besides."""
        self.hear: Callable[[Hello, Mapping[str, Any]], object] = _hear_nothing
        """Called, elsewhere, with who is home and what that tells."""
        self._link: HomeLink | None = None
        self._tenure: Tenure | None = None
        self._home: Home | None = None
        self._leaving = False
        self._starting = False
        """Whether this process is about to be home."""
        self._serving = False
        """Whether the application serves here, or is being ended."""
        self._ready = asyncio.Event()
        """Whether a start need wait no longer."""
        self._stop = asyncio.Event()
        """Whether this process is to be home no longer."""
        self._complaint = ""
        """What was said last of what keeps it from being home."""

    @property
    def at_home(self) -> bool:
        """Whether this process is home, and serves."""
        return self._home is not None

    @property
    def doors(self) -> list[DoorLink]:
        """The connections of the other processes; none but at home."""
        return [] if self._home is None else list(self._home.links)

    @property
    def home(self) -> int:
        """The process that is home; 0 where there is none."""
        if self._home is not None:
            return self.own.process
        other = None if self._link is None else self._link.other
        return 0 if other is None else other.process

    @contextlib.asynccontextmanager
    async def running(self, be_home: BeHome) -> AsyncIterator[None]:
        """Be one of them while the block runs; entered when there is a home that serves.

        One that does not answer is waited for 10 seconds. Raises :class:`DatabaseError` with a
        sentence where this process cannot be one of them, and whatever ``be_home`` raises where it
        was the first.
        """
        try:
            await self._place.begin()
        except PlaceError as error:
            raise failed(error) from None
        living = asyncio.create_task(self._live(be_home), name="fellows")
        try:
            ready = asyncio.create_task(self._ready.wait())
            try:
                await self._begun(living, ready)
            finally:
                ready.cancel()
            yield
        finally:
            self.leave()
            try:
                await self._end(living)
            finally:
                await self._place.end()

    async def _begun(self, living: asyncio.Task[None], ready: asyncio.Task[bool]) -> None:
        done: set[asyncio.Task[Any]] = set()
        while not done:
            done, _ = await asyncio.wait(
                [ready, living], timeout=_GREETING, return_when=asyncio.FIRST_COMPLETED
            )
            if not (done or self._starting or self._place.early):
                logger.warning("The process that is home does not answer")
                break
        self._ready.set()
        if living.done():
            living.result()

    def leave(self) -> None:
        """Begin to end: this process becomes home no more, and clients are to come back elsewhere.

        May be called more than once, and before the block of :meth:`running` ends.
        """
        self._leaving = True
        self._ready.set()
        self.send_elsewhere()
        self._doorway.leave()

    def send_elsewhere(self) -> None:
        """As home, have the others keep new requests for the next."""
        if self._home is not None:
            self._home.leave()

    def step_down(self) -> None:
        """As home, be it no longer: another process may do better."""
        self._stop.set()

    def tenure(self) -> Tenure | None:
        """Return, for a home, its turn at the database; None where its claim alone decides."""
        self._tenure = tenure_of(self._place)
        return self._tenure

    def journal(
        self, timers: Timers, clock: Callable[[], float]
    ) -> "AbstractAsyncContextManager[RedisJournal] | None":
        """Return, for a home, the journal that all share; None where it is a file."""
        return journal_of(self._place, self._settings, timers, clock, self._lose)

    def _lose(self) -> None:
        """Be home no longer, at once: another process may be."""
        if self._starting or self._serving:
            self.step_down()
            self._doorway.lead(None)
            self._lost()
            if self._tenure is not None:
                self._tenure.end()
            if self._home is not None:
                self._home.drop()

    async def _end(self, living: asyncio.Task[None]) -> None:
        self._stop.set()
        # A database that is being opened is left open where that is interrupted.
        if not (self._starting or self._serving):
            living.cancel()
        await asyncio.wait([living])
        if not living.cancelled() and living.exception() is not None:
            living.result()

    async def _live(self, be_home: BeHome) -> None:
        pause, most = _PAUSES
        while not self._leaving:
            try:
                if await self._was_home(be_home):
                    pause = _PAUSES[0]
                elif not await self._be_door():
                    await self._place.wait()
                    continue
                else:
                    pause = _PAUSES[0]
                    continue
            except (DatabaseError, PlaceError) as error:
                if not self._ready.is_set():
                    raise failed(error) from None
                self._complain(error)
                if isinstance(error, PlaceError):
                    pause = _PAUSES[0]
            except Exception:
                if not self._ready.is_set() or self._leaving:
                    raise
                logger.exception("This process cannot be home, and tries again")
            if not self._leaving:
                # Not all at the same time, and others first.
                await asyncio.sleep(pause * random.uniform(1, 1.5))  # noqa: S311
                pause = min(2 * pause, most)

    async def _was_home(self, be_home: BeHome) -> bool:
        """Be home where nobody is, until that ends; return whether nobody was."""
        if not await self._place.take():
            return False
        try:
            if not self._leaving:  # It may have been told to end since.
                self._starting = True
                await self._be_home(be_home)
        finally:
            self._starting = self._serving = False
            await self._place.release()
        return True

    def _complain(self, error: Exception) -> None:
        """Say why there is no home here, once for each reason."""
        if str(error) != self._complaint and not self._leaving:
            self._complaint = str(error)
            logger.error("This process cannot be home, and tries again: %s", error)
        self._doorway.trouble = (
            "processes cannot meet"
            if isinstance(error, PlaceError)
            else "a process cannot become home"
        )

    async def _be_home(self, be_home: BeHome) -> None:
        self._stop.clear()
        async with AsyncExitStack() as stack:
            home = Home(self._serve, self.own, self._limit, self._news, self._direct)
            stack.push_async_callback(home.close)
            stack.push_async_callback(self._place.close)
            application = await stack.enter_async_context(be_home())
            self._serving, self._starting = True, False
            await self._place.listen(home.accept)
            if self._stop.is_set():
                return
            stack.callback(self._doorway.lead, None)
            stack.callback(self._be_nothing)
            self._home = home
            self._greet()
            self._doorway.lead(application)
            if self._ready.is_set():
                logger.info("This process is home now")
            self._ready.set()
            if not self._leaving:
                await self._stop.wait()

    def _news(self) -> dict[str, Any]:
        return {TROUBLE: self.trouble(), **self.tell()}

    def _greet(self) -> None:
        """Forget what kept others from finding a home: there is one."""
        self._complaint = self._doorway.trouble = ""

    def _be_nothing(self) -> None:
        self.send_elsewhere()
        self._home = None

    async def _be_door(self) -> bool:
        """Relay to the home until it ends; return whether there was one."""
        link = HomeLink(
            self.own, self._limit, lambda: self._heard(link), lambda: told(self._vitals)
        )
        if not await self._place.reach(lambda: link):
            return False
        self._link = link
        self._doorway.lead(link)
        try:
            await asyncio.wait([link.met])
            if link.why_not:
                raise PlaceError(f"This process cannot join its chat, for {link.why_not}")
            if link.other is not None:
                self._greet()
                if self._ready.is_set():
                    logger.info("Process %s is home now", link.other.label)
                self._ready.set()
            await asyncio.wait([link.over])
        finally:
            self._link = None
            self._doorway.lead(None)
            link.close()
        return link.other is not None

    def _heard(self, link: HomeLink) -> None:
        """Look how the home does; where another may be by now, find out."""
        if link.transport is not None and link.silent > self._place.patience:
            logger.warning("The process that is home does not answer any more: is another?")
            link.drop()
        elif link.other is not None:
            self.hear(link.other, link.news)
        self._doorway.look()


def _hear_nothing(_home: Hello, _told: Mapping[str, Any]) -> None:
    return
