"""One end of the connection between a door and the home: frames out and in, and pulses.

What is written during a turn of the event loop goes out together, and no more frames are read in
one step than do not hold up the others. Nothing here bounds what a call has on its way: its two
ends do (:mod:`andiron.cluster.window`).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from andiron.cluster.frames import HEAD, FrameError, Frames, Kind, head
from andiron.cluster.hello import Hello
from andiron.cluster.messages import (
    Message,
    read_message,
    read_object,
    read_text,
    write_object,
)
from andiron.sm.owned import disown, own

__all__ = ["COST", "LARGEST", "CallEnd", "Ended", "Link", "Said", "Tell", "TooLargeError"]
__all__ += ["Waiting"]

logger = logging.getLogger("andiron")

Tell = Callable[[], Mapping[str, Any]]

COST: Final = 128
"""Bytes that a message of a call counts for besides its own."""
LARGEST: Final = 67_108_864
"""Bytes that a frame of the home's may carry."""
_SLICE: Final = 64
"""Frames that are read in one step."""
_BATCH: Final = 65_536
"""Bytes of frames that go out at once, that it may be known whether the other end keeps up."""
_PULSE: Final = 1.0
"""Seconds between two signs of life."""
_NEWS: Final = 4096
"""Bytes that one of them may carry."""


class TooLargeError(Exception):
    """What was to be sent is larger than the other end takes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """That the far end has done with a call; None: it cannot be reached."""

    failed: bool | None


_GONE: Final = Ended(None)
Said = str | Message | Ended
"""What a far end says: the text of a WebSocket's message, another message, or its last."""


class CallEnd(Protocol):
    """One end of a call."""

    def hear(self, what: Said, size: int, /) -> None:
        """Take what the far end says, which counts for ``size`` bytes.

        Raises :class:`FrameError` for more than it may.
        """

    def given_back(self, size: int, /) -> None:
        """Hear that the far end has taken so many bytes."""


class Waiting(Protocol):
    """One that would write, and waits until the other process keeps up."""

    def go_on(self) -> None:
        """Hear that it does, for now."""


class Link(asyncio.Protocol):
    """A connection to another process; a subclass says what frames of calls mean.

    ``takes`` is how many bytes a frame of the other end's may carry, ``limit`` one of this end's,
    and ``tell`` returns what the other is to know of how this end does, as JSON has it.
    """

    def __init__(self, own: Hello, takes: int, limit: int, tell: Tell = dict) -> None:
        self.own = own
        self.limit = limit
        self._own_news = tell
        self.leaving = False
        """Whether the home is about to end, and nothing new is to begin."""
        self.other: Hello | None = None
        """Who is at the other end, once that has said so."""
        self._loop = asyncio.get_running_loop()
        self.news: Mapping[str, Any] = {}
        """What the other end has told last of how it does."""
        self.transport: asyncio.Transport | None = None
        self._socket = -1
        self.open_calls: dict[int, CallEnd] = {}
        """The calls of which this end knows."""
        self._frames = Frames(takes)
        self._out: list[bytes] = []
        self._size = 0
        self._reading = False
        self.congested = False
        """Whether the other process does not keep up."""
        self._waiting: dict[Waiting, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.silent = 0
        """For how many pulses of this end nothing has come from the other.

        Seconds do not tell that: of those that this process stood still itself nobody can say.
        """
        self.met: asyncio.Future[None] = self._loop.create_future()
        """Done when :attr:`other` is known, or the connection has ended."""
        self.over: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended. Whoever waits for these two must not cancel them."""

    # What a subclass says

    def greeted(self) -> None:
        """Begin: :attr:`other` is known now. Raises :class:`FrameError` to go no further."""
        raise NotImplementedError

    def heard(self, kind: Kind, call: int, payload: bytes) -> None:
        """Take a frame that is not of every call. Raises :class:`FrameError`, which ends it all."""
        raise NotImplementedError

    def done(self, call: int, *, failed: bool) -> None:
        """Know a call no more, with which this end has done."""
        raise NotImplementedError

    def beat(self) -> None:
        """Hear that a pulse went out; :attr:`silent` is one more than it was."""

    def ended(self) -> None:
        """Hear that the connection has ended."""
        raise NotImplementedError

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who this is."""
        self.transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket").fileno()
        own(self._socket)
        self.write(Kind.HELLO, 0, self.own.written())
        self._tell()
        self._timer = self._loop.call_later(_PULSE, self._pulse)

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        self.silent = 0
        self._frames.feed(data)
        if not self._reading:
            self._read()

    def _read(self) -> None:
        """Read a slice, and let others have their turn before the next."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        try:
            for number, (kind, call, payload) in enumerate(self._frames, 1):
                self._take(kind, call, payload)
                if number == _SLICE:
                    if not self._reading:
                        self._reading = True
                        transport.pause_reading()
                    self._loop.call_soon(self._read)
                    return
        except FrameError as error:
            logger.error("A process of this chat is not understood: %s", error)  # noqa: TRY400
            self.drop()
            return
        if self._reading:
            self._reading = False
            transport.resume_reading()

    def _take(self, kind: Kind, call: int, payload: bytes) -> None:
        if self.other is None:
            if kind is not Kind.HELLO:
                raise FrameError("it does not say who it is")
            self.other = Hello.read(payload)
            self.met.set_result(None)
            self.greeted()
        elif kind is Kind.TEXT or kind is Kind.MESSAGE or kind is Kind.TAKEN:
            found = self.open_calls.get(call)
            if found is None:
                return  # This end has done with it, and the other does not know yet.
            if kind is Kind.TEXT:
                found.hear(read_text(payload), len(payload) + COST)
            elif kind is Kind.MESSAGE:
                found.hear(read_message(payload), len(payload) + COST)
            else:
                found.given_back(int.from_bytes(payload, "big"))
        elif kind is not Kind.PULSE:
            self.heard(kind, call, payload)
        elif payload:
            if len(payload) > _NEWS:
                raise FrameError(f"a pulse of {len(payload)} bytes, where {_NEWS} are the most")
            self.news = read_object(payload)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended
        """Let those who wait know."""
        disown(self._socket)
        self.transport = None
        self._out.clear()
        self._size = 0
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        if not self.met.done():
            self.met.set_result(None)
        self.over.set_result(None)
        self.ended()
        for call in list(self.open_calls.values()):
            call.hear(_GONE, 0)

    def drop(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        """End the connection when what was written is out."""
        if self.transport is not None:
            self._flush()
            self.transport.close()

    # Writing

    def write(self, kind: Kind, call: int, payload: bytes = b"") -> None:
        """Write a frame; it goes out with others of this turn. Nothing where it has ended."""
        if self.transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        size = len(payload)
        self._out += (head(kind, call, size), payload)
        self._size += HEAD + size
        if self._size >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        frames, self._out, self._size = self._out, [], 0
        if frames and self.transport is not None:
            self.transport.write(b"".join(frames))

    def pause_writing(self) -> None:
        """Let those who would write much wait."""
        self.congested = True

    def resume_writing(self) -> None:
        """Let them go on, as long as there is room."""
        self.congested = False
        while self._waiting and not self.congested:
            first = next(iter(self._waiting))
            del self._waiting[first]
            first.go_on()

    def wait(self, waiting: Waiting) -> None:
        """Have one told, once, when there is room again, or the connection has ended."""
        self._waiting[waiting] = None

    def forget(self, waiting: Waiting) -> None:
        """Have one told no more that waited, if it did."""
        self._waiting.pop(waiting, None)

    def _pulse(self) -> None:
        self.silent += 1
        self._tell()
        self._timer = self._loop.call_later(_PULSE, self._pulse)
        self.beat()

    def _tell(self) -> None:
        news = self._own_news()
        self.write(Kind.PULSE, 0, write_object(news) if news else b"")
