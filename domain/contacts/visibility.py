"""Who sees whom: what is known, and told, of an account's resources (RFC 6121 section 4).

Everything is decided in memory, by subscriptions, blocks and directed presence.
"""

from collections.abc import Iterator

from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
from andiron.domain.contacts.roster import roster_of, sees
from andiron.domain.router import Router
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape

__all__ = [
    "appear",
    "around_recipient",
    "gone",
    "hidden",
    "hide",
    "seers_of",
    "show",
    "shown",
    "vanish",
    "watched_by",
    "watchers_of",
]


def appear(router: Router, account: str, jid: str, now: float) -> None:
    """Show an account's resources to a contact, a bare JID, that may see them from now on."""
    for client, watchers in _pairs(router, account, jid):
        text = shown(client, jid)
        for watcher in watchers:
            watcher.inform(text, now)


def vanish(router: Router, account: str, jid: str, now: float) -> None:
    """Tell a contact, a bare JID, that an account's resources are gone, as far as it is to know.

    It has seen them until now.
    """
    for client, watchers in _pairs(router, account, jid):
        _hide_from(client, jid, watchers, now)


def hide(router: Router, client: Client, jid: str, now: float) -> None:
    """Make an account and an address that it is about to block look gone to each other.

    Call it for any resource of the account before its owner knows of the block
    (XEP-0191 section 3.3). The address is of any kind that can be blocked.
    """
    for own, other in _covered(router, client, jid):
        for watched, watcher in ((own, other), (other, own)):
            if _is_seen(watched, watcher) or _is_directed(watched, watcher):
                _hide_from(watched, watcher.account, [watcher], now)


def show(router: Router, client: Client, jid: str, now: float) -> None:
    """Undo :func:`hide`, when the owner knows that the address is unblocked (section 3.4)."""
    for own, other in _covered(router, client, jid):
        for watched, watcher in ((own, other), (other, own)):
            if _is_seen(watched, watcher):
                watcher.inform(shown(watched, watcher.account), now)


def _pairs(router: Router, account: str, jid: str) -> Iterator[tuple[Client, list[Client]]]:
    """Yield each available resource of an account with those of another that may see it."""
    watchers = router.available(jid)
    for client in router.available(account) if watchers else ():
        visible = [watcher for watcher in watchers if not hidden(client, watcher)]
        if visible and client.priority is not None:
            yield client, visible


def _covered(router: Router, client: Client, jid: str) -> list[tuple[Client, Client]]:
    """Return the pairs of an account's resources and those of others that an address covers."""
    bare = jid.partition("/")[0]
    if "@" in bare:
        accounts = [router.accounts[bare]] if bare in router.accounts else []
    else:
        accounts = list(router.accounts.values()) if jid == router.domain else []
    others = [other for resources in accounts for other in resources.clients.values()]
    return [
        (own, other)
        for own in router.accounts[client.account].clients.values()
        for other in others
        if other.account != client.account and jid in (other.jid, other.account, router.domain)
    ]


def _is_seen(client: Client, watcher: Client) -> bool:
    """Tell whether a resource is shown to another by a subscription."""
    return (
        client.priority is not None
        and watcher.priority is not None
        and sees(client.owner, watcher.account)
        and _is_visible(client, watcher)
    )


def _is_visible(client: Client, watcher: Client) -> bool:
    """Tell whether a resource that a contact may see is let through to it (section 4.2.3)."""
    contact = roster_of(watcher.owner).contact(client.account)
    return contact is not None and contact.state.sees and not hidden(client, watcher)


def _is_directed(client: Client, watcher: Client) -> bool:
    return client.directed is not None and client.directed.get(watcher.jid) is watcher


def hidden(client: Client, watcher: Client) -> bool:
    """Tell whether one of the two has blocked the other."""
    own, other = client.owner, watcher.owner
    # Asked for each who sees a presence, and mostly nobody is blocked.
    return bool(own.blocked or other.blocked) and (
        blocks(own, watcher.jid) or blocks(other, client.jid)
    )


def _hide_from(client: Client, address: str, watchers: list[Client], now: float) -> None:
    text = gone(client.jid, address)
    for watcher in watchers:
        if client.directed is not None:
            client.directed.pop(watcher.jid, None)
        watcher.inform(text, now)


def _online(router: Router, client: Client) -> list[str]:
    """Return the account's contacts that have a resource."""
    return roster_of(client.owner).among(router.accounts)


def watchers_of(router: Router, client: Client) -> Iterator[tuple[str, list[Client]]]:
    """Yield the contacts that see the account, and their available resources.

    This and :func:`watched_by` look at each when its turn comes.
    """
    roster = roster_of(client.owner)
    for jid in _online(router, client):
        contact = roster.contact(jid)
        if contact is not None and contact.state.is_seen:
            there = router.available(jid)
            watchers = [watcher for watcher in there if _is_visible(client, watcher)]
            if watchers:
                yield jid, watchers


def watched_by(router: Router, client: Client) -> Iterator[Client]:
    """Yield the available resources of the contacts whom the account sees."""
    roster = roster_of(client.owner)
    for jid in _online(router, client):
        contact = roster.contact(jid)
        if contact is not None and contact.state.sees:
            for watched in router.available(jid):
                if _is_seen(watched, client):
                    yield watched


def seers_of(router: Router, client: Client) -> list[tuple[str, list[Client]]]:
    """Return, once each, the others that know the resource as available, and their addresses."""
    seers: list[tuple[str, list[Client]]] = []
    if client.priority is not None:
        own = [other for other in router.available(client.account) if other is not client]
        seers = [(client.account, own), *watchers_of(router, client)]
    if client.directed is not None:
        known = {seer.jid for _, each in seers for seer in each}
        bound = router.full
        seers += [
            (jid, [seer])
            for jid, seer in client.directed.items()
            if jid not in known and seer is not client and bound.get(jid) is seer
        ]
    return seers


def shown(client: Client, recipient: str) -> str:
    """Return a resource's last presence, addressed to somebody else than its account."""
    head, tail = around_recipient(client)
    return f"{head}{escape(recipient)}{tail}"


def around_recipient(client: Client) -> tuple[str, str]:
    """Return what of a resource's last presence is before and behind the escaped recipient.

    That is the same for all to whom it goes.
    """
    # It was written by with_addresses: what comes first is known.
    head = f"<presence{client.from_attribute} to='"
    return head, client.presence[len(head) + len(escape(client.account)) :]


def gone(sender: str, recipient: str) -> str:
    """Return the presence that says that a resource is not available."""
    return (
        f"<presence xmlns='{ns.CLIENT}' type='unavailable' from='{escape(sender)}'"
        f" to='{escape(recipient)}'/>"
    )
