"""What an open WebSocket sends: in order, with few system calls, within a bound.

The first frame of a turn of the loop is written at once: what else is ready to run may take
long. Those that follow it in that turn are written together, by one system call.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic  # the loop's own stands still for as long as a turn lasts
from typing import Final

from andiron.xmpp.xml import utf8_length

__all__ = ["Outbox"]

_JOINED: Final = 16_384
"""Bytes of frames of one turn of the loop beyond which they are written before it ends."""
_LONG: Final = 0.001
"""Seconds after which a turn of the loop is a long one, in which no frame waits for its end."""


class Outbox:
    """Writes frames to a transport; ``limit`` bytes of texts may wait once that pushes back.

    ``encode`` makes the frame of a text. ``failed`` is called once, in a turn of its own, when
    the limit is reached (None), or with what was raised.
    """

    __slots__ = (
        "_bytes",
        "_encode",
        "_failed",
        "_frames",
        "_limit",
        "_loop",
        "_over",
        "_since",
        "_size",
        "_texts",
        "_transport",
        "writable",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        encode: Callable[[str], bytes],
        limit: int,
        failed: Callable[[Exception | None], None],
    ) -> None:
        self._transport = transport
        self._encode = encode
        self._limit = limit
        self._failed: Callable[[Exception | None], None] | None = failed
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] | None = None
        """What was sent in this turn of the loop behind the first, and"""
        self._size = 0
        """how many bytes that is."""
        self._since = 0.0
        """When the first was sent: long ago where none is to wait, in future where one is."""
        self._texts: deque[str] | None = None
        """What waits for the network, and"""
        self._bytes = 0
        """how many bytes that is."""
        self._over = False
        self.writable = True
        """Whether the network does not push back; set by whom it tells that."""

    def send(self, text: str) -> None:
        """Send a text behind those that wait; nothing once it is over."""
        if not self.writable:
            self._keep(text)
        elif not self._over:
            self._write(text)

    def send_with_next(self, text: str) -> None:
        """Send a text by one system call with the next one, which follows at once."""
        if self._frames is None:
            self._frames = []
            self._loop.call_soon(self._flush)
        self._since = inf
        self.send(text)
        self._since = 0.0

    def put(self, frame: bytes) -> None:
        """Write a frame, the first of a turn of the loop at once and the others together."""
        frames = self._frames
        if frames is None:
            self._frames = []
            self._since = monotonic()
            self._loop.call_soon(self._flush)
            self._put_out(frame)
            return
        frames.append(frame)
        self._size += len(frame)
        if self._size > _JOINED or monotonic() - self._since > _LONG:
            self._put_out(b"".join(frames))
            frames.clear()
            self._size = 0

    def end(self, frame: bytes = b"") -> None:
        """Write one more frame, at once, and nothing after it."""
        if not self._over:
            self._over = True
            if frame:
                self.put(frame)
                self._flush()

    def send_on(self) -> bool:
        """Send what waited for the network; return whether that took it all."""
        while self._texts and self.writable:
            text = self._texts.popleft()
            self._bytes -= utf8_length(text)
            self._write(text)
        if self._texts or not self.writable:
            return False
        self._texts = None
        return True

    def take_back(self) -> list[str]:
        """Return the texts that wait, which are then not sent."""
        taken = list(self._texts or ())
        self._texts = None
        self._bytes = 0
        return taken

    def let_go(self) -> None:
        """Keep nothing, and tell nobody of anything."""
        self._over = True
        self._failed = None
        self._texts = None

    def _write(self, text: str) -> None:
        try:
            frame = self._encode(text)
        except UnicodeEncodeError as error:
            self._fail(error)  # It must not reach whoever just delivered.
        else:
            self.put(frame)

    def _flush(self) -> None:
        frames, self._frames, self._size = self._frames, None, 0
        if frames:
            self._put_out(b"".join(frames))

    def _put_out(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            self._transport.write(data)
        except Exception as error:  # noqa: BLE001 - must not reach whoever just delivered
            self._fail(error)

    def _keep(self, text: str) -> None:
        if self._texts is None:
            self._texts = deque()
        self._texts.append(text)
        self._bytes += utf8_length(text)
        if self._bytes > self._limit:
            self._fail(None)

    def _fail(self, error: Exception | None) -> None:
        if self._failed is not None:
            self._loop.call_soon(self._failed, error)
            self._failed = None
