"""Presence from clients, and what it brings about (RFC 6121 section 4).

It reaches the account's own resources, the contacts that are subscribed, and
whom it was directed to. Whoever saw a resource available is told once when it
leaves, however its session ends; a hibernating one has not left.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final
from weakref import WeakValueDictionary

from andiron.domain.client import Client, Owner
from andiron.domain.contacts.blocking import refuse_to_blocked
from andiron.domain.contacts.contacts import Contacts
from andiron.domain.contacts.fanout import Fanouts, Steps
from andiron.domain.contacts.roster import roster_of
from andiron.domain.contacts.subscriptions import Kind, stanza
from andiron.domain.contacts.visibility import (
    around_recipient,
    gone,
    hidden,
    seers_of,
    shown,
    watched_by,
    watchers_of,
)
from andiron.domain.events import Events, Service
from andiron.domain.marks import without_marks
from andiron.domain.router import PRESENCES, Action, Router, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import with_addresses
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Presences", "read_priority"]

_PRIORITY_TAG: Final = f"{{{ns.CLIENT}}}priority"
_PRIORITY: Final = re.compile(r"[+-]?[0-9]{1,3}", re.ASCII)
_NEED_RECIPIENT: Final = frozenset(Kind)


class Presences:
    """Takes the presence of clients; what is decided is in memory."""

    def __init__(
        self,
        router: Router,
        events: Events,
        contacts: Contacts,
        fanouts: Fanouts,
        announced: Callable[[Owner, Element], Element],
        max_directed: int,
        max_size: int,
    ) -> None:
        """Take what puts an account's picture into its presence, and the bounds.

        ``max_directed`` is to how many others a resource may direct presence, ``max_size``
        the characters of one that goes to others.
        """
        self._router = router
        self._events = events
        self._contacts = contacts
        self._fanouts = fanouts
        self._announced = announced
        self._max_directed = max_directed
        self._max_size = max_size
        self._visited: dict[Client, set[Service]] = {}
        """The services that got directed presence, by whose."""

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take a presence from a bound client; the result is that of :meth:`Link.receive`.

        Raises :class:`StanzaError` for it.
        """
        kind = element.get("type")
        if kind not in PRESENCES or (kind == "" and "type" in element.attributes):
            raise StanzaError(StanzaCondition.BAD_REQUEST, "not a type of presence")
        to = element.attributes.get("to")
        element = without_marks(self._router, element)
        if kind == "":
            element = self._announced(client.owner, element)
        if to is not None:
            jid = parse_jid(to)
            if self._fanouts.under_way(client.account):
                return self._fanouts.begin(client, self._sent(client, element, jid, ticket), ticket)
            return self._send(client, element, jid, ticket, now)
        self._check_size(element)
        if kind == "":
            steps = self._available(client, element, read_priority(element))
        elif kind == "unavailable":
            steps = self._unavailable(client, element)
        elif kind in _NEED_RECIPIENT:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "whom?")
        else:
            return True
        return self._fanouts.begin(client, steps, ticket)

    def leave(self, client: Client, now: float) -> None:
        """Tell those who saw the resource that it is gone (sections 4.5.2 and 4.6.3).

        The caller has removed it from the router before.
        """
        self._tell_services(client, now)
        if client.priority is not None:
            for tell in self._events.unavailable:
                tell(client, now)
        seers = seers_of(self._router, client)
        if seers:
            self._fanouts.begin(client, _tell_all(client, seers, lambda to: gone(client.jid, to)))

    def visited(self, client: Client) -> set[Service]:
        """Return the services that have directed presence of a resource."""
        return self._visited.get(client, set())

    def visits(self, client: Client, service: Service) -> None:
        """Note that a service has directed presence of a resource."""
        self._visited.setdefault(client, set()).add(service)
        client.session.changed()

    def _available(self, client: Client, element: Element, priority: int) -> Steps:
        """Broadcast to the account's available resources, the sender too, and to its contacts.

        Sections 4.2.2 and 4.4.2. The first time, the contacts' presence comes back:
        they are of this domain, so a look takes the place of a probe.
        """
        if not client.bound:
            return True
        clock = client.session.clock
        initial = client.priority is None
        client.presence = with_addresses(element, client.jid, client.account)
        self._set_priority(client, priority, clock())
        own = self._router.available(client.account)
        head, tail = around_recipient(client)
        for address, seers in chain([(client.account, own)], watchers_of(self._router, client)):
            text = f"{head}{escape(address)}{tail}"
            for seer in seers:
                seer.inform(text, clock())
                if client.priority is None:
                    return True  # Its own queue was full; that it is gone is the last word.
            yield
            if client.priority is None:
                return True  # It left meanwhile.
        if initial:
            yield from self._look_around(client, own)
            if client.priority is None:
                return True
            self._contacts.remind(client)
        for tell in self._events.available:
            tell(client, element, initial, clock())
        return True

    def _look_around(self, client: Client, own: list[Client]) -> Iterator[None]:
        """Tell a resource that has come of the account's others and of its contacts'."""
        for other in chain(own, watched_by(self._router, client)):
            if other is not client and other.priority is not None:
                client.inform(shown(other, client.account), client.session.clock())
                yield
                if client.priority is None:
                    return

    def _unavailable(self, client: Client, element: Element) -> Steps:
        """Tell those who saw the resource, and itself (section 4.5.2)."""
        if not client.bound:
            return True
        now = client.session.clock()
        was_available = client.priority is not None
        if was_available:
            client.inform(with_addresses(element, client.jid, client.account), now)
            if client.priority is None:
                return True  # Its own queue was full; all have been told.
        seers = seers_of(self._router, client)
        self._tell_services(client, now)
        client.presence = ""
        client.directed = None
        self._set_priority(client, None, now)
        yield from _tell_all(client, seers, lambda to: with_addresses(element, client.jid, to))
        if was_available:
            for tell in self._events.unavailable:
                tell(client, client.session.clock())
        return True

    def _sent(self, client: Client, element: Element, jid: JID, ticket: int) -> Steps:
        """Send a presence with an address after what is under way."""
        yield
        if client.bound:
            now = client.session.clock()
            try:
                return self._send(client, element, jid, ticket, now)
            except StanzaError as error:
                client.refuse(element, error, now)
        return True

    def _check_size(self, element: Element) -> None:
        """Refuse what many would get, and each of their sessions hold, without having asked."""
        if len(element.text) > self._max_size:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too long a presence")

    def _tell_services(self, client: Client, now: float) -> None:
        for service in self._visited.pop(client, ()):
            service.left(client, now)

    def _set_priority(self, client: Client, priority: int | None, now: float) -> None:
        was_reachable = client.reachable
        client.priority = priority
        client.session.changed()
        self._router.update(client.account, now)
        if client.reachable is not was_reachable:
            for tell in self._events.unreachable if was_reachable else self._events.reachable:
                tell(client)

    def _send(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Take a presence with an address: directed, a probe, or of a subscription."""
        kind = element.get("type")
        if kind != "unavailable":  # Who is blocked saw that already.
            refuse_to_blocked(client.owner, jid.full)
        service = self._router.services.get(jid.domain)
        if service is not None:
            self.visits(client, service)
            return service.presence(client, element, jid, ticket, now)
        action = PRESENCES[kind][self._router.situation(jid)]
        match action:
            case Action.MANAGE:
                return self._contacts.manage(client, Kind(kind), element, jid.bare, ticket)
            case Action.ANSWER:
                self._answer_probe(client, jid, now)
            case Action.DELIVER:
                self._direct(client, element, jid, [self._router.full[jid.full]], now)
            case Action.EVERY:
                self._direct(client, element, jid, self._router.available(jid.bare), now)
            case _:
                refuse(action)
        return True

    def _answer_probe(self, client: Client, jid: JID, now: float) -> None:
        """Answer a client that asks for somebody's presence (section 4.3.2).

        It hears no more than its subscription lets it see anyway, whether there is
        such an account or not.
        """
        bare: str = jid.bare
        contact = roster_of(client.owner).contact(bare)
        if bare != client.account and not (contact is not None and contact.state.sees):
            client.inform(stanza(Kind.UNSUBSCRIBED, bare, client.account), now)
            return
        there = [
            watched
            for watched in self._router.available(bare)
            if not hidden(watched, client) and jid.full in (bare, watched.jid)
        ]
        for watched in there:
            client.inform(shown(watched, client.account), now)
        if not there:
            client.inform(gone(jid.full, client.account), now)

    def _direct(
        self, client: Client, element: Element, jid: JID, recipients: list[Client], now: float
    ) -> None:
        """Send directed presence and remember who saw it (section 4.6)."""
        self._check_size(element)
        kind = element.get("type")
        text = with_addresses(element, client.jid, jid.full)
        for recipient in recipients:
            if hidden(client, recipient):
                continue
            if kind == "":
                self._remember(client, recipient)
            elif kind == "unavailable" and client.directed is not None:
                client.directed.pop(recipient.jid, None)
                client.session.changed()
            recipient.inform(text, now)

    def _remember(self, client: Client, seer: Client) -> None:
        directed = client.directed
        if directed is None:
            directed = client.directed = WeakValueDictionary()
        if seer.jid not in directed and len(directed) >= self._max_directed:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "directed presence to too many")
        directed[seer.jid] = seer
        client.session.changed()


def _tell_all(
    client: Client, seers: list[tuple[str, list[Client]]], write: Callable[[str], str]
) -> Steps:
    """Send everyone what ``write`` makes for his address."""
    for address, each in seers:
        text = write(address)
        for seer in each:
            if seer.bound:
                seer.inform(text, client.session.clock())
        yield
    return True


def read_priority(element: Element) -> int:
    """Return a presence's priority, RFC 6121 section 4.7.2.3: -128 to 127, by default 0.

    Raises :class:`StanzaError` ``bad-request`` for anything else.
    """
    if "priority" not in element.text:
        return 0
    found = parse_tree(element).findall(_PRIORITY_TAG)
    if not found:
        return 0
    text = (found[0].text or "").strip()
    if len(found) == 1 and not len(found[0]) and _PRIORITY.fullmatch(text):
        priority = int(text)
        if -128 <= priority <= 127:
            return priority
    raise StanzaError(StanzaCondition.BAD_REQUEST, "priority is one integer from -128 to 127")
