"""Who a client is and whether the way to it is secure, through trusted proxies.

``X-Forwarded-For``, ``X-Forwarded-Proto`` and ``Forwarded`` (RFC 7239) can be
written by anybody; they are believed only where the connection's other end is
a trusted proxy, and only as far as one trusted proxy speaks of the next. A
server that has put the scope right already, as uvicorn's ``proxy_headers``
does, has moved the peer to the client, and there the walk ends at once.
"""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from andiron.sm.link import Channel
from andiron.sm.notices import Notices

logger = logging.getLogger("andiron")

Scope = Mapping[str, Any]
Address = IPv4Address | IPv6Address

_SECURE: Final = frozenset({"https", "wss"})
_LONGEST_ADDRESS: Final = 100
"""Characters of an address with brackets, zone and port."""
_FORWARDING: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip"}
)
_CONTRADICTION: Final = (
    "sends X-Forwarded-* and Forwarded, which differ, so neither is believed: let the proxy"
    " remove the one that it does not write itself"
)
_NO_PROTO: Final = (
    "forwards clients and does not say whether they came by TLS, so they are sent to ws:// and"
    " may not sign in by PLAIN: let the proxy set X-Forwarded-Proto"
)
_PAIR: Final = re.compile(r"""[ \t]*([\w!#$%&'*+.^`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)[ \t]*""")


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are believed; ``unix`` stands for peers on a socket file.

    What an operator should know of those that are not, or say too little, is logged once.
    """

    networks: tuple[IPv4Network | IPv6Network, ...]
    unix: bool = False
    notices: Notices = field(default_factory=Notices, compare=False, repr=False)

    @classmethod
    def of(cls, names: Iterable[str]) -> "Proxies":
        """Read the setting ``trusted_proxies``; :class:`ValueError` for what is no network."""
        listed = list(names)
        networks = tuple(ip_network(name) for name in listed if name != "unix")
        return cls(networks, "unix" in listed)

    def trust(self, address: Address) -> bool:
        """Tell whether an address is a trusted proxy's."""
        return any(address in network for network in self.networks)

    def trust_named(self, name: str) -> bool:
        """Tell whether that is so of an address as text."""
        address = parse_address(name)
        return address is not None and self.trust(address)

    def tell(self, name: str, advice: str) -> None:
        """Log advice about a peer, unless that was done, or there is none."""
        if advice and self.notices.first((name, advice), time.monotonic()):
            peer = f"The peer {name}" if name else "The peer on the socket file"
            logger.warning("%s %s", peer, advice)


@dataclass(frozen=True, slots=True)
class Claims:
    """What forwarding headers say: where from and how, the nearest proxy's word last."""

    addresses: tuple[str, ...] = ()
    protos: tuple[str, ...] = ()


def channel(scope: Scope, proxies: Proxies) -> Channel:
    """Return what is known of the way that a request or a handshake came.

    The way is secure when it ends here in TLS, when trusted proxies say that
    it began so, or when it is a loopback connection that nobody forwarded.
    """
    return Channel(*way(scope, proxies))


def way(scope: Scope, proxies: Proxies) -> tuple[str, bool, str]:
    """Return the first three facts of :func:`channel`: address, whether it is secure, and kind."""
    kind = "websocket" if scope["type"] == "websocket" else "bosh"
    return *_private_way(scope, proxies), kind


def may_tell_secrets(scope: Scope, proxies: Proxies) -> bool:
    """Tell whether the way is secure as :func:`channel` does, and no more."""
    return _private_way(scope, proxies)[1]


def arrived_by_tls(scope: Scope, proxies: Proxies) -> bool:
    """Tell whether the client used https or wss, by what is seen here or trusted proxies say."""
    headers, tls = _forwarding(scope), scope.get("scheme") in _SECURE
    return _forwarded_way(_peer(scope), tls, headers, proxies)[1] if headers else tls


def _private_way(scope: Scope, proxies: Proxies) -> tuple[str, bool]:
    """Return the client's address and whether nobody can listen: TLS, or never off this machine."""
    name, headers, tls = _peer(scope), _forwarding(scope), scope.get("scheme") in _SECURE
    if not headers:
        return _direct_way(name, tls)
    client, secure = _forwarded_way(name, tls, headers, proxies)
    return _shown(client, name), secure


@lru_cache(maxsize=1024)
def _direct_way(name: str, tls: bool) -> tuple[str, bool]:
    """Return the address of a peer that speaks for itself, and whether nobody can listen."""
    peer = parse_address(name) if name else None
    return _shown(peer, name), tls or (peer is not None and peer.is_loopback)


def _shown(client: Address | None, peer: str) -> str:
    return str(client) if client is not None else "unknown" if peer else "unix"


def _forwarded_way(
    name: str, secure: bool, headers: list[tuple[bytes, bytes]], proxies: Proxies
) -> tuple[Address | None, bool]:
    """Return the client's address, None where it has none, and whether it used TLS.

    ``secure`` says whether the peer did, which sent these headers.
    """
    peer = parse_address(name) if name else None
    trusted = proxies.trust(peer) if peer is not None else proxies.unix and not name
    if trusted:
        return _believed(headers, name, peer, secure, proxies)
    proxies.tell(name, _advice(headers, peer, name, secure))
    return peer, secure


def _advice(
    headers: list[tuple[bytes, bytes]], peer: Address | None, name: str, secure: bool
) -> str:
    """Say what comes of it that a peer's headers are not believed; nothing where it is no proxy."""
    claims = _claims(headers)
    if peer is not None and any(
        parse_address(a) == peer for each in claims for a in each.addresses
    ):
        return ""  # The server has evaluated them: what looks like the peer is the client.
    says_tls = not secure and any(_all_secure(each, False) for each in claims)
    # From far away they are as likely a client's invention.
    if not says_tls and not (claims and (peer.is_private if peer is not None else not name)):
        return ""
    names = sorted({key.decode().title() for key, _ in headers})
    insecure = "" if secure else ", are sent to ws:// and may not sign in by PLAIN"
    return (
        f"sends {', '.join(names)}, ignored since ANDIRON_TRUSTED_PROXIES does not list it: its"
        f" clients count as one address{insecure}."
        f" If it is your proxy, add {peer or name or 'unix'} to that setting"
    )


def _claims(headers: list[tuple[bytes, bytes]]) -> list[Claims]:
    return [each for each in (x_forwarded(headers), forwarded(headers)) if each is not None]


def _peer(scope: Scope) -> str:
    """Return the address at the connection's other end, empty on a socket file."""
    client = scope.get("client")
    return client[0] or "" if client else ""


def _forwarding(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in scope["headers"] if name in _FORWARDING]


def parse_address(text: str) -> Address | None:
    """Read an address as headers and servers write it: with a port, brackets or a zone, or not."""
    # What is remembered is a client's to choose, so it must be short.
    return _parse_address(text) if len(text) <= _LONGEST_ADDRESS else None


@lru_cache(maxsize=1024)
def _parse_address(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _believed(
    headers: list[tuple[bytes, bytes]],
    name: str,
    peer: Address | None,
    secure: bool,
    proxies: Proxies,
) -> tuple[Address | None, bool]:
    """Return the client's address and whether its way is secure, by a trusted proxy's word.

    A proxy that writes one kind of header passes on the other as the client
    wrote it. Which kind that is cannot be seen, so where both are there and
    differ neither is believed.
    """
    claims = _claims(headers)
    found = {(_client(each, peer, proxies), _all_secure(each, secure)) for each in claims}
    if len(found) > 1:
        proxies.tell(name, _CONTRADICTION)
        return peer, False
    if claims and not secure and not any(each.protos for each in claims):
        proxies.tell(name, _NO_PROTO)
    return found.pop() if found else (peer, secure)


def _client(claims: Claims, peer: Address | None, proxies: Proxies) -> Address | None:
    """Walk back from the peer to the first address that is no trusted proxy's."""
    for text in reversed(claims.addresses):
        address = parse_address(text)
        if address is None:
            break
        peer = address
        if not proxies.trust(address):
            break
    return peer


def _all_secure(claims: Claims, secure: bool) -> bool:
    if not claims.protos:
        return secure
    return all(proto.lower() in _SECURE for proto in claims.protos)


def x_forwarded(headers: list[tuple[bytes, bytes]]) -> Claims | None:
    """Read ``X-Forwarded-For`` and ``X-Forwarded-Proto``; None where neither is given."""
    addresses = _listed(headers, b"x-forwarded-for")
    protos = _listed(headers, b"x-forwarded-proto")
    return Claims(addresses, protos) if addresses or protos else None


def forwarded(headers: list[tuple[bytes, bytes]]) -> Claims | None:
    """Read ``Forwarded`` (RFC 7239 section 4); None where it is not given.

    A malformed one is an address and a protocol that nobody can believe.
    """
    value = _joined(headers, b"forwarded")
    if not value:
        return None
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None or value[pair.end() : pair.end() + 1] not in {"", ",", ";"}:
            return Claims(("malformed",), ("malformed",))
        elements[-1][pair[1].lower()] = _unquoted(pair[2])
        if value[pair.end() : pair.end() + 1] == ",":
            elements.append({})
        at = pair.end() + 1
    return Claims(
        tuple(element.get("for", "unknown") for element in elements),
        tuple(element["proto"] for element in elements if "proto" in element),
    )


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _joined(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    return ",".join(value.decode("latin-1") for key, value in headers if key == name)


def _listed(headers: list[tuple[bytes, bytes]], name: bytes) -> tuple[str, ...]:
    return tuple(part.strip() for part in _joined(headers, name).split(",") if part.strip())
