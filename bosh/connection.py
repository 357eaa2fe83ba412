"""One BOSH session as a transport: requests in by the window, stanzas out in its answers."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from typing import Protocol

from andiron.bosh import body as wire
from andiron.bosh.body import Body
from andiron.bosh.config import BoshConfig
from andiron.bosh.ending import OK, Ending, ending_by
from andiron.bosh.outbox import Outbox, stanzas
from andiron.bosh.terms import creation_attributes, negotiate
from andiron.bosh.window import Window
from andiron.sm.link import Carried, Channel, CloseReason, StreamHeader, StreamOpen
from andiron.sm.timers import Timers
from andiron.xmpp.errors import BoshCondition, BoshError, StreamCondition, StreamError
from andiron.xmpp.xml import Element

logger = logging.getLogger("andiron.bosh")


class Call(Protocol):
    """An HTTP request that waits for its answer."""

    def reply(self, text: str, status: int, content_type: str) -> None:
        """Answer it; the second time and after its connection is gone this does nothing."""


class Host(Protocol):
    """What a connection needs of whoever keeps it."""

    config: BoshConfig
    timers: Timers
    broken: Counter[str]
    """Requests that were refused, or ended their session, by condition."""

    def clock(self) -> float:
        """Return the present of ``now``."""

    def soon(self, callback: Callable[[], None]) -> object:
        """Call back when what runs now has returned."""

    def authenticated(self, connection: "BoshConnection") -> None:
        """Lift the limits for strangers."""

    def forget(self, connection: "BoshConnection") -> None:
        """Know its ``sid`` no more."""


class BoshConnection:
    """The :class:`~andiron.sm.link.Transport` of one BOSH session."""

    __slots__ = (
        "_closed",
        "_config",
        "_created",
        "_farewell",
        "_first",
        "_flushing",
        "_header",
        "_host",
        "_lang",
        "_losing",
        "_open",
        "_outbox",
        "_paused",
        "_signed_in",
        "_stalled",
        "_terms",
        "_to",
        "_todo",
        "_version",
        "_window",
        "channel",
        "session",
        "sid",
        "wake_at",
    )

    session: Carried

    def __init__(
        self,
        host: Host,
        sid: str,
        channel: Channel,
        body: Body,
        call: Call,
    ) -> None:
        """Take a session creation request; the caller then connects a session and calls start."""
        now = host.clock()
        attributes = body.attributes
        self.sid = sid
        self.channel = channel
        self.wake_at = inf
        self._host = host
        self._config = host.config
        self._terms = negotiate(body, host.config)
        self._window: Window[Call] = Window(self._terms, body, call, now)
        self._first = body.rid
        self._to = attributes.get("to", "")
        self._lang = attributes.get(wire.LANG, "")
        # XEP-0206 section 3: it SHOULD be there; without it 1.0 is what all clients speak.
        self._version = attributes.get(wire.VERSION, "1.0")
        self._header: StreamHeader | None = None
        self._created = False
        self._open = False
        self._signed_in = False
        self._outbox = Outbox(host.config.answer_bytes)
        self._todo: list[Element | Body] = []
        self._paused = False
        self._stalled = False
        self._flushing = False
        self._losing = False
        self._closed = False
        self._farewell = "", OK

    @property
    def signed_in(self) -> bool:
        """Whether the client has signed in."""
        return self._signed_in

    @property
    def limit(self) -> int:
        """The largest body that may come now, in bytes."""
        config = self._config
        return config.max_body_size if self._signed_in else config.max_negotiation_size

    @property
    def content_type(self) -> str:
        """What all answers of this session are sent as (XEP-0124 section 7.1)."""
        return self._terms.content_type

    @property
    def held(self) -> int:
        """How many requests are held."""
        return len(self._window.held)

    # Requests

    def start(self, body: Body) -> None:
        """Open the stream that the session creation request asks for."""
        self._open_stream(body, body.attributes.get("from", ""))

    def _open_stream(self, body: Body, sender: str = "") -> None:
        now = self._host.clock()
        self._open = True
        opening = StreamOpen(
            body.attributes.get("to") or self._to,
            body.attributes.get(wire.VERSION, self._version),
            sender,
            body.attributes.get(wire.LANG, self._lang),
        )
        self.session.open_stream(opening, now)
        if not self._closed:
            self.session.vouch(now + self._window.silence())
            self._flush_soon()

    def receive(self, body: Body, call: Call) -> None:
        """Take a request of this session."""
        if self._closed:
            self._reply(call, *self._farewell)
            return
        now = self._host.clock()
        try:
            at_once = self._window.arrive(body, call, now, self._config.max_repeats)
        except BoshError as error:
            self._break(error, call)
            return
        if at_once is not None:
            older, known = at_once
            text = (
                wire.RECOVERABLE if known is None else wire.answer(known.attributes, known.payload)
            )
            self._reply(older, text)
        self._take()

    def gone(self, call: Call) -> None:
        """Note that a request's connection was lost before it was answered."""
        if not self._closed:
            self._window.gone(call, self._host.clock())
            self._wake()

    def _take(self) -> None:
        """Process what has come, in order, for as long as the session reads."""
        window, now = self._window, self._host.clock()
        while not self._paused and not self._closed:
            if self._todo:
                now = self._step(self._todo.pop(0), now)
                continue
            early = window.next()
            if early is None:
                break
            try:
                body = window.take(early, now)
            except BoshError as error:
                self._break(error, early.call)
                return
            if not body.restart:
                self._todo.extend(body.children)
            self._todo.append(body)
        if not self._closed:
            self._flush_soon()

    def _step(self, item: Element | Body, now: float) -> float:
        """Process one element, or what a request says itself; return the present."""
        session = self.session
        if isinstance(item, Element):
            if self._open:
                session.receive(item, now)
                return session.spent(now)
            error = StreamError(StreamCondition.NOT_AUTHORIZED, "the stream must restart")
            session.close(CloseReason.STREAM_ERROR, now, error)
            return now
        if item.restart:
            self._open_stream(item)
        elif item.terminate:
            session.client_closed(now)
        if not self._closed:
            self.session.vouch(now + self._window.silence(), away=item.pause is not None)
        return now

    # Writing: the Transport protocol

    @property
    def congested(self) -> bool:
        """Whether more waits for the client's requests than one answer carries."""
        if not self._outbox.full:
            return False
        self._stalled = True
        return True

    def open(self, header: StreamHeader) -> None:
        """Take the server's stream header, which goes with the first answer."""
        self._header = header

    def send(self, text: str) -> None:
        """Put one element into the next answer."""
        self._outbox.put(text)
        if not self._flushing:
            self._flush_soon()
        if self._outbox.bytes > self._config.buffer_bytes and not self._losing:
            self._losing = True
            self._host.soon(self._lose_slow_reader)

    def send_all(self, texts: Iterable[str]) -> None:
        """Put elements into the next answer."""
        for text in texts:
            self.send(text)

    def unsent(self) -> list[str]:
        """Take back the stanzas that wait, and those the client has not confirmed."""
        return stanzas(self._window.unconfirmed()) + self._outbox.take_stanzas()

    def authenticated(self) -> None:
        """Lift the limits for strangers; the client restarts the stream."""
        self._open = False
        self._signed_in = True
        self._host.authenticated(self)

    def close(self, error: StreamError | None = None) -> None:
        """End the BOSH session: the oldest request is told why, or the next one to come."""
        if not self._closed:
            self._end(ending_by(error, self._outbox.texts))

    def abort(self) -> None:
        """Forget the BOSH session; its client finds that out with its next request."""
        if not self._closed:
            self._end(Ending(BoshCondition.ITEM_NOT_FOUND))
        self._host.forget(self)

    def pause(self) -> None:
        """Process nothing more until :meth:`unpause`."""
        self._paused = True

    def unpause(self) -> None:
        """Go on with what has come meanwhile."""
        if self._paused:
            self._paused = False
            self._host.soon(self._take)

    # How answers get out

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._host.soon(self._flush)

    def _flush(self) -> None:
        """Answer every request that must be, with what waits."""
        if self._closed:
            return
        now, window = self._host.clock(), self._window
        if self._outbox.texts and window.due(now, ready=True) is not None:
            self.session.handing_over(now)
        self._flushing = False
        while (held := window.due(now, ready=bool(self._outbox.texts))) is not None:
            call = held.call
            attributes = self._creation() if held.rid == self._first else ""
            payload = self._outbox.take() if call is not None and not held.pause else ()
            answer = window.answer(held, payload, now, attributes)
            if call is not None:
                self._reply(call, wire.answer(answer.attributes, payload))
        if self._stalled and not self._outbox.full:
            self._stalled = False
            self.session.writable(now)
        self._wake()

    def _creation(self) -> str:
        assert self._header is not None
        self._created = True
        return creation_attributes(self._terms, self.sid, self._first, self._header)

    def _reply(self, call: Call, text: str, status: int = OK) -> None:
        call.reply(text, status, self._terms.content_type)

    # The end

    def _break(self, error: BoshError, call: Call | None) -> None:
        """End the BOSH session for a request that broke its rules; that one is told which.

        The XMPP session hibernates where that was agreed: a client with a bad
        network may have lost count, and resumes in a new BOSH session.
        """
        logger.info(
            "%s: BOSH session ended: %s", self.channel.address, error, extra=self.session.logged
        )
        self._host.broken[error.condition] += 1
        now = self._host.clock()
        self.session.transport_lost(self, now, CloseReason.STREAM_ERROR)
        condition = BoshCondition(error.condition)
        ending = Ending(condition, told=call is not None)
        if call is not None:
            self._reply(call, wire.terminal(condition), ending.status(legacy=self._terms.legacy))
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        """Answer all that is held and keep the last word for who comes too late to hear it."""
        self._closed = True
        calls = self._window.calls()
        status = ending.status(legacy=self._terms.legacy)
        for index, (call, text) in enumerate(zip(calls, ending.words(len(calls)), strict=True)):
            self._reply(call, text, OK if index or ending.told else status)
        self._farewell = ending.late(heard=bool(calls)), status
        self._outbox.texts = []
        self._todo.clear()
        if self._created and (self._signed_in or not calls):
            self._host.timers.schedule(self, self._host.clock() + self._terms.inactivity)
        else:
            self._host.forget(self)

    def _lose_slow_reader(self) -> None:
        if not self._closed:
            self._lose(CloseReason.SLOW_READER)

    def _lose(self, reason: CloseReason) -> None:
        self.session.transport_lost(self, self._host.clock(), reason)
        self.abort()

    # Time

    def on_timer(self, now: float) -> None:
        """Do what is due by ``now``: answers, or an end to a client that is gone."""
        if self._closed:
            self._host.forget(self)
            return
        for call in self._window.lapsed(now):
            self._reply(call, wire.RECOVERABLE)
        if self._window.expired(now):
            self._lose(CloseReason.CONNECTION_LOST)
        else:
            self._flush()

    def _wake(self) -> None:
        at = self._window.next_deadline()
        if at < self.wake_at:
            self._host.timers.schedule(self, at)
