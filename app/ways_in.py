"""The ways by which something comes to an application, whatever serves it at the moment."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from andiron.bosh.direct import Post
from andiron.connections import Connections
from andiron.refusals import FAILED, NOT_STARTED, refuse
from andiron.routes import Endpoints
from andiron.web.hosts import Hosts
from andiron.websocket.endpoint import Admitted, refuse_http
from andiron.websocket.handshake import Refusal

__all__ = ["WaysIn", "serve_http"]

logger = logging.getLogger("andiron")


class Doorway(Protocol):
    """What has the process serve that is home, or one wait until there is one."""

    @property
    def router(self) -> ASGIApp:
        """What serves by ASGI."""

    def direct(self, scope: MutableMapping[str, Any]) -> Post | None:
        """Return what takes a POST of BOSH without ASGI; None: it is to be called by ASGI."""


class WaysIn:
    """Has what comes served here or at the process that is home, or refuses it.

    ``hosts`` are those for which requests are taken; None leaves that to the site around.
    ``connections`` counts what is served by ASGI.
    """

    def __init__(self, hosts: Hosts | None, connections: Connections) -> None:
        self.hosts = hosts
        self._connections = connections
        self._router: ASGIApp | None = None
        self.endpoints: Endpoints | None = None
        """What serves here; None: nothing does."""
        self._doorway: Doorway | None = None
        self._refusal = NOT_STARTED
        self._complained = False

    # What serves

    def open(self, endpoints: Endpoints) -> None:
        """Serve what comes here, from now on."""
        self._router, self.endpoints, self._doorway = endpoints.router, endpoints, None

    def lead(self, doorway: Doorway) -> None:
        """Leave what comes to a doorway, from now on."""
        self._router, self.endpoints, self._doorway = doorway.router, None, doorway

    def close(self, refusal: Refusal | None = None) -> None:
        """Refuse whatever comes from now on, and say why if that has changed."""
        self._router = self.endpoints = self._doorway = None
        self._refusal = refusal or self._refusal

    # What comes

    def misdirected(self, scope: Mapping[str, Any]) -> Refusal | None:
        """Return why a request or a handshake is for none of the hosts; None: it is for one."""
        return None if self.hosts is None else self.hosts.refusal(scope)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket, whatever its host."""
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
                await serve_http(router, scope, receive, send)

    def direct(self, scope: MutableMapping[str, Any]) -> Post | None:
        """Return what takes a POST to one of :data:`~andiron.routes.BOSH_PATHS` without ASGI.

        For a server that serves this application alone, once the head has come. None: it is
        to be called as an ASGI application. The end does not wait for what is taken so: the
        server does, which has the connection.
        """
        endpoints = self.endpoints
        taking = self._doorway if endpoints is None else endpoints.bosh
        if taking is None or self.misdirected(scope):
            return None
        return taking.direct(scope)

    def admit(self, scope: Mapping[str, Any]) -> Admitted | None:
        """Return the connection of a WebSocket to one of :data:`~andiron.routes.WEBSOCKET_PATHS`.

        For a server that serves this application alone, and carries it without ASGI; ``scope``
        need not have a path. None: it is to be called as an ASGI application.
        """
        endpoints = self.endpoints
        if endpoints is None or self.misdirected(scope):
            return None
        return endpoints.websocket.admit(scope)


async def serve_http(router: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request; of what goes wrong with it the log tells, and nobody else."""
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
