"""A message's way: who may send it, who gets it, and who keeps or sees a copy.

RFC 6121 section 8.5.2 by the router's table; blocking (XEP-0191), copies for
the other resources (XEP-0280) and the archives (XEP-0313, XEP-0359) on the way.
"""

from typing import Final

from andiron.domain.client import Client, Owner, no_room
from andiron.domain.contacts.blocking import blocks, refuse_to_blocked
from andiron.domain.marks import is_forged
from andiron.domain.messages import carbons
from andiron.domain.messages.keeping import (
    UNSPOKEN,
    Archive,
    Posting,
    Spoken,
    admitting,
    archivable,
    archived,
    stanza_id,
)
from andiron.domain.messages.offline import Offline
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.messages.storing import storable
from andiron.domain.owners import Owners
from andiron.domain.router import Action, Router, message_row
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_refer, shows_body
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import with_addresses, with_child, with_sender, without
from andiron.xmpp.tree import Tree
from andiron.xmpp.xml import Element

_OURS: Final = "urn:xmpp:"
"""How the names of what servers say begin, but for :data:`ns.OLD_DELAY`."""
_BOTH_ENDS: Final = len("</body></message>")
_SERVERS_WORDS: Final = ("stanza-id", "delay", "received", "sent", "&#")


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
        # Where the next tag after "<body>" has room for no more than both ends, there is nothing
        # else. One letter is sooner looked for than a name, and names of ours may hide behind
        # character references.
        first = text.find("<", 1)
        plain = (
            text.find("<", first + 1) == len(text) - _BOTH_ENDS and text.startswith("<body>", first)
        ) or not (_OURS in text or may_refer(text) or ns.OLD_DELAY in text)
        if not plain:
            element = self._cleaned(element)
        to = element.attributes.get("to")
        # What is bound under the very text of the address needs no preparing.
        target = self._full.get(to or "")
        try:
            if target is not None:
                text = with_sender(element, client.from_attribute)
                return self._to_resource(client, element, text, target, ticket, now, plain=plain)
            jid = JID(client.account) if to is None else parse_jid(to)
            if client.owner.blocked:
                refuse_to_blocked(client.owner, jid.full)
            service = self._router.services.get(jid.domain)
            if service is not None:
                handled = service.message(client, element, jid, ticket, now)
                self.copy_sent(client, element, now)
                return handled
            text = (
                with_sender(element, client.from_attribute)
                if to == jid.full
                else with_addresses(element, client.jid, jid.full)
            )
            target = self._full.get(jid.full)
            if target is not None:
                return self._to_resource(client, element, text, target, ticket, now, plain=plain)
            return self._to_account(client, element, text, jid, ticket, now)
        except StanzaError as error:
            self.copy_sent(client, element, now, error)
            raise

    def copy_sent(
        self,
        client: Client,
        element: Element,
        now: float,
        error: StanzaError | None = None,
        mark: str = "",
    ) -> None:
        """Let a sender's other resources see a message that reaches nobody who is here.

        They see the error, too, where it is refused (XEP-0280 section 6.1). What is for
        one in a room alone they see only if they are that room's occupant as well.
        ``mark`` is added to the copy.
        """
        if not client.owner.carbons or not carbons.eligible(element):
            return
        to = element.attributes.get("to", client.account)
        among = None
        try:
            jid = parse_jid(to)
        except StanzaError:
            text = with_sender(element, client.from_attribute)
        else:
            text = with_addresses(element, client.jid, jid.full)
            service = self._router.services.get(jid.domain)
            if service is not None:
                among = service.sharers(client, jid)
        if among is not None:
            text = carbons.marked_as_private(element, text)
        if mark:
            text = with_child(text, mark)
        clients = carbons.others(client, among)
        carbons.copy_sent(clients, element, text, now)
        if error is not None:
            carbons.copy_received(clients, client.refusal(element, error), now, "error")

    def send(self, element: Element, sender: str, jid: JID, stamp: float, now: float) -> None:
        """Send a service's own message, complete with its addresses, to an account or resource.

        What nobody takes is let go; what a person should find later is stored.
        """
        recipient = self._owners.get(jid.bare)
        if recipient is not None and blocks(recipient, sender):
            return
        if recipient is not None and recipient.draining and storable(element):
            account: str = jid.bare
        else:
            try:
                account = self._offline.deliver(element, element.text, jid, now)
            except StanzaError:
                return
        if account:

            async def admit() -> str:
                await admitting(self._owners, account, sender)
                return ""

            message = Waiting(element.text, stamp, sender.partition("/")[0])
            self._offline.keep(account, message, _nothing, admit)

    def _to_resource(
        self,
        client: Client,
        element: Element,
        text: str,
        target: Client,
        ticket: int,
        now: float,
        *,
        plain: bool,
    ) -> bool:
        """Deliver to a bound resource; ``plain`` says that no hints are in the message.

        Where neither end has announced itself by presence no people talk, and
        nothing is archived: what passes there are the words of programs.
        """
        sender, recipient = client.owner, target.owner
        if sender.blocked or recipient.blocked:
            refuse_to_blocked(sender, target.jid)
            if _is_kept_out(recipient, client.jid, element):
                return True
        kind = element.attributes.get("type", "")
        if kind in UNSPOKEN:
            target.deliver(text, now)
            if kind == "error" and recipient.carbons:
                carbons.copy_error(recipient, target, element.get("id"), text, now)
            return True
        if recipient.draining and storable(element):
            stamp = client.session.wall(now)
            self._store(client, element, text, target.jid, target.account, ticket, stamp)
            return False
        if target.held is not None and not target.takes(text):
            raise no_room()
        sent = text
        speaks = target.priority is not None or client.priority is not None
        kept = speaks and ((plain and shows_body(text)) or archivable(element))
        archive = self._archive if kept else None
        if archive is not None:
            spoken = Spoken(sender, client.jid, text, client.session.wall(now))
            text, sent, _ = archived(archive, spoken, recipient, target.jid)
        if recipient.carbons:
            self._offline.bring((target,), element, text, now, client)
        else:
            target.deliver(text, now)
        if sender.carbons and sender is not recipient and carbons.eligible(element):
            carbons.copy_sent(carbons.others(client), element, sent, now)
        return archive is None or archive.written(client.session, ticket)

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
            if recipient.draining and storable(element):
                self._store(client, element, text, jid.full, bare, ticket, stamp)
                return False
            best = router.best(bare)
            if best[0].held is not None and not any(each.takes(text) for each in best):
                raise no_room()
            archive = self._archive if archivable(element) else None
            if archive is not None:
                spoken = Spoken(client.owner, client.jid, text, stamp)
                text, sent, _ = archived(archive, spoken, recipient, jid.full)
            self._offline.bring(best, element, text, now, client)
            sender = client.owner
            if sender.carbons and sender is not recipient and carbons.eligible(element):
                carbons.copy_sent(carbons.others(client), element, sent, now)
            return archive is None or archive.written(client.session, ticket)
        account = self._offline.deliver(element, text, jid, now)
        if not account:
            self.copy_sent(client, element, now)
            return True
        self._store(client, element, text, jid.full, account, ticket, stamp)
        return False

    def _store(
        self,
        client: Client,
        element: Element,
        text: str,
        to: str,
        account: str,
        ticket: int,
        stamp: float,
    ) -> None:
        """Have a message stored; it is archived, copied and handled when that is certain."""
        archive = self._archive if archivable(element) else None
        spoken = Spoken(client.owner, client.jid, text, stamp)
        posting = Posting(archive, self._owners, spoken, to, account)

        def settle(error: StanzaError | None) -> None:
            identity = posting.settle(stored=error is None)
            now = client.session.clock()
            if error is not None or account != client.account:  # Else all find the message itself.
                self.copy_sent(client, element, now, error, stanza_id(identity, client.account))
            # The one that is there by that address may be a later session of the same.
            there = self._full.get(client.jid)
            if error is not None and there is not None:
                there.refuse(element, error, now)
            if archive is None or archive.written(client.session, ticket):
                client.session.handled(ticket, now)

        self._offline.keep(account, Waiting(text, stamp, client.account), settle, posting.admit)

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


def _nothing(_error: StanzaError | None) -> None:
    return
