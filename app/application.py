"""The application as its hosts and the site's own code see it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.api.api import Api
from andiron.api.sync import SyncApi
from andiron.at_home import AtHome, not_running
from andiron.domain.domain import Domain
from andiron.faults import told_briefly
from andiron.fellows.anywhere import AnywhereApi
from andiron.fellows.own_code import AskHome
from andiron.fellows.together import ElsewhereError, Together
from andiron.given import Given
from andiron.hooks.hooks import Hooks
from andiron.inprocess.entrance import Entrance
from andiron.lifespan import run_as_told
from andiron.others import Nobody, Others
from andiron.outermost import Outermost
from andiron.people import People
from andiron.refusals import STOPPED, refuse
from andiron.settings import Settings
from andiron.settings.live import LIVE, OF_THE_LOG, changes, tell_changed
from andiron.site_functions import SiteFunctions
from andiron.vitals import Vitals, measured
from andiron.ways_in import WaysIn
from andiron.web.discovery import discovery_routes, mount_path
from andiron.web.hosts import Hosts
from andiron.xmpp.jid import account_jid

if TYPE_CHECKING:
    from andiron.inprocess.bot import Bot

__all__ = ["Andiron"]

logger = logging.getLogger("andiron")


class Andiron:
    """An ASGI application; made by :func:`create_app`.

    It serves while its lifespan runs: a server runs that by itself; a host
    that mounts it passes :attr:`lifespan` on, or is wrapped by :meth:`wrap`.
    """

    domain: Domain
    """The embedded domain; there once the lifespan has started."""

    def __init__(self, settings: Settings, functions: SiteFunctions, hooks: Hooks) -> None:
        self.settings = settings
        self.hooks = hooks
        """The site's functions that are told of what happens; to be added to before the start."""
        self._given = given = Given.of(settings, functions)
        self.strangers = given.strangers
        """The connections that are signing in."""
        self.incoming = given.incoming
        """The requests whose bodies are coming in."""
        self._ask_home = ask = AskHome(given.access, given.connections.one)
        self.api = AnywhereApi(given.access, ask) if settings.cluster else Api(given.access)
        """What the site's own code may do, in async code."""
        self.sync = SyncApi(self.api, given.access)
        """The same for sync code, in other threads."""
        self._alone = False
        """Whether no site stands around it, whose business the hosts are."""
        self._in_site = False
        self._ways = WaysIn(self._hosts_of(settings), given.connections)
        self.direct = self._ways.direct
        """Takes POSTs of BOSH without ASGI, for a server that serves this application alone."""
        self.admit = self._ways.admit
        """Does so with WebSockets."""
        self.running = False
        """Whether the lifespan has begun and not ended."""
        self._together: Together | None = None
        """This process among those of its chat, while it runs as one of several."""
        self._home: AtHome | None = None
        """What serves here, from when it is about to start until it has ended."""
        self.database_lost = ""
        """Why nothing is served any more: the database is another's, or gone; else empty."""
        self.on_database_lost: Callable[[], object] | None = None
        """Called when that happens; the process had better end."""
        self.on_leaving: Callable[[], object] | None = None
        """Called, maybe more than once, before connections are dropped for the end; who listens
        had better stop: clients come back at once, and are the next server's."""
        self.on_applied: Callable[[Settings], object] | None = None
        """Called with the settings after a change; who does so writes the log by them."""

    # As a host calls it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        if scope["type"] == "lifespan":
            if not self._in_site:
                self.serve_alone()
            await run_as_told(self.lifespan, receive, send)
            return
        misdirected = self._ways.misdirected(scope)
        if misdirected is not None:
            await refuse(misdirected, scope, receive, send)
            return
        await self._ways.serve(scope, receive, send)

    def serve_alone(self) -> None:
        """Take requests for this server's own hosts only, from now on: no site stands around it.

        A server that runs this application's lifespan itself need not call it.
        """
        if not self._alone:
            self._alone = True
            self._ways.hosts = self._hosts_of(self.settings)

    def _hosts_of(self, settings: Settings) -> Hosts | None:
        return Hosts.of(settings) if self._alone or settings.allowed_hosts else None

    def discovery_routes(self, *, at: str = "") -> list[BaseRoute]:
        """Return the routes of ``/.well-known/host-meta`` and ``host-meta.json`` (XEP-0156).

        For the root of a host site that mounts this application at ``at``, since
        that is where clients look; they answer whether or not the lifespan runs.
        A slash at the end of ``at`` means nothing. Raises ValueError where none begins it.
        """
        return [*discovery_routes(self._given.proxies, public_url=self.settings.public_url, at=at)]

    def wrap(self, host: ASGIApp, *, at: str = "", discovery: bool = False) -> ASGIApp:
        """Return an outermost application that starts this one around ``host``.

        For hosts that know no lifespan, such as Django: it is answered here and
        does not reach them; with a server that runs none the first request
        starts this application. With ``at="/chat"`` what is below that path is
        served by this application and ``host`` need not mount it; with
        ``discovery`` so are :meth:`discovery_routes`. Without ``at`` only the
        lifespan is seen to: ``host`` mounts this application itself, and puts
        the discovery where it belongs. Raises ValueError for an ``at`` that is
        no path below the root, and for ``discovery`` without one.
        """
        path = mount_path(at)
        if at and not path:
            raise ValueError(
                "at='/' leaves nothing to the host: serve this application itself,"
                " or wrap the host with a path such as at='/chat'"
            )
        if discovery and not path:
            raise ValueError(
                "discovery=True needs to be told where this application is: give at='/chat', or let"
                " the host have discovery_routes(at=...) of the path at which it mounts this"
            )
        self._in_site = True
        routes: list[BaseRoute] = self.discovery_routes(at=path) if discovery else []
        routes += [Mount(path, self)] if path else []
        return Outermost(self, Router([*routes, Mount("", host)]))

    # While it runs

    @asynccontextmanager
    async def lifespan(self, _host: object = None) -> AsyncIterator[None]:
        """Run the application while the block runs: ``Starlette(…, lifespan=chat.lifespan)``.

        Within a lifespan of your own: ``async with chat.lifespan(): …``.
        Raises :class:`DatabaseError`, and :class:`RuntimeError` when it runs already.
        """
        if self.running:
            raise RuntimeError("this Andiron runs already: start its lifespan in one place only")
        self.running = True
        self._given.access.begin()
        self._ways.close(STOPPED)
        try:
            with told_briefly(), measured() as vitals:
                run = self._as_one_of_several if self.settings.cluster else self._by_itself
                async with run(vitals):
                    yield
        finally:
            self._ways.close()
            self._given.access.end()
            self.running = False

    @asynccontextmanager
    async def _by_itself(self, vitals: Vitals) -> AsyncIterator[None]:
        async with self._at_home(vitals, Nobody(self.settings, vitals)):
            yield

    @asynccontextmanager
    async def _as_one_of_several(self, vitals: Vitals) -> AsyncIterator[None]:
        self._together = together = Together(
            self,
            self._given,
            self._ways,
            self._ask_home,
            vitals,
            lost=self._lose_home,
            leaving=self._leave,
        )
        try:
            async with together.running(partial(self._at_home, vitals)):
                yield
        finally:
            self._together = None

    @asynccontextmanager
    async def _at_home(self, vitals: Vitals, others: Others) -> AsyncIterator[AtHome]:
        self._home = home = AtHome(
            self,
            self._given,
            self.hooks,
            self._ways,
            others,
            vitals,
            lost=self._lose_database,
            leaving=self._leave,
        )
        self.domain = home.domain
        self.database_lost = ""
        try:
            async with home.serving():
                yield home
        finally:
            self._home = None

    def _leave(self) -> None:
        if self.on_leaving is not None:
            self.on_leaving()

    def _lose_home(self) -> None:
        if self._home is not None:
            self._home.lose_home()

    def _lose_database(self, sentence: str) -> None:
        logger.critical("%s Nothing is served here any more: restart this process", sentence)
        self.database_lost = sentence
        if self._home is not None:
            self._home.lose_database(sentence)
        if self.on_database_lost is not None:
            self.on_database_lost()
        if self._together is not None:
            self._together.fellows.step_down()

    @property
    def _serving(self) -> AtHome | None:
        home = self._home
        return home if home is not None and home.serves else None

    def apply(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Let the settings that differ take effect where they can (``andiron.settings.live.LIVE``).

        Returns their names, and those of others that differ: they need a restart, and stay as
        they are. Each that takes effect leaves a line in the log. To be called on the event loop
        on which the application runs; before it runs, nothing needs this. Of several processes
        (``cluster``) those that run take over what takes effect at home; elsewhere it does in
        this process alone, and ``await chat.api.change_setting(…)`` in all.
        """
        former = self.settings
        live, others = changes(former, settings)
        if live:
            if self._together is not None:
                self._together.following.note(live)
            self.settings = former.replaced(**{name: getattr(settings, name) for name in live})
        tell_changed(former, self.settings, live)
        if (home := self._serving) is not None:
            home.apply(self.settings)
        if "allowed_hosts" in live:
            self._ways.hosts = self._hosts_of(self.settings)
        if self.on_applied is not None:
            self.on_applied(self.settings)
        return live, others

    @property
    def changeable(self) -> frozenset[str]:
        """The settings that can take effect here while the application runs."""
        return LIVE - OF_THE_LOG if self.on_applied is None else LIVE

    # What the site's own code asks

    @property
    def at_home(self) -> bool:
        """Whether this process serves by itself; else another is home, or none is (``cluster``).

        Hooks are called at home, and only there :meth:`client` makes bots: elsewhere it raises
        :class:`~andiron.api.errors.UnavailableError`. :attr:`api`, :attr:`sync`, :attr:`people`
        and :meth:`end_sessions` have the home do what is asked of them in any process.
        """
        return self._serving is not None

    def end_sessions(self, name: str) -> int:
        """End all streams of an account, by the name the site has for it; return how many.

        For when somebody signs out of the site, or may not chat any more. They end with
        the stream error ``not-authorized`` (RFC 6120 section 4.9.3.12), those that wait to
        be resumed as well, and what they did not acknowledge goes where it would for one
        who is away. May be called from any thread. Raises ValueError for a name that
        no account can have; while the application does not run there are none to end.
        From another thread it raises :class:`~andiron.api.errors.UnavailableError`
        where the event loop does not answer in 30 seconds.

        Where another process is home (``cluster``), that one ends them. On the event loop, which
        must not wait, this returns 0 then, and the log tells where it failed:
        ``await chat.api.end_sessions(name)`` waits, and tells how many.
        """
        account = account_jid(name, self.settings.domain).bare
        if (home := self._serving) is not None:
            return home.end_sessions(account)
        together = self._together
        return 0 if together is None else together.end_sessions(account)

    @property
    def people(self) -> People:
        """The accounts as the site sees them: who is disabled, who may contact whom."""
        together = self._together
        return self._people_here() if together is None else together.people(self._people_here)

    def _people_here(self) -> People:
        home = self._serving
        return People(self.settings.domain, None) if home is None else home.people()

    def client(self, name: str) -> "Bot":
        """Return a :class:`slixmpp.ClientXMPP` of an account, for the site's own code: a bot.

        It is to be given plugins and handlers and then to ``connect()``, which needs no
        address: it signs in here, in memory, without a password. Who has no account gets
        one (the setting ``provision``). To be called while the application runs, on
        its event loop. Raises :class:`RuntimeError` otherwise, and ValueError for a name that
        no account can have. Of several processes (``cluster``) that is the one that is home:
        elsewhere an error is raised that is an :class:`~andiron.api.errors.UnavailableError` too.
        """
        self.entrance()
        from andiron.inprocess.bot import Bot  # noqa: PLC0415 - sites without bots need no slixmpp

        return Bot(account_jid(name, self.settings.domain), self.entrance)

    def entrance(self) -> Entrance:
        """Return where clients of this process come in.

        Raises :class:`RuntimeError` while the application does not run, or on another loop, and
        one that is an :class:`~andiron.api.errors.UnavailableError` too where it is not home.
        """
        if (home := self._serving) is not None:
            return home.entrance()
        raise not_running() if self._together is None else ElsewhereError()
