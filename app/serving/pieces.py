"""How much is read of a connection at a time."""

import asyncio
from typing import Final, Protocol, cast

__all__ = ["PIECE", "Pieces"]

PIECE: Final = 8192
"""Bytes that are read of one connection before it is the others' turn."""
_OF_A_BODY: Final = 65_536
"""Bytes that are read at once of a request's body."""


class Reader(Protocol):
    """A protocol of the usual kind, that says whether a body is what it reads."""

    in_body: bool

    def connection_made(self, transport: asyncio.Transport, /) -> None:
        """Begin; for this and what follows see :class:`asyncio.Protocol`."""

    def connection_lost(self, exc: Exception | None, /) -> None:
        """Hear that the connection has ended."""

    def data_received(self, data: bytes, /) -> None:
        """Take what came."""

    def eof_received(self) -> bool | None:
        """Hear that nothing more comes."""

    def pause_writing(self) -> None:
        """Hear that much waits to be sent."""

    def resume_writing(self) -> None:
        """Hear that less waits."""


class Pieces(asyncio.BufferedProtocol):
    """Stands before a protocol and hands it what comes in pieces of :data:`PIECE` bytes at most.

    Bodies of requests come in larger ones: whoever takes them bounds them. The
    loops would read a quarter of a megabyte at once, and what of that cannot be
    used yet would be in memory; so it stays with the client and the kernel. All
    connections share one buffer, since each empties it at once.
    """

    __slots__ = ("_buffers", "_reader")

    def __init__(self, reader: Reader, buffers: tuple[memoryview, memoryview]) -> None:
        self._reader = reader
        self._buffers = buffers

    @staticmethod
    def buffers() -> tuple[memoryview, memoryview]:
        """Return a buffer for any number of connections of one loop, and a piece of it."""
        buffer = memoryview(bytearray(_OF_A_BODY))
        return buffer, buffer[:PIECE]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to put what comes."""
        whole, piece = self._buffers
        return whole if self._reader.in_body else piece

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was put there."""
        self._reader.data_received(self._buffers[0][:nbytes].tobytes())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._reader.connection_made(cast("asyncio.Transport", transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._reader.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Hear that the client sends nothing more."""
        return self._reader.eof_received()

    def pause_writing(self) -> None:
        """Send no more for now."""
        self._reader.pause_writing()

    def resume_writing(self) -> None:
        """Send again."""
        self._reader.resume_writing()

    def before(self, reader: Reader) -> "Pieces":
        """Return what stands before another protocol of the same connection."""
        return Pieces(reader, self._buffers)

    @property
    def buffer(self) -> memoryview:
        """The whole buffer, for a protocol that takes the place of the reader's."""
        return self._buffers[0]
