"""Frames: what passes between a door and the home, many calls on one connection.

A frame is its size behind these nine bytes, what it is, whose call it belongs to, and that many
bytes. It is read without a clock or a socket.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["HEAD", "Frame", "FrameError", "Frames", "Kind", "head"]

_HEAD: Final = struct.Struct("!IBI")
HEAD: Final = _HEAD.size
"""Bytes of a frame besides what it carries."""


class FrameError(Exception):
    """What came is no frame, or too large; the connection is of no use any more."""


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    """Who it is that speaks, in JSON; the first on every connection, in both directions."""
    PULSE = 2
    """That one is there; in JSON, how it does."""
    LEAVING = 3
    """The home's: no new calls."""
    CALL = 4
    """A door's: the scope of a new call, in JSON."""
    MESSAGE = 5
    """An ASGI message."""
    TEXT = 6
    """The text of a WebSocket's message, in UTF-8."""
    TAKEN = 7
    """How many bytes more of a call's messages were taken, which makes room for others."""
    END = 8
    """The home's: the application has done with the call. One byte: whether it failed."""


_KINDS: Final = {int(kind): kind for kind in Kind}


class Frame(NamedTuple):
    """One frame; ``call`` is 0 where it belongs to none."""

    kind: Kind
    call: int
    payload: bytes


def head(kind: Kind, call: int, size: int) -> bytes:
    """Return what comes before the ``size`` bytes that a frame carries."""
    return _HEAD.pack(size, kind, call)


class Frames:
    """Reads frames of a stream of bytes; none carries more than ``limit`` bytes."""

    __slots__ = ("_at", "_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def __iter__(self) -> Iterator[Frame]:
        """Return the frames that are whole, one at a time. Raises :class:`FrameError`."""
        return self

    def __next__(self) -> Frame:
        """Return the next frame that is whole. Raises :class:`FrameError`."""
        start = self._at + HEAD
        if len(self._buffer) < start:
            raise StopIteration
        size, number, call = _HEAD.unpack_from(self._buffer, self._at)
        kind = _KINDS.get(number)
        if kind is None:
            raise FrameError(f"there is no frame of kind {number}")
        if size > self._limit:
            raise FrameError(f"a frame of {size} bytes, where {self._limit} are the most")
        if len(self._buffer) < start + size:
            raise StopIteration
        self._at = start + size
        return Frame(kind, call, bytes(self._buffer[start : self._at]))
