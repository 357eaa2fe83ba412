"""A slixmpp client inside the process: a bot, signed in without a password or a socket."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final

from slixmpp import ClientXMPP, Message, Presence
from slixmpp.xmlstream.stanzabase import StanzaBase

from andiron.inprocess.entrance import Entrance
from andiron.inprocess.line import Line
from andiron.inprocess.outbox import OBJECT, Outbox
from andiron.xmpp.jid import JID

__all__ = ["Bot"]

logger = logging.getLogger("andiron.inprocess")

_PAUSE: Final = 1.0
"""Seconds between two connections at least: a bot may come back each time it is put out."""


class Bot(ClientXMPP):
    """A :class:`slixmpp.ClientXMPP` of one account of the application's own domain.

    :meth:`connect` needs no address. ``entrance`` gives the application's, and raises
    :class:`RuntimeError` while that does not run. Everything else is slixmpp's.
    """

    def __init__(self, account: JID, entrance: Callable[[], Entrance]) -> None:
        self._account = account
        self._entrance = entrance
        self._last: float | None = None
        """When it last connected."""
        self._line: Line | None = None
        self._worked_on = 0
        self._limit = entrance().config.unsent_bytes
        self._kept = 0
        self._counted: dict[Callable[..., Any], Callable[..., Any]] = {}
        # No certificates are read: there is nothing to encrypt.
        super().__init__(account.bare, "", ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.enable_direct_tls = self.enable_starttls = False
        self.enable_plaintext = True
        self._outbox = self.waiting_queue = Outbox(self._limit)

    def connect(self, host: str | None = None, port: int | None = None) -> "asyncio.Future[Any]":
        """Connect and sign in; ``session_start`` tells when that is done.

        Raises :class:`RuntimeError` while the application does not run. Once this bot has been
        connected nothing is raised and nothing done then, so that a handler of
        ``disconnected`` may call this whatever the reason was.
        """
        del host, port
        try:
            self._entrance()
        except RuntimeError:
            if self._last is None:
                raise
            logger.info("%s does not come back: the application has ended", self._account.bare)
            nothing: asyncio.Future[Any] = self.loop.create_future()
            nothing.set_result(None)
            return nothing
        return super().connect(self._account.domain, 5222)

    async def _attempt_connection(
        self, host: str, port: int, tls: bool, server_hostname: str | None
    ) -> bool:
        """Do in memory what slixmpp does by a socket; return whether there is a connection."""
        del host, port, tls, server_hostname
        if self._line is not None:
            self._current_connection_attempt = None
            return True
        if self._last is not None:
            await asyncio.sleep(self._last + _PAUSE - self.loop.time())
        try:
            entrance = self._entrance()
        except RuntimeError:
            # It would be tried again for ever.
            self._current_connection_attempt = None
            return False
        self._last = self.loop.time()
        self._connect_loop_wait = 0
        self.event_when_connected = "connected"
        self._line = Line(self, entrance, self._account.node)
        self._outbox.line = self._line
        self.connection_made(self._line)
        return True

    def connection_lost(self, exception: BaseException | None) -> None:
        """Take the end of the connection; nothing goes on in the background then."""
        self._line = self._outbox.line = None
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()
            self._run_out_filters = None
        super().connection_lost(exception)

    def send(self, data: StanzaBase | str, use_filters: bool = True) -> None:
        """Send a stanza; what is sent before the session has started waits for that.

        Raises :class:`asyncio.QueueFull` where more than ``account_burst`` waits.
        """
        if self._session_started:
            self._kept = 0
        elif self.transport is None or isinstance(data, Message | Presence | str):
            if self._kept > self._limit:
                raise asyncio.QueueFull
            self._kept += OBJECT + len(str(data))
        super().send(data, use_filters)

    # Handlers that take their time

    def add_event_handler(
        self, name: str, pointer: Callable[..., Any], disposable: bool = False
    ) -> None:
        """Add a handler; what coroutines have not done with is bounded as what is not read is."""
        if iscoroutinefunction(pointer) and not disposable:
            pointer = self._counted.setdefault(pointer, self._count(pointer))
        super().add_event_handler(name, pointer, disposable)

    def del_event_handler(self, name: str, pointer: Callable[..., Any]) -> None:
        """Remove a handler."""
        super().del_event_handler(name, self._counted.get(pointer, pointer))

    def _count(
        self, pointer: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Coroutine[Any, Any, None]]:
        @wraps(pointer)
        async def counted(data: Any) -> None:
            size = OBJECT + len(str(data))
            self._work_on(size)
            try:
                await pointer(data)
            finally:
                self._work_on(-size)

        return counted

    def _work_on(self, size: int) -> None:
        self._worked_on += size
        if self._line is not None:
            self._line.hold(self._worked_on)
