"""The HTTP around a ``<body/>``: headers read and written, origins, compression."""

import gzip
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from andiron.sm.origin import origin_allowed

Scope = Mapping[str, Any]
Headers = list[tuple[bytes, bytes]]

_LEVEL: Final = 3
# The names of IANA's HTTP Content Coding Registry, but for ``identity``.
_CODINGS: Final = frozenset(
    b"aes128gcm br compress dcb dcz deflate exi gzip pack200-gzip x-compress x-gzip zstd".split()
)
_GZIP: Final = re.compile(rb"(?:^|,)[ \t]*(?:gzip|\*)[ \t]*(?:;[ \t]*q=([0-9.]+)[ \t]*)?(?=,|$)")
# Whoever is led to look at an answer as at a page must not have scripts run from it.
HARMLESS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
)
_PREFLIGHT: Final = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Content-Encoding"),
    (b"access-control-max-age", b"86400"),
]


class RequestHeaders:
    """What of a request's headers matters here."""

    __slots__ = ("encoded", "gzip", "host", "length", "origin")

    def __init__(self, scope: Scope) -> None:
        """Read a scope's headers; two of ``Origin`` or ``Host`` are no origin of anybody.

        ``encoded`` says that the body is in a content coding (RFC 9110 section
        8.4). What names none says nothing: libpurple puts a media type there.
        """
        self.origin: bytes | None = None
        self.host = b""
        self.gzip = False
        self.encoded = False
        self.length = 0
        for name, value in scope["headers"]:
            if name == b"origin":
                self.origin = value if self.origin is None else b""
            elif name == b"host":
                self.host = b"," if self.host else value
            elif name == b"accept-encoding":
                self.gzip = self.gzip or _accepts_gzip(value)
            elif name == b"content-encoding":
                self.encoded = self.encoded or not _CODINGS.isdisjoint(_listed(value))
            elif name == b"content-length" and value.isdigit():
                self.length = int(value[:18])

    def cors(self, origins: Iterable[str]) -> Headers | None:
        """Return the headers that let the page read the answer; None: it may not ask at all."""
        if self.origin is None:
            return []
        origin = self.origin.decode("latin-1")
        if not (origin and origin_allowed(origin, self.host.decode("latin-1"), origins)):
            return None
        return [(b"access-control-allow-origin", self.origin), (b"vary", b"Origin")]


def preflight(cors: Headers) -> Headers:
    """Return the headers that answer a browser which asks before it posts."""
    return [*cors, *(_PREFLIGHT if cors else ()), (b"allow", b"GET, POST, OPTIONS")]


def answer(
    text: str, content_type: str, cors: Headers, compress_from: int
) -> tuple[Headers, bytes]:
    """Return headers and body of what answers a POST; ``cors`` is what :meth:`cors` gave.

    Bodies of ``compress_from`` bytes and more are compressed, none when that is 0.
    """
    body = text.encode()
    headers = [(b"content-type", content_type.encode()), *HARMLESS, *cors]
    if 0 < compress_from <= len(body):
        # Without a time or a name in it.
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    return headers, body


def _listed(value: bytes) -> list[bytes]:
    return [word.strip() for word in value.lower().split(b",")]


def _accepts_gzip(value: bytes) -> bool:
    match = _GZIP.search(value.lower())
    if match is None:
        return False
    return match[1] is None or match[1].strip(b"0.") != b""
