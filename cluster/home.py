"""The home's end: what doors relay is served by the application here."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

from andiron.cluster.call import Call
from andiron.cluster.frames import FrameError, Kind
from andiron.cluster.hello import Hello
from andiron.cluster.line import Line, Taker
from andiron.cluster.link import COST, LARGEST, Link, Said, Tell
from andiron.cluster.messages import (
    Headers,
    Receive,
    Send,
    pieces,
    read_request,
    write_answer,
    write_message,
)
from andiron.cluster.window import WINDOW

__all__ = ["DOOR", "Answer", "Direct", "DoorLink", "Home", "Serve"]

logger = logging.getLogger("andiron")

Scope = MutableMapping[str, Any]
Told = MutableMapping[str, Any]
Serve = Callable[[Scope, Receive, Send, Told], Awaitable[None]]
"""An ASGI application that takes besides what the door was told of who asks."""
DOOR: Final = "door"
"""The name, in what the door was told, of what operators call the door."""
Answer = Callable[[int, Headers, bytes], None]
"""Answers a request, with a status, headers and a body."""

_SILENCE: Final = 30
"""Pulses after which a door is given up from which nothing came: its clients come back."""


class Direct(Protocol):
    """What serves calls without ASGI, where it can: nothing waits for them but what it keeps."""

    def carry(self, scope: Scope, told: Told, line: Line, /) -> Taker | None:
        """Return what takes a WebSocket, as ``line.taker``; None: it is to be served by ASGI."""

    def ask(
        self, scope: Scope, told: Told, body: bytes, answer: Answer, /
    ) -> Callable[[], object] | None:
        """Take a request that has come whole; None: it is to be served by ASGI.

        Else ``answer`` is called, now or later, once at most. Returns what is to be called when
        the client leaves before that.
        """


class DoorLink(Link):
    """The connection of one door."""

    def __init__(self, home: "Home", takes: int) -> None:
        super().__init__(home.own, takes, LARGEST, home.tell)
        self._home = home
        self.label = ""
        """What operators call the door, and no other that is linked."""
        self._belongs = False
        """Whether it is a door of this chat."""

    @property
    def calls(self) -> int:
        """How many calls it relays."""
        return len(self.open_calls)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who this is, unless that is nobody's home any more."""
        self._home.connected.add(self)
        super().connection_made(transport)
        if self._home.dropped or self._home.closing:
            self.drop()

    def greeted(self) -> None:
        """Take a door of this chat, and no other."""
        assert self.other is not None
        reason = self.own.why_not(self.other)
        if reason:
            logger.error("A process cannot join this chat: %s", reason)
            self.close()
        else:
            self._belongs = True
            self._home.take_in(self)

    def heard(self, kind: Kind, call: int, payload: bytes) -> None:
        """Begin a call."""
        if kind is not Kind.CALL and kind is not Kind.REQUEST:
            raise FrameError(f"a door does not say {kind.name}")
        if call in self.open_calls:
            raise FrameError("a call that has begun already")
        self._begin(kind, call, payload)

    def done(self, call: int, *, failed: bool) -> None:
        """Have done with a call."""
        if self.open_calls.pop(call, None) is not None:
            self.write(Kind.END, call, bytes([failed]))

    def answer(self, number: int, status: int, headers: Headers, body: bytes) -> None:
        """Answer a request, with which this end has done then."""
        if len(body) <= WINDOW:
            self.open_calls.pop(number, None)
            self.write(Kind.ANSWER, number, write_answer(status, headers, body))
            return
        start = {"type": "http.response.start", "status": status, "headers": headers}
        for message in (start, *pieces({"type": "http.response.body", "body": body})):
            self.write(Kind.MESSAGE, number, write_message(message))
        self.done(number, failed=False)

    def _begin(self, kind: Kind, number: int, payload: bytes) -> None:
        if not self._belongs or self._home.closing:
            return  # The door has it served elsewhere when this connection has ended.
        scope, told, body = read_request(payload)
        told[DOOR] = self.label
        if kind is Kind.REQUEST:
            self._ask(number, scope, told, body)
            return
        if scope["type"] == "websocket" and self._carry(number, scope, told):
            return
        self._serve(number, scope, told)

    def _carry(self, number: int, scope: Scope, told: Told) -> bool:
        if self._home.direct is None:
            return False
        line = self.open_calls[number] = Line(self, number)
        try:
            taker = self._home.direct.carry(scope, told, line)
        except Exception:
            logger.exception("A WebSocket that is relayed failed")
            line.close(failed=True)
            return True
        if taker is None:
            del self.open_calls[number]
            return False
        if number in self.open_calls:
            line.taker = taker
        return True

    def _ask(self, number: int, scope: Scope, told: Told, body: bytes) -> None:
        if self._home.direct is not None:
            asked = self.open_calls[number] = _Asked(self, number)
            try:
                asked.lost = self._home.direct.ask(scope, told, body, asked.answer)
            except Exception:
                logger.exception("A request that is relayed failed")
                self.done(number, failed=True)
                return
            if asked.lost is not None:
                return
            del self.open_calls[number]
        call = self._serve(number, scope, told)
        whole = {"type": "http.request", "body": body, "more_body": False}
        call.hear(whole, len(body) + COST)

    def _serve(self, number: int, scope: Scope, told: Told) -> Call:
        call = Call(self, number, websocket=scope["type"] == "websocket")
        self.open_calls[number] = call
        self._home.spawn(self._run(number, call, scope, told))
        return call

    async def _run(self, number: int, call: Call, scope: Scope, told: Told) -> None:
        failed = True
        try:
            await self._home.serve(scope, call.receive, call.send, told)
            failed = False
        except Exception:
            logger.exception("A request that was relayed failed")
        finally:
            self.done(number, failed=failed)

    def beat(self) -> None:
        """Give up a door that stands still."""
        if self.silent > _SILENCE:
            process = self.other.process if self.other is not None else 0
            logger.warning("Process %d says nothing any more: its connections end", process)
            self.drop()

    def ended(self) -> None:
        """Count it no more."""
        self._home.connected.discard(self)
        self._home.links.discard(self)


class _Asked:
    """A request that is served without ASGI, until it is answered or its client leaves."""

    __slots__ = ("_link", "_number", "lost")

    def __init__(self, link: DoorLink, number: int) -> None:
        self._link: DoorLink | None = link
        self._number = number
        self.lost: Callable[[], object] | None = None
        """Tells who is asked that nobody waits for the answer."""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer it."""
        link, self._link, self.lost = self._link, None, None
        if link is not None:
            link.answer(self._number, status, headers, body)

    def hear(self, _what: Said, _size: int) -> None:
        """Take what the door says: that nobody waits any more."""
        link, self._link = self._link, None
        lost, self.lost = self.lost, None
        if link is not None:
            link.done(self._number, failed=False)
        if lost is not None:
            try:
                lost()
            except Exception:
                # It is no concern of other calls.
                logger.exception("A request that is relayed failed")

    def given_back(self, _size: int) -> None:
        """Take what nobody has been sent."""


class Home:
    """What serves the calls of all doors by ``serve``, and without ASGI where ``direct`` can.

    ``takes`` is how many bytes a message of a door's client may have, and ``tell`` returns what
    doors are to know of how the home does.
    """

    def __init__(
        self,
        serve: Serve,
        own: Hello,
        takes: int,
        tell: Tell = dict,
        direct: Direct | None = None,
    ) -> None:
        self.serve = serve
        self.own = own
        self.tell = tell
        self.direct = direct
        self._takes = takes
        self.connected: set[DoorLink] = set()
        self.links: set[DoorLink] = set()
        """The connections of doors that belong to this chat: they have said who they are."""
        self.closing = False
        """Whether nothing new is served: it would outlast what is waited for."""
        self.dropped = False
        """Whether another process may be home, so that who still finds this one is to look on."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = False

    def accept(self) -> DoorLink:
        """Return what takes the connection of another process."""
        return DoorLink(self, self._takes)

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
        """End the connections of all doors at once, whatever is on its way, and take no more."""
        self._leaving = self.dropped = True
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
