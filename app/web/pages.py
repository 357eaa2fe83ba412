"""The pages that are served to browsers: the demonstration, and a word for health checks."""

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from andiron.domain.database.database import Database
from andiron.web.demo import demo_names

PAGE: Final = Path(__file__).resolve().parent / "page"
COMMON_STYLE: Final = PAGE.with_name("widget") / "common.css"

HTML: Final = "text/html; charset=utf-8"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_WORD: Final = re.compile(r"\{\{(\w+)\}\}")
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def demo_routes(domain: str, database: Database) -> list[Route]:
    """Return the routes of the demonstration page, one for each of its files."""
    routes = [
        file_route(f"/{path.name}", path.read_bytes(), TYPES[path.suffix])
        for path in [*sorted(PAGE.iterdir()), COMMON_STYLE]
        if path.suffix in TYPES
    ]
    template = (PAGE / "index.html").read_text("utf-8")

    async def index(_request: Request) -> Response:
        people = [f"{name}@{domain}" for name in await demo_names(database)]
        content = fill(template, {"peers": " ".join(people)})
        return Response(content, media_type=HTML, headers=SECURITY)

    return [Route("/", index), *routes]


def fill(template: str, words: Mapping[str, str]) -> str:
    """Put each word, escaped for HTML, in place of its name in double braces."""
    return _WORD.sub(lambda found: html.escape(words[found[1]]), template)


def file_route(path: str, content: bytes, media_type: str) -> Route:
    """Return the route of a file that stays what it is."""

    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=SECURITY)

    return Route(path, answer)


async def healthy(_request: Request) -> Response:
    """Say that the application runs; it stands behind ``/healthz``."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})
