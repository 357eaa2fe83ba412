"""What must hold before a WebSocket is accepted: subprotocol and origin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from andiron.sm.origin import origin_allowed, read_origin

SUBPROTOCOL: Final = "xmpp"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer in place of a WebSocket; ``text`` is for whoever reads it."""

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


NOT_A_WEBSOCKET: Final = Refusal(
    426,
    "This is an XMPP endpoint for WebSocket clients (RFC 7395).\n"
    "Connect with the WebSocket subprotocol 'xmpp'.\n",
    ((b"upgrade", b"websocket"), (b"connection", b"upgrade")),
)
NO_SUBPROTOCOL: Final = Refusal(
    400, "The WebSocket subprotocol 'xmpp' is required (RFC 7395 section 3.1).\n"
)
WRONG_ORIGIN: Final = Refusal(
    403,
    "Pages of this origin may not connect.\n"
    "The operator can allow it with the setting websocket_origins.\n",
)
TOO_MANY: Final = Refusal(
    503, "Too many connections are signing in; try again soon.\n", ((b"retry-after", b"5"),)
)


def check_handshake(scope: Mapping[str, Any], origins: Iterable[str]) -> Refusal | None:
    """Return why a handshake is refused, or None.

    A browser names the page's origin; without that check any web site could
    drive the socket of a visitor who is signed in here. Clients that are not
    browsers send no ``Origin`` and pass.
    """
    if SUBPROTOCOL not in scope.get("subprotocols", ()):
        return NO_SUBPROTOCOL
    given = read_origin(scope.get("headers", ()))
    if given is None:
        return None
    origin, host = given
    return None if origin and origin_allowed(origin, host, origins) else WRONG_ORIGIN
