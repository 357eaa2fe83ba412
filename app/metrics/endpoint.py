"""``/metrics``: for Prometheus, which brings a token (RFC 6750)."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from andiron.metrics.collector import Collected, Source
from andiron.metrics.lag import measured

__all__ = ["Source", "serving"]


class Doorkeeper(Protocol):
    """Tells who may have the metrics."""

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass."""


@contextmanager
def serving(source: Source, doorkeeper: Doorkeeper) -> Iterator[Route]:
    """Give the route of ``/metrics``, and measure the event loop's lag while it is served."""
    with measured() as lag:
        registry = CollectorRegistry()
        registry.register(Collected(source, lag))
        yield Route("/metrics", _answering(registry, doorkeeper))


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
