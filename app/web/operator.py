"""The operator's page: what is served of it is files, which hold nothing; it asks the API."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from andiron.version import __version__
from andiron.web.pages import COMMON_STYLE, HTML, PAGE, SECURITY, TYPES, file_route, fill

__all__ = ["OPERATOR", "PATH", "operator_routes"]

OPERATOR: Final = Path(__file__).resolve().parent / "operator"
PATH: Final = "/operator"
"""Where the page is."""


def operator_routes(domain: str, *, by_token: bool, by_site: bool) -> list[Route]:
    """Return the routes of the page and its files, below ``/operator/``.

    The page is told by what one may sign in: a token, the site's own sign-in, or both.
    """
    files = [*sorted(OPERATOR.iterdir()), COMMON_STYLE, PAGE / "icon.svg"]
    ways = {"token": by_token, "site": by_site}
    words = {
        "domain": domain,
        "version": __version__,
        "ways": " ".join(way for way, there in ways.items() if there),
    }
    page = fill((OPERATOR / "index.html").read_text("utf-8"), words)

    async def index(_request: Request) -> Response:
        return Response(page, media_type=HTML, headers=SECURITY)

    async def to_index(_request: Request) -> Response:
        # What the page links to lies below it. Where this is mounted, only the client knows.
        return Response(status_code=308, headers={"Location": "operator/", **SECURITY})

    return [
        Route(PATH, to_index),
        Route(f"{PATH}/", index),
        *(
            file_route(f"{PATH}/{path.name}", path.read_bytes(), TYPES[path.suffix])
            for path in files
            if path.suffix in TYPES
        ),
    ]
