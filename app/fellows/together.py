"""An application that is one of several processes of a chat, while it runs."""

from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.api.api import Api
from andiron.api.errors import UnavailableError
from andiron.api.settings import Changeable
from andiron.at_home import SIGNED_OUT, AtHome, patience_of
from andiron.fellows.anywhere import AnywhereApi, AnywherePeople, people_route
from andiron.fellows.doorway import Asked, Doorway
from andiron.fellows.fellows import Fellows
from andiron.fellows.following import Following
from andiron.fellows.own_code import NOT_HOME, AskHome, own_code
from andiron.fellows.relayed import Relays, known_here
from andiron.given import Given
from andiron.http_api.admission import AskOperators
from andiron.others import Others
from andiron.people import People, runs_here
from andiron.refusals import refuse
from andiron.routes import most_of, visitors_of
from andiron.settings import Settings
from andiron.signals import before_exit
from andiron.vitals import Vitals
from andiron.ways_in import WaysIn, serve_http
from andiron.web.told import OWN

__all__ = ["ElsewhereError", "Together"]

BeHome = Callable[[Others], AbstractAsyncContextManager[AtHome]]
"""Serves the chat in this process while the block runs, which is not alone."""


class ElsewhereError(UnavailableError, RuntimeError):
    """Clients in the process are to be made in another."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this chat is home, and bots are made there: in the hook started,"
            " which is called in whichever process becomes home (the setting cluster, chat.at_home;"
            " see docs/scaling.md). To send a message, await chat.api.send(…), in any process."
        )


class Together:
    """This application among the others of its chat: home, or a door that leads to it.

    ``application`` has the settings, which are to be the same in all. ``lost`` is called when
    another process may be home, ``leaving``, maybe more than once, before connections are dropped
    for the end. Raises :class:`DatabaseError` where what it needs is not installed.
    """

    def __init__(
        self,
        application: Changeable,
        given: Given,
        ways: WaysIn,
        ask_home: AskHome,
        vitals: Vitals,
        *,
        lost: Callable[[], object],
        leaving: Callable[[], object],
    ) -> None:
        self._settings = settings = application.settings
        self._given = given
        self._ways = ways
        self._ask_home = ask_home
        self._leaving = leaving
        self._doorway = _doorway(settings, given)
        relays = Relays(lambda: ways.endpoints)
        self.fellows = Fellows(settings, self._doorway, self._serve_relayed, relays, lost, vitals)
        self.following = Following(application, ask_home)
        self.fellows.tell, self.fellows.hear = self.following.tell, self.following.hear
        self._own_code: ASGIApp | None = None
        """Answers, at home, what the site's code asks in other processes."""

    @asynccontextmanager
    async def running(self, be_home: BeHome) -> AsyncIterator[None]:
        """Be one of them while the block runs, and home by ``be_home`` when it comes to that.

        Raises what :meth:`Fellows.running` does.
        """
        fellows, settings = self.fellows, self._settings
        self._ask_home.through(self._doorway)
        self._ways.lead(self._doorway)
        try:
            with before_exit(self._leave, patience_of(settings)):
                async with fellows.running(lambda: self._at_home(be_home)):
                    try:
                        yield
                    finally:
                        self._leave()
                        if not fellows.at_home:
                            await self._given.connections.ended(settings.shutdown_timeout)
        finally:
            self._ask_home.through(None)

    @asynccontextmanager
    async def _at_home(self, be_home: BeHome) -> AsyncIterator[ASGIApp]:
        try:
            async with be_home(self.fellows) as home:
                also = people_route(home.people), self.following.route()
                api = Api(self._given.access)
                self._own_code = own_code(api, also, most_of(self._settings))
                yield home.router
        finally:
            self._own_code = None
            self._ways.lead(self._doorway)

    def _leave(self) -> None:
        self._leaving()
        self.fellows.leave()

    # At home

    async def _serve_relayed(
        self, scope: Scope, receive: Receive, send: Send, told: MutableMapping[str, Any]
    ) -> None:
        """Serve what another process passes on, which has looked at its host."""
        if OWN in told:
            await self._answer_own(scope, receive, send)
            return
        known_here(scope, told)
        await self._ways.serve(scope, receive, send)

    async def _answer_own(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._own_code is None or self._ways.endpoints is None:
            await refuse(NOT_HOME, scope, receive, send)
            return
        with self._given.connections.one():
            await serve_http(self._own_code, scope, receive, send)

    # What the site's own code asks here, and the home does

    def people(self, here: Callable[[], People]) -> People:
        """Return the accounts as the site sees them; ``here`` gives those of this process."""
        access, domain = self._given.access, self._settings.domain
        return AnywherePeople(domain, here, access, self._ask_home)

    def end_sessions(self, account: str) -> int:
        """Have all streams of an account ended; return how many, or 0 on the event loop."""
        access = self._given.access
        here = runs_here(access.loop)
        end = AnywhereApi(access, self._ask_home).end_sessions(account, reason=SIGNED_OUT)
        if here:
            self._ask_home.begin(end, "chat.end_sessions")
            return 0
        return access.wait(end)


def _doorway(settings: Settings, given: Given) -> Doorway:
    functions = given.functions
    operators = functions.operators
    asked = Asked(
        visitors_of(settings, functions.identify),
        None if operators is None else AskOperators(operators, settings.site_timeout),
        2 * settings.max_stanza_size,  # In Base64 it is within what can be relayed.
    )
    return Doorway(asked, given.proxies, settings.websocket_config(), given.connections.one)
