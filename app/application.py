"""The application: one embedded domain behind the routes of one ASGI callable."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from andiron.anywhere import AnywhereApi, AnywherePeople, people_route
from andiron.api.access import Access
from andiron.api.api import Api
from andiron.api.errors import UnavailableError
from andiron.api.parts import Parts
from andiron.api.sync import SyncApi
from andiron.bosh.direct import Post
from andiron.bosh.endpoint import BoshEndpoint
from andiron.connections import Connections
from andiron.continuity import continuing
from andiron.domain.contacts.groups import AskGroups
from andiron.domain.contacts.permissions import MayContact
from andiron.domain.database.database import DatabaseError
from andiron.domain.domain import Domain
from andiron.domain.sign_in.site import AskKeys, Authenticate, Site
from andiron.domain.sign_in.tokens import VerifyToken
from andiron.doorway import Asked, Doorway
from andiron.faults import told_briefly
from andiron.fellows import Fellows
from andiron.following import Following
from andiron.hooks.attached import attached
from andiron.hooks.hooks import Hooks, is_async
from andiron.http_api.admission import AskOperators, Operators
from andiron.http_api.tokens import api_tokens, metrics_tokens
from andiron.inprocess.entrance import Entrance
from andiron.ldap.configured import ldap_authenticate
from andiron.outermost import Outermost
from andiron.own_code import NOT_HOME, AskHome, own_code
from andiron.people import People, runs_here
from andiron.processes import Processes, introduced
from andiron.refusals import (
    DATABASE_LOST,
    FAILED,
    LEAVING,
    NOT_FOUND,
    NOT_STARTED,
    STOPPED,
    refuse,
)
from andiron.relayed import Relays, known_here
from andiron.routes import Served, most_of, readiness_of, served, visitors_of
from andiron.settings import Settings, SettingsError
from andiron.settings.live import LIVE, OF_THE_LOG, changes
from andiron.settings.words import shown_value
from andiron.signals import before_exit
from andiron.sm.driver import Driver
from andiron.sm.manager import SessionManager
from andiron.sm.strangers import Newcomers, Strangers
from andiron.tokens.configured import signed_tokens
from andiron.vitals import Vitals, measured
from andiron.web.discovery import discovery_routes, mount_path
from andiron.web.hosts import Hosts
from andiron.web.proxy import Proxies
from andiron.web.told import OWN
from andiron.web.visitors import Identify
from andiron.websocket.endpoint import Admitted, WebSocketEndpoint, refuse_http
from andiron.xmpp.jid import account_jid
from andiron.xmpp.xml import Guard

if TYPE_CHECKING:
    from andiron.inprocess.bot import Bot

logger = logging.getLogger("andiron")
audit = logging.getLogger("andiron.audit")

_LETTING_GO: Final = 1.0
"""Seconds that connections have to end where another process may be home."""
_STORING: Final = 1.0
"""Seconds that storing what clients are owed may take where nobody waits for the lifespan."""
_SIGNED_OUT: Final = "signed out"


class _ElsewhereError(UnavailableError, RuntimeError):
    """Clients in the process are to be made in another."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this chat is home, and bots are made there: in the hook started,"
            " which is called in whichever process becomes home (the setting cluster, chat.at_home;"
            " see docs/scaling.md). To send a message, await chat.api.send(…), in any process."
        )


def create_app(  # noqa: PLR0913
    settings: Settings | None = None,
    *,
    authenticate: Authenticate | None = None,
    identify: Identify | None = None,
    verify_token: VerifyToken | None = None,
    scram_keys: AskKeys | None = None,
    may_contact: MayContact | None = None,
    groups: AskGroups | None = None,
    operators: Operators | None = None,
    hooks: Hooks | None = None,
    **overrides: Any,
) -> "Andiron":
    """Return an independent ASGI application; several in one process do not meet.

    Without ``settings`` they are read from the environment and ``andiron.toml``.
    ``overrides`` are settings by name.

    ``identify`` is asked with each handshake and each BOSH request, a
    :class:`starlette.requests.HTTPConnection`, for the name of the site's visitor, and returns
    None for a stranger: visitors sign in without a password (SASL EXTERNAL).
    ``authenticate`` is asked with a username and a password whether the site knows them, or
    instead ``scram_keys`` with a username for the keys of his password
    (:class:`~andiron.ScramKeys`); ``verify_token`` with a token for the name of whose it is.
    Each makes accounts as they are needed (the setting ``provision``), and all but
    ``scram_keys`` may return a :class:`~andiron.Person`.
    ``may_contact`` is asked with two names whether the first may contact the second,
    ``groups`` with one at each sign-in for its groups, pairs of a name and the members, who are
    in each other's contact lists.
    ``operators`` is asked with each request of the operator's page, an ``HTTPConnection`` too,
    for the name of the operator, and returns None for anybody else; whoever has a name may do
    all that the API can.

    ``hooks`` are told of what happens, and decide about messages; more may be added to
    :attr:`Andiron.hooks` before the start.

    Raises :class:`~andiron.settings.SettingsError`.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise SettingsError(
            f"create_app was given {settings!r}: settings are named, as in create_app(domain=…)"
        )
    functions = {
        "authenticate": authenticate,
        "identify": identify,
        "verify_token": verify_token,
        "scram_keys": scram_keys,
        "may_contact": may_contact,
        "groups": groups,
        "operators": operators,
    }
    for name, function in functions.items():
        if function is not None and not is_async(function):
            raise SettingsError(f"{name}= must be an async function: async def …")
    settings = Settings(**overrides) if settings is None else settings.replaced(**overrides)
    return Andiron(
        settings,
        authenticate=authenticate,
        identify=identify,
        verify_token=verify_token,
        scram_keys=scram_keys,
        may_contact=may_contact,
        groups=groups,
        operators=operators,
        hooks=hooks,
    )


class Andiron:
    """An ASGI application; made by :func:`create_app`.

    It serves while its lifespan runs: a server runs that by itself; a host
    that mounts it passes :attr:`lifespan` on, or is wrapped by :meth:`wrap`.
    """

    _home_lost: bool
    """Whether another process may be home since, and this one is not any more."""
    _vitals: Vitals
    """How this process does, while it runs."""
    _own_code: ASGIApp | None = None
    """Answers, at home, what the site's code asks in other processes."""
    _following: Following | None = None
    """What the processes of this chat know of each other's settings, while it runs as several."""

    def __init__(  # noqa: PLR0913
        self,
        settings: Settings,
        *,
        authenticate: Authenticate | None = None,
        identify: Identify | None = None,
        verify_token: VerifyToken | None = None,
        scram_keys: AskKeys | None = None,
        may_contact: MayContact | None = None,
        groups: AskGroups | None = None,
        operators: Operators | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self.settings = settings
        self.hooks = hooks if hooks is not None else Hooks()
        """The site's functions that are told of what happens; to be added to before the start."""
        asked = ldap_authenticate(settings, authenticate)
        if asked is not None and scram_keys is not None:
            raise SettingsError(
                "scram_keys= and what checks passwords, authenticate= or LDAP, exclude each other:"
                " keep one"
            )
        self._site = Site(
            asked,
            settings.provision,
            settings.site_timeout,
            signed_tokens(settings),
            verify_token,
            may_contact,
            groups,
            scram_keys,
        )
        self._api_tokens = api_tokens(settings)
        self._metrics_tokens = metrics_tokens(settings)
        self._identify = identify
        self._operators = operators
        self._serving: tuple[SessionManager, asyncio.AbstractEventLoop] | None = None
        self._proxies = Proxies.of(settings.trusted_proxies)
        self._alone = False
        """Whether no site stands around it, whose business the hosts are."""
        self._hosts = self._hosts_of(settings)
        """For which requests are taken; None leaves that to the site that this is part of."""
        self._in_site = False
        self.domain: Domain
        """The embedded domain; there once the lifespan has started."""
        self._router: Router | None = None
        self._bosh: BoshEndpoint | None = None
        self._websocket: WebSocketEndpoint | None = None
        self._refusal = NOT_STARTED
        self._complained = False
        self.running = False
        """Whether the lifespan has begun and not ended."""
        self._fellows: Fellows | None = None
        """The other processes of this chat, while it runs as one of several."""
        self._connections = Connections()
        self._entrance: Entrance | None = None
        self._access = Access()
        self._ask_home = AskHome(self._access, self._connections.one)
        self.api = (
            AnywhereApi(self._access, self._ask_home) if settings.cluster else Api(self._access)
        )
        """What the site's own code may do, in async code."""
        self.sync = SyncApi(self.api, self._access)
        """The same for sync code, in other threads."""
        self.strangers = Strangers(settings.max_negotiating, settings.max_negotiating_per_address)
        """The connections that are signing in."""
        self.incoming: Newcomers[asyncio.Timeout] = Newcomers(self.strangers)
        """The requests whose bodies are coming in."""
        self._shutdown: Callable[[], None] | None = None
        self.database_lost = ""
        """Why nothing is served any more: the database is another's, or gone; else empty."""
        self.on_database_lost: Callable[[], object] | None = None
        """Called when that happens; the process had better end."""
        self.on_leaving: Callable[[], object] | None = None
        """Called, maybe more than once, before connections are dropped for the end; who listens
        had better stop: clients come back at once, and are the next server's."""
        self.on_applied: Callable[[Settings], object] | None = None
        """Called with the settings after a change; who does so writes the log by them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        misdirected = self._hosts.refusal(scope) if self._hosts is not None else None
        if misdirected is not None:
            await refuse(misdirected, scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router
        if router is None:
            if self._refusal is NOT_STARTED and not self._complained:
                self._complained = True
                logger.error("Not started: the host must run the lifespan (see docs/mounting.md)")
            await refuse(self._refusal, scope, receive, send)
            return
        with self._connections.one():
            if scope["type"] == "websocket":
                await router(scope, receive, send)
            else:
                await _serve_http(router, scope, receive, send)

    async def _serve_relayed(
        self, scope: Scope, receive: Receive, send: Send, told: MutableMapping[str, Any]
    ) -> None:
        """Serve what another process passes on, which has looked at its host."""
        if OWN in told:
            await self._answer_own(scope, receive, send)
            return
        known_here(scope, told)
        await self._serve(scope, receive, send)

    async def _answer_own(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._own_code is None:
            await refuse(NOT_HOME, scope, receive, send)
            return
        with self._connections.one():
            await _serve_http(self._own_code, scope, receive, send)

    def direct(self, scope: MutableMapping[str, Any]) -> Post | None:
        """Return what takes a POST to one of :data:`~andiron.routes.BOSH_PATHS` without ASGI.

        For a server that serves this application alone, once the head has come. None: it is
        to be called as an ASGI application. The end does not wait for what is taken so: the
        server does, which has the connection.
        """
        taking = self._fellows if self._bosh is None else self._bosh
        if taking is None or (self._hosts is not None and self._hosts.refusal(scope)):
            return None
        return taking.direct(scope)

    def admit(self, scope: Mapping[str, Any]) -> Admitted | None:
        """Return the connection of a WebSocket to one of :data:`~andiron.routes.WEBSOCKET_PATHS`.

        For a server that serves this application alone, and carries it without ASGI; ``scope``
        need not have a path. None: it is to be called as an ASGI application.
        """
        if self._websocket is None or (self._hosts is not None and self._hosts.refusal(scope)):
            return None
        return self._websocket.admit(scope)

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
            if self._following is not None:
                self._following.note(live)
            self.settings = former.replaced(**{name: getattr(settings, name) for name in live})
        for name in live:
            audit.info(
                "The setting %s is %s now, and was %s",
                name,
                shown_value(self.settings, name),
                shown_value(former, name),
            )
        if self._serving is not None:
            self._serving[0].config = self.settings.sm_config()
            self.domain.commands.admins = frozenset(self.settings.admins)
        if "allowed_hosts" in live:
            self._hosts = self._hosts_of(self.settings)
        if self.on_applied is not None:
            self.on_applied(self.settings)
        return live, others

    @property
    def changeable(self) -> frozenset[str]:
        """The settings that can take effect here while the application runs."""
        return LIVE - OF_THE_LOG if self.on_applied is None else LIVE

    def serve_alone(self) -> None:
        """Take requests for this server's own hosts only, from now on: no site stands around it.

        A server that runs this application's lifespan itself need not call it.
        """
        if not self._alone:
            self._alone = True
            self._hosts = self._hosts_of(self.settings)

    def _hosts_of(self, settings: Settings) -> Hosts | None:
        return Hosts.of(settings) if self._alone or settings.allowed_hosts else None

    @asynccontextmanager
    async def lifespan(self, _host: object = None) -> AsyncIterator[None]:
        """Run the application while the block runs: ``Starlette(…, lifespan=chat.lifespan)``.

        Within a lifespan of your own: ``async with chat.lifespan(): …``.
        Raises :class:`DatabaseError`, and :class:`RuntimeError` when it runs already.
        """
        if self.running:
            raise RuntimeError("this Andiron runs already: start its lifespan in one place only")
        self.running = True
        self._access.begin()
        self._refusal = STOPPED
        try:
            with told_briefly(), measured() as self._vitals:
                async with self._together() if self.settings.cluster else self._at_home():
                    yield
        finally:
            self._fellows = self._following = None
            self._serve_nothing()
            self._access.end()
            self.running = False

    @asynccontextmanager
    async def _at_home(self) -> AsyncIterator[ASGIApp]:
        async with self._running() as router:
            self._router = router
            yield router

    @asynccontextmanager
    async def _together(self) -> AsyncIterator[None]:
        """Be one of several processes, of which one at a time is home."""
        operators = self._operators
        timeout = self.settings.site_timeout
        doorway = Doorway(
            Asked(
                visitors_of(self.settings, self._identify),
                None if operators is None else AskOperators(operators, timeout),
                2 * self.settings.max_stanza_size,  # In Base64 it is within what can be relayed.
            ),
            self._proxies,
            self.settings.websocket_config(),
            self._connections.one,
        )
        self._fellows = fellows = Fellows(
            self.settings,
            doorway,
            self._serve_relayed,
            Relays(lambda: (self._bosh, self._websocket)),
            self._lose_home,
            self._vitals,
        )
        self._ask_home.through(doorway)
        self._following = following = Following(self, self._ask_home)
        fellows.tell, fellows.hear = following.tell, following.hear

        @asynccontextmanager
        async def at_home() -> AsyncIterator[ASGIApp]:
            try:
                async with self._at_home() as router:
                    yield router
            finally:
                self._router = doorway.router

        def leave() -> None:
            if self.on_leaving is not None:
                self.on_leaving()
            fellows.leave()

        self._router = doorway.router
        patience = self.settings.shutdown_timeout
        try:
            with before_exit(leave, max(patience, _STORING)):
                async with fellows.running(at_home):
                    try:
                        yield
                    finally:
                        leave()
                        if not fellows.at_home:
                            await self._connections.ended(patience)
        finally:
            self._ask_home.through(None)

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[Router]:
        settings = self.settings
        guard = Guard(settings.max_stanza_size, settings.max_depth, max_nodes=settings.max_nodes)
        self.domain = domain = Domain(settings.domain_config(), guard, self._site)
        self.database_lost = ""
        self._home_lost = False
        fellows = self._fellows
        await domain.start(self._lose_database, None if fellows is None else fellows.tenure())
        try:
            hooked = attached(self.hooks, domain, settings.hook_timeout, settings.hook_queue)
            async with hooked as tell_started, self._sessions(domain, guard) as manager:
                loop = asyncio.get_running_loop()
                self._serving = manager, loop
                processes = self._processes()
                self._access.open(Parts(self, domain, manager, processes))
                readiness = readiness_of(domain, manager)
                if fellows is not None:
                    fellows.trouble = readiness.glance
                api = Api(self._access)
                parts = Served(
                    settings,
                    self._proxies,
                    self._identify,
                    api,
                    self._api_tokens,
                    self._operators,
                    self._metrics_tokens,
                    self.strangers,
                    self.incoming,
                    domain,
                    manager,
                    guard,
                    self._connections.one,
                    readiness,
                    processes,
                    self._vitals,
                )
                routes, self._bosh, self._websocket = served(parts)
                if self.database_lost:
                    raise DatabaseError(self.database_lost)
                if self._following is not None:
                    also = people_route(self._people_here), self._following.route()
                    self._own_code = own_code(api, also, most_of(settings))
                tell_started()
                yield Router(routes, default=_not_found, redirect_slashes=False)
        finally:
            self._serving = None
            self._access.close()
            if fellows is not None:
                fellows.trouble = str
            await domain.stop()

    def _processes(self) -> Processes:
        """Return the processes of this chat, of which this one is home."""
        fellows = self._fellows
        if fellows is None:
            return Processes(introduced(self.settings.domain, {}, 0), self._vitals, None)
        return Processes(fellows.own, self._vitals, lambda: fellows.doors)

    @asynccontextmanager
    async def _sessions(self, domain: Domain, guard: Guard) -> AsyncIterator[SessionManager]:
        # uvloop's time has milliseconds only, and what an account may use at a time are few.
        manager = SessionManager(self.settings.sm_config(), domain, clock=time.monotonic)
        driver = Driver(manager.timers, manager.rounds)
        driver.start()

        self._entrance = Entrance(
            manager,
            self.settings.inprocess_config(),
            guard,
            domain=domain.name,
            serving=self._connections.one,
        )

        patience = self.settings.shutdown_timeout
        fellows = self._fellows
        shared = None if fellows is None else fellows.journal(manager.timers, manager.clock)
        try:
            async with continuing(self.settings, domain, manager, shared) as continuity:

                def shutdown() -> None:
                    if fellows is not None:
                        fellows.send_elsewhere()
                    if self._home_lost and continuity is not None:
                        continuity.abandon()
                    elif self.on_leaving is not None:
                        self.on_leaving()
                    self._entrance = None
                    if continuity is None:
                        domain.close(manager.clock())
                        manager.shutdown(manager.clock())
                    else:
                        if not self.database_lost:
                            self._refusal = LEAVING
                        self._serve_nothing()
                        manager.hibernate(manager.clock())

                self._shutdown = shutdown
                try:
                    with before_exit(shutdown, max(patience, _STORING)):
                        yield manager
                finally:
                    self._shutdown = None
                    shutdown()
                    await self._connections.ended(
                        min(patience, _LETTING_GO) if self._home_lost else patience
                    )
                    if continuity is not None and not (self.database_lost or self._home_lost):
                        await continuity.leave(patience)
        finally:
            driver.stop()

    def _serve_nothing(self) -> None:
        """Refuse whatever is asked from now on, on every way in."""
        self._router = self._bosh = self._websocket = self._own_code = None

    def _lose_database(self, sentence: str) -> None:
        """Serve nothing from now on: what would be stored would be lost, or another's."""
        logger.critical("%s Nothing is served here any more: restart this process", sentence)
        self.database_lost = sentence
        self._refusal = DATABASE_LOST
        self._serve_nothing()
        if self._shutdown is not None:
            self._shutdown()
        if self.on_database_lost is not None:
            self.on_database_lost()
        if self._fellows is not None:
            self._fellows.step_down()

    def _lose_home(self) -> None:
        """Serve nothing from now on, until this process is home again, or a door."""
        self._home_lost = True
        self._refusal = LEAVING
        self._serve_nothing()
        self._serving = None
        self._access.close()
        if self._shutdown is not None:
            self._shutdown()

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
        if self._serving is None:
            return self._end_elsewhere(account)
        manager, loop = self._serving
        if runs_here(loop):
            return manager.kick(account, manager.clock(), _SIGNED_OUT)

        async def end() -> int:
            return manager.kick(account, manager.clock(), _SIGNED_OUT)

        return self._access.wait(end())

    def _end_elsewhere(self, account: str) -> int:
        if self._fellows is None:
            return 0
        here = runs_here(self._access.loop)
        end = self.api.end_sessions(account, reason=_SIGNED_OUT)
        if here:
            self._ask_home.begin(end, "chat.end_sessions")
            return 0
        return self._access.wait(end)

    @property
    def people(self) -> People:
        """The accounts as the site sees them: who is disabled, who may contact whom."""
        if self._fellows is None:
            return self._people_here()
        return AnywherePeople(self.settings.domain, self._people_here, self._access, self._ask_home)

    def _people_here(self) -> People:
        serving = self._serving
        return People(self.settings.domain, (self.domain, *serving) if serving else None)

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
        if self._fellows is not None and self._serving is None:
            raise _ElsewhereError
        if self._entrance is None or self._serving is None:
            raise RuntimeError(
                "this Andiron does not run: clients in the process can be made within its lifespan"
                " (async with chat.lifespan(): …), see docs/bots.md"
            )
        if self._serving[1] is not asyncio.get_running_loop():
            raise RuntimeError(
                "this Andiron runs on another event loop: make clients there, as by"
                " asyncio.run_coroutine_threadsafe, see docs/bots.md"
            )
        return self._entrance

    def discovery_routes(self, *, at: str = "") -> list[BaseRoute]:
        """Return the routes of ``/.well-known/host-meta`` and ``host-meta.json`` (XEP-0156).

        For the root of a host site that mounts this application at ``at``, since
        that is where clients look; they answer whether or not the lifespan runs.
        A slash at the end of ``at`` means nothing. Raises ValueError where none begins it.
        """
        return [*discovery_routes(self._proxies, public_url=self.settings.public_url, at=at)]

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

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        stage = "startup"
        if not self._in_site:
            self.serve_alone()
        await receive()
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except DatabaseError as error:
            await send({"type": f"lifespan.{stage}.failed", "message": f"andiron: {error}"})
        except Exception:
            # A server takes an exception for "no lifespan here" and would go on without one.
            logger.exception("The %s failed", stage)
            await send({"type": f"lifespan.{stage}.failed", "message": f"andiron: {stage} failed"})
        else:
            await send({"type": "lifespan.shutdown.complete"})


async def _serve_http(router: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    begun = False

    async def noting_send(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        await router(scope, receive, noting_send)
    except HTTPException:
        raise  # Starlette's word to a host, which may have a page of its own for it.
    except Exception:
        # Whatever went wrong, a host in debug mode must not show it to a client.
        logger.exception("A request failed")
        if not begun:
            await refuse_http(FAILED, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(NOT_FOUND, scope, receive, send)
