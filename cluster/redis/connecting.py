"""A client of Redis, and what a start asks of the server before it relies on it."""

import asyncio
import logging
import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    ResponseError,
)
from redis.exceptions import RedisError as ClientError
from redis.exceptions import TimeoutError as ClientTimeoutError

from andiron.cluster.redis.address import SETTING, Address, RedisError

__all__ = ["FAILURES", "check", "client", "close", "why"]

logger = logging.getLogger("andiron.cluster")

FAILURES: Final = (ClientError, OSError, TimeoutError)
"""What whoever asks something of the server must expect."""
_OLDEST: Final = (6, 2)
_CONNECTING: Final = 3.0
"""Seconds that a connection may take."""
_STARTING: Final = 10.0
"""Seconds that the questions of a start may take together."""


def client(address: Address, patience: float | None) -> Redis:
    """Return a client that connects when it is asked something; :func:`close` it.

    ``patience`` is how many seconds an answer may take, None for as long as it likes. Nothing is
    tried again, for only who asks knows whether it may be. Raises :class:`RedisError` for a file
    of certificates that cannot be used.
    """
    options: dict[str, Any] = {
        "db": address.database,
        "username": address.user or None,
        "password": address.password or None,
        "socket_connect_timeout": _CONNECTING,
        "socket_timeout": patience,
        "socket_keepalive": True,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "client_name": f"andiron-{os.getpid()}",
    }
    if address.tls:
        _check_ca(address)
        options |= {"ssl": True, "ssl_ca_certs": address.ca or None}
    if not address.service:
        host, port = address.hosts[0]
        return Redis(host=host, port=port, **options)
    same = "socket_connect_timeout", "retry", "protocol", "ssl", "ssl_ca_certs"
    sentinels = {key: options[key] for key in same if key in options}
    sentinels["socket_timeout"] = _CONNECTING
    found = Sentinel(list(address.hosts), sentinel_kwargs=sentinels, **options)  # type: ignore[no-untyped-call]
    made: Redis = found.master_for(address.service)
    return made


async def close(made: Redis) -> None:
    """Close a client, and its Sentinels'."""
    pool = made.connection_pool
    await made.aclose()
    if isinstance(pool, SentinelConnectionPool):
        for each in pool.sentinel_manager.sentinels:
            await each.aclose()


async def check(address: Address) -> None:
    """Raise :class:`RedisError` with a sentence unless the server is there and fit for it."""
    asking = client(address, _CONNECTING)
    try:
        async with asyncio.timeout(_STARTING):
            info = await asking.info()
            await asking.eval("return 1", 0)
    except FAILURES as error:
        remedy = _and_remedy(error, by_tls=address.tls)
        raise RedisError(f"Redis at {address} {remedy} ({SETTING}).") from None
    finally:
        await close(asking)
    _check_kind(address, info)


def why(error: BaseException) -> str:
    """Return what the operator is told of a failure."""
    if isinstance(error, TimeoutError | ClientTimeoutError):
        return "it does not answer"
    # Of a script that failed nobody need know the line.
    return str(error).partition(" script: ")[0] or type(error).__name__


def _check_kind(address: Address, info: Mapping[str, Any]) -> None:
    # Valkey says in redis_version with which Redis it can be exchanged.
    version = str(info.get("redis_version", "0"))
    known = tuple(int(number) for number in re.findall(r"[0-9]+", version)[:2])
    if known < _OLDEST:
        raise RedisError(
            f"Redis at {address} is {version}, which is too old: 6.2 and later can be used,"
            f" and Valkey ({SETTING})."
        )
    if info.get("cluster_enabled"):
        raise RedisError(
            f"Redis at {address} is one of a cluster, of which another has this domain's keys:"
            f" name one that is by itself, or Sentinels ({SETTING})."
        )
    if info.get("role") != "master":
        raise RedisError(
            f"Redis at {address} is a replica, which nothing can be written to: name its master,"
            f" or its Sentinels by redis+sentinel:// ({SETTING})."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    most = info.get("maxmemory", 0)
    if policy == "noeviction" and 0 < most <= info.get("used_memory", 0):
        raise RedisError(f"Redis at {address} is full: give it more memory, maxmemory ({SETTING}).")
    if most and policy != "noeviction":
        logger.warning(
            "Redis at %s lets go of what it likes when its memory is full, and sessions with it"
            " (maxmemory-policy is %s): set that to noeviction",
            address,
            policy,
        )


def _check_ca(address: Address) -> None:
    if address.ca:
        try:
            ssl.create_default_context(cafile=address.ca)
        except OSError as error:
            raise RedisError(
                f"The certificates in {address.ca} cannot be used"
                f" ({error.strerror or 'it holds none'}): let ca= name a PEM file ({SETTING})."
            ) from None


_BY_TLS_ALONE: Final = "ends connections at once: does it take them by TLS alone? That is rediss://"
_CREDENTIALS: Final = "does not take the user or the password: put those it knows into the URL"
_REMEDIES: Final[tuple[tuple[tuple[type[Exception], ...], str, str], ...]] = (
    ((AuthenticationError, AuthorizationError), "", _CREDENTIALS),
    ((ResponseError,), "AUTH", _CREDENTIALS),
    (
        (MasterNotFoundError,),
        "",
        "has no master that its Sentinels know: name one of them, and the service rightly",
    ),
    (
        (NoPermissionError,),
        "",
        "does not let this user do what is needed: give it +@all ~andiron:* &andiron:*",
    ),
    ((ResponseError,), "DB index", "has no database of that number: name another"),
    (
        (ResponseError,),
        "",
        "does not understand what it is asked: is it Redis 6.2 or later, or Valkey?",
    ),
    (
        (TimeoutError, ClientTimeoutError),
        "",
        "does not answer: is it the right host, and does its firewall let this one in?",
    ),
    (
        (Exception,),
        "CERTIFICATE_VERIFY_FAILED",
        "has a certificate that is not trusted, or is another host's: let ca= name a PEM file by"
        " which it is, and name the host as it does",
    ),
    (
        (Exception,),
        "SSL",
        "does not speak TLS there, or not as this does: name the port where it does,"
        " or redis:// without TLS",
    ),
    ((Exception,), "onnection closed by server", _BY_TLS_ALONE),
    ((Exception,), "reset by peer", _BY_TLS_ALONE),
    ((Exception,), "", "cannot be reached: start it, or name the host and port where it listens"),
)
"""How the sentence goes on by the kind of a failure and a word in its text; the first counts.

What a server says may repeat what it was given, so that is left out.
"""


def _and_remedy(error: Exception, *, by_tls: bool) -> str:
    message = str(error)
    if by_tls and isinstance(error, TimeoutError | ClientTimeoutError):
        return "does not answer: is it the right host, and the port where it speaks TLS?"
    return next(
        remedy for kinds, word, remedy in _REMEDIES if isinstance(error, kinds) and word in message
    )
