"""A message's way: who may send it, who gets it, and who keeps or sees a copy.

RFC 6121 section 8.5.2 by the router's table; blocking (XEP-0191), copies for
the other resources (XEP-0280) and the archives (XEP-0313, XEP-0359) on the way.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from andiron.domain.client import Client, Owner
from andiron.domain.contacts.blocking import blocks, refuse_to_blocked
from andiron.domain.marks import is_forged
from andiron.domain.messages import carbons
from andiron.domain.messages.offline import Offline
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.router import TRIFLES, Action, Router, message_row
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name, shows_body, tags
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import with_addresses, with_child, with_sender, without
from andiron.xmpp.tree import Tree
from andiron.xmpp.xml import Element

_UNSPOKEN: Final = frozenset({"groupchat", "headline", "error"})
_OURS: Final = "urn:xmpp:"
"""How the names of what servers say begin, but for :data:`ns.OLD_DELAY`."""
_SERVERS_WORDS: Final = ("stanza-id", "delay", "received", "sent", "&#")
NO_ARCHIVE: Final = frozenset({f"{{{ns.HINTS}}}no-store", f"{{{ns.HINTS}}}no-permanent-store"})
"""Hints that keep a message out of every archive (XEP-0334 sections 4.1 and 4.2)."""


class Archive(Protocol):
    """Where accounts keep what they said and heard (XEP-0313)."""

    def add(self, owner: Owner, peer: str, text: str, stamp: float) -> str:
        """Keep a message of Unix time ``stamp`` with the full JID ``peer``; return its id.

        The id is empty where the account's preferences are against it. It
        does not wait for the database.
        """


class Messages:
    """Takes the messages of clients and services."""

    def __init__(
        self, router: Router, owners: Owners, offline: Offline, archive: Archive | None
    ) -> None:
        self._router = router
        self._full = router.full
        self._owners = owners
        self._offline = offline
        self._archive = archive

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take a message from a bound client; the result is that of :meth:`Link.receive`.

        Raises :class:`StanzaError` for it.
        """
        text = element.text
        # Names of ours may hide behind character references.
        plain = not (_OURS in text or "&#" in text or ns.OLD_DELAY in text)
        if not plain:
            element = self._cleaned(element)
        to = element.attributes.get("to")
        # What is bound under the very text of the address needs no preparing.
        target = self._full.get(to or "")
        if target is not None:
            text = with_sender(element, client.from_attribute)
            self._to_resource(client, element, text, target, now, plain=plain)
            return True
        jid = JID(client.account) if to is None else parse_jid(to)
        if client.owner.blocked:
            refuse_to_blocked(client.owner, jid.full)
        service = self._router.services.get(jid.domain)
        if service is not None:
            if client.owner.carbons and carbons.eligible(element):
                text = with_addresses(element, client.jid, jid.full)
                carbons.copy(client, None, (), text, now, element.get("type"))
            return service.message(client, element, jid, ticket, now)
        text = (
            with_sender(element, client.from_attribute)
            if to == jid.full
            else with_addresses(element, client.jid, jid.full)
        )
        target = self._full.get(jid.full)
        if target is not None:
            self._to_resource(client, element, text, target, now, plain=plain)
            return True
        return self._to_account(client, element, text, jid, ticket, now)

    def send(self, element: Element, sender: str, jid: JID, stamp: float, now: float) -> None:
        """Send a service's own message, complete with its addresses, to an account or resource.

        What nobody takes is let go; what a person should find later is stored.
        """
        recipient = self._owners.get(jid.bare)
        if recipient is not None and blocks(recipient, sender):
            return
        target = self._full.get(jid.full)
        got = self._router.best(jid.bare) if target is None else (target,)
        try:
            account = self._router.message(element, element.text, jid, now)
        except StanzaError:
            return
        if recipient is not None and recipient.carbons and carbons.eligible(element):
            carbons.copy(None, recipient, got, element.text, now, element.get("type"))
        if account:
            self._offline.keep(
                account, element.text, stamp, _nothing, self._admission(sender, "", account, stamp)
            )

    def _to_resource(
        self,
        client: Client,
        element: Element,
        text: str,
        target: Client,
        now: float,
        *,
        plain: bool,
    ) -> None:
        """Deliver to a bound resource; ``plain`` says that no hints are in the message.

        Where neither end has announced itself by presence no people talk, and
        nothing is archived: what passes there are the words of programs.
        """
        sender, recipient = client.owner, target.owner
        if sender.blocked or recipient.blocked:
            refuse_to_blocked(sender, target.jid)
            if _is_kept_out(recipient, client.jid, element):
                return
        kind = element.attributes.get("type", "")
        if kind in _UNSPOKEN:
            target.deliver(text, now)
            return
        sent = text
        if (
            (target.priority is not None or client.priority is not None)
            and self._archive is not None
            and ((plain and shows_body(text)) or archivable(element))
        ):
            text, sent = self._archived(
                client, text, recipient, target.jid, client.session.wall(now)
            )
        target.deliver(text, now)
        if (sender.carbons or recipient.carbons) and carbons.eligible(element):
            carbons.copy(client, recipient, (target,), text, now, kind, sent)

    def _to_account(
        self,
        client: Client,
        element: Element,
        text: str,
        jid: JID,
        ticket: int,
        now: float,
    ) -> bool:
        """Route what is not for a bound resource (RFC 6121 sections 8.5.2 and 8.5.3.2)."""
        bare: str = jid.bare
        router, session = self._router, client.session
        recipient = self._owners.get(bare)
        if recipient is not None and _is_kept_out(recipient, client.jid, element):
            return True
        action = message_row(element)[router.situation(jid)]
        stamp = session.wall(now)
        sent = text
        if action is Action.BEST and recipient is not None:
            best = router.best(bare)
            if self._archive is not None and archivable(element):
                text, sent = self._archived(client, text, recipient, jid.full, stamp)
            router.message(element, text, jid, now)
            if (client.owner.carbons or recipient.carbons) and carbons.eligible(element):
                carbons.copy(client, recipient, best, text, now, element.get("type"), sent)
            return True
        account = router.message(element, text, jid, now)
        if not account:
            return True
        kept = self._archive is not None and archivable(element)
        if self._archive is not None and kept and account != client.account:
            identity = self._archive.add(client.owner, jid.full, text, stamp)
            sent = _identified(text, identity, client.owner)
        if client.owner.carbons and carbons.eligible(element):
            carbons.copy(client, None, (), sent, now, element.get("type"))
        self._offline.keep(
            account,
            text,
            stamp,
            lambda: session.handled(ticket, session.clock()),
            self._admission(client.jid, text if kept else "", account, stamp),
        )
        return False

    def _admission(
        self, sender: str, text: str, account: str, stamp: float
    ) -> Callable[[], Awaitable[str]]:
        """Return what decides whether an account that is offline takes a message.

        Its result is what is added to the text of a message that is archived,
        ``text``, empty for none. It raises :class:`StanzaError` for the sender.
        """

        async def admit() -> str:
            try:
                owner = await self._owners.load(account)
            except NoSuchAccount:
                raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE) from None
            if owner.blocked and blocks(owner, sender):
                raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
            if self._archive is None or not text:
                return ""
            return stanza_id(self._archive.add(owner, sender, text, stamp), account)

        return admit

    def _archived(
        self, client: Client, text: str, recipient: Owner, to: str, stamp: float
    ) -> tuple[str, str]:
        """Keep a message in both archives; return it with the recipient's id, and the sender's.

        Neither may see the other's (XEP-0313 section 3.4).
        """
        archive, sender = self._archive, client.owner
        assert archive is not None
        received = _identified(text, archive.add(recipient, client.jid, text, stamp), recipient)
        if sender is recipient:
            return received, received
        identity = archive.add(sender, to, text, stamp)
        return received, _identified(text, identity, sender) if sender.carbons else text

    def _cleaned(self, element: Element) -> Element:
        """Return a message without what only servers may say.

        Delays and ids in our name (XEP-0203 section 5, XEP-0359 section 3).
        Raises :class:`StanzaError` for what pretends to be a copy (XEP-0280 section 11).
        """
        text = element.text
        if not any(name in text for name in _SERVERS_WORDS):
            return element
        return without(element, self._is_forged)

    def _is_forged(self, child: Tree) -> bool:
        if child.tag in carbons.COPIES:
            raise StanzaError(StanzaCondition.FORBIDDEN, "only servers send copies")
        return is_forged(self._router, child)


def archivable(element: Element) -> bool:
    """Tell whether a message is worth an archive (XEP-0313 section 5.1.1, XEP-0334)."""
    if element.attributes.get("type", "") in _UNSPOKEN:
        return False
    text = element.text
    if shows_body(text) and not may_name(text, ns.HINTS):
        return True
    found = tags(element)
    return found.isdisjoint(NO_ARCHIVE) and any(not tag.startswith(TRIFLES) for tag in found)


def stanza_id(identity: str, by: str) -> str:
    """Return the element that tells a message's id in the archive of ``by`` (XEP-0359)."""
    if not identity:
        return ""
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{identity}' by='{escape(by)}'/>"


def _identified(text: str, identity: str, owner: Owner) -> str:
    return with_child(text, stanza_id(identity, owner.jid)) if identity else text


def _is_kept_out(owner: Owner, sender: str, element: Element) -> bool:
    """Tell whether a message is from who is blocked (XEP-0191 section 3.3).

    Its sender gets the error, here raised, that an account which is not there
    gives; an error gets none.
    """
    if not blocks(owner, sender):
        return False
    if element.get("type") == "error":
        return True
    raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)


def _nothing() -> None:
    return
