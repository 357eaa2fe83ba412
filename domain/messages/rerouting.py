"""Another way for what a session that ended could not deliver (design rule 12)."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from andiron.domain.client import Client, Owner
from andiron.domain.messages import carbons
from andiron.domain.messages.bouncing import Bouncer
from andiron.domain.messages.delivering import deliver
from andiron.domain.messages.keeping import Revocable
from andiron.domain.messages.mailbox import Handed
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.messages.sharing import Share
from andiron.domain.messages.storing import is_storable, sender_of, storable
from andiron.domain.router import Router, worth_keeping
from andiron.sm.link import Undelivered
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import tags
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamError
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import with_delay
from andiron.xmpp.xml import Element, Guard

__all__ = ["Rerouting", "read_again"]

logger = logging.getLogger("andiron.domain")

Keep = Callable[[str, Waiting, Element, str], object]
"""Stores for an account a message that was taken over before; the last is the account's birth."""

_RESULT: Final = f"{{{ns.MAM}}}result"
_REQUESTS: Final = frozenset({"get", "set"})


class Rerouting:
    """Gives messages to other resources, or has them stored; answers what nobody will.

    ``reader`` reads texts of our own sessions again; it must allow what delivery added.
    ``max_held`` is how many messages wait for one resource while stored ones are read.
    """

    def __init__(
        self, router: Router, reader: Guard, bouncer: Bouncer, keep: Keep, max_held: int
    ) -> None:
        self._router = router
        self._reader = reader
        self._bouncer = bouncer
        self._keep = keep
        self._max_held = max_held

    def reroute(
        self, undelivered: Iterable[Undelivered], client: Client, now: float, *, store: bool
    ) -> None:
        """Find another way for what is not in the store; see :meth:`Offline.reroute`."""
        waiting: list[tuple[str, float]] = []
        for stanza in undelivered:
            if not stanza.text.startswith(("<message", "<iq")):
                continue
            element = read_again(self._reader, stanza.text, client)
            if element is None:
                continue
            if element.name == "iq":
                if element.get("type") in _REQUESTS:
                    self._bouncer.bounce(element, StanzaError(StanzaCondition.SERVICE_UNAVAILABLE))
                continue
            lost = self._lost(element, stanza.text, client)
            if lost is None:
                continue
            stamp = client.session.wall(stanza.since)
            text = with_delay(lost.text, self._router.domain, stamp)
            text = Revocable.again(lost.text, text)
            if client.held is not None:
                waiting.append((text, stanza.since))
            else:
                self.message(lost, text, stamp, client.owner, now, store=store)
        if client.held is not None:
            client.hold(self._max_held, [*waiting, *client.let_go()])

    def _lost(self, element: Element, text: str, client: Client) -> Element | None:
        """Return the message for which another way must be found, if there is one."""
        if isinstance(text, Handed):
            return element
        if isinstance(text, Share):
            return self._reader.read(carbons.original(text)) if text.shared.claim() else None
        # What is from its account is the domain's own word to this resource alone.
        is_own = element.get("from") == client.account
        return None if is_own or _is_from_archive(element) else element

    def message(
        self, element: Element, text: str, stamp: float, owner: Owner, now: float, *, store: bool
    ) -> None:
        """Find another way for a message of an account that nobody of it has."""
        try:
            if element.get("type") == "headline" or not worth_keeping(element):
                return
            jid = parse_jid(element.get("to"))
            best = self._router.best(jid.bare)
            if store or (best and best[0].owner.draining):
                account = jid.bare if is_storable(element) else ""
            else:
                account = self._deliver_again(element, text, jid, now)
        except StanzaError as error:
            self._bouncer.bounce(element, error)
            return
        if account:
            message = Waiting(text, stamp, sender_of(element))
            self._keep(account, message, element, owner.born)

    def _deliver_again(self, element: Element, text: str, jid: JID, now: float) -> str:
        """Deliver what was taken over before; what finds no room with who is there is stored."""
        try:
            return deliver(self._router, element, text, jid, now)
        except StanzaError as error:
            if error.condition is not StanzaCondition.RESOURCE_CONSTRAINT or not storable(element):
                raise
            account: str = jid.bare
            return account


def read_again(reader: Guard, text: str, client: Client) -> Element | None:
    """Read a stanza of our own again, which was for a resource; None where that cannot be."""
    try:
        return reader.read(text)
    except StreamError:
        logger.exception(
            "%s: cannot read a stanza of our own again",
            client.jid,
            extra=client.session.logged,
        )
        return None


def _is_from_archive(element: Element) -> bool:
    """Tell whether a message answers this resource's own question (XEP-0313 section 4.2).

    Archives are accounts' and rooms': no resource speaks for one.
    """
    return ns.MAM in element.text and "/" not in element.get("from") and _RESULT in tags(element)
