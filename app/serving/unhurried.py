"""A WebSocket of which a few bytes may unfold to very many (RFC 7692), read with patience."""

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

__all__ = ["UnhurriedProtocol"]

_FOLDED_PIECE: Final = 256
"""Bytes that are read at a time: a thousandth of what they may unfold to."""


class UnhurriedProtocol(WebSocketsSansIOProtocol):
    """Where compression was agreed, reads the next piece when the application has the last.

    Where it was not, what comes is read as it comes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._piece = 0
        self._rest = bytearray()
        """What the network brought and nobody has read yet."""

    def handle_connect(self, event: Request) -> None:
        """Begin the handshake, by which it is known whether compression is agreed."""
        super().handle_connect(event)
        if self.conn.extensions:
            self._piece = _FOLDED_PIECE
            # Set here, since it would take time of each message where nothing is compressed.
            self.receive = self._receive  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        """Read a piece, and leave the rest for later."""
        if not self._piece or (not self._rest and len(data) <= self._piece):
            super().data_received(data)
            return
        waiting = bool(self._rest)
        self._rest += data
        if not waiting:
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Read what the client sent before it left."""
        if self._rest:
            rest, self._rest = bytes(self._rest), bytearray()
            super().data_received(rest)
        super().connection_lost(exc)

    async def _receive(self) -> Any:
        """Return the next event; when none is left, read on."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            if self._rest:
                self.loop.call_soon(self._read_on)
            else:
                self._read_again()
        return message

    def _read_on(self) -> None:
        if not self._rest:
            return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        piece = bytes(self._rest[: self._piece])
        del self._rest[: self._piece]
        super().data_received(piece)
        if self.transport.is_closing():
            self._rest.clear()
        elif self.queue.empty():
            # A frame that is longer than a piece, or one for nobody.
            if self._rest:
                self.loop.call_soon(self._read_on)
            else:
                self._read_again()

    def _read_again(self) -> None:
        self.read_paused = False
        self.transport.resume_reading()
