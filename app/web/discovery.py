"""Discovery of the endpoints (XEP-0156): ``/.well-known/host-meta`` and ``host-meta.json``.

A client that knows only the domain asks the site of that name, so the two
files belong at a site's root, wherever below it the endpoints are.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from andiron.web.proxy import Proxies, arrived_by_tls

ENDPOINTS: Final = {
    "urn:xmpp:alt-connections:websocket": ("ws", "/ws"),
    "urn:xmpp:alt-connections:xbosh": ("http", "/http-bind"),
}
"""By link relation: the scheme, to which TLS adds an ``s``, and the path."""

_LONGEST_HOST: Final = 300
"""Bytes of a host that may be told: a name has up to 253."""
_HOST: Final = re.compile(r"(?:[\w.-]+|\[[\dA-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_PATH: Final = re.compile(r"(?:/[\w.~!$&'()*+,;=:@%-]+)*", re.ASCII)
_NO_BASE: Final = "The Host header, or the path to this application, can be no part of a URL.\n"
_HEADERS: Final = {
    # Pages of any site may read these two files; nothing else says so (XEP-0156 section 3).
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "*",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}

Links = Mapping[str, str]


def mount_path(at: str) -> str:
    """Return a path to mount at without the slash at its end: empty for the root.

    Raises ValueError with a sentence for one that no request can be below.
    """
    path = at.rstrip("/")
    if not _PATH.fullmatch(path):
        raise ValueError(f"at must be a path such as '/chat', with a slash before it: not {at!r}")
    return path


def discovery_routes(proxies: Proxies, *, public_url: str = "", at: str = "") -> list[Route]:
    """Return the routes of both files for the root of a site.

    ``at`` is the path below that root where the endpoints are. ``public_url``
    is where clients find them, if it is not where this request was sent to; of
    that the host is read from ``Host`` and the scheme as ``proxies`` tell it.
    Raises ValueError for an ``at`` that is no path.
    """
    at = mount_path(at)

    def links(request: Request) -> Links | None:
        base = public_url or base_url(request.scope, proxies, at)
        return links_below(base) if base is not None else None

    return [
        _file("/.well-known/host-meta", "application/xrd+xml; charset=utf-8", xrd, links),
        _file("/.well-known/host-meta.json", "application/json", jrd, links),
    ]


def base_url(scope: Mapping[str, Any], proxies: Proxies, at: str = "") -> str | None:
    """Return the URL below which a client that sent this request finds the endpoints.

    None where the request names no host, or no path, that a URL could have.
    """
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or len(hosts[0]) > _LONGEST_HOST:
        return None
    path = scope.get("root_path", "") + at
    return _url(arrived_by_tls(scope, proxies), hosts[0], path)


@lru_cache(maxsize=256)
def _url(tls: bool, host: bytes, path: str) -> str | None:
    # A site has few names: what is made of them is kept, and shared by all sessions.
    name = host.decode("latin-1")
    if not _HOST.fullmatch(name) or not _PATH.fullmatch(path):
        return None
    return f"{'https' if tls else 'http'}://{name}{path}"


def links_below(base: str) -> Links:
    """Return the endpoints' URLs by link relation; ``base`` is an http or https URL."""
    scheme, _, rest = base.rstrip("/").partition("://")
    secure = scheme.removeprefix("http")
    return {rel: f"{kind}{secure}://{rest}{path}" for rel, (kind, path) in ENDPOINTS.items()}


def xrd(links: Links) -> str:
    """Return the document of RFC 6415 section 3."""
    lines = [f'  <Link rel="{rel}" href="{html.escape(href)}"/>' for rel, href in links.items()]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">',
            *lines,
            "</XRD>\n",
        ]
    )


def jrd(links: Links) -> str:
    """Return the same in JSON (RFC 6415 appendix A)."""
    listed = [{"rel": rel, "href": href} for rel, href in links.items()]
    return json.dumps({"links": listed}, indent=2) + "\n"


def _file(
    path: str,
    media_type: str,
    write: Callable[[Links], str],
    links_of: Callable[[Request], Links | None],
) -> Route:
    async def answer(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_HEADERS)
        links = links_of(request)
        if links is None:
            return PlainTextResponse(_NO_BASE, 400, _HEADERS)
        return Response(write(links), media_type=media_type, headers=_HEADERS)

    return Route(path, answer, methods=["GET", "OPTIONS"])
