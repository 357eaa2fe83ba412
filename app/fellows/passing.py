"""What a process passes on to the home without ASGI, for a server that can do without."""

import asyncio
import logging
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Final

from andiron.bosh.direct import Write
from andiron.bosh.http import Headers
from andiron.cluster import line as lines
from andiron.cluster.door import HomeLink, HomeLostError, Line, Question, TooLargeError
from andiron.cluster.messages import Message
from andiron.refusals import FAILED, NO_HOME, TOO_LARGE, whole
from andiron.routes import BOSH_PATHS
from andiron.websocket.connection import Wire
from andiron.websocket.handshake import Refusal

__all__ = ["PassedPost", "PassedWebSocket"]

logger = logging.getLogger("andiron")

_NORMAL: Final = 1000


class PassedPost:
    """A POST of BOSH: the :class:`~andiron.bosh.direct.Post` of one that home answers.

    ``scope`` is this request's alone, and need not have a path.
    """

    __slots__ = ("_home", "_question", "_scope", "_write")

    def __init__(self, home: HomeLink, scope: MutableMapping[str, Any]) -> None:
        self._home = home
        self._scope = scope
        self._question: Question | None = None
        self._write: Write | None = None

    def begin(self, data: bytes, write: Write) -> None:
        """Pass it on; ``write`` is called with the answer."""
        self._write = write
        self._scope["path"] = BOSH_PATHS[0]
        try:
            self._question = self._home.ask(self._scope, {}, data, self, held=True)
        except HomeLostError:
            self._refuse(NO_HOME)
        except TooLargeError:
            self._refuse(TOO_LARGE)
        # It may be held for long, and its head is as large as a stranger made it.
        self._scope["headers"].clear()
        self._scope.clear()

    def lost(self) -> None:
        """Tell the home that nobody waits for the answer any more."""
        question, self._question, self._write = self._question, None, None
        if question is not None:
            question.give_up()

    def answered(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer it as home does."""
        write, self._write, self._question = self._write, None, None
        if write is not None:
            write(status, [each for each in headers if each[0] != b"content-length"], body)

    def unanswered(self, *, failed: bool) -> None:
        """Say that home did not."""
        self._refuse(FAILED if failed else NO_HOME)

    def _refuse(self, refusal: Refusal) -> None:
        self.answered(*whole(refusal))


class PassedWebSocket:
    """The :class:`~andiron.websocket.connection.Connection` of one that home has accepted.

    It takes what home says on ``line``, which is paused, from :meth:`begin` on; ``serving`` is a
    context for as long as it lasts.
    """

    __slots__ = ("_closed", "_kept", "_line", "_loop", "_serving", "_timer", "_wire")

    def __init__(self, line: Line, serving: AbstractContextManager[None]) -> None:
        self._line = line
        self._serving = serving
        self._loop = asyncio.get_running_loop()
        self._wire: Wire
        self._kept: str | None = None
        """What the client has said, and waits until there is room."""
        self._closed = False
        """Whether the client is told that it ends, or has told so."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Begin: the wire carries it."""
        self._serving.__enter__()
        self._line.taker = self
        self._line.unpause()

    # From the wire

    def carried_by(self, wire: Wire) -> None:
        """Have a wire, whose limits are those of all: home knows who has signed in."""
        self._wire = wire
        wire.signed_in()

    def hear(self, text: str) -> None:
        """Pass a message on."""
        try:
            if not self._line.send(text):
                self._kept = text
                self._wire.pause()
        except TooLargeError:
            self.ended(lines.TOO_LARGE)
            self._close(lines.TOO_LARGE)

    def hear_bytes(self) -> None:
        """Pass on that there was a message that is no text; which one does not matter."""
        self._line.say({"type": "websocket.receive", "bytes": b""})
        if not self._line.has_room():
            self._wire.pause()

    def ended(self, code: int | None) -> None:
        """Tell the home that the client has left, or broken the protocol."""
        self._closed = True
        self._line.say({"type": "websocket.disconnect", "code": code})
        self._line.close()

    def lost(self) -> None:
        """Let go of it."""
        self._line.close()
        if self._timer is not None:
            self._timer.cancel()
        self._serving.__exit__(None, None, None)

    def drained(self) -> None:
        """Take more of what home says: the client has taken what there was."""
        self._line.unpause()

    def failed(self, error: Exception | None) -> None:
        """Drop the client."""
        logger.debug("A frame could not be passed on: %r", error)
        self._wire.drop()

    # The line's taker

    def text(self, text: str) -> None:
        """Pass a message on."""
        self._wire.send(text)
        if self._wire.congested:
            self._line.pause()
            if self._line.ending:
                self.ending()

    def message(self, message: Message) -> None:
        """Close the WebSocket, if home does."""
        if message["type"] == "websocket.close":
            self._close(message.get("code") or _NORMAL)

    def room(self) -> None:
        """Pass on what waited for that, and read again."""
        text, self._kept = self._kept, None
        if text is not None:
            self.hear(text)
        if self._kept is None:
            self._wire.unpause()

    def ending(self) -> None:
        """Wait for a client that takes nothing for a while only: it is to come back."""
        self._drop_later()

    def over(self, *, failed: bool | None) -> None:
        """Let the client come back where home has not said all: there, or by another door."""
        leaving = failed is None or self._line.link.leaving
        self._line.close()
        if self._closed:
            self._drop_later()
        elif leaving or failed:
            self._close(lines.RESTART if leaving else lines.FAILED)
        else:
            self._wire.drop()

    def _close(self, code: int) -> None:
        self._closed = True
        self._wire.close(code)
        self._drop_later()

    def _drop_later(self) -> None:
        """Give the client a while to take what is left."""
        if self._timer is None:
            self._timer = self._loop.call_later(lines.LINGER, self._wire.drop)
