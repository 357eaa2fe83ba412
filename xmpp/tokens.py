"""Unguessable ids, of which every stream needs some."""

from base64 import urlsafe_b64encode
from os import urandom
from typing import Final

__all__ = ["Tokens"]

_BLOCK: Final = 1536
"""Bytes, a multiple of 3: their text is that of each three of them, one after the other."""


class Tokens:
    """Makes texts as :func:`secrets.token_urlsafe` does, from bytes that are asked for in blocks.

    To ask the system each time gives the interpreter lock away, and waits to have it back. Two
    processes must not share one: make it when the process serves.
    """

    __slots__ = ("_at", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._at = 0

    def next(self, size: int) -> str:
        """Return a text of so many random bytes, a multiple of 3 below a thousand."""
        length = size // 3 * 4
        at, end = self._at, self._at + length
        if end > len(self._text):
            self._text, at, end = urlsafe_b64encode(urandom(_BLOCK)).decode(), 0, length
        self._at = end
        return self._text[at:end]
