"""The chat for any page: ``<andiron-chat>``, as one script and one style sheet."""

import gzip
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from andiron.domain.domain import Domain
from andiron.web.modules import join

WIDGET: Final = Path(__file__).resolve().parent / "widget"

_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


def widget_routes(domain: Domain) -> list[Route]:
    """Return the routes of the component, for the pages of a domain that runs."""
    rooms = "" if domain.rooms is None else domain.rooms.host
    upload = domain.uploads is not None

    def script() -> bytes:
        return widget_script(domain.name, rooms, upload=upload)

    return [
        _file("/widget.js", script, "text/javascript; charset=utf-8"),
        _file("/widget.css", widget_style, "text/css; charset=utf-8"),
    ]


def widget_script(domain: str, rooms: str, *, upload: bool) -> bytes:
    """Return the script, which knows what the server is called and what it offers.

    ``rooms`` is where rooms are, empty where there are none; ``upload`` whether files are taken.
    """
    modules = {path.stem: path.read_text("utf-8") for path in WIDGET.glob("*.js")}
    # JSON is JavaScript, too.
    server = json.dumps({"domain": domain, "rooms": rooms, "upload": upload})
    return f"{join(modules, 'element')}\n$element.define({server});\n".encode()


def widget_style() -> bytes:
    """Return the style sheet."""
    return b"".join((WIDGET / name).read_bytes() for name in ("common.css", "style.css"))


def _file(path: str, made: Callable[[], bytes], media_type: str) -> Route:
    """Return a route that answers with what is made once, or that the browser has it already."""

    @cache
    def prepared() -> tuple[bytes, bytes, str]:
        content = made()
        return content, gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:16]

    async def answer(request: Request) -> Response:
        content, small, digest = prepared()
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        tag = f'"{digest}-gzip"' if zipped else f'"{digest}"'
        headers = _HEADERS | {"ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(small if zipped else content, media_type=media_type, headers=headers)

    return Route(path, answer)
