"""One RFC 7395 connection: what the frames of one WebSocket say, whoever carries them."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from andiron.sm.link import Carried, Channel, CloseReason, StreamHeader
from andiron.sm.payers import WIDE
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.framing import (
    CLOSE,
    not_opened,
    open_frame,
    read_open,
    redirect_frame,
    undeclared,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.xml import Element, Guard

logger = logging.getLogger("andiron.websocket")

_NORMAL: Final = 1000
_LONG: Final = 32_768
"""Characters of a message that is worked on in steps, between which others have their turns."""
_OFTEN: Final = ("<open ", "<close ")
"""How frames begin that are the same of most clients."""
_LONGEST_CLOSE: Final = 1024
"""Characters of what may be ``<close/>``; what is longer is not looked at once that is awaited."""
# Codes with which a server reports that the client broke the WebSocket protocol
# (RFC 6455 section 7.4.1): bad frames, bad UTF-8, a frame over the limit.
_BROKEN: Final = {
    1002: StreamCondition.BAD_FORMAT,
    1003: StreamCondition.BAD_FORMAT,
    1007: StreamCondition.UNSUPPORTED_ENCODING,
    1009: StreamCondition.POLICY_VIOLATION,
}


class Wire(Protocol):
    """How the frames of a connection get out, and whether more of its client's come in.

    What it hears it tells by :meth:`WebSocketConnection.hear` and the methods beside that.
    None of its own may call the connection before returning.
    """

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""

    @property
    def congested(self) -> bool:
        """Whether the network pushes back, so that what is sent now has to wait."""

    def send(self, text: str) -> None:
        """Send one frame, behind those that wait."""

    def send_all(self, texts: Iterable[str]) -> None:
        """Send frames as :meth:`send` does each; they may go together."""

    def take_back(self, *, lost: bool) -> list[str]:
        """Return the frames that wait, which are then not sent; those of a ``lost`` one all."""

    def signed_in(self) -> None:
        """Lift the limits for strangers."""

    def pause(self) -> None:
        """Stop reading."""

    def unpause(self) -> None:
        """Read again."""

    def close(self, code: int) -> None:
        """Close the WebSocket when all that waits has been sent."""

    def drop(self) -> None:
        """Drop the connection."""


class Connection(Protocol):
    """Whose frames a wire carries, and who is told what it hears: the client's end, or a relay."""

    def carried_by(self, wire: Wire) -> None:
        """Have a wire, before anything else."""

    def hear(self, text: str) -> None:
        """Take a message."""

    def hear_bytes(self) -> None:
        """Take a message that is no text."""

    def ended(self, code: int | None) -> None:
        """Take the WebSocket's end, which :meth:`lost` follows."""

    def lost(self) -> None:
        """Take the end of it all: the wire carries nothing any more."""

    def drained(self) -> None:
        """Go on: the network has taken what waited."""

    def failed(self, error: Exception | None) -> None:
        """Drop it: the client does not read, or the network does not write for that ``error``."""


class WebSocketConnection:
    """The :class:`~andiron.sm.link.Transport` of one WebSocket.

    ``header`` makes the stream header for errors that come before the stream
    is open; ``on_authenticated`` is called once, when the client signs in,
    ``on_lost`` at the end. Whoever carries it sets ``wire``, then has the
    manager connect it.
    """

    __slots__ = (
        "_answered",
        "_closing",
        "_config",
        "_finished",
        "_guard",
        "_header",
        "_limit",
        "_loop",
        "_lost",
        "_on_authenticated",
        "_on_lost",
        "_open",
        "_strange",
        "_timer",
        "_wire",
        "_work",
        "channel",
        "send",
        "send_all",
        "session",
    )

    session: Carried
    send: Callable[[str], None]
    """Sends one frame, or buffers it while the network pushes back."""
    send_all: Callable[[Iterable[str]], None]
    """Sends frames together, or buffers them."""

    def __init__(
        self,
        channel: Channel,
        config: WebSocketConfig,
        guard: Guard,
        *,
        header: Callable[[], StreamHeader],
        on_authenticated: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._wire: Wire
        self.channel = channel
        self._config = config
        self._guard = guard
        self._header = header
        self._on_authenticated = on_authenticated
        self._on_lost = on_lost
        self._limit = config.max_negotiation_size
        self._strange = True
        self._loop = asyncio.get_running_loop()
        self._open = False
        self._answered = False
        self._closing = False
        self._finished = False
        self._lost = False
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        """What goes on with a long message."""

    def carried_by(self, wire: Wire) -> None:
        """Have a wire, before anything else."""
        self._wire = wire
        self.send = wire.send
        self.send_all = wire.send_all

    # Reading: from the wire

    def hear(self, text: str) -> None:
        """Take a message; a long one is worked on after this, and nothing is read meanwhile."""
        session = self.session
        began = session.clock()
        if len(text) > _LONG and not self._closing:
            session.hold()
            self._work = self._loop.create_task(session.errand(self._hear_long(text)))
            self._work.add_done_callback(self._worked)
        else:
            self._receive(text, began)
        session.spent(began)

    def hear_bytes(self) -> None:
        """Take a message that is no text."""
        began = self.session.clock()
        self._fail(StreamError(StreamCondition.BAD_FORMAT, "frames are text (RFC 7395)"))
        self.session.spent(began)

    def ended(self, code: int | None) -> None:
        """Take the WebSocket's end: a client that broke the protocol may not resume."""
        before, self._closing = self._closing, True
        condition = _BROKEN.get(code or 0)
        if condition is not None and not before:
            error = StreamError(condition, f"WebSocket closed with {code}")
            self.session.close(CloseReason.STREAM_ERROR, self.session.clock(), error)

    def lost(self) -> None:
        """Take the end of it all: the wire carries nothing any more."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        self._lost = True
        try:
            self.session.transport_lost(self, self.session.clock())
        finally:
            self._on_lost()

    def _receive(self, text: str, now: float) -> None:
        if self._closing and len(text) > _LONGEST_CLOSE:
            return
        element = self._guarded(text)
        if element is not None:
            self._take(element, now)

    async def _hear_long(self, text: str) -> None:
        element = self._guarded(text)
        await asyncio.sleep(0)
        if element is not None and not self._closing:
            self._take(element, self.session.clock())

    def _worked(self, _task: object) -> None:
        self._work = None
        if not self._closing:
            self.session.spent(self.session.clock())
            self.session.go_on()

    def _guarded(self, text: str) -> Element | None:
        """Return what a message holds, None for nothing, or nothing good."""
        try:
            read = self._guard.read_again if text.startswith(_OFTEN) else self._guard.read
            return read(
                undeclared(text) if text.startswith("<?xml") else text,
                # A stranger's is bounded by what it takes in memory.
                self._limit // WIDE if self._strange and not text.isascii() else self._limit,
            )
        except StreamError as error:
            # White space keeps some clients' connections alive and means nothing.
            if text.strip("\t\n\r "):
                self._fail(error)
            return None

    def _take(self, element: Element, now: float) -> None:
        if element.namespace == ns.FRAMING:
            self._receive_framing(element, now)
        elif self._closing:
            return
        elif self._open:
            self.session.receive(element, now)
        else:
            self._fail(not_opened(element))

    def _receive_framing(self, element: Element, now: float) -> None:
        name = element.name
        if name == "close":
            if self._closing:
                self._finish()
            else:
                self.session.client_closed(now)
        elif self._closing:
            return
        elif name != "open":
            self._fail(StreamError(StreamCondition.BAD_FORMAT, f"<{name}/> is not a frame"))
        elif self._open:
            self._fail(StreamError(StreamCondition.POLICY_VIOLATION, "the stream is open"))
        elif self._config.see_other_uri:
            self._redirect()
        else:
            self._open = True
            self.session.open_stream(read_open(element), now)

    def _fail(self, error: StreamError) -> None:
        if not self._closing:
            self.session.close(CloseReason.STREAM_ERROR, self.session.clock(), error)

    def _redirect(self) -> None:
        self.open(self._header())
        self._farewell(redirect_frame(self._config.see_other_uri))
        self.session.close(CloseReason.REDIRECTED, self.session.clock())

    # Writing: the Transport protocol

    @property
    def congested(self) -> bool:
        """Whether frames wait for the network."""
        return self._wire.congested

    def open(self, header: StreamHeader) -> None:
        """Send the server's ``<open/>``, which features or an error follow."""
        self._answered = True
        self.send(open_frame(header))

    def unsent(self) -> list[str]:
        """Take back the frames that wait for the network."""
        return self._wire.take_back(lost=self._lost)

    def authenticated(self) -> None:
        """Lift the limits for strangers; the client opens the stream anew."""
        self._limit = self._config.max_stanza_size
        self._strange = False
        self._open = False
        self._answered = False
        self._wire.signed_in()
        self._on_authenticated()

    def close(self, error: StreamError | None = None) -> None:
        """Say why, send ``<close/>`` and wait a bounded time for the other side's.

        RFC 7395 section 3.6: whoever sent ``<close/>`` first closes the
        WebSocket when the answer comes.
        """
        if self._closing:
            return
        if error is not None:
            if not self._answered:
                self.open(self._header())
            self.send(error.to_xml())
        self._farewell(CLOSE)

    def abort(self) -> None:
        """Drop the socket without ``<close/>``."""
        self._closing = True
        self._wire.drop()

    def pause(self) -> None:
        """Stop reading."""
        self._wire.pause()

    def unpause(self) -> None:
        """Read again."""
        self._wire.unpause()

    # The end of it

    def _farewell(self, frame: str) -> None:
        self.send(frame)
        self._closing = True
        self.unpause()
        self._timer = self._loop.call_later(self._config.close_timeout, self._give_up)

    def _give_up(self) -> None:
        """Wait no longer for the other side's ``<close/>``, nor for the network to take ours."""
        if self._wire.busy:
            self._wire.drop()
        else:
            self._finish()

    def _finish(self) -> None:
        """Close the WebSocket; where even that is held up, drop it."""
        if self._finished:
            return
        self._finished = True
        if self._timer is not None:
            self._timer.cancel()
        self._wire.close(_NORMAL)
        self._timer = self._loop.call_later(self._config.close_timeout, self._wire.drop)

    # Writing: from the wire

    def drained(self) -> None:
        """Go on: the network has taken what waited."""
        if not self._closing:
            self.session.writable(self.session.clock())

    def failed(self, error: Exception | None) -> None:
        """Drop the connection, of which the client does not read or the server does not write."""
        self._lost = True
        reason = CloseReason.SLOW_READER
        if error is not None:
            reason = CloseReason.CONNECTION_LOST
            # One line: many a server raises something of its own when the client has left.
            traceback = error if logger.isEnabledFor(logging.DEBUG) else None
            said = f"{type(error).__name__}: {error}"
            address = self.channel.address
            logger.warning(
                "%s: a frame could not be sent (%s)",
                address,
                said,
                exc_info=traceback,
                extra=self.session.logged,
            )
        if not self._closing:
            self.session.transport_lost(self, self.session.clock(), reason)
        self.abort()
