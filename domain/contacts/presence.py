"""Presence: who is told what of a resource (RFC 6121 section 4).

It reaches the account's own resources, the contacts that are subscribed, and
whom it was directed to. All of that is decided in memory. Whoever saw a
resource available is told once when it leaves, however its session ends; a
hibernating one has not left.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from andiron.domain.contacts.blocking import blocks, refuse_to_blocked
from andiron.domain.contacts.roster import roster_of, sees
from andiron.domain.contacts.subscriptions import Kind, stanza
from andiron.domain.profile.photo import announced
from andiron.domain.router import PRESENCES, Action, Router, refuse
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.stanza import with_addresses
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.link import DomainLink

__all__ = [
    "appear",
    "hide",
    "leave",
    "read_priority",
    "receive_presence",
    "show",
    "vanish",
]

_PRIORITY_TAG: Final = f"{{{ns.CLIENT}}}priority"
_PRIORITY: Final = re.compile(r"[+-]?[0-9]{1,3}", re.ASCII)


def receive_presence(link: "DomainLink", element: Element, ticket: int, now: float) -> bool:
    """Take a presence from a bound client; the result is that of :meth:`Link.receive`.

    Raises :class:`StanzaError` for it.
    """
    kind = element.get("type")
    if kind not in PRESENCES or (kind == "" and "type" in element.attributes):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a type of presence")
    to = element.attributes.get("to")
    if kind == "":
        element = announced(link.owner, element)
    if to is not None:
        return _send(link, element, parse_jid(to), ticket, now)
    if kind == "":
        _available(link, element, now)
    elif kind == "unavailable":
        _unavailable(link, element, now)
    elif kind in _NEED_RECIPIENT:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "whom?")
    return True


_NEED_RECIPIENT: Final = frozenset(Kind)


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
    for address, seers in _seers(link):
        text = _gone(link.jid, address)
        for seer in seers:
            seer.inform(text, now)


# What other parts of the domain ask for


def appear(router: Router, account: str, jid: str, now: float) -> None:
    """Show an account's resources to a contact, a bare JID, that may see them from now on."""
    for link, watchers in _pairs(router, account, jid):
        text = _shown(link, jid)
        for watcher in watchers:
            watcher.inform(text, now)


def vanish(router: Router, account: str, jid: str, now: float) -> None:
    """Tell a contact, a bare JID, that an account's resources are gone, as far as it is to know.

    It has seen them until now.
    """
    for link, watchers in _pairs(router, account, jid):
        _hide_from(link, jid, watchers, now)


def hide(link: "DomainLink", jid: str, now: float) -> None:
    """Make an account and an address that it is about to block look gone to each other.

    Call it for any resource of the account before its owner knows of the block
    (XEP-0191 section 3.3). The address is of any kind that can be blocked.
    """
    for own, other in _covered(link, jid):
        for watched, watcher in ((own, other), (other, own)):
            if _is_seen(watched, watcher) or _is_directed(watched, watcher):
                _hide_from(watched, watcher.account, [watcher], now)


def show(link: "DomainLink", jid: str, now: float) -> None:
    """Undo :func:`hide`, when the owner knows that the address is unblocked (section 3.4)."""
    for own, other in _covered(link, jid):
        for watched, watcher in ((own, other), (other, own)):
            if _is_seen(watched, watcher):
                watcher.inform(_shown(watched, watcher.account), now)


def _pairs(
    router: Router, account: str, jid: str
) -> Iterator[tuple["DomainLink", list["DomainLink"]]]:
    """Yield each available resource of an account with those of another that may see it."""
    watchers = router.available(jid)
    for link in router.available(account) if watchers else ():
        visible = [watcher for watcher in watchers if not _hidden(link, watcher)]
        if visible and link.priority is not None:
            yield link, visible


def _covered(link: "DomainLink", jid: str) -> list[tuple["DomainLink", "DomainLink"]]:
    """Return the pairs of an account's resources and those of others that an address covers."""
    router = link.router
    bare = jid.partition("/")[0]
    if "@" in bare:
        accounts = [router.accounts[bare]] if bare in router.accounts else []
    else:
        accounts = list(router.accounts.values()) if jid == router.domain else []
    others = [other for resources in accounts for other in resources.links.values()]
    return [
        (own, other)
        for own in router.accounts[link.account].links.values()
        for other in others
        if other.account != link.account and jid in (other.jid, other.account, router.domain)
    ]


def _is_seen(link: "DomainLink", watcher: "DomainLink") -> bool:
    """Tell whether a resource is shown to another by a subscription."""
    return (
        link.priority is not None
        and watcher.priority is not None
        and sees(link.owner, watcher.account)
        and _is_visible(link, watcher)
    )


def _is_visible(link: "DomainLink", watcher: "DomainLink") -> bool:
    """Tell whether a resource that a contact may see is let through to it (section 4.2.3)."""
    contact = roster_of(watcher.owner).contacts.get(link.account)
    return contact is not None and contact.state.sees and not _hidden(link, watcher)


def _is_directed(link: "DomainLink", watcher: "DomainLink") -> bool:
    return link.directed is not None and link.directed.get(watcher.jid) is watcher


def _hidden(link: "DomainLink", watcher: "DomainLink") -> bool:
    """Tell whether one of the two has blocked the other."""
    return blocks(link.owner, watcher.jid) or blocks(watcher.owner, link.jid)


def _hide_from(link: "DomainLink", address: str, watchers: list["DomainLink"], now: float) -> None:
    text = _gone(link.jid, address)
    for watcher in watchers:
        if link.directed is not None:
            link.directed.pop(watcher.jid, None)
        watcher.inform(text, now)


# What clients send


def _available(link: "DomainLink", element: Element, now: float) -> None:
    """Broadcast to the account's available resources, the sender too, and to its contacts.

    Sections 4.2.2 and 4.4.2. The first time, the contacts' presence comes back:
    they are of this domain, so a look takes the place of a probe.
    """
    priority = read_priority(element)
    initial = link.priority is None
    link.presence = with_addresses(element, link.jid, link.account)
    _set_priority(link, priority, now)
    own = link.router.available(link.account)
    for address, seers in [(link.account, own), *_watchers(link)]:
        text = _shown(link, address)
        for seer in seers:
            seer.inform(text, now)
            if link.priority is None:
                return  # Its own queue was full; that it is gone is the last word.
    if initial:
        for other in (*own, *_watched(link)):
            if other is not link and other.priority is not None:
                link.inform(_shown(other, link.account), now)
        link.contacts.remind(link)
    for tell in link.events.available:
        tell(link, element, initial, now)


def _unavailable(link: "DomainLink", element: Element, now: float) -> None:
    """Tell those who saw the resource, and itself (section 4.5.2)."""
    was_available = link.priority is not None
    if was_available:
        link.inform(with_addresses(element, link.jid, link.account), now)
        if link.priority is None:
            return  # Its own queue was full; all have been told.
    seers = _seers(link)
    _tell_services(link, now)
    link.presence = ""
    link.directed = None
    _set_priority(link, None, now)
    for address, each in seers:
        text = with_addresses(element, link.jid, address)
        for seer in each:
            seer.inform(text, now)
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


def _send(link: "DomainLink", element: Element, jid: JID, ticket: int, now: float) -> bool:
    """Take a presence with an address: directed, a probe, or of a subscription."""
    kind = element.get("type")
    if kind != "unavailable":  # Who is blocked saw that already.
        refuse_to_blocked(link.owner, jid.full)
    service = link.router.services.get(jid.domain)
    if service is not None:
        if link.visited is None:
            link.visited = set()
        link.visited.add(service)
        return service.presence(link, element, jid, ticket, now)
    action = PRESENCES[kind][link.router.situation(jid)]
    match action:
        case Action.MANAGE:
            return link.contacts.manage(link, Kind(kind), element, jid.bare, ticket)
        case Action.ANSWER:
            _answer_probe(link, jid, now)
        case Action.DELIVER:
            _direct(link, element, jid, [link.router.full[jid.full]], now)
        case Action.EVERY:
            _direct(link, element, jid, link.router.available(jid.bare), now)
        case _:
            refuse(action)
    return True


def _answer_probe(link: "DomainLink", jid: JID, now: float) -> None:
    """Answer a client that asks for somebody's presence (section 4.3.2).

    It hears no more than its subscription lets it see anyway, whether there is
    such an account or not.
    """
    bare: str = jid.bare
    contact = roster_of(link.owner).contacts.get(bare)
    if bare != link.account and not (contact is not None and contact.state.sees):
        link.inform(stanza(Kind.UNSUBSCRIBED, bare, link.account), now)
        return
    shown = [
        watched
        for watched in link.router.available(bare)
        if not _hidden(watched, link) and jid.full in (bare, watched.jid)
    ]
    for watched in shown:
        link.inform(_shown(watched, link.account), now)
    if not shown:
        link.inform(_gone(jid.full, link.account), now)


def _direct(
    link: "DomainLink", element: Element, jid: JID, recipients: list["DomainLink"], now: float
) -> None:
    """Send directed presence and remember who saw it (section 4.6)."""
    kind = element.get("type")
    text = with_addresses(element, link.jid, jid.full)
    for recipient in recipients:
        if _hidden(link, recipient):
            continue
        if kind == "":
            _remember(link, recipient)
        elif kind == "unavailable" and link.directed is not None:
            link.directed.pop(recipient.jid, None)
        recipient.inform(text, now)


def _remember(link: "DomainLink", seer: "DomainLink") -> None:
    directed = link.directed
    if directed is None:
        directed = link.directed = WeakValueDictionary()
    if seer.jid not in directed and len(directed) >= link.max_directed:
        raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "directed presence to too many")
    directed[seer.jid] = seer


# Who is concerned


def _online(link: "DomainLink") -> list[str]:
    """Return the account's contacts that have a resource: of many, the few that are there."""
    contacts = roster_of(link.owner).contacts
    return list(contacts.keys() & link.router.accounts.keys()) if contacts else []


def _watchers(link: "DomainLink") -> Iterator[tuple[str, list["DomainLink"]]]:
    """Yield the contacts that see the account, and their available resources."""
    contacts = roster_of(link.owner).contacts
    for jid in _online(link):
        if contacts[jid].state.is_seen:
            there = link.router.available(jid)
            watchers = [watcher for watcher in there if _is_visible(link, watcher)]
            if watchers:
                yield jid, watchers


def _watched(link: "DomainLink") -> Iterator["DomainLink"]:
    """Yield the available resources of the contacts whom the account sees."""
    contacts = roster_of(link.owner).contacts
    for jid in _online(link):
        if contacts[jid].state.sees:
            for watched in link.router.available(jid):
                if _is_seen(watched, link):
                    yield watched


def _seers(link: "DomainLink") -> list[tuple[str, list["DomainLink"]]]:
    """Return, once each, the others that know the resource as available, and their addresses."""
    seers: list[tuple[str, list[DomainLink]]] = []
    if link.priority is not None:
        own = [other for other in link.router.available(link.account) if other is not link]
        seers = [(link.account, own), *_watchers(link)]
    if link.directed is not None:
        known = {seer.jid for _, each in seers for seer in each}
        bound = link.router.full
        seers += [
            (jid, [seer])
            for jid, seer in link.directed.items()
            if jid not in known and seer is not link and bound.get(jid) is seer
        ]
    return seers


def _shown(link: "DomainLink", recipient: str) -> str:
    """Return a resource's last presence, addressed to somebody else than its account."""
    # It was written by with_addresses: what comes first is known.
    head = f"<presence{link.from_attribute} to='"
    at = len(head) + len(escape(link.account))
    return f"{head}{escape(recipient)}{link.presence[at:]}"


def _gone(sender: str, recipient: str) -> str:
    return (
        f"<presence xmlns='{ns.CLIENT}' type='unavailable' from='{escape(sender)}'"
        f" to='{escape(recipient)}'/>"
    )
