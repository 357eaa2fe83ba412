"""A call of a door as an ASGI application at home has it."""

import asyncio
from collections import deque

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.link import Ended, Link, Said
from andiron.cluster.messages import GONE, Message, pieces, write_message
from andiron.cluster.window import MOST_MESSAGES, Window

__all__ = ["Call"]


class ClientGone(OSError):  # noqa: N818
    """The WebSocket has ended, and nobody takes what is sent on it."""


class Call:
    """``receive`` and ``send`` are ASGI's."""

    __slots__ = ("_gone", "_incoming", "_waiter", "_websocket", "_window")

    ends_at_once = True
    """``send`` needs no task unless it is pushed back."""

    def __init__(self, link: Link, number: int, *, websocket: bool) -> None:
        self._window = Window(link, number)
        self._websocket = websocket
        self._incoming: deque[tuple[Message, int]] = deque()
        self._gone: Message | None = None
        """What the application is told once the client has gone, as often as it asks."""
        self._waiter: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """Return what the client says next."""
        while not self._incoming:
            if self._gone is not None:
                return self._gone
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message, size = self._incoming.popleft()
        self._window.took(size)
        return message

    async def send(self, message: Message) -> None:
        """Send to the client. Raises OSError when a WebSocket has ended."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if text is not None:
            await self._send(Kind.TEXT, text.encode())
            return
        for piece in pieces(message):
            await self._send(Kind.MESSAGE, write_message(piece))

    async def _send(self, kind: Kind, payload: bytes) -> None:
        await self._window.room()
        if self._gone is None:
            self._window.write(kind, payload)
        elif self._websocket:
            raise ClientGone

    # From the door

    def hear(self, what: Said, size: int) -> None:
        """Take what the client says. Raises FrameError for more than it may."""
        if isinstance(what, Ended):
            self._lose(dict(GONE["websocket"]))
            return
        if len(self._incoming) >= MOST_MESSAGES:
            raise FrameError("more messages than there is room for")
        message = {"type": "websocket.receive", "text": what} if isinstance(what, str) else what
        if message["type"] in {"http.disconnect", "websocket.disconnect"}:
            self._lose(message)
        elif self._gone is None:
            self._incoming.append((message, size))
            self._wake()

    def given_back(self, size: int) -> None:
        """Hear that the client has taken so many bytes."""
        self._window.given_back(size)

    def _lose(self, message: Message) -> None:
        """Know that the client is gone, or its door."""
        if self._gone is None:
            self._gone = message if self._websocket else {"type": "http.disconnect"}
            self._wake()
            self._window.end()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
