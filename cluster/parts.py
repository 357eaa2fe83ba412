"""Several strings of bytes as one, whatever bytes they have."""

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from andiron.cluster.frames import FrameError

__all__ = ["joined", "parted"]

_COUNT: Final = struct.Struct("!I")
_LENGTH: Final = 4


def joined(parts: Sequence[bytes]) -> bytes:
    """Return them as one: each takes four bytes besides its own, and all four more."""
    count = len(parts)
    return struct.pack(f"!{count + 1}I", count, *map(len, parts)) + b"".join(parts)


def parted(data: bytes) -> tuple[list[bytes], int]:
    """Return what :func:`joined` joined, and where in ``data`` it ends. Raises FrameError."""
    try:
        (count,) = _COUNT.unpack_from(data)
        if count * _LENGTH > len(data):
            raise FrameError("fewer parts than it says")
        lengths = struct.unpack_from(f"!{count}I", data, _COUNT.size)
    except struct.error:
        raise FrameError("parts that are none") from None
    ends = list(accumulate(lengths, initial=_COUNT.size + count * _LENGTH))
    if ends[-1] > len(data):
        raise FrameError("parts that have not come")
    return [data[start:end] for start, end in pairwise(ends)], ends[-1]
