"""The roster: whom an account knows, RFC 6121 section 2. In memory, and as XML."""

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from andiron.domain.client import Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts.shared_group import SharedGroup
from andiron.domain.contacts.subscriptions import NOBODY, Contact, State
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = [
    "SHARED",
    "Item",
    "Request",
    "Roster",
    "read_request",
    "roster_of",
    "sees",
    "write_query",
]

_ITEM: Final = f"{{{ns.ROSTER}}}item"
_GROUP: Final = f"{{{ns.ROSTER}}}group"


SHARED: Final = Contact(State.BOTH, listed=True)
"""Somebody who is in a group with the account."""


class Roster:
    """What is kept in memory of an account's roster: enough for presence, no names or groups."""

    __slots__ = ("contacts", "groups", "own", "requests", "version")

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        """Those of its own, by bare JID; who has a request that waits is here, listed or not."""
        self.groups: tuple[SharedGroup, ...] = ()
        """The shared groups that the account is in, under :attr:`own`."""
        self.own = ""
        self.requests: frozenset[str] = frozenset()
        """Whose requests wait for an answer."""
        self.version = 0
        """The number of the last change that its clients were told of (section 2.6)."""

    def keep(self, jid: str, contact: Contact, version: int) -> None:
        """Take note of a change; version 0 where clients are not told of it."""
        if contact == NOBODY:
            self.contacts.pop(jid, None)
        else:
            self.contacts[jid] = contact
        if contact.state.pending:
            self.requests |= {jid}
        elif jid in self.requests:
            self.requests -= {jid}
        self.version = version or self.version

    @property
    def ver(self) -> str:
        """Return what tells the whole roster, shared groups too, from any other (section 2.6)."""
        return f"{self.version}{self.digest}"

    @property
    def digest(self) -> str:
        """Return what tells the shared groups from any others, empty where there are none."""
        if not self.groups:
            return ""
        digests = "".join(sorted(group.digest for group in self.groups))
        return f"-{blake2b(digests.encode(), digest_size=8).hexdigest()}"

    def as_it_is(self) -> "Roster":
        """Return the shared groups as they are now, for work that takes a while."""
        now = Roster()
        now.groups, now.own = tuple(map(copy, self.groups)), self.own
        return now

    def contact(self, jid: str) -> Contact | None:
        """Return what the account has to do with a bare JID: its own contact, or a shared one."""
        if self.groups and self.shares(jid):
            return SHARED
        return self.contacts.get(jid)

    def shares(self, jid: str, but: Collection[SharedGroup] = ()) -> bool:
        """Tell whether a bare JID is in a group with the account, another than some."""
        return any(jid in group.members and group not in but for group in self.groups)

    def among(self, accounts: Mapping[str, object]) -> list[str]:
        """Return the contacts who are among some accounts: of many, the few that are there."""
        found = self.contacts.keys() & accounts.keys() if self.contacts else set()
        for group in self.groups:
            found |= group.members.keys() & accounts.keys()
        found.discard(self.own)
        return list(found)

    def seen(self) -> list[str]:
        """Return those whose presence the account sees."""
        seen = dict.fromkeys(jid for jid, each in self.contacts.items() if each.state.sees)
        for group in self.groups:
            seen |= dict.fromkeys(group.members)
        seen.pop(self.own, None)
        return list(seen)

    def own_groups(self, jid: str, groups: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of a contact's groups that are not there by sharing."""
        shared = {group.name for group in self.groups if jid in group.members}
        return tuple(group for group in groups if group not in shared)

    def shown(self, item: "Item") -> "Item | None":
        """Return a contact as the account's clients see it, with what shared groups say of it.

        None for one that they do not see.
        """
        groups = [group for group in self.groups if item.jid in group.members]
        if not groups:
            return item if item.contact.listed else None
        name = item.name or next(filter(None, (each.members[item.jid] for each in groups)), "")
        names = (*item.groups, *sorted(group.name for group in groups))
        return Item(item.jid, SHARED, name, tuple(dict.fromkeys(names)))


_NONE: Final = Roster()
"""That of whoever has none; nobody changes it."""


def roster_of(owner: Owner) -> Roster:
    """Return the roster of an account; it is to be read only."""
    found: Roster = owner.parts.get(Roster, _NONE)
    return found


def sees(owner: Owner, jid: str) -> bool:
    """Tell whether a bare JID may see the presence of an account, and what goes with it."""
    if jid == owner.jid:
        return True
    contact = roster_of(owner).contact(jid)
    return contact is not None and contact.state.is_seen


@dataclass(frozen=True, slots=True)
class Item:
    """A contact with what its account calls it (section 2.1.2)."""

    jid: str
    contact: Contact = NOBODY
    name: str = ""
    groups: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The characters of it that are kept: those of its address, name and groups."""
        between = max(len(self.groups) - 1, 0)
        return len(self.jid) + len(self.name) + sum(map(len, self.groups)) + between

    def to_xml(self) -> str:
        """Return ``<item/>``, within a query of its namespace."""
        state = self.contact.state
        head = (
            "<item"
            + (" approved='true'" if self.contact.approved else "")
            + (" ask='subscribe'" if state.ask else "")
            + f" jid='{escape(self.jid)}'"
            + (f" name='{escape(self.name)}'" if self.name else "")
            + f" subscription='{state.subscription}'"
        )
        if not self.groups:
            return head + "/>"
        groups = "".join(f"<group>{escape_text(group)}</group>" for group in self.groups)
        return f"{head}>{groups}</item>"


def write_query(version: str, items: str) -> str:
    """Return the query of a result or a push around its items' XML."""
    head = f"<query xmlns='{ns.ROSTER}' ver='{version}'"
    return f"{head}>{items}</query>" if items else f"{head}/>"


@dataclass(frozen=True, slots=True)
class Request:
    """What a roster set asks for (section 2.1.5)."""

    jid: str
    """A bare JID."""
    name: str = ""
    groups: tuple[str, ...] = ()
    remove: bool = False


def read_request(query: Tree, account: str, config: RosterConfig) -> Request:
    """Read a roster set. Raises :class:`StanzaError` as sections 2.3.3 and 2.5.3 say."""
    items = query.findall(_ITEM)
    if len(items) != 1:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "one item")
    (item,) = items
    if not item.get("jid"):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "whom?")
    jid: str = parse_jid(item.get("jid", "")).bare
    if item.get("subscription") == "remove":
        return Request(jid, remove=True)
    if jid == account:
        raise StanzaError(StanzaCondition.NOT_ALLOWED, "yourself")
    name = item.get("name", "")
    if len(name) > config.max_name:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "the name is too long")
    groups = tuple(group.text or "" for group in item.findall(_GROUP))
    if groups == ("",):
        groups = ()  # Converse.js writes that for no group, and other servers let it pass.
    if len(set(groups)) < len(groups):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "the same group twice")
    if len(groups) > config.max_groups:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too many groups")
    if not all(0 < len(group) <= config.max_name for group in groups):
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "a group's name is empty or too long")
    return Request(jid, name, groups)
