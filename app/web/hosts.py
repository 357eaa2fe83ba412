"""For which hosts requests are taken: those that are served here, and no others.

A page can let the name of its own site lead to another machine once it is loaded, one that
only its reader can reach: loopback, or a private network (DNS rebinding). What it asks there
has one origin with the page, and ``Host`` alone tells whose name it is. So only names pass
that are this server's. Addresses pass, and ``localhost`` (RFC 6761 section 6.3), since
nobody can let them lead elsewhere. ``X-Forwarded-Host`` and ``Forwarded`` are not looked at:
a proxy passes ``Host`` on as it came.
"""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final
from urllib.parse import urlsplit

from andiron.settings import Settings
from andiron.sm.notices import Notices
from andiron.websocket.handshake import Refusal
from andiron.xmpp.jid import InvalidJID, dns_name

__all__ = ["Hosts"]

logger = logging.getLogger("andiron")

_LONGEST: Final = 300
"""Bytes of a header that is looked at: a host name has up to 253."""
_REMEMBERED: Final = 256
_HOST: Final = re.compile(r"([\w.-]+|\[[\dA-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_NO_HOST: Final = Refusal(400, "A request names one host (RFC 9112 section 3.2).\n")
_OTHER_HOST: Final = Refusal(
    421,
    "The host that was asked for is none that is served here.\n"
    "The operator can add its name with the setting allowed_hosts.\n",
)


class Hosts:
    """The names for which requests are taken; ``*`` is any, ``*.name`` what is below a name."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names as DNS spells them."""
        listed = frozenset(names)
        self._any = "*" in listed
        self._exact = frozenset(name for name in listed if not name.startswith("*"))
        self._below = tuple(name[1:] for name in listed if name.startswith("*."))
        self._notices = Notices()
        # What is remembered is a client's to choose, so it is short.
        self._served = lru_cache(maxsize=_REMEMBERED)(self._look)

    @classmethod
    def of(cls, settings: Settings) -> "Hosts":
        """Return those of the settings: ``allowed_hosts``, and what others of them name.

        Those are the domain and what is below it, the host of ``public_url``, and ``host``.
        """
        names = ["localhost", "*.localhost", *settings.allowed_hosts]
        domain = _name(settings.domain)
        names += [domain, f"*.{domain}"] if domain else []
        names += [_name(settings.host), _name(urlsplit(settings.public_url).hostname or "")]
        return cls(name for name in names if name)

    def refusal(self, scope: Mapping[str, Any]) -> Refusal | None:
        """Return why a request or a handshake is not taken, or None.

        The operator is told of names that were refused. Before HTTP/1.1 a request need not
        name its host; no browser leaves that out.
        """
        if self._any:
            return None
        given = [value for name, value in scope["headers"] if name == b"host"]
        if not given and scope.get("http_version") == "1.0":
            return None
        if len(given) != 1 or len(given[0]) > _LONGEST:
            return _NO_HOST
        served = self._served(given[0])
        if served is None:
            return _NO_HOST
        if served:
            return None
        self._tell(given[0].decode("ascii"))
        return _OTHER_HOST

    def _look(self, header: bytes) -> bool | None:
        """Tell whether a host is one of these; None for what is no host at all."""
        found = _HOST.fullmatch(header.decode("latin-1"))
        if found is None:
            return None
        name = found[1].lower().removesuffix(".")
        if name.startswith("["):
            return _is_address(name) or None
        return name in self._exact or name.endswith(self._below) or _is_address(name)

    def _tell(self, host: str) -> None:
        if self._notices.first(host, time.monotonic()):
            logger.warning(
                "A request for the host %s was refused: if it is this server's, add its name to"
                " ANDIRON_ALLOWED_HOSTS, or set ANDIRON_PUBLIC_URL",
                host[:100],
            )


def _is_address(name: str) -> bool:
    try:
        IPv6Address(name[1:-1]) if name.startswith("[") else IPv4Address(name)
    except AddressValueError:
        return False
    return True


def _name(host: str) -> str:
    """Return a host's name as DNS spells it; empty for an address, which passes as it is."""
    try:
        return dns_name(host)
    except InvalidJID:
        return ""
