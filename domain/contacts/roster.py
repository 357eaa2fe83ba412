"""The roster: whom an account knows, RFC 6121 section 2. In memory, and as XML."""

from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts.subscriptions import NOBODY, Contact
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = ["Item", "Request", "Roster", "read_request", "roster_of", "sees", "write_query"]

_ITEM: Final = f"{{{ns.ROSTER}}}item"
_GROUP: Final = f"{{{ns.ROSTER}}}group"


class Roster:
    """What is kept in memory of an account's roster: enough for presence, no names or groups."""

    __slots__ = ("contacts", "requests", "version")

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        """By bare JID; those with a request that waits are here, too, listed or not."""
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
    contact = roster_of(owner).contacts.get(jid)
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


def write_query(version: int, items: str) -> str:
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
