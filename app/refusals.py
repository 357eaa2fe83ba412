"""What is answered where nothing can be served, and why."""

from typing import Final

from starlette.types import Receive, Scope, Send

from andiron.websocket.endpoint import refuse_http, refuse_websocket
from andiron.websocket.handshake import Refusal

__all__ = ["DATABASE_LOST", "FAILED", "LEAVING", "NOT_FOUND", "NOT_STARTED", "NO_HOME"]
__all__ += ["STOPPED", "TOO_LARGE", "refuse", "whole"]

_NO_STORE: Final = ((b"cache-control", b"no-store"),)
NOT_STARTED: Final = Refusal(
    503,
    "Andiron has not been started. The application that mounts it must run its lifespan:\n"
    "with chat = create_app(), give it lifespan=chat.lifespan, or serve chat.wrap(application).\n",
    _NO_STORE,
)
STOPPED: Final = Refusal(
    503, "Andiron could not start, or has ended. The server's log says why.\n", _NO_STORE
)
LEAVING: Final = Refusal(
    503,
    "This server is about to end; another takes its place.\n",
    (*_NO_STORE, (b"retry-after", b"1")),
)
DATABASE_LOST: Final = Refusal(
    503,
    "This server has lost its database to another, or altogether, and must be restarted.\n",
    _NO_STORE,
)
NOT_FOUND: Final = Refusal(404, "Not found.\n")
FAILED: Final = Refusal(500, "Internal server error.\n")
NO_HOME: Final = Refusal(
    503,
    "No process serves this chat at the moment, or it does not answer; try again.\n",
    (*_NO_STORE, (b"retry-after", b"1")),
)
TOO_LARGE: Final = Refusal(431, "The head of this request is too large to be passed on.\n")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


def whole(refusal: Refusal) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return an answer's status, headers and body, for what goes without ASGI."""
    return refusal.status, [_TEXT, *refusal.headers], refusal.text.encode()


async def refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a request or a handshake."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await refuse_websocket(refusal, scope, send)
    else:
        await refuse_http(refusal, send)
