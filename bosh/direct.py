"""A POST that the server answers with nothing between: no task, no routing, no ASGI message."""

from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from andiron.bosh.connection import BoshConnection, Call
from andiron.bosh.http import Headers, Scope, answer
from andiron.sm.link import Visitor

__all__ = ["DirectPost", "Post", "Taker", "Write"]

Write = Callable[[int, Headers, bytes], None]
"""Answers a request, with a status, headers and a body, whose length no header says yet."""


class Taker(Protocol):
    """The endpoint, as far as it matters here."""

    def take(
        self, data: bytes, call: Call, scope: Scope, visitor: Visitor, /
    ) -> BoshConnection | None:
        """Take a request's body; the session it belongs to is returned, where it has one."""


class Post(Protocol):
    """A POST whose head has come, as its server knows it."""

    def begin(self, data: bytes, write: Write, /) -> None:
        """Take the body, once it is whole; ``write`` is called with the answer, now or later, once.

        Nothing is written after :meth:`lost`.
        """

    def lost(self) -> None:
        """Hear that the connection has ended before the answer."""


class DirectPost:
    """A :class:`Post`, and the :class:`~andiron.bosh.connection.Call` of its session."""

    __slots__ = ("_compress_from", "_connection", "_cors", "_scope", "_taker", "_visitor", "_write")

    def __init__(
        self,
        taker: Taker,
        scope: MutableMapping[str, Any],
        visitor: Visitor,
        cors: Headers,
        compress_from: int,
    ) -> None:
        """``scope`` is this request's alone: nothing is left in it once the body has come."""
        self._taker = taker
        self._scope = scope
        self._visitor = visitor
        self._cors = cors
        self._compress_from = compress_from
        self._write: Write | None = None
        self._connection: BoshConnection | None = None

    def begin(self, data: bytes, write: Write) -> None:
        """Take the body; ``write`` is called with the answer, now or later, once at most."""
        self._write = write
        connection = self._taker.take(data, self, self._scope, self._visitor)
        # It may be held for long, and its head is as large as a stranger made it.
        self._scope["headers"].clear()
        self._scope.clear()
        if self._write is not None:
            self._connection = connection

    def reply(self, text: str, status: int, content_type: str) -> None:
        """Answer the request."""
        write = self._let_go()
        if write is not None:
            write(status, *answer(text, content_type, self._cors, self._compress_from))

    def lost(self) -> None:
        """Tell the session that nobody waits for the answer any more."""
        connection = self._connection
        self._let_go()
        if connection is not None:
            connection.gone(self)

    def _let_go(self) -> Write | None:
        write, self._write, self._connection = self._write, None, None
        return write
