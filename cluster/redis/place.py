"""The place of several machines: who has the lease in Redis is home, and says there where he is."""

import asyncio
import json
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from andiron.cluster.place import Connect, PlaceError
from andiron.cluster.redis.address import SETTING, Address, Keys, RedisError
from andiron.cluster.redis.belief import Timing
from andiron.cluster.redis.connecting import FAILURES, check, client, close, why
from andiron.cluster.redis.lease import Lease
from andiron.cluster.redis.proof import SECRET, Asked, Asking
from andiron.sm.owned import disown, own

__all__ = ["RedisPlace", "Where"]

logger = logging.getLogger("andiron.cluster")

_HOME: Final = "home"
_STRANGERS: Final = 64
"""Connections that have proven nothing yet; more are closed at once."""
_LOOK: Final = 1.0
"""Seconds between two looks for a home that nothing was heard of."""
_CONNECTING: Final = 5.0
"""Seconds that a connection to the home may take, with its proof."""
_LONGEST: Final = 1000
"""Bytes of a record."""
_DEFAULT: Final = Timing()


@dataclass(frozen=True, slots=True)
class Where:
    """Where the home listens, and what shows it that one may read that."""

    host: str
    port: int
    secret: bytes

    def written(self) -> bytes:
        """Return it as bytes."""
        told = {"host": self.host, "port": self.port, "secret": self.secret.hex()}
        return json.dumps(told).encode()

    @classmethod
    def read(cls, record: bytes) -> "Where":
        """Return what :meth:`written` wrote. Raises :class:`ValueError`."""
        told = json.loads(record) if len(record) <= _LONGEST else None
        match told:
            case {"host": str(host), "port": int(port), "secret": str(secret)} if host:
                found = cls(host, port, bytes.fromhex(secret))
            case _:
                raise ValueError("it is no record")
        if not 0 < port < 65536 or len(found.secret) != SECRET:
            raise ValueError("it cannot be so")
        return found


class RedisPlace:
    """The place of one domain; a :class:`~andiron.cluster.place.Place`. Finish with :meth:`end`.

    ``listen_on`` is the host and port where a home listens: an empty host is the address by which
    this machine reaches Redis, 0 a port that is free. ``lost`` is called when another process may
    be home: this one must end what it does as that, within ``timing.margin`` seconds, then
    :meth:`release`.
    """

    def __init__(
        self,
        address: Address,
        domain: str,
        lost: Callable[[], object],
        *,
        listen_on: tuple[str, int] = ("", 0),
        timing: Timing = _DEFAULT,
    ) -> None:
        self.address: Final = address
        self.domain: Final = domain
        self.patience: Final = timing.ttl
        """After which the lease of a home that stands still is over."""
        self._listen_on = listen_on
        self._redis = client(address, timing.patience)
        self.lease: Final = Lease(self._redis, Keys(domain), _HOME, lost, timing=timing)
        self._doorbell = self.lease.doorbell()
        self._server: asyncio.Server | None = None
        self._strangers: set[Asked] = set()

    async def begin(self) -> None:
        """Ask the server whether it is fit for it."""
        try:
            await check(self.address)
        except RedisError as error:
            raise PlaceError(str(error).removesuffix(f" ({SETTING}).")) from None
        self._doorbell.begin()

    @property
    def early(self) -> bool:
        """Whether nobody can be home yet, for Redis was started a moment ago."""
        return self.lease.early

    async def take(self) -> bool:
        """Become home, where nobody is."""
        held = await self.lease.take()
        if not held and self.lease.failing:
            raise self._error(self.lease.failing)
        return held

    async def wait(self) -> None:
        """Return when the lease may be free, or its holder is somewhere else."""
        await self._doorbell.wait(min(self.lease.free_in(), _LOOK))

    async def reach(self, connect: Connect) -> bool:
        """Connect to the home; tell whether one answers, and knows the secret as well."""
        try:
            record = await self.lease.where()
        except FAILURES as error:
            raise self._error(why(error)) from None
        if record is None:
            return False
        try:
            where = Where.read(record)
        except (ValueError, RecursionError):
            raise self._error(f"what {self.lease.key} says cannot be understood") from None
        return await _connected(where, connect)

    async def listen(self, connect: Connect) -> None:
        """As home, take the connections of others."""
        secret = secrets.token_bytes(SECRET)
        host, port = self._listen_on
        here = await self._own_address()
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: self._ask(secret, connect), host or here, port
            )
        except OSError as error:
            raise self._error(
                f"nothing can listen on {host or here}, port {port} ({error.strerror or error})"
            ) from None
        for listener in self._server.sockets:
            own(listener.fileno())
        bound = self._server.sockets[0].getsockname()
        everywhere = host in {"0.0.0.0", "::"}  # noqa: S104 - as the operator says
        where = Where(here if everywhere or not host else host, bound[1], secret)
        await self.lease.publish(where.written())

    async def close(self) -> None:
        """Take no more connections; the home stays this process."""
        server, self._server = self._server, None
        if server is not None:
            for listener in server.sockets:
                disown(listener.fileno())
            server.close()
        for stranger in list(self._strangers):
            stranger.drop()

    async def release(self) -> None:
        """Be home no more, and take no more connections."""
        await self.close()
        await self.lease.release()

    async def end(self) -> None:
        """Release it, and close the connections to Redis."""
        await self.release()
        await self._doorbell.end()
        await close(self._redis)

    def _ask(self, secret: bytes, connect: Connect) -> asyncio.Protocol:
        if self._server is None or len(self._strangers) >= _STRANGERS:
            return _Refusal()
        stranger = Asked(secret, connect, self._known)
        self._strangers.add(stranger)
        return stranger

    def _known(self, stranger: Asked) -> None:
        self._strangers.discard(stranger)
        if not stranger.proven.result():
            logger.debug("Somebody connected who does not know the secret of this chat")

    async def _own_address(self) -> str:
        """Return the address by which this machine reaches Redis, so probably its neighbours."""
        host, port = self.address.hosts[0]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, _, _, address = found[0]
            with socket.socket(family, kind) as asking:
                asking.connect(address)  # Of UDP nothing is sent for that.
                own: str = asking.getsockname()[0]
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        return own

    def _error(self, reason: str) -> PlaceError:
        return PlaceError(f"Processes cannot meet at {self.address}: {reason}")


class _Refusal(asyncio.Protocol):
    """Closes a connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Do it."""
        transport.close()


async def _connected(where: Where, connect: Connect) -> bool:
    asking: Asking | None = None
    try:
        async with asyncio.timeout(_CONNECTING):
            _, asking = await asyncio.get_running_loop().create_connection(
                lambda: Asking(where.secret, connect), where.host, where.port
            )
            return await asyncio.shield(asking.proven)
    except (OSError, TimeoutError) as error:
        logger.debug("The home at %s, port %d does not answer: %s", where.host, where.port, error)
        return False
    finally:
        if asking is not None:
            asking.drop()
