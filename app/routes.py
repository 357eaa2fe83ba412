"""What answers at which path of a running application."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from starlette.routing import BaseRoute, Route, WebSocketRoute

from andiron.api.api import Api
from andiron.bosh.endpoint import BoshEndpoint
from andiron.bosh.registry import BoshRegistry
from andiron.domain.domain import Domain
from andiron.http_api.admission import Admission, Operators
from andiron.http_api.endpoint import api_routes
from andiron.http_api.tokens import Doorkeeper
from andiron.processes import Processes
from andiron.settings import Settings
from andiron.sm.manager import SessionManager
from andiron.sm.strangers import Newcomers, Strangers
from andiron.vitals import Vitals
from andiron.web.discovery import discovery_routes
from andiron.web.operator import operator_routes
from andiron.web.pages import demo_routes, healthy
from andiron.web.proxy import Proxies, channel, may_tell_secrets
from andiron.web.readiness import Readiness
from andiron.web.upload import site_channel_of, upload_routes
from andiron.web.visitors import Identify, Visitors
from andiron.web.widget import widget_routes
from andiron.websocket.endpoint import WebSocketEndpoint
from andiron.xmpp.xml import Guard

__all__ = ["BOSH_PATHS", "WEBSOCKET_PATHS", "Served", "most_of", "path_of", "readiness_of"]
__all__ += ["served", "visitors_of"]

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
    proxies: Proxies
    identify: Identify | None
    api: Api
    api_tokens: tuple[str, ...]
    operators: Operators | None
    metrics_tokens: tuple[str, ...]
    strangers: Strangers
    incoming: Newcomers[asyncio.Timeout]
    domain: Domain
    manager: SessionManager
    guard: Guard
    serving: Callable[[], AbstractContextManager[None]]
    """A context for as long as a connection lasts that outlives its request."""
    readiness: Readiness
    processes: Processes
    vitals: Vitals


def served(parts: Served) -> tuple[list[BaseRoute], BoshEndpoint, WebSocketEndpoint]:
    """Return the routes, and which are the transports'."""
    settings, domain = parts.settings, parts.domain
    registry = BoshRegistry(
        parts.manager,
        settings.bosh_config(),
        parts.guard,
        parts.strangers,
        asyncio.get_running_loop().call_soon,
    )
    visitors = visitors_of(settings, parts.identify)
    bosh = _bosh(parts, registry, visitors)
    websocket = _websocket(parts, visitors)
    # Routes are tried in this order, and BOSH asks the most.
    routes = [
        *(Route(path, bosh) for path in BOSH_PATHS),
        *(Route(path, websocket) for path in WEBSOCKET_PATHS),
        *(WebSocketRoute(path, websocket) for path in WEBSOCKET_PATHS),
        Route("/healthz", healthy),
        Route("/readyz", parts.readiness.answer),
        *discovery_routes(parts.proxies, public_url=settings.public_url, at=""),
        *upload_routes(domain.uploads, settings.websocket_origins + settings.bosh_origins),
    ]
    if parts.api_tokens or parts.operators is not None:
        doorkeeper = _doorkeeper(parts, "api_token", parts.api_tokens)
        admission = Admission(doorkeeper, parts.operators, settings.site_timeout)
        routes += api_routes(parts.api, admission, most_of(settings))
        routes += operator_routes(
            domain.name, by_token=bool(parts.api_tokens), by_site=parts.operators is not None
        )
    if settings.widget or settings.demo:
        routes += widget_routes(domain)
    if settings.demo and domain.database is not None:
        routes += demo_routes(domain.name, domain.database)
    if parts.metrics_tokens:
        from andiron.metrics.endpoint import Source, metrics_route  # noqa: PLC0415 - an extra

        source = Source(
            parts.manager, domain, registry, parts.strangers, parts.processes, parts.vitals
        )
        doorkeeper = _doorkeeper(parts, "metrics_token", parts.metrics_tokens)
        routes.append(metrics_route(source, doorkeeper))
    return routes, bosh, websocket


def _bosh(parts: Served, registry: BoshRegistry, visitors: Visitors | None) -> BoshEndpoint:
    return BoshEndpoint(
        registry,
        parts.settings.bosh_config(),
        channel_of=site_channel_of(parts.proxies),
        secure=lambda scope: may_tell_secrets(scope, parts.proxies),
        incoming=parts.incoming,
        visitors=visitors,
    )


def _websocket(parts: Served, visitors: Visitors | None) -> WebSocketEndpoint:
    settings = parts.settings
    return WebSocketEndpoint(
        parts.manager,
        settings.websocket_config(),
        domain=settings.domain,
        guard=parts.guard,
        channel_of=site_channel_of(parts.proxies),
        strangers=parts.strangers,
        visitor_of=None if visitors is None else visitors.find,
        serving=parts.serving,
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
        lambda request: channel(request.scope, parts.proxies).address,
        parts.manager.clock,
        setting,
    )
