"""``/metrics``: for Prometheus, which brings a token (RFC 6750)."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from andiron.metrics.collector import Collected, Source

__all__ = ["Source", "metrics_route"]


class Doorkeeper(Protocol):
    """Tells who may have the metrics."""

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass."""


def metrics_route(source: Source, doorkeeper: Doorkeeper) -> Route:
    """Return the route of ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(Collected(source))
    return Route("/metrics", _answering(registry, doorkeeper))


def _answering(
    registry: CollectorRegistry, doorkeeper: Doorkeeper
) -> Callable[[Request], Awaitable[Response]]:

    async def answer(request: Request) -> Response:
        refused = doorkeeper.refusal(request)
        if refused is not None:
            return refused
        try:
            encode, content_type = choose_encoder(request.headers.get("accept", ""))
        except (TypeError, ValueError):  # The library's, for a version that is no number.
            encode, content_type = choose_encoder("")
        headers = {"Cache-Control": "no-store", "Content-Type": content_type}
        return Response(encode(registry), headers=headers)

    return answer
