"""What an open WebSocket sends: in order, with few system calls, within a bound.

What one piece that was read brings about for its own client is written together. For others the
first frame of a turn of the loop is written at once, since what else is ready to run may take
long, and those that follow it in that turn together at its end.
"""

import asyncio
from collections.abc import Callable, Iterable
from time import monotonic  # the loop's own stands still for as long as a turn lasts
from typing import Final

from andiron.websocket.backlog import Backlog

__all__ = ["Outbox", "Turn"]

_JOINED: Final = 16_384
"""Bytes of frames that are joined at most before they are written."""
_LONG: Final = 0.001
"""Seconds after which a turn of the loop is a long one, in which no frame waits for its end."""


class Turn:
    """The turn of the loop that goes on, of which all connections of a server know.

    While one is read from, what goes back to its client waits until the piece is read.
    """

    __slots__ = ("_behind", "begun", "number", "reading")

    def __init__(self) -> None:
        self.number = 1
        self.reading: Outbox | None = None
        """That of the connection that is read from now, until :meth:`has_read`."""
        self.begun = False
        """Whether its end is known."""
        self._behind: list[Outbox] = []
        """What has more to write at the end."""

    def has_read(self) -> None:
        """Note that none is read from any more, and write what waited for that."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.flush()

    def come_behind(self, outbox: "Outbox") -> None:
        """Have what an outbox has written at the end of the turn."""
        self._behind.append(outbox)

    def begin(self) -> None:
        """See to the end of the turn."""
        if not self.begun:
            self.begun = True
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self.begun = False
        self.number += 1
        behind, self._behind = self._behind, []
        for outbox in behind:
            outbox.flush()


class Outbox:
    """Writes frames to a transport; ``limit`` bytes of texts may wait once that pushes back.

    ``encode`` makes the frame of a text. ``failed`` is called once, in a turn of its own, when
    the limit is reached (None), or with what was raised.
    """

    __slots__ = (
        "_backlog",
        "_encode",
        "_failed",
        "_frames",
        "_limit",
        "_over",
        "_since",
        "_size",
        "_transport",
        "_turn",
        "_wrote_in",
        "writable",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        encode: Callable[[str], bytes],
        limit: int,
        failed: Callable[[Exception | None], None],
        turn: Turn,
    ) -> None:
        self._transport = transport
        self._encode = encode
        self._limit = limit
        self._failed: Callable[[Exception | None], None] | None = failed
        self._turn = turn
        self._wrote_in = 0
        """The turn in which it wrote last."""
        self._since = 0.0
        """When it wrote first in that."""
        self._frames: list[bytes] | None = None
        """What is to be written by the end of this one, and"""
        self._size = 0
        """how many bytes that is."""
        self._backlog: Backlog | None = None
        """What waits for the network."""
        self._over = False
        self.writable = True
        """Whether the network does not push back; set by whom it tells that."""

    def send(self, text: str) -> None:
        """Send a text behind those that wait; nothing once it is over."""
        if not self.writable:
            self._keep(text)
        elif not self._over:
            try:
                frame = self._encode(text)
            except UnicodeEncodeError as error:
                self._fail(error)  # It must not reach whoever just delivered.
            else:
                self.put(frame)

    def send_all(self, texts: Iterable[str]) -> None:
        """Send texts as :meth:`send` does each, by one system call if there is room."""
        if self._frames is None:
            self._frames = []
            self._turn.begin()
            self._wrote_in = self._turn.number
            self._since = monotonic()
        for text in texts:
            self.send(text)
        self.flush()

    def put(self, frame: bytes) -> None:
        """Write a frame, by the end of the turn of the loop."""
        frames, turn = self._frames, self._turn
        if frames is not None:
            frames.append(frame)
            self._size += len(frame)
            if self._size > _JOINED or monotonic() - self._since > _LONG:
                self.flush()
            return
        first = self._wrote_in != turn.number
        if first:
            if not turn.begun:
                turn.begin()
            self._wrote_in = turn.number
            self._since = monotonic()
        own = turn.reading is self
        if not own if first else monotonic() - self._since > _LONG:
            self._put_out(frame)
            return
        self._frames = [frame]
        self._size = len(frame)
        if not own:
            turn.come_behind(self)

    def flush(self) -> None:
        """Write what waits for the end of the turn."""
        frames, self._frames, self._size = self._frames, None, 0
        if frames:
            self._put_out(b"".join(frames))

    def end(self, frame: bytes = b"") -> None:
        """Write one more frame, at once, and nothing after it."""
        if not self._over:
            self._over = True
            if frame:
                self.put(frame)
                self.flush()

    def send_on(self) -> bool:
        """Send what waited for the network; return whether that took it all."""
        while self._backlog and self.writable:
            self.send(self._backlog.pop())
        if self._backlog or not self.writable:
            return False
        self._backlog = None
        return True

    def take_back(self) -> list[str]:
        """Return the texts that wait, which are then not sent."""
        backlog, self._backlog = self._backlog, None
        return [] if backlog is None else backlog.take()

    def let_go(self) -> None:
        """Keep nothing, and tell nobody of anything."""
        self._over = True
        self._failed = None
        self._backlog = None

    def _put_out(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            self._transport.write(data)
        except Exception as error:  # noqa: BLE001 - must not reach whoever just delivered
            self._fail(error)

    def _keep(self, text: str) -> None:
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.put(text)
        if self._backlog.bytes > self._limit:
            self._fail(None)

    def _fail(self, error: Exception | None) -> None:
        if self._failed is not None:
            asyncio.get_running_loop().call_soon(self._failed, error)
            self._failed = None
