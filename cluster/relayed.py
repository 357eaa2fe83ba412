"""A call of ASGI at its door: what the client says goes to the home, and what that says to it."""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable

from andiron.cluster.frames import Kind
from andiron.cluster.line import FAILED, LINGER, RESTART, TOO_LARGE, Line
from andiron.cluster.link import Ended, Link, Said, TooLargeError
from andiron.cluster.messages import (
    GONE,
    PIECE,
    Message,
    Receive,
    Send,
    pieces,
    write_message,
)
from andiron.cluster.window import Window
from andiron.sm.eager import begun

__all__ = ["HandOver", "HomeLostError", "Relayed"]

logger = logging.getLogger("andiron")

HandOver = Callable[[Line, Message], Awaitable[None]]
"""Takes a WebSocket that the home accepts by that message, of which ``receive`` and ``send`` know
no more then. The line is paused, and given its taker; what is raised is what ``send`` may raise."""


class HomeLostError(Exception):
    """The home has ended, or this door is about to; the client was not answered yet."""


class Relayed:
    """One call; ``scope`` is what home reads of its own.

    ``held`` says that it may last, without anything being done for it.
    """

    __slots__ = (
        "_accepted",
        "_begun",
        "_broken",
        "_closed",
        "_done",
        "_ended",
        "_failed",
        "_hand_over",
        "_incoming",
        "_kind",
        "_limit",
        "_link",
        "_listening",
        "_said_gone",
        "_scope",
        "_waiter",
        "_window",
        "held",
    )

    def __init__(
        self,
        link: Link,
        number: int,
        kind: str,
        scope: bytes,
        hand_over: HandOver | None,
        *,
        held: bool,
    ) -> None:
        self.held = held
        self._link = link
        self._window = Window(link, number)
        self._kind = kind
        self._scope: bytes | None = scope
        """None: home has been told of it."""
        self._hand_over = hand_over
        self._incoming: deque[tuple[str | Message, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ended = False
        self._failed = False
        self._broken = False
        self._begun = False
        """Whether the client has been answered, or a WebSocket accepted."""
        self._accepted = False
        self._closed = False
        self._said_gone = False
        self._limit = asyncio.timeout(None)
        self._done = False

    async def run(self, receive: Receive, send: Send) -> None:
        """Pass on what comes, both ways, until the home has done."""
        self._listening = begun(self._listen(receive))
        try:
            async with self._limit:
                await self._until_called()
                await self._speak(send)
                await self._finish(send)
        except OSError:
            pass  # The client has left, or takes nothing.
        except RuntimeError:
            # Uvicorn's, where it has closed the WebSocket since the client broke the protocol.
            if self._kind != "websocket":
                raise
        finally:
            self._done = True
            if not self._ended:
                self._say_gone(GONE[self._kind])
            await self._listen_no_more()
            self._window.end()

    async def _until_called(self) -> None:
        """Have the home told of it: with its request, where that is there already."""
        if sys.version_info < (3, 12):
            await asyncio.sleep(0)
        self._call()

    def _call(self) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            self._link.write(Kind.CALL, self._window.number, scope)

    async def _speak(self, send: Send) -> None:
        while True:
            while self._incoming:
                said, size = self._incoming.popleft()
                message = _sent(said) if isinstance(said, str) else said
                if self._hand_over is not None and _is_plain_accept(message):
                    self._window.took(size)
                    await self._leave_to(self._hand_over, message)
                    return
                await send(message)
                self._note(message)
                self._window.took(size)
            if self._ended or self._broken:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def _leave_to(self, hand_over: HandOver, accept: Message) -> None:
        """Leave all that comes from now on to another."""
        line = Line.instead_of(self._window)
        self._link.open_calls[line.number] = line
        for said in self._incoming:
            line.hear(*said)
        if self._ended or self._broken:
            line.hear(Ended(self._failed if self._ended else None), 0)
        await self._listen_no_more()
        try:
            await hand_over(line, accept)
        except BaseException:
            line.say(GONE[self._kind])
            line.close()
            raise
        finally:
            # What is left to be done for it is the other's.
            self._begun = self._ended = True

    def _note(self, message: Message) -> None:
        self._begun = True
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.close":
            self._closed = True

    async def _finish(self, send: Send) -> None:
        """Let the client come back where home has not said all: there, or by another door."""
        failed = self._ended and self._failed and not self._link.leaving
        cut_off = not failed and (self._link.leaving or not self._ended)
        if cut_off and not self._begun:
            raise HomeLostError
        if self._accepted and not self._closed and (failed or cut_off):
            code = FAILED if failed else RESTART
            await send({"type": "websocket.close", "code": code, "reason": ""})

    async def _listen(self, receive: Receive) -> None:
        """Pass on what the client says, as fast as the home takes it."""
        try:
            while not self._said_gone:
                await self._window.room()
                await self._pass_on(await receive())
        except Exception:
            self._say_gone(GONE[self._kind])
            raise

    async def _listen_no_more(self) -> None:
        listening = self._listening
        assert listening is not None
        listening.cancel()
        await asyncio.wait([listening])
        if not listening.cancelled() and listening.exception() is not None:
            logger.debug("A client was lost: %r", listening.exception())

    async def _pass_on(self, message: Message) -> None:
        kind = message["type"]
        if kind in {"http.disconnect", "websocket.disconnect"}:
            self._say_gone(message)
            return
        text = message.get("text") if kind == "websocket.receive" else None
        if text is not None:
            self._write(Kind.TEXT, text.encode())
            return
        scope = self._scope
        if scope is not None and kind == "http.request" and not message.get("more_body"):
            body = message.get("body") or b""
            if len(body) <= PIECE and len(scope) + len(body) <= self._link.limit:
                self._scope = None
                self._window.write(Kind.REQUEST, bytes(body), scope)
                return
        self._call()
        for piece in pieces(message):
            await self._window.room()
            self._write(Kind.MESSAGE, write_message(piece))

    def _write(self, kind: Kind, payload: bytes) -> None:
        try:
            self._window.write(kind, payload)
        except TooLargeError:
            # Only a WebSocket's can be: the home would not take it either.
            self._incoming.append(({"type": "websocket.close", "code": TOO_LARGE}, 0))
            self._say_gone({"type": "websocket.disconnect", "code": TOO_LARGE})
            self._wake()

    def _say_gone(self, message: Message) -> None:
        if not self._said_gone:
            self._said_gone = True
            self._call()
            self._link.write(Kind.MESSAGE, self._window.number, write_message(message))

    # From the home

    def hear(self, what: Said, size: int) -> None:
        """Take what the home says to the client."""
        if not isinstance(what, Ended):
            self._incoming.append((what, size))
        elif what.failed is None:
            self.break_off()
        else:
            self._ended = True
            self._failed = what.failed
            if self._kind == "websocket":
                self._linger()
        self._wake()

    def given_back(self, size: int) -> None:
        """Hear that the home has taken so many bytes."""
        self._window.given_back(size)

    def break_off(self) -> None:
        """End it, for the home or this door does."""
        self._broken = True
        self._linger()
        self._wake()

    def _linger(self) -> None:
        """Give the client a while to take what is left."""
        loop = asyncio.get_running_loop()
        if self._limit.when() is None and not self._done:
            self._limit.reschedule(loop.time() + LINGER)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _is_plain_accept(message: Message) -> bool:
    """Tell whether it accepts a WebSocket for a subprotocol, and says nothing besides."""
    accepted = message["type"] == "websocket.accept"
    return accepted and bool(message.get("subprotocol")) and not message.get("headers")


def _sent(text: str) -> Message:
    return {"type": "websocket.send", "text": text}
