"""What a process does with requests while another is home: it has them served there."""

import asyncio
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.cluster.door import HandOver, HomeLink, HomeLostError, Line, TooLargeError
from andiron.cluster.messages import Message
from andiron.fellows.passing import PassedPost, PassedWebSocket
from andiron.fellows.waiting_room import WaitingRoom
from andiron.http_api.admission import HEADER, AskOperators
from andiron.http_api.operations import PREFIX
from andiron.refusals import LEAVING, NO_HOME, TOO_LARGE, refuse
from andiron.routes import BOSH_PATHS, WEBSOCKET_PATHS, path_of
from andiron.sm.strangers import is_local, network_of
from andiron.web.pages import healthy
from andiron.web.proxy import Proxies, channel
from andiron.web.told import OPERATOR, VISITOR, written_visitor
from andiron.web.visitors import Visitors
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.endpoint import TakeOver, refuse_http, refuse_websocket, take_over_of
from andiron.websocket.handshake import Refusal
from andiron.websocket.writer import needs_no_task

__all__ = ["TROUBLE", "Asked", "Doorway"]

TROUBLE: Final = "trouble"
"""The name of what a home tells of why it is not ready; an empty text where it is."""

_PATIENCE: Final = 10.0
"""Seconds that a request waits for a home."""
_MOST_WAITING: Final = 134_217_728
"""Bytes that requests may take which wait so."""
_MOST_OF_ONE: Final = _MOST_WAITING // 8
"""Bytes of those that are of one network."""
_COST: Final = 8192
"""Bytes that one takes besides its head."""
_SILENCE: Final = 10
"""Pulses of a home that stands still after which nobody waits for it."""


class Asked:
    """What the site is asked about a request where its own middleware has seen it.

    A picture of more than ``most`` bytes is not passed on.
    """

    def __init__(
        self, visitors: Visitors | None, operators: AskOperators | None, most: int
    ) -> None:
        self.by_visitor = visitors is not None
        """Whether it is asked about every request of BOSH."""
        self._visitors = visitors
        self._operators = operators
        self._most = most

    async def __call__(self, scope: MutableMapping[str, Any]) -> dict[str, Any]:
        """Return what it said, as JSON has it; nothing where it need not be asked."""
        path = path_of(scope)
        if self._visitors is not None and path in BOSH_PATHS + WEBSOCKET_PATHS:
            return {VISITOR: written_visitor(await self._visitors.find(scope), self._most)}
        if self._operators is not None and path.startswith(PREFIX):
            header = HEADER.lower().encode()
            if any(name == header for name, _ in scope["headers"]):
                return {OPERATOR: await self._operators(scope)}
        return {}


class Doorway:
    """Serves what comes to this process, wherever the home is; requests wait while there is none.

    That is ``/healthz``, which is about this process alone, and ``/readyz``, which answers what
    the home's did last, and 503 while there is none, or it is known to stand still.

    ``proxies`` are believed whom they forward. ``serving`` is a context for as long as a
    WebSocket lasts that outlives its scope.
    """

    def __init__(
        self,
        asked: Asked,
        proxies: Proxies,
        websocket: WebSocketConfig,
        serving: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._asked = asked
        self._proxies = proxies
        self._websocket = websocket
        self._serving = serving
        self._way: HomeLink | ASGIApp | None = None
        self._leaving = False
        self._room = WaitingRoom(_MOST_WAITING, _MOST_OF_ONE)
        self.trouble = ""
        """Why there may be no home for longer, as far as this process knows."""
        self._changed = asyncio.Event()
        self.router = Router(
            [Route("/healthz", healthy), Route("/readyz", self._ready)],
            default=self._serve,
            redirect_slashes=False,
        )
        """The ASGI application of this process while it is not home."""

    def lead(self, way: HomeLink | ASGIApp | None) -> None:
        """Have requests served by another process, by this one, or wait."""
        self._way = way
        self.look()

    def look(self) -> None:
        """Let those who wait see what has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def leave(self) -> None:
        """Refuse what comes from now on, and what waits, and end what is held for others."""
        self._leaving = True
        if isinstance(self._way, HomeLink):
            self._way.end_held()
        self.look()

    def direct(self, scope: MutableMapping[str, Any]) -> PassedPost | None:
        """Return what takes a POST of BOSH without ASGI, as :meth:`.WaysIn.direct` does."""
        way = None if self._asked.by_visitor else self._look()
        return PassedPost(way, scope) if isinstance(way, HomeLink) else None

    async def _ready(self, _request: Request) -> Response:
        way = self._way
        trouble = "" if way is not None else f"no home: {self.trouble}".removesuffix(": ")
        if isinstance(way, HomeLink) and not way.open:
            trouble = "no home"
        elif isinstance(way, HomeLink) and way.silent > _SILENCE:
            trouble = "the home does not answer"
        elif isinstance(way, HomeLink):
            trouble = str(way.news.get(TROUBLE, ""))
        if self._leaving:
            trouble = "ending"
        return PlainTextResponse(
            f"{trouble or 'ready'}\n",
            status_code=503 if trouble else 200,
            headers={"Cache-Control": "no-store"},
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        told: dict[str, Any] = {}
        way = await self._served_by(scope)
        if isinstance(way, HomeLink):
            told = await self._asked(scope)
            way = await self._served_by(scope)  # That may have taken a while.
        if isinstance(way, Refusal):
            await refuse(way, scope, receive, send)
        elif isinstance(way, HomeLink):
            await self._relay(way, scope, told, receive, send)
        else:
            await way(scope, receive, send)

    async def _relay(
        self, home: HomeLink, scope: Scope, told: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        held = path_of(scope) in BOSH_PATHS
        take_over = take_over_of(scope) if scope["type"] == "websocket" else None
        hand_over = None
        # Middleware that stands around the server's ``send`` is to see every frame.
        if take_over is not None and needs_no_task(send):
            hand_over = self._handing_over(take_over)
        try:
            await home.relay(scope, told, receive, send, held=held, hand_over=hand_over)
        except (HomeLostError, TooLargeError) as error:
            refusal = TOO_LARGE if isinstance(error, TooLargeError) else NO_HOME
            # What the server says first, that a WebSocket is asked for, has been heard.
            if scope["type"] == "websocket":
                await refuse_websocket(refusal, scope, send)
            else:
                await refuse_http(refusal, send)

    def _handing_over(self, take_over: TakeOver) -> HandOver:
        async def hand_over(line: Line, accept: Message) -> None:
            passed = PassedWebSocket(line, self._serving())
            await take_over(passed, self._websocket, accept["subprotocol"])
            passed.begin()

        return hand_over

    async def _served_by(self, scope: Scope) -> HomeLink | ASGIApp | Refusal:
        """Return by whom a request is to be served, or what it is to be answered."""
        found = self._look()
        if found is not None:
            return found
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        return await self._found(size, self._network(scope), self._look)

    async def answered_by(self, size: int) -> HomeLink | ASGIApp | Refusal:
        """Return by whom is to be answered what the site's own code asks, in ``size`` bytes.

        While this process is about to end that is still the home, as long as there is one.
        """
        found = self._look_inside()
        return await self._found(size, "", self._look_inside) if found is None else found

    async def _found(
        self, size: int, network: str, look: Callable[[], HomeLink | ASGIApp | Refusal | None]
    ) -> HomeLink | ASGIApp | Refusal:
        """Wait until there is something to be found by a look."""
        size += _COST
        if not self._room.enter(network, size):
            return NO_HOME
        try:
            async with asyncio.timeout(_PATIENCE):
                while (found := look()) is None:
                    await self._changed.wait()
        except TimeoutError:
            return NO_HOME
        finally:
            self._room.leave(network, size)
        return found

    def _network(self, scope: Scope) -> str:
        """Return by what a request is counted; nothing where it may be anybody's."""
        address = channel(scope, self._proxies).address
        unknown = is_local(address) or self._proxies.trust_named(address)
        return "" if unknown else network_of(address)

    def _look(self) -> HomeLink | ASGIApp | Refusal | None:
        return LEAVING if self._leaving else self._led()

    def _look_inside(self) -> HomeLink | ASGIApp | Refusal | None:
        return LEAVING if self._leaving and self._way is None else self._led()

    def _led(self) -> HomeLink | ASGIApp | Refusal | None:
        if not isinstance(self._way, HomeLink):
            return self._way
        if self._way.silent > _SILENCE:
            return NO_HOME
        # Of a call that has begun little is on its way, but of those that begin each may be large.
        return self._way if self._way.open and not self._way.congested else None
