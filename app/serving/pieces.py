"""How much is read of a connection at a time."""

import asyncio
from typing import Final

__all__ = ["PIECE", "Pieces"]

PIECE: Final = 8192
"""Bytes that are read of one connection before it is the others' turn."""


class Pieces(asyncio.BufferedProtocol):
    """Stands before a protocol and hands it what comes in pieces of :data:`PIECE` bytes at most.

    The loops read a quarter of a megabyte at once. What of that cannot be used
    yet would be in memory; so it stays with the client and the kernel. All
    connections share one buffer, since each empties it at once.
    """

    __slots__ = ("_buffer", "_reader")

    def __init__(self, reader: asyncio.Protocol, buffer: memoryview) -> None:
        self._reader = reader
        self._buffer = buffer

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to put what comes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was put there."""
        self._reader.data_received(self._buffer[:nbytes].tobytes())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._reader.connection_made(transport)

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

    def before(self, reader: asyncio.Protocol) -> "Pieces":
        """Return what stands before another protocol of the same connection."""
        return Pieces(reader, self._buffer)
