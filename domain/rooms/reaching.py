"""Whom a stanza to a room reaches in particular: who may be asked first whether it may."""

from collections.abc import Collection
from typing import Final

from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name
from andiron.xmpp.jid import JID, parse_jid
from andiron.xmpp.tree import Tree, children
from andiron.xmpp.xml import Element

__all__ = ["reached"]

_X: Final = f"{{{ns.MUC_USER}}}x"
_INVITE: Final = f"{{{ns.MUC_USER}}}invite"
_ADMIN: Final = f"{{{ns.MUC_ADMIN}}}query"
_ITEM: Final = f"{{{ns.MUC_ADMIN}}}item"


def reached(room: Room, element: Element, jid: JID) -> Collection[str]:
    """Return the bare JIDs of one occupant who is addressed, or of those who are invited.

    Who becomes a member of a room for members is invited by that (XEP-0045 section 9.3).
    Raises :class:`StanzaError` for an address that cannot be.
    """
    kind = element.get("type")
    if jid.resource:
        occupant = room.occupants.get(jid.resource)
        return () if occupant is None or element.name == "presence" else {occupant.bare}
    if element.name == "message" and kind != "groupchat" and may_name(element.text, ns.MUC_USER):
        return _addressed("to", [i for x in _those(element, _X) for i in x.findall(_INVITE)])
    if element.name == "iq" and kind == "set" and room.config.members_only:
        items = [item for query in _those(element, _ADMIN) for item in query.findall(_ITEM)]
        members = [one for one in items if one.get("affiliation") == Affiliation.MEMBER.value]
        new = _addressed("jid", members)
        return {bare for bare in new if room.affiliation(bare) is Affiliation.NONE}
    return ()


def _those(element: Element, tag: str) -> list[Tree]:
    return [child for child in children(element) if child.tag == tag]


def _addressed(name: str, trees: list[Tree]) -> set[str]:
    return {parse_jid(address).bare for tree in trees if (address := tree.get(name))}
