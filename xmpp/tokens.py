"""Unguessable ids, of which every stream needs some."""

from base64 import urlsafe_b64encode
from os import urandom
from typing import Final

__all__ = ["Tokens"]

_BLOCK: Final = 1536


class Tokens:
    """Makes texts as :func:`secrets.token_urlsafe` does, from bytes that are asked for in blocks.

    To ask the system each time gives the interpreter lock away, and waits to have it back. Two
    processes must not share one: make it when the process serves.
    """

    __slots__ = ("_at", "_block")

    def __init__(self) -> None:
        self._block = b""
        self._at = 0

    def next(self, size: int) -> str:
        """Return a text of so many random bytes, a multiple of 3 below a thousand."""
        at, end = self._at, self._at + size
        if end > len(self._block):
            self._block, at, end = urandom(_BLOCK), 0, size
        self._at = end
        return urlsafe_b64encode(self._block[at:end]).decode()
