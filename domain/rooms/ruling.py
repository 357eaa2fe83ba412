"""Changing roles and affiliations: XEP-0045 sections 8, 9 and 10.3 to 10.8.

A list of changes is checked as a whole before the first of them is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Client
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import (
    RANK,
    Affiliation,
    Role,
    Standing,
    check_affiliation_change,
    check_role_change,
    role_after,
)
from andiron.domain.rooms.room import Detail, Room, prepared_nick
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = ["Decree", "Item", "affiliate", "change_affiliations", "list_items", "obey", "read_items"]

_ITEM: Final = f"{{{ns.MUC_ADMIN}}}item"
_REASON: Final = f"{{{ns.MUC_ADMIN}}}reason"
_MAX_REASON: Final = 1000
_ADMIN: Final = RANK[Affiliation.ADMIN]
_NONE: Final = RANK[Affiliation.NONE]
_LISTS: Final[Mapping[Affiliation, Affiliation]] = {
    Affiliation.OWNER: Affiliation.OWNER,
    Affiliation.ADMIN: Affiliation.OWNER,
    Affiliation.MEMBER: Affiliation.ADMIN,
    Affiliation.OUTCAST: Affiliation.ADMIN,
}
"""Whose each list is to see and to change (sections 9.2, 9.5, 10.5 and 10.8)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One change: of the role of a nickname, or of the affiliation of a bare JID."""

    nick: str = ""
    role: Role | None = None
    jid: str = ""
    affiliation: Affiliation | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decree:
    """Changes that were checked and may be made."""

    roles: tuple[tuple[Occupant, Role, str], ...]
    affiliations: Mapping[str, tuple[Affiliation, str]]
    """The new affiliation, and the reason, by bare JID."""
    actor: str
    """The nickname of who wants them, empty for one who is not in the room."""


def read_items(query: Tree, room: Room) -> list[Item]:
    """Read a ``muc#admin`` set; raises :class:`StanzaError` for what is none (section 17.4)."""
    items = [_read_item(tree, room) for tree in query.findall(_ITEM)]
    if not items:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "no items")
    return items


def _read_item(tree: Tree, room: Room) -> Item:
    nick, jid = tree.get("nick", ""), tree.get("jid", "")
    nick = prepared_nick(room, nick) if nick else ""
    role, affiliation = tree.get("role"), tree.get("affiliation")
    reason = (tree.findtext(_REASON) or "").strip()[:_MAX_REASON]
    if (role is None) == (affiliation is None):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "an item has a role or an affiliation")
    try:
        if role is not None:
            if not nick:
                raise StanzaError(StanzaCondition.BAD_REQUEST, "a role is a nickname's")
            return Item(nick=nick, role=Role(role), reason=reason)
        if not jid and nick in room.occupants:
            jid = room.occupants[nick].bare
        if not jid:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an affiliation is a JID's")
        bare = parse_jid(jid).bare
        return Item(jid=bare, affiliation=Affiliation(affiliation or ""), reason=reason)
    except ValueError:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a role or affiliation") from None


def obey(room: Room, client: Client, items: Sequence[Item]) -> Decree:
    """Return the changes that ``items`` mean, or raise the error for the first that may not be."""
    seat = room.seats.get(client)
    role = seat.occupant.role if seat else Role.NONE
    actor = Standing(room.affiliation(client.account), role)
    roles: list[tuple[Occupant, Role, str]] = []
    affiliations: dict[str, tuple[Affiliation, str]] = {}
    for item in items:
        if item.role is not None:
            target = room.occupants.get(item.nick)
            if target is None:
                check_role_change(actor, Standing(Affiliation.NONE, Role.VISITOR), item.role)
                raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "nobody is here by that name")
            himself = target.bare == client.account
            check_role_change(actor, target.standing, item.role, himself=himself)
            roles.append((target, item.role, item.reason))
        elif item.affiliation is not None:
            is_ban = item.affiliation is Affiliation.OUTCAST
            if is_ban and item.jid == client.account and RANK[actor.affiliation] >= _ADMIN:
                raise StanzaError(StanzaCondition.CONFLICT, "you cannot ban yourself")
            check_affiliation_change(
                actor.affiliation, room.affiliation(item.jid), item.affiliation
            )
            affiliations[item.jid] = (item.affiliation, item.reason)
    check_affiliations(room, {bare: new for bare, (new, _) in affiliations.items()})
    return Decree(tuple(roles), affiliations, seat.occupant.nick if seat else "")


def check_affiliations(room: Room, changes: Mapping[str, Affiliation]) -> None:
    """Raise the error for changes that cannot be, whoever wants them.

    They leave the room without an owner, or with too long lists, or mean to give
    a whole domain what is given to persons: it can be banned alone (section 9.2).
    """
    if any("@" not in bare and RANK[new] > _NONE for bare, new in changes.items()):
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "a whole domain can only be banned")
    after = {**room.affiliations, **changes}
    if Affiliation.OWNER not in after.values():
        raise StanzaError(StanzaCondition.CONFLICT, "a room has an owner")
    count = sum(each is not Affiliation.NONE for each in after.values())
    if count > max(room.limits.max_affiliations, len(room.affiliations)):
        raise StanzaError(
            StanzaCondition.RESOURCE_CONSTRAINT,
            f"at most {room.limits.max_affiliations} affiliations",
        )


def carry_out(room: Room, decree: Decree) -> None:
    """Make the changes, and tell of them."""
    for occupant, role, reason in decree.roles:
        if occupant.role is not role and occupant.seats:
            _set_role(room, occupant, role, Detail(actor=decree.actor, reason=reason))
    change_affiliations(room, decree.affiliations, decree.actor)


def change_affiliations(
    room: Room, changes: Mapping[str, tuple[Affiliation, str]], actor: str = ""
) -> None:
    """Set affiliations that were checked, with what follows for those who are in the room."""
    for bare, (wanted, reason) in changes.items():
        old = affiliate(room, bare, wanted)
        new = room.affiliation(bare)  # Perhaps none of his own, and banned with his domain.
        if old is new:
            continue
        for occupant in room.occupants_of(bare):
            _set_affiliation(room, occupant, new, Detail(actor=actor, reason=reason))


def affiliate(room: Room, bare: str, new: Affiliation) -> Affiliation:
    """Note how a person stands to the room from now on; return how it was."""
    old = room.affiliation(bare)
    if new is Affiliation.NONE:
        room.affiliations.pop(bare, None)
    else:
        room.affiliations[bare] = new
    if old is not new:
        room.voices.pop(bare, None)
    if RANK[new] < RANK[Affiliation.MEMBER]:
        room.reserve(bare, "")
    return old


def expel(room: Room, occupant: Occupant, detail: Detail) -> None:
    """Take an occupant out of the room, all its sessions, and tell why."""
    shown = room.is_shown(occupant)
    seats = tuple(occupant.seats)
    for seat in seats:
        room.rise(seat)
    room.tell_gone(occupant, seats, detail, shown=shown)


def _set_role(room: Room, occupant: Occupant, role: Role, detail: Detail) -> None:
    room.remember_voice(occupant.bare, role)
    if role is Role.NONE:
        expel(room, occupant, Detail((307,), actor=detail.actor, reason=detail.reason))
        return
    was = occupant.role
    occupant.role = role
    occupant.tails.clear()
    _tell_again(room, occupant, was, detail)


def _set_affiliation(room: Room, occupant: Occupant, new: Affiliation, detail: Detail) -> None:
    was = occupant.role
    old, occupant.affiliation = occupant.affiliation, new
    occupant.tails.clear()
    if new is Affiliation.OUTCAST:
        expel(room, occupant, Detail((301,), actor=detail.actor, reason=detail.reason))
    elif new is Affiliation.NONE and room.config.members_only:
        expel(room, occupant, Detail((321,), actor=detail.actor, reason=detail.reason))
    else:
        occupant.role = role_after(occupant.role, old, new, moderated=room.config.moderated)
        _tell_again(room, occupant, was, detail)


def _tell_again(room: Room, occupant: Occupant, was: Role, detail: Detail) -> None:
    broadcast = room.config.broadcast
    if was in broadcast and occupant.role not in broadcast:
        room.tell_hidden(occupant)
    room.tell(occupant, detail)
    if occupant.role is Role.MODERATOR is not was and not room.config.jids_shown:
        for seat in occupant.seats:
            room.introduce(seat)  # Now with their JIDs.


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
        f"<item affiliation='{affiliation}' jid='{escape(bare)}'{_nick(room, bare)}/>"
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


def _nick(room: Room, bare: str) -> str:
    nick = room.nicks.get(bare)
    return f" nick='{escape(nick)}'" if nick else ""
