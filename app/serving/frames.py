"""A text as a WebSocket's frame, written without the objects of a library."""

from struct import Struct
from typing import Final

__all__ = ["text_frame"]

_TEXT: Final = 0x81
"""The first byte of a frame that is a whole text."""
_IN_TWO_BYTES: Final = 126
"""Where a length stands that the second byte cannot tell; one more is in eight."""
_in_two_bytes: Final = Struct("!BBH").pack
_in_eight_bytes: Final = Struct("!BBQ").pack


def text_frame(text: str) -> bytes:
    """Return a whole text as a server sends it: unmasked, in one frame (RFC 6455 section 5.2).

    Raises :class:`UnicodeEncodeError` for one that UTF-8 cannot say.
    """
    data = text.encode()
    size = len(data)
    if size < _IN_TWO_BYTES:
        return bytes((_TEXT, size)) + data
    if size <= 0xFFFF:
        return _in_two_bytes(_TEXT, _IN_TWO_BYTES, size) + data
    return _in_eight_bytes(_TEXT, _IN_TWO_BYTES + 1, size) + data
