"""What serves a chat in the process that is home, from its start to its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from starlette.types import ASGIApp

from andiron.api.api import Api
from andiron.api.parts import Parts
from andiron.api.settings import Changeable
from andiron.continuity import Continuity, continuing
from andiron.domain.database.database import DatabaseError
from andiron.domain.domain import Domain
from andiron.given import Given
from andiron.hooks.attached import attached
from andiron.hooks.hooks import Hooks
from andiron.inprocess.entrance import Entrance
from andiron.others import Others
from andiron.people import People, runs_here
from andiron.refusals import DATABASE_LOST, LEAVING
from andiron.routes import Served, readiness_of, served
from andiron.settings import Settings
from andiron.signals import before_exit
from andiron.sm.driver import Driver
from andiron.sm.manager import SessionManager
from andiron.vitals import Vitals
from andiron.ways_in import WaysIn
from andiron.xmpp.xml import Guard

__all__ = ["SIGNED_OUT", "AtHome", "not_running", "patience_of"]

SIGNED_OUT: Final = "signed out"
"""Why the streams of an account are ended that the site ends."""
_LETTING_GO: Final = 1.0
"""Seconds that connections have to end where another process may be home."""
_STORING: Final = 1.0
"""Seconds that storing what clients are owed may take where nobody waits for the lifespan."""


class AtHome:
    """A chat while this process is home, with all that serves it; :meth:`serving` is its life.

    ``application`` has the settings that hold at the time. ``lost`` is called with a sentence when
    the database is another's, or gone; who hears it calls :meth:`lose_database`. ``leaving`` is
    called, maybe more than once, before connections are dropped for the end.
    """

    router: ASGIApp
    """What requests are routed by; there once it serves."""

    def __init__(
        self,
        application: Changeable,
        given: Given,
        hooks: Hooks,
        ways: WaysIn,
        others: Others,
        vitals: Vitals,
        *,
        lost: Callable[[str], object],
        leaving: Callable[[], object],
    ) -> None:
        """Take what serves nothing yet; on the event loop on which it will."""
        self._application = application
        self._settings = settings = application.settings
        self._given = given
        self._hooks = hooks
        self._ways = ways
        self._others = others
        self._vitals = vitals
        self._told_lost = lost
        self._leaving = leaving
        self._loop = asyncio.get_running_loop()
        guard = Guard(settings.max_stanza_size, settings.max_depth, max_nodes=settings.max_nodes)
        self._guard = guard
        self.domain: Final = Domain(settings.domain_config(), guard, given.site)
        # uvloop's time has milliseconds only, and what an account may use at a time are few.
        clock = time.monotonic
        self.manager: Final = SessionManager(settings.sm_config(), self.domain, clock=clock)
        self._entrance: Entrance | None = None
        self.serves = False
        """Whether it has started, and is home still."""
        self._database_lost = ""
        """Why what would be stored would be lost, or another's; else empty."""
        self._home_lost = False
        """Whether another process may be home since."""
        self._shutdown: Callable[[], None] | None = None
        """Ends the sessions, or leaves them to the next home, while that has not begun."""

    # From its start to its end

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the block runs. Raises :class:`DatabaseError`."""
        settings, domain = self._settings, self.domain
        await domain.start(self._told_lost, self._others.tenure())
        try:
            hooked = attached(self._hooks, domain, settings.hook_timeout, settings.hook_queue)
            async with hooked as tell_started, self._sessions():
                self._begin()
                tell_started()
                yield
        finally:
            self.serves = False
            self._given.access.close()
            self._others.trouble = str
            await domain.stop()

    def _begin(self) -> None:
        """Let all come in."""
        if self._database_lost:
            raise DatabaseError(self._database_lost)
        domain, manager, access = self.domain, self.manager, self._given.access
        processes = self._others.processes
        readiness = readiness_of(domain, manager)
        endpoints = served(
            Served(
                self._settings,
                self._given,
                Api(access),
                domain,
                manager,
                self._guard,
                readiness,
                processes,
                self._vitals,
            )
        )
        self.serves = True
        access.open(Parts(self._application, domain, manager, processes))
        self._others.trouble = readiness.glance
        self.router = endpoints.router
        self._ways.open(endpoints)

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[None]:
        settings, domain, manager = self._settings, self.domain, self.manager
        connections = self._given.connections
        driver = Driver(manager.timers, manager.rounds)
        driver.start()
        self._entrance = Entrance(
            manager,
            settings.inprocess_config(),
            self._guard,
            domain=domain.name,
            serving=connections.one,
        )
        patience = settings.shutdown_timeout
        shared = self._others.journal(manager.timers, manager.clock)
        try:
            async with continuing(settings, domain, manager, shared) as continuity:
                shutdown = self._shutdown = partial(self._shut_down, continuity)
                try:
                    with before_exit(shutdown, patience_of(settings)):
                        yield
                finally:
                    self._shutdown = None
                    shutdown()
                    await connections.ended(
                        min(patience, _LETTING_GO) if self._home_lost else patience
                    )
                    if continuity is not None and not (self._database_lost or self._home_lost):
                        await continuity.leave(patience)
        finally:
            driver.stop()

    def _shut_down(self, continuity: Continuity | None) -> None:
        self._others.send_elsewhere()
        if self._home_lost and continuity is not None:
            continuity.abandon()
        else:
            self._leaving()
        self._entrance = None
        now = self.manager.clock()
        if continuity is None:
            self.domain.close(now)
            self.manager.shutdown(now)
        else:
            self._ways.close(None if self._database_lost else LEAVING)
            self.manager.hibernate(now)

    def lose_database(self, sentence: str) -> None:
        """Serve nothing from now on: what would be stored would be lost, or another's."""
        self._database_lost = sentence
        self._ways.close(DATABASE_LOST)
        if self._shutdown is not None:
            self._shutdown()

    def lose_home(self) -> None:
        """Serve nothing from now on: another process may be home."""
        self._home_lost = True
        self._ways.close(LEAVING)
        self.serves = False
        self._given.access.close()
        if self._shutdown is not None:
            self._shutdown()

    # While it serves

    def apply(self, settings: Settings) -> None:
        """Let settings take effect that were changed."""
        self.manager.config = settings.sm_config()
        self.domain.commands.admins = frozenset(settings.admins)

    def people(self) -> People:
        """Return the accounts as the site sees them."""
        return People(self._settings.domain, (self.domain, self.manager, self._loop))

    def end_sessions(self, account: str) -> int:
        """End all streams of an account, from any thread; return how many.

        Raises :class:`~andiron.api.errors.UnavailableError` where the event loop does not answer.
        """
        manager = self.manager
        if runs_here(self._loop):
            return manager.kick(account, manager.clock(), SIGNED_OUT)

        async def end() -> int:
            return manager.kick(account, manager.clock(), SIGNED_OUT)

        return self._given.access.wait(end())

    def entrance(self) -> Entrance:
        """Return where clients of this process come in.

        Raises :class:`RuntimeError` on another event loop, and when the end has begun.
        """
        if self._entrance is None:
            raise not_running()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "this Andiron runs on another event loop: make clients there, as by"
                " asyncio.run_coroutine_threadsafe, see docs/bots.md"
            )
        return self._entrance


def not_running() -> RuntimeError:
    """Return what is raised where clients of the process cannot come in."""
    return RuntimeError(
        "this Andiron does not run: clients in the process can be made within its lifespan"
        " (async with chat.lifespan(): …), see docs/bots.md"
    )


def patience_of(settings: Settings) -> float:
    """Return in how many seconds a process ends by a signal that nobody else handles."""
    return max(settings.shutdown_timeout, _STORING)
