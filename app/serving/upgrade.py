"""The handshake of a WebSocket client that asks for nothing unusual (RFC 6455 section 4.2).

Any other is left to the library that makes handshakes, and with it every refusal.
"""

import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from andiron.bosh.http import Headers

__all__ = ["Asked", "accepting", "asked"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
"""Sixteen bytes in base64."""
_ONCE: Final = frozenset(
    {
        b"connection",
        b"host",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"upgrade",
    }
)
_BODY: Final = frozenset({b"content-length", b"expect", b"transfer-encoding"})
"""Headers that no handshake has."""


class Asked(NamedTuple):
    """What a client asks for."""

    key: bytes
    subprotocols: list[str]
    extensions: bool
    """Whether any are asked for."""


def asked(headers: Iterable[tuple[bytes, bytes]]) -> Asked | None:
    """Return what the handshake of a GET by HTTP/1.1 asks for; None where it is to be looked at.

    Names of headers are in lower case.
    """
    given: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in given:
                return None
            given[name] = value
        elif name in _BODY:
            return None
    key = given.get(b"sec-websocket-key", b"")
    if (
        given.get(b"sec-websocket-version") != b"13"
        or given.get(b"upgrade", b"").lower() != b"websocket"
        or b"upgrade" not in map(bytes.strip, given.get(b"connection", b"").lower().split(b","))
        or b"host" not in given
        or not _KEY.fullmatch(key)
    ):
        return None
    protocols = given.get(b"sec-websocket-protocol", b"").decode("latin-1").split(",")
    return Asked(key, [each.strip() for each in protocols], b"sec-websocket-extensions" in given)


def accepting(key: bytes, subprotocol: str, headers: Headers) -> bytes:
    """Return the answer that opens a WebSocket without extensions; ``headers`` are more of it."""
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    more = b"".join(b"%b: %b\r\n" % header for header in headers)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %bSec-WebSocket-Protocol: %b\r\n%b\r\n"
    ) % (binascii.b2a_base64(digest).replace(b"\n", b"\r\n"), subprotocol.encode(), more)
