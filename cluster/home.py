"""The home's end: what doors relay is served by the application here."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.hello import Hello
from andiron.cluster.link import COST, WINDOW, Link, Tell
from andiron.cluster.messages import (
    Message,
    read_message,
    read_scope,
    read_text,
    write_message,
)

__all__ = ["DOOR", "Call", "Home", "Serve"]

logger = logging.getLogger("andiron")

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Serve = Callable[[Scope, Receive, Send, MutableMapping[str, Any]], Awaitable[None]]
"""An ASGI application that takes besides what the door was told of who asks."""
DOOR: Final = "door"
"""The name, in what the door was told, of what operators call the door."""

_SILENCE: Final = 30
"""Pulses after which a door is given up from which nothing came: its clients come back."""
_PIECE: Final = 32_768
"""Bytes of an answer's body that go in one frame."""
_MOST_MESSAGES: Final = WINDOW // COST + 1
"""Messages of a call that a door may have sent and the application not taken."""


class ClientGone(OSError):  # noqa: N818
    """The WebSocket has ended, and nobody takes what is sent on it."""


class Call:
    """One call of a door, as the application has it: ``receive`` and ``send`` are ASGI's."""

    __slots__ = (
        "_gone",
        "_incoming",
        "_link",
        "_number",
        "_on_way",
        "_room",
        "_taken",
        "_waiter",
        "_websocket",
    )

    ends_at_once = True
    """``send`` needs no task unless it is pushed back."""

    def __init__(self, link: "DoorLink", number: int, *, websocket: bool) -> None:
        self._link = link
        self._number = number
        self._websocket = websocket
        self._incoming: deque[tuple[Message, int]] = deque()
        self._gone: Message | None = None
        """What the application is told once the client has gone, as often as it asks."""
        self._waiter: asyncio.Future[None] | None = None
        self._taken = 0
        """Bytes taken by the application of which the door does not know yet."""
        self._on_way = 0
        """Bytes sent of which the door has not said that its client took them."""
        self._room: asyncio.Future[None] | None = None

    async def receive(self) -> Message:
        """Return what the client says next."""
        while not self._incoming:
            if self._gone is not None:
                return self._gone
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message, size = self._incoming.popleft()
        self._taken += size
        if self._taken >= WINDOW // 2:
            self._link.write(Kind.TAKEN, self._number, self._taken.to_bytes(4, "big"))
            self._taken = 0
        return message

    async def send(self, message: Message) -> None:
        """Send to the client. Raises OSError when a WebSocket has ended."""
        body = message.get("body") if message["type"] == "http.response.body" else None
        if body is None or len(body) <= _PIECE:
            await self._send(message)
            return
        for start in range(0, len(body), _PIECE):
            end = start + _PIECE
            more = end < len(body) or message.get("more_body", False)
            await self._send({**message, "body": body[start:end], "more_body": more})

    async def _send(self, message: Message) -> None:
        while self._on_way >= WINDOW and self._gone is None:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)
        if self._link.congested:
            await self._link.room()
        if self._gone is not None:
            if self._websocket:
                raise ClientGone
            return
        text = message.get("text") if message["type"] == "websocket.send" else None
        kind = Kind.MESSAGE if text is None else Kind.TEXT
        payload = write_message(message) if text is None else text.encode()
        self._on_way += len(payload) + COST
        self._link.write(kind, self._number, payload)

    # From the door

    def hear(self, message: Message, size: int) -> None:
        """Take what the client says. Raises FrameError for more than it may."""
        if len(self._incoming) >= _MOST_MESSAGES:
            raise FrameError("more messages than there is room for")
        if message["type"] in {"http.disconnect", "websocket.disconnect"}:
            self.lost(message)
        elif self._gone is None:
            self._incoming.append((message, size + COST))
            self._wake()

    def take(self, size: int) -> None:
        """Hear that the client has taken so many bytes."""
        self._on_way -= size
        if self._on_way < WINDOW:
            self._let_go()

    def lost(self, message: Message | None = None) -> None:
        """Hear that the client is gone, or its door."""
        if self._gone is None:
            lost: Message = {"type": "http.disconnect"}
            if self._websocket:
                lost = {"type": "websocket.disconnect", "code": 1006}
            self._gone = lost if message is None else message
            self._wake()
            self._let_go()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _let_go(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set_result(None)


class DoorLink(Link):
    """The connection of one door."""

    def __init__(self, home: "Home", limit: int) -> None:
        super().__init__(home.own, limit, home.tell)
        self._home = home
        self.label = ""
        """What operators call the door, and no other that is linked."""
        self._calls: dict[int, Call] = {}

    @property
    def calls(self) -> int:
        """How many calls it relays."""
        return len(self._calls)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who this is."""
        self._home.connected.add(self)
        super().connection_made(transport)

    def greeted(self) -> None:
        """Take a door of this chat, and no other."""
        assert self.other is not None
        reason = self.own.why_not(self.other)
        if reason:
            logger.error("A process cannot join this chat: %s", reason)
            self.close()
        else:
            self._home.take_in(self)

    def heard(self, kind: Kind, call: int, payload: bytes) -> None:
        """Take a frame of a call."""
        if self not in self._home.links:
            return
        if kind is Kind.CALL:
            self._begin(call, payload)
            return
        found = self._calls.get(call)
        if found is None:
            return  # The application has done with it, and the door does not know yet.
        if kind is Kind.TEXT:
            found.hear({"type": "websocket.receive", "text": read_text(payload)}, len(payload))
        elif kind is Kind.MESSAGE:
            found.hear(read_message(payload), len(payload))
        elif kind is Kind.TAKEN:
            found.take(int.from_bytes(payload, "big"))
        else:
            raise FrameError(f"a door does not say {kind.name}")

    def _begin(self, number: int, payload: bytes) -> None:
        if number in self._calls:
            raise FrameError("a call that has begun already")
        if self._home.closing:
            return  # The door has it served elsewhere when this connection has ended.
        scope, told = read_scope(payload)
        told[DOOR] = self.label
        call = Call(self, number, websocket=scope["type"] == "websocket")
        self._calls[number] = call
        self._home.spawn(self._serve(number, call, scope, told))

    async def _serve(
        self, number: int, call: Call, scope: dict[str, Any], told: dict[str, Any]
    ) -> None:
        failed = True
        try:
            await self._home.serve(scope, call.receive, call.send, told)
            failed = False
        except Exception:
            logger.exception("A request that was relayed failed")
        finally:
            del self._calls[number]
            self.write(Kind.END, number, bytes([failed]))

    def beat(self) -> None:
        """Give up a door that stands still."""
        if self.silent > _SILENCE:
            process = self.other.process if self.other is not None else 0
            logger.warning("Process %d says nothing any more: its connections end", process)
            self.drop()

    def ended(self) -> None:
        """Let the calls end: who made them is gone."""
        self._home.connected.discard(self)
        self._home.links.discard(self)
        for call in list(self._calls.values()):
            call.lost()


class Home:
    """What serves the calls of all doors by ``serve``.

    ``limit`` is how many bytes a message of a door's client may have, and ``tell`` returns what
    doors are to know of how the home does.
    """

    def __init__(self, serve: Serve, own: Hello, limit: int, tell: Tell = dict) -> None:
        self.serve = serve
        self.own = own
        self.tell = tell
        self._limit = limit
        self.connected: set[DoorLink] = set()
        self.links: set[DoorLink] = set()
        """The connections of doors that belong to this chat: they have said who they are."""
        self.closing = False
        """Whether nothing new is served: it would outlast what is waited for."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False

    def accept(self) -> DoorLink:
        """Return what takes the connection of another process."""
        return DoorLink(self, self._limit)

    def take_in(self, link: DoorLink) -> None:
        """Take a door of this chat, which has said who it is."""
        assert link.other is not None
        link.label = self._label(link.other)
        self.links.add(link)
        if self._leaving:
            link.write(Kind.LEAVING, 0)

    def _label(self, door: Hello) -> str:
        """Return what no other process is called: containers may have one name and one number."""
        known = {self.own.label: self.own} | {each.label: each.other for each in self.links}
        label, number = door.label, 1
        while known.get(label, door) != door:
            number += 1
            label = f"{door.label}#{number}"
        return label

    def spawn(self, work: Any) -> None:
        """Serve a call."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def leave(self) -> None:
        """Have doors keep new calls for the next home; those that have begun go on."""
        if not self._leaving:
            self._leaving = True
            for link in self.links:
                link.write(Kind.LEAVING, 0)

    def drop(self) -> None:
        """End the connections of all doors at once, whatever is on its way."""
        self._leaving = True
        for link in list(self.connected):
            link.drop()

    async def close(self) -> None:
        """End what is left of the calls, then the connections."""
        self.leave()
        self.closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        links = list(self.connected)
        for link in links:
            link.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.gather(*(asyncio.shield(link.over) for link in links))
        for link in links:
            link.drop()
