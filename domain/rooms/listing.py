"""Who has which role or affiliation, and who is told: XEP-0045 sections 8.5, 9.2, 9.5, 9.8, 10."""

from collections.abc import Mapping
from typing import Final

from andiron.domain.client import Client
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Place, Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.tree import Tree

__all__ = ["list_items"]

_ITEM: Final = f"{{{ns.MUC_ADMIN}}}item"
_LISTS: Final[Mapping[Affiliation, Affiliation]] = {
    Affiliation.OWNER: Affiliation.OWNER,
    Affiliation.ADMIN: Affiliation.OWNER,
    Affiliation.MEMBER: Affiliation.ADMIN,
    Affiliation.OUTCAST: Affiliation.ADMIN,
}
"""Whose each list is to see and to change (sections 9.2, 9.5, 10.5 and 10.8)."""


def list_items(room: Room, client: Client, query: Tree) -> str:
    """Answer a ``muc#admin`` get: who has a role or an affiliation (sections 8.5, 9.2 and on)."""
    items = query.findall(_ITEM)
    if len(items) != 1:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "one list at a time")
    role, affiliation = items[0].get("role"), items[0].get("affiliation")
    try:
        if affiliation is not None and role is None:
            found = _affiliated(room, client, Affiliation(affiliation))
        elif role is not None and affiliation is None:
            found = _playing(room, client, Role(role))
        else:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "a role or an affiliation")
    except ValueError:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a role or affiliation") from None
    return f"<query xmlns='{ns.MUC_ADMIN}'>{found}</query>"


def _affiliated(room: Room, client: Client, affiliation: Affiliation) -> str:
    if affiliation is Affiliation.NONE:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "there is no such list")
    if not room.has_rank(client.account, _LISTS[affiliation]) and (
        affiliation is Affiliation.OUTCAST or not _may_see_members(room, client)
    ):
        raise StanzaError(StanzaCondition.FORBIDDEN, "this list is not for you")
    return "".join(
        write_place(bare, room.place(bare))
        for bare, each in room.affiliations.items()
        if each is affiliation
    )


def _may_see_members(room: Room, client: Client) -> bool:
    """Tell whether somebody gets the member list: where JIDs are shown anyway (section 5.2.1)."""
    if not (room.config.jids_shown and room.has_rank(client.account, Affiliation.MEMBER)):
        return False
    seat = room.seats.get(client)
    return seat is None or seat.occupant.role in room.config.member_list


def _playing(room: Room, client: Client, role: Role) -> str:
    seat = room.seats.get(client)
    if (seat is None or seat.occupant.role is not Role.MODERATOR) and not room.has_rank(
        client.account, Affiliation.ADMIN
    ):
        raise StanzaError(StanzaCondition.FORBIDDEN, "only moderators see who has which role")
    return "".join(
        f"<item affiliation='{each.affiliation}' jid='{escape(each.shown.jid)}'"
        f" nick='{escape(each.nick)}' role='{role}'/>"
        for each in room.occupants.values()
        if each.role is role
    )


def write_place(bare: str, place: Place) -> str:
    """Return how a list tells a person's place: with the nickname, and the reason (section 9.2)."""
    nick = f" nick='{escape(place.nick)}'" if place.nick else ""
    head = f"<item affiliation='{place.affiliation}' jid='{escape(bare)}'{nick}"
    return f"{head}><reason>{escape(place.reason)}</reason></item>" if place.reason else f"{head}/>"
