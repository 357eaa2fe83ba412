"""Where Redis is: the URL of the setting ``cluster``, and the names of a domain's keys.

What is said of a URL that cannot be used never repeats a user, a password or a host: whoever
mistypes one may have put the password where one of the others belongs.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

__all__ = ["EXAMPLES", "SETTING", "Address", "Keys", "RedisError", "parse", "problem"]

SETTING: Final = "ANDIRON_CLUSTER"
EXAMPLES: Final = (
    "redis://user:password@host:6379/0, rediss://… (TLS) or"
    " redis+sentinel://host:26379,host:26379/service"
)
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_SCHEMES: Final = {
    "redis": (False, False),
    "rediss": (True, False),
    "redis+sentinel": (False, True),
    "rediss+sentinel": (True, True),
}
"""By scheme: whether TLS is used, and whether Sentinels tell where the server is."""
_DATABASE: Final = re.compile(r"[0-9]{1,5}")
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


class RedisError(Exception):
    """Redis cannot be used; the text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL read; :func:`str` of it may be logged."""

    hosts: tuple[tuple[str, int], ...]
    """The server, or the Sentinels that tell where it is."""
    service: str = ""
    """Its name among the Sentinels; empty where there are none."""
    database: int = 0
    tls: bool = False
    ca: str = ""
    """A file of certificates to trust instead of the system's."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        scheme = "rediss" if self.tls else "redis"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                         for host, port in self.hosts)  # fmt: skip
        if self.service:
            return f"{scheme}+sentinel://{hosts}/{self.service}/{self.database}"
        return f"{scheme}://{hosts}/{self.database}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of all that a domain has in Redis.

    What is in braces decides of the slot, so all keys of a domain are in one.
    """

    domain: str

    def key(self, *names: str) -> str:
        """Return the name of one."""
        return ":".join((f"andiron:{{{self.domain}}}", *names))


def parse(url: str) -> Address:
    """Return a URL read. Raises :class:`RedisError` with a sentence that names what is wrong."""
    try:
        return _parse(url)
    except ValueError as error:
        raise RedisError(f"{SETTING} must be a URL such as {EXAMPLES}: {error}.") from None


def problem(url: str) -> str:
    """Return what is wrong with a URL, without the secrets in it; empty where nothing is."""
    try:
        _parse(url)
    except ValueError as error:
        return str(error)
    return ""


def _parse(url: str) -> Address:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("what is in brackets is no IPv6 address") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"it does not begin with {', '.join(f'{each}://' for each in _SCHEMES)}")
    if parts.fragment or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError("a # or a space in a password is written %23 or %20")
    tls, sentinel = _SCHEMES[parts.scheme]
    user, password, hosts = _authority(parts.netloc)
    if len(hosts) > 1 and not sentinel:
        raise ValueError(f"several hosts are Sentinels, so it begins with {parts.scheme}+sentinel")
    default = _SENTINEL_PORT if sentinel else _PORT
    service, database = _path(parts, sentinel=sentinel)
    return Address(
        tuple(_host(each, default) for each in hosts),
        service,
        database,
        tls,
        _ca(parts.query, tls=tls),
        user,
        password,
    )


def _authority(netloc: str) -> tuple[str, str, list[str]]:
    credentials, _, hosts = netloc.rpartition("@")
    if "@" in credentials:
        raise ValueError("an @ in a password is written %40")
    user, _, password = credentials.partition(":")
    if user and not password:
        raise ValueError("a user without a password; a password alone is written :password@")
    return unquote(user), unquote(password), hosts.split(",")


def _host(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(
            "a port is a number up to 65535, and an IPv6 address in brackets"
        ) from None
    if not host or port == 0:
        raise ValueError("a host is missing, or its port is 0")
    return host, default if port is None else port


def _path(parts: SplitResult, *, sentinel: bool) -> tuple[str, int]:
    names = [name for name in parts.path.split("/") if name]
    service = names.pop(0) if sentinel and names else ""
    if sentinel and not _SERVICE.fullmatch(service):
        raise ValueError("behind the Sentinels comes the name of the service that they watch")
    database = names.pop(0) if names else "0"
    if names or not _DATABASE.fullmatch(database):
        raise ValueError("behind the host comes the number of a database, if anything")
    return service, int(database)


def _ca(query: str, *, tls: bool) -> str:
    found = dict(parse_qsl(query, keep_blank_values=True))
    ca = found.pop("ca", "")
    if found:
        raise ValueError("behind a ? there is ca=FILE at most")
    if ca and not tls:
        raise ValueError("ca=FILE is for TLS, so it begins with rediss")
    return ca
