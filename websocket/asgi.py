"""A connection that an ASGI server carries: its messages are read in a task of its own."""

import asyncio
from collections.abc import Awaitable, Callable

from andiron.websocket.connection import WebSocketConnection
from andiron.websocket.writer import Message, Send, Writer

__all__ = ["AsgiWire", "Receive"]

Receive = Callable[[], Awaitable[Message]]


class AsgiWire:
    """The :class:`~andiron.websocket.connection.Wire` of one ASGI scope; made in its task.

    ``limit`` and ``by_hand`` are those of a :class:`Writer`.
    """

    __slots__ = (
        "_cancelled",
        "_connection",
        "_gate",
        "_loop",
        "_task",
        "_writer",
        "close",
        "send",
        "send_all",
    )

    def __init__(
        self, connection: WebSocketConnection, send: Send, limit: int, *, by_hand: bool
    ) -> None:
        self._connection = connection
        self._writer = Writer(send, limit, connection, by_hand=by_hand)
        self.send = self._writer.send
        self.send_all = self._writer.send_all
        self.close = self._writer.close
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._cancelled = False
        self._gate: asyncio.Event | None = None
        connection.carried_by(self)

    async def run(self, receive: Receive) -> None:
        """Read frames until the WebSocket is closed; it has been accepted."""
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            # Dropping the connection ends the task this way; anyone else's cancellation goes on.
            if not self._cancelled or self._task is None or self._task.uncancel() > 0:
                raise
        finally:
            self._task = None
            self._writer.cancel()
            self._connection.lost()

    async def _read(self, receive: Receive) -> None:
        # No name for what came: it would keep the last frame until the next one.
        while self._hear(await receive()):
            if self._gate is not None:
                await self._gate.wait()

    def _hear(self, message: Message) -> bool:
        """Take what the server tells; return whether there may be more."""
        if message["type"] == "websocket.disconnect":
            self._connection.ended(message.get("code"))
            return False
        text = message.get("text")
        if text is None:
            self._connection.hear_bytes()
        else:
            self._connection.hear(text)
        return True

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self._writer.busy

    @property
    def congested(self) -> bool:
        """Whether the network pushes back."""
        return self._writer.congested

    def take_back(self, *, lost: bool) -> list[str]:
        """Return the frames that wait."""
        return self._writer.take_back(lost=lost)

    def signed_in(self) -> None:
        """Have nothing to lift: the server's limits are its own."""

    def pause(self) -> None:
        """Stop reading."""
        if self._gate is None:
            self._gate = asyncio.Event()

    def unpause(self) -> None:
        """Read again."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    def drop(self) -> None:
        """End the connection's task, which drops the socket."""
        # Not at once: it may be this very task that runs, and will not wait for anything again.
        self._loop.call_soon(self._cancel_reading)

    def _cancel_reading(self) -> None:
        if self._task is not None and not self._cancelled:
            self._cancelled = self._task.cancel()
