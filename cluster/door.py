"""A door's end: calls of ASGI are relayed to the home, and what it says is passed on."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.hello import Hello
from andiron.cluster.link import COST, WINDOW, Link, Tell
from andiron.cluster.messages import (
    Message,
    Scope,
    read_message,
    read_text,
    write_message,
    write_scope,
)

__all__ = ["HomeLink", "HomeLostError", "TooLargeError"]

logger = logging.getLogger("andiron")

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LARGEST: Final = 67_108_864
"""Bytes that a frame of the home's may carry."""
_PIECE: Final = 32_768
"""Bytes of a request's body that go in one frame."""
_CALLS: Final = 2**32
_GONE: Final[dict[str, Message]] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1006},
}
"""What the home is told of a client that left without a word, by the kind of scope."""
_LINGER: Final = 5.0
"""Seconds in which a client can take what is left when its call has ended."""
_RESTART: Final = 1012
"""Closes a WebSocket: the service restarts (the registry of RFC 6455 section 11.7)."""
_FAILED: Final = 1011
_TOO_LARGE: Final = 1009


class HomeLostError(Exception):
    """The home has ended, or this door is about to; the client was not answered yet."""


class TooLargeError(Exception):
    """The head of a request is larger than can be relayed."""


class HomeLink(Link):
    """A door's connection to the home; ``limit`` is how many bytes a message may have.

    ``changed`` is called when the home has said who it is, or that it leaves, when it begins to
    stand still or goes on, when it keeps up again, and at the end.
    """

    def __init__(
        self,
        own: Hello,
        limit: int,
        changed: Callable[[], object],
        tell: Tell = dict,
    ) -> None:
        super().__init__(own, _LARGEST, tell)
        self.limit = limit
        self._changed = changed
        self._calls: dict[int, _Relayed] = {}
        self._number = 0
        self.leaving = False
        """Whether the home is about to end."""
        self.why_not = ""
        """Why this process cannot be a door of that home; empty where it can."""

    @property
    def open(self) -> bool:
        """Whether new calls can be relayed."""
        there = self.other is not None and self.transport is not None
        return there and not (self.why_not or self.leaving)

    async def relay(
        self, scope: Scope, told: Mapping[str, Any], receive: Receive, send: Send, *, held: bool
    ) -> None:
        """Have the home serve a call; return when it has, or the client is gone.

        ``told`` is passed on with the scope. ``held`` says that the answer may take long,
        without anything being done for it: such a request ends when this door is to.
        Raises :class:`HomeLostError` where the client can be given another answer, and
        :class:`TooLargeError`; whatever ``receive`` and ``send`` raise ends the call.
        """
        if not self.open:
            raise HomeLostError
        payload = write_scope(scope, told)
        if len(payload) > self.limit:
            raise TooLargeError
        self._number = (self._number + 1) % _CALLS
        while self._number in self._calls:
            self._number = (self._number + 1) % _CALLS
        number = self._number
        call = _Relayed(self, number, scope["type"], held=held or scope["type"] == "websocket")
        self._calls[number] = call
        self.write(Kind.CALL, number, payload)
        try:
            await call.run(receive, send)
        finally:
            self._calls.pop(number, None)

    def end_held(self) -> None:
        """End WebSockets and requests that are held: this door is about to end."""
        for call in list(self._calls.values()):
            if call.held:
                call.break_off()

    # From the home

    def greeted(self) -> None:
        """Find out whether this process belongs there."""
        assert self.other is not None
        self.why_not = self.own.why_not(self.other)
        self.limit = min(self.limit, self.other.most)
        self._changed()

    def heard(self, kind: Kind, call: int, payload: bytes) -> None:
        """Take a frame."""
        if kind is Kind.LEAVING:
            self.leaving = True
            self._changed()
            return
        found = self._calls.get(call)
        if found is None:
            return  # Its client is gone.
        if kind is Kind.TEXT:
            found.hear({"type": "websocket.send", "text": read_text(payload)}, len(payload))
        elif kind is Kind.MESSAGE:
            found.hear(read_message(payload), len(payload))
        elif kind is Kind.TAKEN:
            found.take(int.from_bytes(payload, "big"))
        elif kind is Kind.END:
            found.end(failed=payload != b"\0")
        else:
            raise FrameError(f"a home does not say {kind.name}")

    def beat(self) -> None:
        """Let who waits look at :attr:`silent`."""
        self._changed()

    def resume_writing(self) -> None:
        """Let those go on who wait until the home keeps up."""
        super().resume_writing()
        self._changed()

    def ended(self) -> None:
        """Let the calls end."""
        for call in list(self._calls.values()):
            call.break_off()
        self._changed()


class _Relayed:
    """A call at its door."""

    __slots__ = (
        "_accepted",
        "_begun",
        "_broken",
        "_closed",
        "_done",
        "_ended",
        "_failed",
        "_incoming",
        "_kind",
        "_limit",
        "_link",
        "_number",
        "_on_way",
        "_room",
        "_said_gone",
        "_taken",
        "_waiter",
        "held",
    )

    def __init__(self, link: HomeLink, number: int, kind: str, *, held: bool) -> None:
        self._link = link
        self._number = number
        self._kind = kind
        self.held = held
        self._incoming: deque[tuple[Message, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._failed = False
        self._broken = False
        self._begun = False
        """Whether the client has been answered, or a WebSocket accepted."""
        self._accepted = False
        self._closed = False
        self._said_gone = False
        self._taken = 0
        self._on_way = 0
        self._room: asyncio.Future[None] | None = None
        self._limit = asyncio.timeout(None)
        self._done = False

    async def run(self, receive: Receive, send: Send) -> None:
        """Pass on what comes, both ways, until the home has done."""
        listening = asyncio.get_running_loop().create_task(self._listen(receive))
        try:
            async with self._limit:
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
                self._say_gone(_GONE[self._kind])
            listening.cancel()
            await asyncio.wait([listening])
            if not listening.cancelled() and listening.exception() is not None:
                logger.debug("A client was lost: %r", listening.exception())

    async def _speak(self, send: Send) -> None:
        while True:
            while self._incoming:
                message, size = self._incoming.popleft()
                await send(message)
                self._note(message)
                self._taken += size
                if self._taken >= WINDOW // 2:
                    self._link.write(Kind.TAKEN, self._number, self._taken.to_bytes(4, "big"))
                    self._taken = 0
            if self._ended or self._broken:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

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
            code = _FAILED if failed else _RESTART
            await send({"type": "websocket.close", "code": code, "reason": ""})

    async def _listen(self, receive: Receive) -> None:
        """Pass on what the client says, as fast as the home takes it."""
        try:
            while not self._said_gone:
                await self._until_room()
                await self._pass_on(await receive())
        except Exception:
            self._say_gone(_GONE[self._kind])
            raise

    async def _until_room(self) -> None:
        while self._on_way >= WINDOW:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if self._link.congested:
            await self._link.room()

    async def _pass_on(self, message: Message) -> None:
        kind = message["type"]
        if kind in {"http.disconnect", "websocket.disconnect"}:
            self._say_gone(message)
            return
        text = message.get("text") if kind == "websocket.receive" else None
        if text is not None:
            self._write(Kind.TEXT, text.encode())
            return
        body = message.get("body") if kind == "http.request" else None
        if body is not None and len(body) > _PIECE:
            for start in range(0, len(body), _PIECE):
                await self._until_room()
                end = start + _PIECE
                more = end < len(body) or message.get("more_body", False)
                piece = {"type": kind, "body": body[start:end], "more_body": more}
                self._write(Kind.MESSAGE, write_message(piece))
            return
        self._write(Kind.MESSAGE, write_message(message))

    def _write(self, kind: Kind, payload: bytes) -> None:
        if len(payload) > self._link.limit:
            # Only a WebSocket's can be: the home would not take it either.
            self._incoming.append(({"type": "websocket.close", "code": _TOO_LARGE}, 0))
            self._say_gone({"type": "websocket.disconnect", "code": _TOO_LARGE})
            self._wake()
            return
        self._on_way += len(payload) + COST
        self._link.write(kind, self._number, payload)

    def _say_gone(self, message: Message) -> None:
        if not self._said_gone:
            self._said_gone = True
            self._link.write(Kind.MESSAGE, self._number, write_message(message))

    # From the home

    def hear(self, message: Message, size: int) -> None:
        """Take what the home says to the client."""
        self._incoming.append((message, size + COST))
        self._wake()

    def take(self, size: int) -> None:
        """Hear that the home has taken so many bytes."""
        self._on_way -= size
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def end(self, *, failed: bool) -> None:
        """Hear that the home has done."""
        self._ended = True
        self._failed = failed
        if self._kind == "websocket":
            self._linger()
        self._wake()

    def break_off(self) -> None:
        """End it, for the home or this door does."""
        self._broken = True
        self._linger()
        self._wake()

    def _linger(self) -> None:
        """Give the client a while to take what is left."""
        loop = asyncio.get_running_loop()
        if self._limit.when() is None and not self._done:
            self._limit.reschedule(loop.time() + _LINGER)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
