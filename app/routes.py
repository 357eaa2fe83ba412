"""What answers at which path of a running application."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from andiron.api.api import Api
from andiron.bosh.endpoint import BoshEndpoint
from andiron.bosh.registry import BoshRegistry
from andiron.domain.domain import Domain
from andiron.given import Given
from andiron.http_api.admission import Admission
from andiron.http_api.endpoint import api_routes
from andiron.http_api.tokens import Doorkeeper
from andiron.processes import Processes
from andiron.refusals import NOT_FOUND, refuse
from andiron.settings import Settings
from andiron.sm.manager import SessionManager
from andiron.vitals import Vitals
from andiron.web.discovery import discovery_routes
from andiron.web.operator import operator_routes
from andiron.web.pages import demo_routes, healthy
from andiron.web.proxy import channel, may_tell_secrets
from andiron.web.readiness import Readiness
from andiron.web.upload import site_channel_of, upload_routes
from andiron.web.visitors import Identify, Visitors
from andiron.web.widget import widget_routes
from andiron.websocket.endpoint import WebSocketEndpoint
from andiron.xmpp.xml import Guard

__all__ = ["BOSH_PATHS", "WEBSOCKET_PATHS", "Endpoints", "Served", "most_of", "path_of"]
__all__ += ["readiness_of", "served", "visitors_of"]

BOSH_PATHS: Final = ("/http-bind", "/http-bind/")
WEBSOCKET_PATHS: Final = ("/ws", "/ws/")
_BODY: Final = 4
"""How many times as large as a stanza a request of the API may be."""


def path_of(scope: Mapping[str, Any]) -> str:
    """Return the path of a request below where this application is mounted."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


@dataclass(frozen=True, slots=True)
class Served:
    """The parts of a running application that its routes lead to."""

    settings: Settings
    given: Given
    api: Api
    domain: Domain
    manager: SessionManager
    guard: Guard
    readiness: Readiness
    processes: Processes
    vitals: Vitals


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What serves a running application."""

    router: Router
    """Leads to all of them."""
    bosh: BoshEndpoint
    websocket: WebSocketEndpoint


def served(parts: Served) -> Endpoints:
    """Return what serves by these parts."""
    settings, given, domain = parts.settings, parts.given, parts.domain
    operators = given.functions.operators
    registry = BoshRegistry(
        parts.manager,
        settings.bosh_config(),
        parts.guard,
        given.strangers,
        asyncio.get_running_loop().call_soon,
    )
    visitors = visitors_of(settings, given.functions.identify)
    bosh = _bosh(parts, registry, visitors)
    websocket = _websocket(parts, visitors)
    # Routes are tried in this order, and BOSH asks the most.
    routes: list[BaseRoute] = [
        *(Route(path, bosh) for path in BOSH_PATHS),
        *(Route(path, websocket) for path in WEBSOCKET_PATHS),
        *(WebSocketRoute(path, websocket) for path in WEBSOCKET_PATHS),
        Route("/healthz", healthy),
        Route("/readyz", parts.readiness.answer),
        *discovery_routes(given.proxies, public_url=settings.public_url, at=""),
        *upload_routes(domain.uploads, settings.websocket_origins + settings.bosh_origins),
    ]
    if given.api_tokens or operators is not None:
        doorkeeper = _doorkeeper(parts, "api_token", given.api_tokens)
        admission = Admission(doorkeeper, operators, settings.site_timeout)
        routes += api_routes(parts.api, admission, most_of(settings))
        routes += operator_routes(
            domain.name, by_token=bool(given.api_tokens), by_site=operators is not None
        )
    if settings.widget or settings.demo:
        routes += widget_routes(domain)
    if settings.demo and domain.database is not None:
        routes += demo_routes(domain.name, domain.database)
    if given.metrics_tokens:
        from andiron.metrics.endpoint import Source, metrics_route  # noqa: PLC0415 - an extra

        source = Source(
            parts.manager, domain, registry, given.strangers, parts.processes, parts.vitals
        )
        doorkeeper = _doorkeeper(parts, "metrics_token", given.metrics_tokens)
        routes.append(metrics_route(source, doorkeeper))
    return Endpoints(Router(routes, default=_not_found, redirect_slashes=False), bosh, websocket)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await refuse(NOT_FOUND, scope, receive, send)


def _bosh(parts: Served, registry: BoshRegistry, visitors: Visitors | None) -> BoshEndpoint:
    proxies = parts.given.proxies
    return BoshEndpoint(
        registry,
        parts.settings.bosh_config(),
        channel_of=site_channel_of(proxies),
        secure=lambda scope: may_tell_secrets(scope, proxies),
        incoming=parts.given.incoming,
        visitors=visitors,
    )


def _websocket(parts: Served, visitors: Visitors | None) -> WebSocketEndpoint:
    settings, given = parts.settings, parts.given
    return WebSocketEndpoint(
        parts.manager,
        settings.websocket_config(),
        domain=settings.domain,
        guard=parts.guard,
        channel_of=site_channel_of(given.proxies),
        strangers=given.strangers,
        visitor_of=None if visitors is None else visitors.find,
        serving=given.connections.one,
    )


def most_of(settings: Settings) -> int:
    """Return how many bytes a request of the API may have."""
    return _BODY * settings.max_stanza_size


def visitors_of(settings: Settings, identify: Identify | None) -> Visitors | None:
    """Return what asks the site who makes a request; None where it is not to be asked."""
    if identify is None:
        return None
    origins = settings.websocket_origins + settings.bosh_origins
    return Visitors(identify, origins, settings.site_timeout)


def readiness_of(domain: Domain, manager: SessionManager) -> Readiness:
    """Return what tells whether clients should be sent to a running application."""
    database = domain.database
    assert database is not None
    return Readiness(
        lambda: database.get_meta(""),
        lambda: manager.closing,
        lambda: manager.recording is not None and manager.recording.failing != "",
    )


def _doorkeeper(parts: Served, setting: str, tokens: tuple[str, ...]) -> Doorkeeper:
    return Doorkeeper(
        tokens,
        parts.domain.config.throttle,
        lambda request: channel(request.scope, parts.given.proxies).address,
        parts.manager.clock,
        setting,
    )
