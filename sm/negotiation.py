"""How a client comes to stream management: it is enabled, or a session resumed (XEP-0198)."""

import hmac
import logging
import secrets
from collections import OrderedDict
from typing import Final, Protocol

from andiron.sm import nonzas
from andiron.sm.config import SmConfig
from andiron.sm.counters import Inbound, parse_count
from andiron.sm.link import CloseReason
from andiron.sm.management import Asked, Management, selector
from andiron.sm.queue import CountTooHighError, UnackedQueue
from andiron.sm.recording import Gate
from andiron.sm.session import Session, State
from andiron.sm.tally import Tally
from andiron.sm.tracing import Traces
from andiron.tracing.traces import Span, begin
from andiron.xmpp.errors import SmError, StanzaCondition, StreamError
from andiron.xmpp.xml import Element

logger = logging.getLogger("andiron.sm")

_REMEMBERED: Final = frozenset(
    {CloseReason.EXPIRED, CloseReason.QUEUE_FULL, CloseReason.TOKEN_EXPIRED}
)
"""Ends that a client is told of when it comes to resume: what was handled it need not repeat."""


class Host(Protocol):
    """What negotiations need of the manager of the sessions."""

    config: SmConfig
    first_count: int
    tally: Tally
    traces: Traces

    def record(self, session: Session) -> Gate | None:
        """Return the gate of a session that can be resumed, where such are written down."""

    def forget(self, session: Session) -> None:
        """Keep a session no more: its connection is another's from now on."""


class Negotiation:
    """Grants stream management to sessions, and knows those that can be resumed.

    Each has an unguessable id, whose first part finds it, and whose rest is compared in constant
    time.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._resumable: dict[str, Session] = {}
        self._expired: OrderedDict[str, tuple[str, str, Inbound]] = OrderedDict()

    def answer(self, session: Session, element: Element, now: float) -> None:
        """Do what the client of ``session`` asks for by an element of stream management.

        Raises :class:`SmError` when it cannot be, after which the client may go on as before,
        and :class:`StreamError` for a count beyond what was sent.
        """
        if not session.config.active:
            raise SmError(StanzaCondition.FEATURE_NOT_IMPLEMENTED, "stream management is off")
        if element.name == "resume":
            with begin("resumption", {"andiron.transport": session.channel.kind}) as span:
                self._resume(session, element, now, span)
        elif element.name == "enable":
            self._enable(session, element)
        else:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "not enabled")

    def keep(self, session: Session, sm_id: str) -> None:
        """Have ``session`` found by its id."""
        self._resumable[selector(sm_id)] = session

    def closed(self, session: Session, reason: CloseReason) -> None:
        """Forget a session that ended, but for the last ``h`` of one that expired."""
        sm_id = "" if session.management is None else session.management.id
        if not sm_id:
            return
        name = selector(sm_id)
        if self._resumable.get(name) is session:
            del self._resumable[name]
        if reason in _REMEMBERED:
            self._expired[name] = (sm_id, session.link.account, session.inbound)
            while len(self._expired) > self._host.config.remember_expired:
                self._expired.popitem(last=False)

    def clear(self) -> None:
        """Forget all that can be resumed: they go on in another process."""
        self._resumable.clear()

    # Section 3

    def _enable(self, session: Session, element: Element) -> None:
        if session.state is not State.BOUND:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "bind a resource first")
        if session.management is not None:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "already enabled")
        config, first = session.config, self._host.first_count
        session.inbound.begin(first)
        session.management = management = Management(
            Asked.by(element, config.max),
            session.inbound,
            session.life,
            config,
            UnackedQueue(first, session.payer),
            session.transport,
        )
        if management.resumable:
            management.id = secrets.token_urlsafe(9) + secrets.token_urlsafe(24)
            self.keep(session, management.id)
            session.gate = gate = self._host.record(session)
            if gate is not None:
                management.writer = gate
        session.managed = True
        session.send(management.enabled())

    # Section 5

    def _resume(self, asking: Session, element: Element, now: float, span: Span) -> None:
        """Hand the connection of ``asking`` to the session that ``<resume/>`` names.

        Everything is checked before either session is touched.
        """
        tally = self._host.tally
        result = "resumed"
        session = asking
        try:
            session, management, h = self._named(asking, element)
        except SmError as error:
            result = "expired" if error.handled is not None else "refused"
            raise
        except StreamError:
            result = "count-too-high"
            raise
        finally:
            tally.resumptions[result] += 1
            span.note("andiron.result", result)
            span.note("andiron.session", session.id)
        tally.resumed_after.add(max(0.0, now - session.lost_at))
        transport = self._host.traces.carrying(session, asking.give_up_transport())
        self._host.forget(asking)
        management.namespace = element.namespace
        session.adopt(transport, h, asking.ends_at, now)
        logger.info(
            "%s resumed over %s by session %s",
            session.link.jid,
            transport.channel.kind,
            asking.id,
            extra=session.logged,
        )

    def _named(self, asking: Session, element: Element) -> tuple[Session, Management, int]:
        """Return the session that ``<resume/>`` names, and the count in it, when all is right."""
        if not asking.link.account or asking.state is not State.NEGOTIATING:
            raise SmError(StanzaCondition.UNEXPECTED_REQUEST, "sign in first, and do not bind")
        sm_id = element.get("previd")
        h = parse_count(element.attributes.get("h"))
        if not sm_id or h is None:
            raise SmError(StanzaCondition.BAD_REQUEST, "previd and h are needed")
        session, management = self._find(sm_id, asking.link.account)
        try:
            management.queue.check(h)
        except CountTooHighError:
            raise nonzas.count_too_high(h, management.queue.sent, element.namespace) from None
        return session, management, h

    def _find(self, sm_id: str, account: str) -> tuple[Session, Management]:
        name = selector(sm_id)
        session = self._resumable.get(name)
        if session is not None:
            management = session.management
            assert management is not None
            if _same(management.id, sm_id) and session.link.account == account:
                return session, management
        else:
            expired = self._expired.get(name)
            if expired is not None and _same(expired[0], sm_id) and expired[1] == account:
                raise SmError(StanzaCondition.ITEM_NOT_FOUND, "expired", handled=expired[2].h)
        raise SmError(StanzaCondition.ITEM_NOT_FOUND)


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))
