"""Changing roles and affiliations: XEP-0045 sections 8, 9 and 10.3 to 10.8.

A list of changes is checked as a whole before the first of them is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Client
from andiron.domain.rooms.naming import check_reservations, prepared_nick
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.presence import Detail, written_detail
from andiron.domain.rooms.privileges import (
    RANK,
    Affiliation,
    Role,
    Standing,
    check_affiliation_change,
    check_role_change,
    role_after,
)
from andiron.domain.rooms.room import Place, Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = [
    "Change",
    "Decree",
    "Item",
    "carry_out",
    "change_affiliations",
    "check_affiliations",
    "expel",
    "obey",
    "read_items",
]

_ITEM: Final = f"{{{ns.MUC_ADMIN}}}item"
_REASON: Final = f"{{{ns.MUC_ADMIN}}}reason"
_MAX_REASON: Final = 1000
_MAX_NOTICES: Final = 20
"""Of how many changes moderators are told one by one, which all clients understand."""
_ADMIN: Final = RANK[Affiliation.ADMIN]
_NONE: Final = RANK[Affiliation.NONE]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a person's lasting place in the room."""

    affiliation: Affiliation
    reason: str = ""
    """Empty: none, or what it was where the affiliation stays."""
    nick: str | None = None
    """The nickname to reserve, empty for none; None leaves that as it is (section 9.5)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One change: of the role of a nickname, or of the affiliation of a bare JID."""

    nick: str = ""
    role: Role | None = None
    reason: str = ""
    jid: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Decree:
    """Changes that were checked and may be made."""

    roles: tuple[tuple[Occupant, Role, str], ...]
    affiliations: Mapping[str, Change]
    """By bare JID."""
    actor: str
    """The nickname of who wants them, empty for one who is not in the room."""


def read_items(query: Tree, room: Room) -> list[Item]:
    """Read a ``muc#admin`` set; raises :class:`StanzaError` for what is none (section 17.4)."""
    items = [_read_item(tree, room) for tree in query.findall(_ITEM)]
    if not items:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "no items")
    return items


def _read_item(tree: Tree, room: Room) -> Item:
    given, jid = tree.get("nick"), tree.get("jid", "")
    nick = prepared_nick(room, given) if given else ""
    role, affiliation = tree.get("role"), tree.get("affiliation")
    reason = (tree.findtext(_REASON) or "").strip()[:_MAX_REASON]
    if (role is None) == (affiliation is None):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "an item has a role or an affiliation")
    try:
        if role is not None:
            if not nick:
                raise StanzaError(StanzaCondition.BAD_REQUEST, "a role is a nickname's")
            return Item(nick=nick, role=Role(role), reason=reason)
        wish = None if given is None else nick
        if not jid and nick in room.occupants:
            jid, wish = room.occupants[nick].bare, None
        if not jid:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an affiliation is a JID's")
        change = Change(Affiliation(affiliation or ""), reason, wish)
        return Item(jid=parse_jid(jid).bare, change=change)
    except ValueError:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "not a role or affiliation") from None


def obey(room: Room, client: Client, items: Sequence[Item]) -> Decree:
    """Return the changes that ``items`` mean, or raise the error for the first that may not be."""
    seat = room.seats.get(client)
    role = seat.occupant.role if seat else Role.NONE
    actor = Standing(room.affiliation(client.account), role)
    roles: list[tuple[Occupant, Role, str]] = []
    affiliations: dict[str, Change] = {}
    for item in items:
        if item.role is not None:
            target = room.occupants.get(item.nick)
            if target is None:
                check_role_change(actor, Standing(Affiliation.NONE, Role.VISITOR), item.role)
                raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "nobody is here by that name")
            himself = target.bare == client.account
            check_role_change(actor, target.standing, item.role, himself=himself)
            roles.append((target, item.role, item.reason))
        elif item.change is not None:
            new = item.change.affiliation
            is_ban = new is Affiliation.OUTCAST
            if is_ban and item.jid == client.account and RANK[actor.affiliation] >= _ADMIN:
                raise StanzaError(StanzaCondition.CONFLICT, "you cannot ban yourself")
            check_affiliation_change(actor.affiliation, room.affiliation(item.jid), new)
            affiliations[item.jid] = item.change
    check_affiliations(room, {bare: each.affiliation for bare, each in affiliations.items()})
    check_reservations(room, {bare: _nick(each) for bare, each in affiliations.items()})
    return Decree(tuple(roles), affiliations, seat.occupant.nick if seat else "")


def _nick(change: Change) -> str | None:
    """Return the nickname that a change reserves; it goes with the last affiliation."""
    return change.nick if RANK[change.affiliation] > _NONE else ""


def check_affiliations(room: Room, changes: Mapping[str, Affiliation]) -> None:
    """Raise the error for changes that cannot be, whoever wants them.

    They leave the room without an owner, or with too long lists, or mean to give
    a whole domain what is given to persons: it can be banned alone (section 9.2). What the site
    itself has, by its domain, it may keep.
    """
    if any(
        "@" not in bare and RANK[new] > _NONE and room.affiliations.get(bare) is not new
        for bare, new in changes.items()
    ):
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


def carry_out(room: Room, decree: Decree) -> list[str]:
    """Make the changes, and tell of them; return as :func:`change_affiliations` does."""
    for occupant, role, reason in decree.roles:
        if occupant.role is not role and occupant.seats:
            _set_role(room, occupant, role, Detail(actor=decree.actor, reason=reason))
    return change_affiliations(room, decree.affiliations, decree.actor)


def change_affiliations(room: Room, changes: Mapping[str, Change], actor: str = "") -> list[str]:
    """Set affiliations that were checked, with what follows for those who are in the room.

    Moderators are told of the others. Return the bare JIDs of whom now other things
    must be kept.
    """
    changed, unseen = [], []
    for bare, change in changes.items():
        old, place = room.affiliation(bare), room.place(bare)
        room.settle(bare, _settled(place, change))
        if room.place(bare) != place:
            changed.append(bare)
        new = room.affiliation(bare)  # Perhaps none of his own, and banned with his domain.
        if old is new:
            continue
        room.voices.pop(bare, None)
        detail = Detail(actor=actor, reason=change.reason)
        occupants = room.occupants_of(bare)
        seen = [_set_affiliation(room, occupant, new, detail) for occupant in occupants]
        if not any(seen) or "@" not in bare:
            unseen.append(_notice(bare, new, room.nicks.get(bare, ""), detail))
    if len(unseen) > _MAX_NOTICES:
        unseen = ["".join(unseen)]
    for notice in unseen:
        room.tell_moderators(notice)
    return changed


def _notice(bare: str, new: Affiliation, nick: str, detail: Detail) -> str:
    """Return how moderators are told of somebody who is away (sections 10.3 to 10.7)."""
    head = f"<item affiliation='{new}' jid='{escape(bare)}' role='none'"
    if nick:
        head += f" nick='{escape(nick)}'"
    return f"{head}>{inner}</item>" if (inner := written_detail(detail)) else f"{head}/>"


def _settled(place: Place, change: Change) -> Place:
    """Return the place that somebody has after a change."""
    new = change.affiliation
    if new is Affiliation.NONE:
        return Place()
    kept = place.reason if new is place.affiliation else ""
    nick = _nick(change)
    return Place(new, place.nick if nick is None else nick, change.reason or kept)


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
    occupant.changed()
    _tell_again(room, occupant, was, detail)


def _set_affiliation(room: Room, occupant: Occupant, new: Affiliation, detail: Detail) -> bool:
    """Change an occupant's affiliation; return whether the others were told."""
    was, was_shown = occupant.role, room.is_shown(occupant)
    old, occupant.affiliation = occupant.affiliation, new
    occupant.changed()
    if new is Affiliation.OUTCAST:
        expel(room, occupant, Detail((301,), actor=detail.actor, reason=detail.reason))
    elif new is Affiliation.NONE and room.config.members_only:
        expel(room, occupant, Detail((321,), actor=detail.actor, reason=detail.reason))
    else:
        occupant.role = role_after(occupant.role, old, new, moderated=room.config.moderated)
        _tell_again(room, occupant, was, detail)
    return was_shown or room.is_shown(occupant)


def _tell_again(room: Room, occupant: Occupant, was: Role, detail: Detail) -> None:
    broadcast = room.config.broadcast
    if was in broadcast and occupant.role not in broadcast:
        room.tell_hidden(occupant)
    room.tell(occupant, detail)
    if occupant.role is Role.MODERATOR is not was and not room.config.jids_shown:
        for seat in occupant.seats:
            room.introduce(seat)  # Now with their JIDs.
