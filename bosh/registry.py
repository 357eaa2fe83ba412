"""Every BOSH session, found by its ``sid``."""

import hmac
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from andiron.bosh import body as wire
from andiron.bosh.body import Body, read_body
from andiron.bosh.config import BoshConfig
from andiron.bosh.connection import BoshConnection, Call
from andiron.bosh.terms import TEXT_XML
from andiron.sm.link import STRANGER, Channel, Visitor
from andiron.sm.manager import SessionManager
from andiron.sm.payers import WIDE
from andiron.sm.strangers import Strangers
from andiron.xmpp.errors import BoshCondition, BoshError
from andiron.xmpp.tokens import Tokens
from andiron.xmpp.xml import Guard

logger = logging.getLogger("andiron.bosh")

_RANDOM: Final = 27
"""Bytes of a ``sid``. Its first characters find the session, all are compared in constant time."""
_SELECTOR_LENGTH: Final = 12
_SID: Final = re.compile(rb"""[\t\n\r ]sid\s*=\s*["']([\w-]{1,64})["']""")


class BoshRegistry:
    """Owns the BOSH sessions of one application; single-threaded, like its event loop.

    ``soon`` calls back when what runs now has returned; the manager's clock and
    timers are used.
    """

    def __init__(
        self,
        manager: SessionManager,
        config: BoshConfig,
        guard: Guard,
        strangers: Strangers,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.config = config
        self.strangers = strangers
        self.soon = soon
        self.clock = manager.clock
        self.timers = manager.timers
        self._manager = manager
        self._guard = guard
        self._tokens = Tokens()
        self._connections: dict[str, BoshConnection] = {}
        self._negotiating: set[BoshConnection] = set()
        self.broken: Counter[str] = Counter()
        """Requests that were refused, or ended their session, by condition (section 17.2)."""

    def __len__(self) -> int:
        return len(self._connections)

    # Requests

    def limit(self, start: bytes) -> int:
        """Return how large a body may be that begins so: more for who has signed in."""
        match = _SID.search(start, 0, start.find(b">") + 1 or len(start))
        found = None if match is None else self._find(match[1].decode())
        return self.config.max_negotiation_size if found is None else found.limit

    def receive(
        self,
        data: bytes,
        call: Call,
        channel: Callable[[], Channel],
        secure: Callable[[], bool],
        *,
        visitor: Visitor = STRANGER,
        via: str = "",
    ) -> BoshConnection | None:
        """Take a request's body; the session it belongs to is returned, where it has one.

        ``channel`` tells the way it came, which need not be found out for
        every request, ``secure`` only whether passwords may pass, ``visitor``
        who the site says makes the request, ``via`` what passed it on, as the channel does.
        The call is answered at once or later, but always.
        """
        began = self.clock()
        try:
            size = self.limit(data) if len(data) > self.config.max_negotiation_size else 0
            body = read_body(
                self._guard, data, size or self.config.max_negotiation_size, self.config.max_stanzas
            )
            if not body.sid and "sid" not in body.attributes:
                return self._create(body, call, channel().of(visitor))
            connection = self._session(body.sid)
            _check_visitor(connection.channel.visitor, visitor.name)
            if not connection.signed_in:
                _check_width(data, connection.limit)
            if connection.channel.secure:
                _check_secure(secure())
        except BoshError as error:
            logger.debug("a request refused: %s", error)
            self.broken[error.condition] += 1
            call.reply(wire.terminal(BoshCondition(error.condition)), 200, TEXT_XML)
            return None
        if connection.channel.via != via:
            connection.channel = replace(connection.channel, via=via)
        connection.session.spent(began)
        connection.receive(body, call)
        return connection

    def _create(self, body: Body, call: Call, channel: Channel) -> BoshConnection:
        if not self.strangers.admit(channel.address):
            logger.info("%s refused: too many sessions are signing in", channel.address)
            raise BoshError(BoshCondition.POLICY_VIOLATION, "too many sessions are signing in")
        sid = self._tokens.next(_RANDOM)
        connection = BoshConnection(self, sid, channel, body, call)
        self._connections[sid[:_SELECTOR_LENGTH]] = connection
        self._negotiating.add(connection)
        self._manager.connect(connection, self.clock())
        connection.start(body)
        return connection

    def _session(self, sid: str) -> BoshConnection:
        connection = self._find(sid)
        if connection is None:
            raise BoshError(BoshCondition.ITEM_NOT_FOUND, "no such session")
        return connection

    def _find(self, sid: str) -> BoshConnection | None:
        connection = self._connections.get(sid[:_SELECTOR_LENGTH])
        if connection is None or not hmac.compare_digest(connection.sid.encode(), sid.encode()):
            return None
        return connection

    # What connections ask

    def authenticated(self, connection: BoshConnection) -> None:
        """Count a session among the strangers no more."""
        if connection in self._negotiating:
            self._negotiating.discard(connection)
            self.strangers.release(connection.channel.address)

    def forget(self, connection: BoshConnection) -> None:
        """Know a session no more."""
        self.timers.cancel(connection)
        self._connections.pop(connection.sid[:_SELECTOR_LENGTH], None)
        self.authenticated(connection)


def _check_width(data: bytes, limit: int) -> None:
    """Refuse a stranger's body that would be larger in memory than it may be."""
    if WIDE * len(data) > limit and not data.isascii():
        raise BoshError(BoshCondition.BAD_REQUEST, "too large before sign-in")


def _check_visitor(whose: str, visitor: str) -> None:
    """Refuse a request for the session of somebody whom the site knew, and knows no more."""
    if whose not in ("", visitor):
        raise BoshError(BoshCondition.ITEM_NOT_FOUND, "the session is another visitor's")


def _check_secure(secure: bool) -> None:
    """Refuse a request in the clear for a session that began over TLS (section 19.1).

    The session goes on for who has the right to it.
    """
    if not secure:
        raise BoshError(BoshCondition.ITEM_NOT_FOUND, "the session is a secure one")
