"""Both ends of a TCP connection between processes prove that they can read the lease.

Its record in Redis has a secret of 32 bytes. Neither end sends it: the home sends 32 random bytes,
the door others and an HMAC-SHA-256 of both by the secret, the home another. What each of them
takes in before that is bounded, in bytes and in time. What passes afterwards is neither
encrypted nor signed, so the network between the processes must be one that only they use.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Final, cast

from andiron.cluster.place import Connect

__all__ = ["SECRET", "Asked", "Asking"]

logger = logging.getLogger("andiron.cluster")

SECRET: Final = 32
"""Bytes."""
_NONCE: Final = 32
_MAC: Final = 32
_FIRST: Final = b"andiron cluster 1\n"
_PATIENCE: Final = 5.0
"""Seconds in which the other end must have proven it."""


class _Unproven(asyncio.Protocol):
    """One end, until the other has proven that it knows the secret."""

    expects: int
    """How many bytes it waits for now; the other end sends no more before it is answered."""

    def __init__(self, secret: bytes, connect: Connect) -> None:
        self._secret = secret
        self._connect = connect
        self._transport: asyncio.Transport | None = None
        self._dropped = False
        self._came = bytearray()
        loop = asyncio.get_running_loop()
        self._late = loop.call_later(_PATIENCE, self.drop)
        self.proven: asyncio.Future[bool] = loop.create_future()
        """Done when that is known; whoever waits for it must not cancel it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        if self._dropped:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what the other end says of itself."""
        self._came += data
        if len(self._came) >= self.expects:
            self.heard(bytes(self._came))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        """Say that it has not proven anything."""
        self._transport = None
        self._end(proven=False)

    def drop(self) -> None:
        """End the connection, also one that is yet to be made, unless it is proven."""
        if self.proven.done():
            return
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    def heard(self, came: bytes) -> None:
        """Judge all that came: :attr:`expects` bytes at the least."""
        raise NotImplementedError

    def _mac(self, who: bytes, home: bytes, door: bytes) -> bytes:
        return hmac.digest(self._secret, who + home + door, "sha256")

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def _hand_over(self, rest: bytes) -> None:
        """Let who is meant have the connection."""
        transport = self._transport
        assert transport is not None
        connection = cast("asyncio.Protocol", self._connect())
        transport.set_protocol(connection)
        self._end(proven=True)
        connection.connection_made(transport)
        if rest:
            connection.data_received(rest)

    def _end(self, *, proven: bool) -> None:
        self._late.cancel()
        if not self.proven.done():
            self.proven.set_result(proven)


class Asked(_Unproven):
    """The home's end. ``over`` is called when it is known whether the other has proven it."""

    expects = _NONCE + _MAC

    def __init__(self, secret: bytes, connect: Connect, over: Callable[["Asked"], object]) -> None:
        super().__init__(secret, connect)
        self._nonce = secrets.token_bytes(_NONCE)
        self.proven.add_done_callback(lambda _future: over(self))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        super().connection_made(transport)
        self._write(_FIRST + self._nonce)

    def heard(self, came: bytes) -> None:
        """Let a door in that knows the secret."""
        door, mac = came[:_NONCE], came[_NONCE:]
        if not hmac.compare_digest(mac, self._mac(b"door", self._nonce, door)):
            self.drop()
            return
        self._write(self._mac(b"home", self._nonce, door))
        self._hand_over(b"")


class Asking(_Unproven):
    """The door's end."""

    expects = len(_FIRST) + _NONCE

    def __init__(self, secret: bytes, connect: Connect) -> None:
        super().__init__(secret, connect)
        self._nonce = secrets.token_bytes(_NONCE)
        self._home = b""

    def heard(self, came: bytes) -> None:
        """Answer the home, then judge its answer; it may say more at once."""
        if self._home:
            mac, rest = came[:_MAC], came[_MAC:]
            if hmac.compare_digest(mac, self._mac(b"home", self._home, self._nonce)):
                self._hand_over(rest)
            else:
                self.drop()
            return
        self._home = came[len(_FIRST) :]
        if not came.startswith(_FIRST) or len(came) > self.expects:
            self.drop()
            return
        self._came.clear()
        self.expects = _MAC
        self._write(self._nonce + self._mac(b"door", self._home, self._nonce))
