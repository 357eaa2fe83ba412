"""Presence of an account's own resources and directed presence (RFC 6121 section 4).

There are no subscriptions without a roster: presence reaches the account's own
resources and whom it was directed to. Whoever saw a resource available is told
once when it leaves, however its session ends; a hibernating one has not left.
"""

import re
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from andiron.domain.router import PRESENCES, Action, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.stanza import with_addresses
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.link import DomainLink

_PRIORITY_TAG: Final = f"{{{ns.CLIENT}}}priority"
_PRIORITY: Final = re.compile(r"[+-]?[0-9]{1,3}", re.ASCII)


def receive_presence(link: "DomainLink", element: Element, ticket: int, now: float) -> bool:
    """Take a presence from a bound client; the result is that of :meth:`Link.receive`.

    Raises :class:`StanzaError` for it.
    """
    kind = element.get("type")
    row = PRESENCES.get(kind)
    if row is None or (kind == "" and "type" in element.attributes):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a type of presence")
    to = element.attributes.get("to")
    if to is not None:
        return _direct(link, element, to, ticket, now)
    if kind == "":
        _available(link, element, now)
    elif kind == "unavailable":
        _unavailable(link, element, now)
    elif kind in _NEED_RECIPIENT:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "whom?")
    return True


_NEED_RECIPIENT: Final = frozenset({"subscribe", "subscribed", "unsubscribe", "unsubscribed"})


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


def leave(link: "DomainLink", now: float) -> None:
    """Tell those who saw the resource that it is gone (RFC 6121 section 4.5.2 and 4.6.3).

    The caller has removed it from the router before.
    """
    _tell_services(link, now)
    if link.priority is not None:
        for tell in link.events.unavailable:
            tell(link, now)
    for seer in _seers(link):
        seer.inform(
            f"<presence xmlns='{ns.CLIENT}' type='unavailable' from='{escape(link.jid)}'"
            f" to='{escape(seer.jid)}'/>",
            now,
        )


def _available(link: "DomainLink", element: Element, now: float) -> None:
    """Broadcast to all of the account's available resources, the sender too (section 4.2.2)."""
    priority = read_priority(element)
    initial = link.priority is None
    link.presence = with_addresses(element, link.jid, link.account)
    _set_priority(link, priority, now)
    resources = link.router.available(link.account)
    for other in resources:
        other.inform(link.presence, now)
    if initial:
        for other in resources:
            if other is not link and other.presence:
                link.inform(other.presence, now)
    for tell in link.events.available:
        tell(link, element, initial, now)


def _unavailable(link: "DomainLink", element: Element, now: float) -> None:
    """Tell those who saw the resource, and itself (section 4.5.2)."""
    if link.priority is not None:
        link.inform(with_addresses(element, link.jid, link.account), now)
    seers = _seers(link)
    _tell_services(link, now)
    was_available = link.priority is not None
    link.presence = ""
    link.directed = None
    _set_priority(link, None, now)
    for seer in seers:
        seer.inform(with_addresses(element, link.jid, seer.jid), now)
    if was_available:
        for tell in link.events.unavailable:
            tell(link, now)


def _tell_services(link: "DomainLink", now: float) -> None:
    visited, link.visited = link.visited, None
    for service in visited or ():
        service.left(link, now)


def _set_priority(link: "DomainLink", priority: int | None, now: float) -> None:
    was_reachable = link.reachable
    link.priority = priority
    link.router.update(link.account, now)
    if link.reachable and not was_reachable:
        link.offline.load(link)
    elif was_reachable and not link.reachable:
        link.offline.left(link)


def _direct(link: "DomainLink", element: Element, to: str, ticket: int, now: float) -> bool:
    """Send directed presence and remember who saw it (section 4.6)."""
    jid = parse_jid(to)
    service = link.router.services.get(jid.domain)
    if service is not None:
        if link.visited is None:
            link.visited = set()
        link.visited.add(service)
        return service.presence(link, element, jid, ticket, now)
    kind = element.get("type")
    action = PRESENCES[kind][link.router.situation(jid)]
    match action:
        case Action.DELIVER:
            recipients = [link.router.full[jid.full]]
        case Action.EVERY:
            recipients = link.router.available(jid.bare)
        case _:
            refuse(action)
            return True
    text = with_addresses(element, link.jid, jid.full)
    for recipient in recipients:
        if kind == "":
            _remember(link, recipient)
        elif kind == "unavailable" and link.directed is not None:
            link.directed.pop(recipient.jid, None)
        recipient.inform(text, now)
    return True


def _remember(link: "DomainLink", seer: "DomainLink") -> None:
    directed = link.directed
    if directed is None:
        directed = link.directed = WeakValueDictionary()
    if seer.jid not in directed and len(directed) >= link.max_directed:
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "directed presence to too many")
    directed[seer.jid] = seer


def _seers(link: "DomainLink") -> list["DomainLink"]:
    """Return, once each, the others that know the resource as available."""
    seers: dict[str, DomainLink] = {}
    if link.priority is not None:
        for other in link.router.available(link.account):
            seers[other.jid] = other
    if link.directed is not None:
        bound = link.router.full
        seers.update((jid, seer) for jid, seer in link.directed.items() if bound.get(jid) is seer)
    seers.pop(link.jid, None)
    return list(seers.values())
