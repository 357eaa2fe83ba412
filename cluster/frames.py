"""Frames: what passes between a door and the home, many calls on one connection.

A frame is its size behind these nine bytes, what it is, whose call it belongs to, and that many
bytes. It is read without a clock or a socket.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

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
    """A door's: the scope of a new call."""
    MESSAGE = 5
    """An ASGI message."""
    TEXT = 6
    """The text of a WebSocket's message, in UTF-8."""
    TAKEN = 7
    """How many bytes more of a call's messages were taken, which makes room for others."""
    END = 8
    """The home's: it has done with the call. One byte: whether it failed."""
    REQUEST = 16
    """A door's: the scope of a new call, and the whole of its request's body."""
    ANSWER = 17
    """The home's: the whole answer to a request, with which it has done with the call."""


_KINDS: Final = {int(kind): kind for kind in Kind}

Frame = tuple[Kind, int, bytes]
"""What it is, whose call it belongs to, 0 where to none, and what it carries."""


def head(kind: Kind, call: int, size: int) -> bytes:
    """Return what comes before the ``size`` bytes that a frame carries."""
    return _HEAD.pack(size, kind, call)


class Frames:
    """Reads frames of a stream of bytes; none carries more than ``limit`` bytes.

    :meth:`feed` what came, then take the frames that are whole, all or some: what is left is
    there for whoever asks next.
    """

    __slots__ = ("_at", "_data", "_least", "_limit", "_pieces", "_there")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = b""
        self._at = 0
        """Where in that the next frame begins."""
        self._pieces: list[bytes] = []
        """What has come behind it, and"""
        self._there = 0
        """how many bytes that is."""
        self._least = HEAD
        """How many bytes the next frame takes, as far as that is known."""

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._pieces.append(data)
        self._there += len(data)

    def __iter__(self) -> Iterator[Frame]:
        """Return the frames that are whole, one at a time. Raises :class:`FrameError`."""
        data, at = self._data, self._at
        if self._pieces:
            # Once for each frame, however many pieces it comes in.
            if len(data) - at + self._there < self._least:
                return
            data, at = b"".join((data[at:], *self._pieces)), 0
            self._data, self._at = data, 0
            self._pieces.clear()
            self._there, self._least = 0, HEAD
        there, limit = len(data), self._limit
        while True:
            start = at + HEAD
            if start > there:
                break
            size, number, call = _HEAD.unpack_from(data, at)
            kind = _KINDS.get(number)
            if kind is None:
                raise FrameError(f"there is no frame of kind {number}")
            if size > limit:
                raise FrameError(f"a frame of {size} bytes, where {limit} are the most")
            end = start + size
            if end > there:
                self._least = HEAD + size
                break
            self._at = at = end
            yield kind, call, data[start:end]
        self._data, self._at = data[at:], 0
