"""What must hold before a WebSocket is accepted: subprotocol, origin, and room for it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

SUBPROTOCOL: Final = "xmpp"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that one customer has to himself at least."""


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
    values: dict[bytes, list[bytes]] = {}
    for name, value in scope.get("headers", ()):
        values.setdefault(name.lower(), []).append(value)
    given = values.get(b"origin", [])
    if not given:
        return None
    hosts = values.get(b"host", [])
    if len(given) > 1 or len(hosts) > 1:
        return WRONG_ORIGIN
    origin = given[0].decode("latin-1")
    host = hosts[0].decode("latin-1") if hosts else ""
    return None if origin_allowed(origin, host, origins) else WRONG_ORIGIN


def origin_allowed(origin: str, host: str, origins: Iterable[str]) -> bool:
    """Tell whether ``origin`` is the site's own, by the ``Host`` it was asked for, or listed.

    The scheme is not compared with one's own: behind a proxy it may be unknown
    here, and a page served by plain http from the same host is the site's own.
    """
    listed = tuple(origins)
    if "*" in listed:
        return True
    page = _host_and_port(origin)
    if page is None:
        return False
    if any(_same_origin(origin, other) for other in listed):
        return True
    scheme, name, port = page
    own = _host_and_port(f"{scheme}://{host}")
    return own is not None and own[1:] == (name, port)


def _same_origin(one: str, other: str) -> bool:
    known = _host_and_port(other)
    return known is not None and known == _host_and_port(one)


def _host_and_port(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname.lower(), default if port is None else port


class Strangers:
    """Counts the connections that have not signed in, in all and by address.

    The addresses of one IPv6 network of 64 bits count as one.
    """

    __slots__ = ("_by_network", "_most", "_most_per_address", "count")

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._by_network: Counter[str] = Counter()
        self.count = 0

    def admit(self, address: str) -> bool:
        """Count one more connection, or return False where there is no room."""
        network = _network(address)
        if self.count >= self._most or self._by_network[network] >= self._most_per_address:
            return False
        self.count += 1
        self._by_network[network] += 1
        return True

    def release(self, address: str) -> None:
        """Count one less: it signed in, or it ended."""
        network = _network(address)
        self.count -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return (int(parsed) >> (128 - _IPV6_NETWORK)).to_bytes(_IPV6_NETWORK // 8).hex()
