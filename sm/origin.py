"""Which web pages may connect: the site's own, and those of listed origins."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_LONGEST: Final = 300
"""Characters of an origin: a host name has up to 253. Python remembers what it split last."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def read_origin(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str] | None:
    """Return ``Origin`` and ``Host`` of a request; None without an ``Origin``.

    Clients that are not browsers send none. Two of either are no origin of anybody.
    """
    origins: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"origin":
            origins.append(value)
        elif lowered == b"host":
            hosts.append(value)
    if not origins:
        return None
    if len(origins) > 1 or len(hosts) > 1:
        return "", ""
    return origins[0].decode("latin-1"), hosts[0].decode("latin-1") if hosts else ""


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


def why_refused(origin: str, host: str, setting: str) -> str:
    """Say to the operator whose pages were refused, and what would let them in."""
    remedy = f"list that origin in {setting}" if origin != "null" else f"only {setting}=* lets them"
    return (
        f"pages of {origin[:100]!r} may not connect to {host[:100]!r}; if they shall, {remedy},"
        " and if they are this site's own, let the proxy pass Host on as it came"
    )


def _same_origin(one: str, other: str) -> bool:
    known = _host_and_port(other)
    return known is not None and known == _host_and_port(one)


def _host_and_port(origin: str) -> tuple[str, str, int] | None:
    if len(origin) > _LONGEST:
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname or parts.path not in ("", "/"):
        return None
    return parts.scheme, parts.hostname.lower(), default if port is None else port
