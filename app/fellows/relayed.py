"""What other processes relay to the home, served without ASGI where that can be."""

import asyncio
import logging
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

from andiron.cluster.home import DOOR, Answer
from andiron.cluster.line import Line
from andiron.cluster.link import TooLargeError
from andiron.cluster.messages import Headers, Message
from andiron.refusals import FAILED, whole
from andiron.routes import BOSH_PATHS, WEBSOCKET_PATHS, Endpoints, path_of
from andiron.sm.link import Visitor
from andiron.web.told import OPERATOR, VIA, VISITOR, read_visitor, told
from andiron.websocket.backlog import Backlog
from andiron.websocket.connection import WebSocketConnection
from andiron.websocket.endpoint import Admitted
from andiron.websocket.handshake import SUBPROTOCOL

__all__ = ["Relays", "known_here"]

logger = logging.getLogger("andiron")

Scope = MutableMapping[str, Any]

_ACCEPT: Final[Message] = {"type": "websocket.accept", "subprotocol": SUBPROTOCOL}
_LOST: Final = 1006


def known_here(scope: Scope, told: MutableMapping[str, Any]) -> None:
    """Put into a scope that was relayed what its door was told. Raises KeyError for what is not."""
    known: dict[str, Any] = {"alone": True, VIA: told[DOOR]}
    if VISITOR in told:
        known[VISITOR] = read_visitor(told[VISITOR])
    if OPERATOR in told:
        known[OPERATOR] = told[OPERATOR]
    scope["extensions"]["andiron"] = known


class Relays:
    """The :class:`~andiron.cluster.home.Direct` of the application.

    ``endpoints`` tells what serves now; None: nothing does.
    """

    def __init__(self, endpoints: Callable[[], Endpoints | None]) -> None:
        self._endpoints = endpoints

    def carry(
        self, scope: Scope, told: MutableMapping[str, Any], line: Line
    ) -> "RelayedWebSocket | None":
        """Carry a WebSocket whose client may connect, and is not refused."""
        endpoints = self._endpoints()
        if endpoints is None or path_of(scope) not in WEBSOCKET_PATHS:
            return None
        known_here(scope, told)
        admitted = endpoints.websocket.admit(scope, _visitor(scope))
        return None if admitted is None else RelayedWebSocket(admitted, line)

    def ask(
        self, scope: Scope, told: MutableMapping[str, Any], body: bytes, answer: Answer
    ) -> Callable[[], object] | None:
        """Take a POST of BOSH that is not refused."""
        endpoints = self._endpoints()
        if endpoints is None or scope["method"] != "POST" or path_of(scope) not in BOSH_PATHS:
            return None
        known_here(scope, told)
        post = endpoints.bosh.direct(scope, _visitor(scope))
        if post is None:
            return None
        try:
            post.begin(body, _with_length(answer))
        except Exception:
            logger.exception("A request failed")
            post.lost()
            answer(*whole(FAILED))
        return post.lost


def _with_length(answer: Answer) -> Answer:
    """Have an answer say how long it is: what passes it on by ASGI sends it as it is."""

    def answered(status: int, headers: Headers, body: bytes) -> None:
        answer(status, [*headers, (b"content-length", b"%d" % len(body))], body)

    return answered


def _visitor(scope: Scope) -> Visitor | None:
    known = told(scope, VISITOR)
    return known if isinstance(known, Visitor) else None


class RelayedWebSocket:
    """The :class:`~andiron.websocket.connection.Wire` of one that another process carries.

    It takes what comes on its line, which is accepted with that.
    """

    __slots__ = (
        "_backlog",
        "_code",
        "_connection",
        "_failing",
        "_limit",
        "_line",
        "_loop",
        "_over",
        "pause",
        "text",
        "unpause",
    )

    def __init__(self, admitted: Admitted, line: Line) -> None:
        self._connection: WebSocketConnection = admitted.connection
        self._limit = admitted.config.buffer_bytes
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._backlog: Backlog | None = None
        """What waits until there is room."""
        self._code = 0
        """With what it is to be closed once nothing waits; 0: not at all."""
        self._failing = False
        self._over = False
        self.text = self._connection.hear
        self.pause = line.pause
        self.unpause = line.unpause
        line.say(_ACCEPT)
        self._connection.carried_by(self)
        admitted.begin()

    # The line's taker

    def message(self, message: Message) -> None:
        """Take what is no text."""
        if message["type"] == "websocket.receive":
            self._connection.hear_bytes()
        elif message["type"] == "websocket.disconnect":
            self._end(message.get("code"))

    def room(self) -> None:
        """Send what waited for that."""
        backlog = self._backlog
        while backlog:
            text = backlog.pop()
            if not self._put_out(text):
                backlog.put_back(text)
                return
        self._backlog = None
        if self._code:
            self._say_closed()
        else:
            self._connection.drained()

    def ending(self) -> None:
        """Let what the client said last be taken first."""

    def over(self, *, failed: bool | None) -> None:  # noqa: ARG002 - it comes to the same
        """Take the end of its client's connection."""
        self._end(_LOST)

    # The connection's wire

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self.congested

    @property
    def congested(self) -> bool:
        """Whether the door pushes back, or its client, so that what is sent now has to wait."""
        return self._backlog is not None or not self._line.has_room()

    def send(self, text: str) -> None:
        """Send one frame, behind those that wait."""
        if self._backlog is None and self._put_out(text):
            return
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.put(text)
        if self._backlog.bytes > self._limit:
            self._fail(None)

    def send_all(self, texts: Iterable[str]) -> None:
        """Send frames as :meth:`send` does each."""
        for text in texts:
            self.send(text)

    def take_back(self, *, lost: bool) -> list[str]:  # noqa: ARG002 - they wait for the network
        """Return the frames that wait, which are then not sent."""
        backlog, self._backlog = self._backlog, None
        return [] if backlog is None else backlog.take()

    def signed_in(self) -> None:
        """Have nothing to lift: the door's limits are its own."""

    def close(self, code: int) -> None:
        """Close the WebSocket when all that waits has been sent."""
        self._code = code
        if self._backlog is None:
            self._say_closed()

    def drop(self) -> None:
        """Drop the connection."""
        self._line.close()
        # Not at once: the connection is not called before this has returned.
        self._loop.call_soon(self._end, _LOST)

    def _put_out(self, text: str) -> bool:
        """Send one frame if there is room, and tell whether it need not wait."""
        try:
            return self._line.send(text)
        except (TooLargeError, UnicodeEncodeError) as error:
            self._fail(error)  # It must not reach whoever just delivered.
            return True

    def _fail(self, error: Exception | None) -> None:
        if not self._failing:
            self._failing = True
            self._loop.call_soon(self._tell_failed, error)

    def _tell_failed(self, error: Exception | None) -> None:
        if not self._over:
            self._connection.failed(error)

    def _say_closed(self) -> None:
        self._line.say({"type": "websocket.close", "code": self._code})

    def _end(self, code: int | None) -> None:
        if self._over:
            return
        self._over = True
        connection = self._connection
        # Neither is to wait for somebody to look for garbage.
        del self._connection, self.text
        self._line.close()
        connection.ended(code)
        connection.lost()
