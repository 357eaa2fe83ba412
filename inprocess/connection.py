"""A connection in memory: a client of this process at one end, a session at the other.

Nothing is handed over within a call: what either end writes waits for a later
run of the event loop, one element a run, so a client in the process takes its
turns like one outside.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from andiron.inprocess.config import InprocessConfig
from andiron.sm.link import Carried, Channel, CloseReason, StreamHeader, StreamOpen
from andiron.xmpp import namespaces as ns
from andiron.xmpp.children import read_children
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.xml import Element, Guard, utf8_length

__all__ = ["MemoryConnection"]

_ALLOWANCE: Final = 65_536
"""Bytes that may be on their way, as in a socket's buffers, before an end counts as slow."""
_MANY: Final = 16
"""How many times the bytes that may wait may be there for a moment."""
_HEAD: Final = f"<stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'>"
_FOOT: Final = "</stream>"


class _End:
    """The end of a stream, as one end says it to the other."""


_END: Final = _End()


class MemoryConnection:
    """The :class:`~andiron.sm.link.Transport` of a client in this process, and the client's end.

    The client calls :meth:`begin`, :meth:`write`, :meth:`end` and :meth:`drop`, and takes what
    came by :meth:`take` until that returns None; ``heard`` is then called, from the event loop,
    when there is more, or :attr:`over`, or when it may go on writing. ``header`` makes the
    stream header for errors that come before the stream is open; ``on_over`` is called once,
    when nothing is left of the connection and the client has heard that.
    """

    __slots__ = (
        "_answered",
        "_closing",
        "_config",
        "_guard",
        "_header",
        "_heard",
        "_judgement",
        "_limit",
        "_loop",
        "_lost",
        "_on_over",
        "_open",
        "_paused",
        "_reading",
        "_taken",
        "_telling",
        "_timer",
        "_to_client",
        "_to_session",
        "_unread",
        "_unsent",
        "channel",
        "over",
        "session",
    )

    session: Carried

    def __init__(
        self,
        channel: Channel,
        config: InprocessConfig,
        guard: Guard,
        *,
        header: Callable[[], StreamHeader],
        heard: Callable[[], None],
        on_over: Callable[[], None],
    ) -> None:
        self.channel = channel
        self._config = config
        self._guard = guard
        self._header = header
        self._heard = heard
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._limit = config.max_negotiation_size
        self._to_session: deque[StreamOpen | str | Element | _End] = deque()
        self._unread = 0
        self._to_client: deque[StreamHeader | str | _End] = deque()
        self._unsent = 0
        self._taken = 0
        self._judgement: asyncio.TimerHandle | None = None
        self._open = False
        self._answered = False
        self._paused = False
        self._closing = False
        self._lost = False
        self._reading = False
        self._telling = False
        self._timer: asyncio.TimerHandle | None = None
        self.over = False
        """Whether there is nothing more to read or to write."""

    # The client's end

    @property
    def busy(self) -> bool:
        """Whether the client had better wait before it writes more."""
        return self._unread >= self._allowance and not self._deaf

    @property
    def closing(self) -> bool:
        """Whether the server has ended the stream; what is left should be taken soon."""
        return self._closing

    def begin(self, opening: StreamOpen) -> None:
        """Begin or restart the stream."""
        self._put(opening, 0)

    def write(self, text: str) -> None:
        """Send whole elements, without a namespace where that is ``jabber:client``.

        What is not read yet is bounded like all that waits: who goes on while the connection
        is :attr:`busy` ends the stream.
        """
        size = utf8_length(text)
        if self._to_session and self._unread + size > self._config.buffer_bytes:
            error = StreamError(StreamCondition.POLICY_VIOLATION, "too much waits to be read")
            self._loop.call_soon(self._fail, error)
        else:
            self._put(text, size)

    def end(self) -> None:
        """End the stream, behind all that was written."""
        self._put(_END, 0)

    def drop(self, reason: CloseReason = CloseReason.CONNECTION_LOST) -> None:
        """Be gone without a word; a session with stream management may be resumed."""
        if self._lost:
            return
        closing, self._closing, self._lost = self._closing, True, True
        if not closing:
            self.session.transport_lost(self, self.session.clock(), reason)
        self._finish()

    def take(self) -> StreamHeader | str | None:
        """Return what came next: the stream's header, one element, or None for nothing yet."""
        if not self._to_client:
            return None
        congested = self.congested
        item = self._to_client.popleft()
        if isinstance(item, _End):
            self._finish()
            return None
        self._taken += 1
        if isinstance(item, str):
            self._unsent -= utf8_length(item)
        if congested and not self.congested:
            self._loop.call_soon(self._drained)
        return item

    @property
    def _deaf(self) -> bool:
        return self._closing or self._lost

    @property
    def _allowance(self) -> int:
        return min(_ALLOWANCE, self._config.buffer_bytes // 2)

    def _put(self, item: StreamOpen | str | _End, size: int) -> None:
        if not self._deaf:
            self._to_session.append(item)
            self._unread += size
            self._read_soon()

    # Reading: what the client wrote

    def _read_soon(self) -> None:
        if not (self._reading or self._paused or self._deaf) and self._to_session:
            self._reading = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._reading = False
        if self._paused or self._deaf or not self._to_session:
            return
        busy = self.busy
        item = self._to_session.popleft()
        began = self.session.clock()
        try:
            self._receive(item, began)
        except StreamError as error:
            self._fail(error)
        self.session.spent(began)
        if busy and not self.busy:
            self._tell()
        self._read_soon()

    def _receive(self, item: StreamOpen | str | Element | _End, now: float) -> None:
        if isinstance(item, Element):
            self._hear(item, now)
        elif isinstance(item, str):
            self._unread -= utf8_length(item)
            limit = self._limit + len(_HEAD) + len(_FOOT)
            _, elements = read_children(self._guard, _HEAD + item + _FOOT, max_size=limit)
            # Those behind the first have runs of their own.
            self._to_session.extendleft(reversed(elements[1:]))
            if elements:
                self._hear(elements[0], now)
        elif isinstance(item, StreamOpen):
            if self._open:
                raise StreamError(StreamCondition.POLICY_VIOLATION, "the stream is open")
            self._open = True
            self.session.open_stream(item, now)
        else:
            self.session.client_closed(now)

    def _hear(self, element: Element, now: float) -> None:
        if not self._open:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "the stream is not open")
        self.session.receive(element, now)

    def _fail(self, error: StreamError) -> None:
        if not self._deaf:
            self.session.close(CloseReason.STREAM_ERROR, self.session.clock(), error)

    # Writing: the Transport protocol

    @property
    def congested(self) -> bool:
        """Whether the client does not keep up."""
        return self._unsent >= self._allowance

    def open(self, header: StreamHeader) -> None:
        """Answer the client's stream header."""
        self._answered = True
        if not self._deaf:
            self._to_client.append(header)
            self._tell()

    def send(self, text: str) -> None:
        """Send one element, or buffer it until the client reads."""
        if self._deaf:
            return
        congested = self.congested
        self._to_client.append(text)
        self._unsent += utf8_length(text)
        if congested and self._unsent > self._config.buffer_bytes:
            self._too_much()
        self._tell()

    def _too_much(self) -> None:
        """Drop a client that does not read.

        What comes at one time may be more than it could have read so far: nothing stands
        between it and the server that would have taken some, as a network does.
        """
        if self._unsent > _MANY * self._config.buffer_bytes:
            self._loop.call_soon(self.drop, CloseReason.SLOW_READER)
        elif self._judgement is None:
            self._judgement = self._loop.call_later(self._config.patience, self._judge, self._taken)

    def _judge(self, taken: int) -> None:
        self._judgement = None
        if self._unsent > self._config.buffer_bytes:
            if self._taken == taken:
                self.drop(CloseReason.SLOW_READER)
            else:
                self._too_much()

    def send_all(self, texts: Iterable[str]) -> None:
        """Send elements as :meth:`send` does each."""
        for text in texts:
            self.send(text)

    def unsent(self) -> list[str]:
        """Take back the elements that the client did not take, if it does not keep up."""
        if not (self._lost or self.congested):
            return []
        taken = [item for item in self._to_client if isinstance(item, str)]
        self._to_client.clear()
        self._unsent = 0
        return taken

    def authenticated(self) -> None:
        """Lift the limits for strangers; the client opens the stream anew."""
        self._limit = self._config.max_stanza_size
        self._open = False
        self._answered = False

    def close(self, error: StreamError | None = None) -> None:
        """Say why and end the stream; the client has a bounded time to read that."""
        if self._deaf:
            return
        if error is not None:
            if not self._answered:
                self.open(self._header())
            self.send(error.to_xml())
        self._to_client.append(_END)
        self._closing = True
        self._timer = self._loop.call_later(self._config.close_timeout, self._finish)
        self._tell()

    def abort(self) -> None:
        """Drop the connection without a farewell."""
        self._closing = self._lost = True
        self._loop.call_soon(self._finish)

    def pause(self) -> None:
        """Read nothing more until :meth:`unpause`."""
        self._paused = True

    def unpause(self) -> None:
        """Read on."""
        self._paused = False
        self._read_soon()

    # The end of it

    def _tell(self) -> None:
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._told)

    def _told(self) -> None:
        self._telling = False
        self._heard()
        if self.over:
            self._on_over()

    def _drained(self) -> None:
        if not self._deaf:
            self.session.writable(self.session.clock())

    def _finish(self) -> None:
        if self.over:
            return
        self.over = self._closing = self._lost = True
        for timer in (self._timer, self._judgement):
            if timer is not None:
                timer.cancel()
        self._to_client.clear()
        self._to_session.clear()
        self._unread = self._unsent = 0
        self._tell()
