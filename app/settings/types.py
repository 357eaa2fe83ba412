"""What the values of settings may be, and what their numbers count."""

import ipaddress
import os
import re
import string
import sys
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from andiron.cluster.redis import address
from andiron.cluster.unix_place import LONGEST
from andiron.domain.database.key_sizes import MAX_HOST, fits
from andiron.domain.database.urls import EXAMPLES, beside, problem
from andiron.domain.uploads.slot import media_type
from andiron.xmpp.jid import InvalidJID, account_jid, dns_name, domainpart

_ALGORITHMS: Final = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Of RFC 7518 section 3.1 and RFC 8037 section 3.1; a token that is not signed has none."""

_MOST: Final = 2**53
_LONGEST_PLACE: Final = 300
"""Characters: a host name has up to 253."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts, for the reader."""

    name: str


class Masked:
    """Marks a text of which nothing may be shown."""


def _domain(value: str) -> str:
    try:
        name = domainpart(value)
        if fits(name, MAX_HOST):
            return name
        reason = f"is longer than {MAX_HOST} bytes of UTF-8"
    except InvalidJID as error:
        reason = error.reason
    raise ValueError(
        f"a host name such as chat.example.org, without scheme, port or path: this one {reason}"
    )


def _rooms_host(value: str, info: ValidationInfo) -> str:
    if value and _domain(value) == info.data.get("domain"):
        raise ValueError("a host name other than the domain's, or empty")
    return _domain(value) if value else value


def _account(value: str, info: ValidationInfo) -> str:
    domain = info.data.get("domain", "localhost")
    name, at, host = value.rpartition("@")
    try:
        jid = account_jid(name if at else value, domain)
        if not at or domainpart(host) == domain:
            return str(jid.bare)
        reason = f"is of another domain than {domain}"
    except InvalidJID as error:
        reason = error.reason
    raise ValueError(f"names or addresses of accounts: {value!r} {reason}")


def _database(value: str) -> str:
    if wrong := problem(value):
        raise ValueError(f"a database URL such as {EXAMPLES}: {wrong}")
    return value


def _ascii(uri: str) -> str:
    """Return the URI for one that was written in any script (RFC 3987 section 3.1).

    Its host is as DNS and browsers have it. Raises ValueError.
    """
    if uri.isascii():
        return uri
    parts = urlsplit(uri)
    if parts.hostname and not parts.hostname.isascii():
        user, at, _ = parts.netloc.rpartition("@")
        port = "" if parts.port is None else f":{parts.port}"
        parts = parts._replace(netloc=f"{user}{at}{dns_name(parts.hostname)}{port}")
    return quote(parts.geturl(), safe=string.punctuation)


def _origin(value: str) -> str:
    if value == "*":
        return value
    wanted = "origins such as https://www.example.org:8443 (or *, for any)"
    try:
        ascii_value = _ascii(value).lower()
        parts = urlsplit(ascii_value)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in {"http", "https"} or ascii_value.rstrip("/") != origin or "@" in value:
        raise ValueError(wanted)
    return origin


def _host_name(value: str) -> str:
    if value == "*":
        return value
    below, name = ("*.", value[2:]) if value.startswith("*.") else ("", value)
    try:
        return below + dns_name(name)
    except InvalidJID:
        raise ValueError(
            "host names without a port, such as chat.example.org or *.example.org (or *, for any)"
        ) from None


def _network(value: str) -> str:
    if value == "unix":
        return value
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(
            "addresses or networks such as 10.0.0.1 or 10.0.0.0/8 (or unix, for a socket file)"
        ) from None
    return value


def _mode(value: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError("permissions in octal such as 660, for owner and group, or 666, for all")
    return value


def _uri(value: str) -> str:
    try:
        value = _ascii(value)
        usable = not value or urlsplit(value).scheme in {"ws", "wss", "http", "https"}
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("a URI such as wss://other.example.org/ws, or empty")
    return value


def _media_range(value: str) -> str:
    kind, _, rest = value.lower().partition("/")
    found = media_type(f"{kind}/{'any' if rest == '*' else rest}")
    if found is None or ";" in value:
        raise ValueError("media types such as application/pdf or image/*")
    return f"{kind}/{rest}"


def _any_uri(value: str) -> str:
    try:
        value = _ascii(value)
    except ValueError:
        value = ""
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*:[!-~]+", value, re.IGNORECASE):
        raise ValueError("URIs such as mailto:help@example.org or xmpp:help@example.org")
    return value


def _public_url(value: str) -> str:
    try:
        value = _ascii(value)
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if value and (not usable or not re.fullmatch(r"[^\s\"'<>@?#]+", value)):
        raise ValueError("a URL such as https://www.example.org/chat, or empty")
    return value.rstrip("/")


def _algorithm(value: str) -> str:
    if value not in _ALGORITHMS:
        raise ValueError(f"algorithms of {', '.join(_ALGORITHMS)}")
    return value


_SOCKET_FILE: Final = "unix: and the absolute path of a socket file (unix:/run/andiron/chat.sock)"


def _check_socket(scheme: str, path: str) -> None:
    wanted = f"{_SOCKET_FILE}, a URL such as {address.EXAMPLES}, or empty"
    if scheme != "unix" or not os.path.isabs(path) or path.endswith("/") or "\0" in path:
        raise ValueError(wanted)
    if len(os.fsencode(path)) > LONGEST:
        raise ValueError(f"{wanted}: a socket's path has {LONGEST} bytes at most")
    if sys.platform == "win32":
        raise ValueError("a URL of Redis, or empty, on Windows, which has no such sockets")


def _cluster(value: str, info: ValidationInfo) -> str:
    scheme, _, path = value.partition(":")
    if not value:
        return value
    if scheme == "unix" or "://" not in value:
        _check_socket(scheme, path)
    elif wrong := address.problem(value):
        raise ValueError(f"{_SOCKET_FILE}, or a URL such as {address.EXAMPLES}: {wrong}")
    if info.data.get("durability") == "memory":
        raise ValueError(
            "empty with the durability memory: what one process leaves, another takes up, so set"
            " ANDIRON_DURABILITY=process"
        )
    database = info.data.get("database", "")
    if database and not beside(database, "-"):
        raise ValueError(
            "empty with a database in memory, which is its process's own: let ANDIRON_DATABASE name"
            " a file"
        )
    return value


def _listening(value: str) -> str:
    if value:
        read_listening(value)
    return value


def read_listening(value: str) -> tuple[str, int]:
    """Return the host, maybe empty, and the port of ``host:port``. Raises ValueError."""
    wanted = "a host and a port such as 10.0.0.5:7750, [::1]:7750, or :7750 for any, or empty"
    host, colon, port = value.rpartition(":")
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise ValueError(f"{wanted}: an IPv6 address is in brackets")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or not int(port) < 2**16:
        raise ValueError(wanted)
    return host.strip("[]"), int(port)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _countable(value: float) -> float:
    if abs(value) >= _MOST:
        raise ValueError("a number below 2**53, beyond which clocks and JSON do not count")
    return value


def _place(value: str) -> str:
    # Clients are told it, and the log.
    if len(value) > _LONGEST_PLACE or " " in value or not value.isprintable():
        raise ValueError("a host with or without a port, such as chat.example.org:443, or empty")
    return value


AnyCase = BeforeValidator(_lower)
"""For one of several words, however it is capitalised."""

_Countable = AfterValidator(_countable)
Seconds = Annotated[float, Unit("seconds"), Field(ge=0, allow_inf_nan=False), _Countable]
PositiveSeconds = Annotated[float, Unit("seconds"), Field(gt=0, allow_inf_nan=False), _Countable]
WholeSeconds = Annotated[int, Unit("seconds"), Field(ge=0), _Countable]
Bytes = Annotated[int, Unit("bytes"), _Countable]
Count = Annotated[int, Field(ge=0), _Countable]
AtLeastOne = Annotated[int, Field(ge=1), _Countable]
Origins = tuple[Annotated[str, AfterValidator(_origin)], ...]
HostNames = tuple[Annotated[str, AfterValidator(_host_name)], ...]
MediaRanges = tuple[Annotated[str, AfterValidator(_media_range)], ...]
Networks = tuple[Annotated[str, AfterValidator(_network)], ...]
Texts = tuple[Annotated[str, Field(min_length=1)], ...]
Algorithms = tuple[Annotated[str, AfterValidator(_algorithm)], ...]
Uris = tuple[Annotated[str, AfterValidator(_any_uri)], ...]
DomainName = Annotated[str, AfterValidator(_domain)]
AccountAddresses = tuple[Annotated[str, AfterValidator(_account)], ...]
RoomsHost = Annotated[str, AfterValidator(_rooms_host)]
FileMode = Annotated[str, AfterValidator(_mode)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
Secret = Annotated[str, Masked()]
ClusterPlace = Annotated[str, AfterValidator(_cluster)]
ListenPlace = Annotated[str, AfterValidator(_listening)]
Uri = Annotated[str, AfterValidator(_uri)]
Place = Annotated[str, AfterValidator(_place)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
