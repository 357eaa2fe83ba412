"""What a process does with requests while another is home: it has them served there."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.cluster.door import HomeLink, HomeLostError, TooLargeError
from andiron.cluster.home import DOOR
from andiron.http_api.admission import HEADER, AskOperators
from andiron.http_api.operations import PREFIX
from andiron.refusals import LEAVING, refuse
from andiron.routes import BOSH_PATHS, WEBSOCKET_PATHS
from andiron.web.pages import healthy
from andiron.web.told import OPERATOR, VIA, VISITOR, read_visitor, written_visitor
from andiron.web.visitors import Visitors
from andiron.websocket.endpoint import refuse_http, refuse_websocket
from andiron.websocket.handshake import Refusal

__all__ = ["TROUBLE", "Asked", "Doorway", "known_here"]

TROUBLE: Final = "trouble"
"""The name of what a home tells of why it is not ready; an empty text where it is."""

_PATIENCE: Final = 10.0
"""Seconds that a request waits for a home."""
_MOST_WAITING: Final = 134_217_728
"""Bytes that requests may take which wait so."""
_COST: Final = 8192
"""Bytes that one takes besides its head."""
_SILENCE: Final = 10
"""Pulses of a home that stands still after which nobody waits for it."""
_RETRY: Final = ((b"cache-control", b"no-store"), (b"retry-after", b"1"))
NO_HOME: Final = Refusal(
    503, "No process serves this chat at the moment, or it does not answer; try again.\n", _RETRY
)
TOO_LARGE: Final = Refusal(431, "The head of this request is too large to be passed on.\n")


Ask = Callable[[MutableMapping[str, Any]], Awaitable[dict[str, Any]]]
"""Asks the site about a request, as :class:`Asked` does."""


class Asked:
    """What the site is asked about a request where its own middleware has seen it.

    A picture of more than ``most`` bytes is not passed on.
    """

    def __init__(
        self, visitors: Visitors | None, operators: AskOperators | None, most: int
    ) -> None:
        self._visitors = visitors
        self._operators = operators
        self._most = most

    async def __call__(self, scope: MutableMapping[str, Any]) -> dict[str, Any]:
        """Return what it said, as JSON has it; nothing where it need not be asked."""
        path = _path(scope)
        if self._visitors is not None and path in BOSH_PATHS + WEBSOCKET_PATHS:
            return {VISITOR: written_visitor(await self._visitors.find(scope), self._most)}
        if self._operators is not None and path.startswith(PREFIX):
            header = HEADER.lower().encode()
            if any(name == header for name, _ in scope["headers"]):
                return {OPERATOR: await self._operators(scope)}
        return {}


def _path(scope: Scope) -> str:
    """Return the path of a request below where this application is mounted."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def known_here(scope: MutableMapping[str, Any], told: MutableMapping[str, Any]) -> None:
    """Put into a scope that was relayed what its door was told. Raises KeyError for what is not."""
    known: dict[str, Any] = {"alone": True, VIA: told[DOOR]}
    if VISITOR in told:
        known[VISITOR] = read_visitor(told[VISITOR])
    if OPERATOR in told:
        known[OPERATOR] = told[OPERATOR]
    scope["extensions"]["andiron"] = known


class Doorway:
    """Serves what comes to this process, wherever the home is; requests wait while there is none.

    That is ``/healthz``, which is about this process alone, and ``/readyz``, which answers what
    the home's did last, and 503 while there is none, or it is known to stand still.
    """

    def __init__(self, asked: Ask) -> None:
        self._asked = asked
        self._way: HomeLink | ASGIApp | None = None
        self._leaving = False
        self._waiting = 0
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
        held = _path(scope) in BOSH_PATHS
        try:
            await home.relay(scope, told, receive, send, held=held)
        except (HomeLostError, TooLargeError) as error:
            refusal = TOO_LARGE if isinstance(error, TooLargeError) else NO_HOME
            # What the server says first, that a WebSocket is asked for, has been heard.
            if scope["type"] == "websocket":
                await refuse_websocket(refusal, scope, send)
            else:
                await refuse_http(refusal, send)

    async def _served_by(self, scope: Scope) -> HomeLink | ASGIApp | Refusal:
        """Return by whom a request is to be served, or what it is to be answered."""
        found = self._look()
        if found is not None:
            return found
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        return await self._found(size, self._look)

    async def answered_by(self, size: int) -> HomeLink | ASGIApp | Refusal:
        """Return by whom is to be answered what the site's own code asks, in ``size`` bytes.

        While this process is about to end that is still the home, as long as there is one.
        """
        found = self._look_inside()
        return await self._found(size, self._look_inside) if found is None else found

    async def _found(
        self, size: int, look: Callable[[], HomeLink | ASGIApp | Refusal | None]
    ) -> HomeLink | ASGIApp | Refusal:
        """Wait until there is something to be found by a look."""
        size += _COST
        if self._waiting + size > _MOST_WAITING:
            return NO_HOME
        self._waiting += size
        try:
            async with asyncio.timeout(_PATIENCE):
                while (found := look()) is None:
                    await self._changed.wait()
        except TimeoutError:
            return NO_HOME
        finally:
            self._waiting -= size
        return found

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
