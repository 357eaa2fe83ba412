"""What owners do: set up a room and destroy it (XEP-0045 sections 10.1, 10.2 and 10.9)."""

from dataclasses import dataclass, replace
from typing import Final

from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.form import read_affiliations, read_config
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.presence import Detail
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.ruling import Change, change_affiliations, check_affiliations, expel
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import find_form
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.stanza import lang_attribute, language
from andiron.xmpp.tree import Tree

__all__ = [
    "Destruction",
    "NewConfig",
    "configure",
    "destroy",
    "read_destruction",
    "read_new_config",
]

_DESTROY: Final = f"{{{ns.MUC_OWNER}}}destroy"
_REASON: Final = f"{{{ns.MUC_OWNER}}}reason"
_PASSWORD: Final = f"{{{ns.MUC_OWNER}}}password"


@dataclass(frozen=True, slots=True)
class NewConfig:
    """What a submitted form makes of a room; checked."""

    config: RoomConfig
    affiliations: dict[str, Affiliation]


def read_new_config(query: Tree, room: Room) -> NewConfig | None:
    """Read a submitted form; None for one that was cancelled (section 10.1.3)."""
    form = find_form(query)
    if form is None:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "no form")
    if form.type == "cancel":
        return None
    if form.type != "submit":
        raise StanzaError(StanzaCondition.BAD_REQUEST, "submit it, or cancel")
    new = NewConfig(read_config(form, room), read_affiliations(form, room))
    check_affiliations(room, new.affiliations)
    return new


def configure(room: Room, new: NewConfig, actor: str = "") -> None:
    """Set a room up, unlock it and tell of what has changed (section 10.2.1)."""
    room.locked_until = 0.0
    old, room.config = room.config, new.config
    change_affiliations(
        room, {bare: Change(each) for bare, each in new.affiliations.items()}, actor
    )
    if new.config.moderated != old.moderated:
        room.voices.clear()
    if new.config.members_only and not old.members_only:
        for occupant in list(room.occupants.values()):
            if occupant.affiliation is Affiliation.NONE:
                expel(room, occupant, Detail((322,)))
    if new.config.broadcast != old.broadcast:
        _show_again(room, old)
    room.announce_codes(_codes(room, old))


def _codes(room: Room, old: RoomConfig) -> list[int]:
    """Return what all are told of a new configuration (section 10.2.1).

    What touches their privacy has codes of its own, everything else one together.
    """
    new = room.config
    codes = []
    if replace(old, archived=new.archived, jids_shown=new.jids_shown) != new:
        codes.append(104)
    if room.archiving and old.archived != new.archived:
        codes.append(170 if new.archived else 171)
    if old.jids_shown != new.jids_shown:
        codes.append(172 if new.jids_shown else 173)
    return codes


def _show_again(room: Room, old: RoomConfig) -> None:
    """Tell of those whose presence is told now, and let those be forgotten that it is not."""
    for occupant in list(room.occupants.values()):
        was, is_now = occupant.role in old.broadcast, room.is_shown(occupant)
        if is_now and not was:
            room.tell(occupant)
        elif was and not is_now:
            room.tell_hidden(occupant)


@dataclass(frozen=True, slots=True)
class Destruction:
    """Why a room ends, and where to go instead."""

    reason: str = ""
    alternate: str = ""
    password: str = ""
    lang: str = ""
    """That of the reason."""

    def to_xml(self) -> str:
        """Return the element that the occupants get."""
        jid = f" jid='{escape(self.alternate)}'" if self.alternate else ""
        inner = f"<reason>{escape(self.reason)}</reason>" if self.reason else ""
        if self.password:
            inner += f"<password>{escape(self.password)}</password>"
        return f"<destroy{jid}>{inner}</destroy>" if inner else f"<destroy{jid}/>"


def read_destruction(query: Tree, lang: str) -> Destruction | None:
    """Read a request to destroy a room, None if this is none (section 10.9).

    ``lang`` is the language around it.
    """
    tree = query.find(_DESTROY)
    if tree is None:
        return None
    alternate = tree.get("jid", "")
    return Destruction(
        (tree.findtext(_REASON) or "")[:1000],
        parse_jid(alternate).full if alternate else "",
        (tree.findtext(_PASSWORD) or "")[:1000],
        language(lang, query, tree, tree.find(_REASON)),
    )


def destroy(room: Room, destruction: Destruction) -> None:
    """Take everybody out; each is told of its own presence only (section 10.9)."""
    _empty(room, destruction.to_xml(), destruction.lang)


def close(room: Room, code: int) -> None:
    """Take everybody out of a room whose service ends (section 11.2)."""
    _empty(room, f"<status code='110'/><status code='{code}'/>")


def _empty(room: Room, told: str, lang: str = "") -> None:
    """Take everybody out; also who has blocked the room needs to know, being in it."""
    x = f"<x xmlns='{ns.MUC_USER}'><item affiliation='none' role='none'/>{told}</x>"
    for occupant in list(room.occupants.values()):
        seats = tuple(occupant.seats)
        for seat in seats:
            room.rise(seat)
        room.outbox.broadcast(
            Way.PRESENCE,
            seats,
            f"<presence xmlns='{ns.CLIENT}'{occupant.from_attribute}",
            f"{lang_attribute(lang)} type='unavailable'>{x}{occupant.identity}</presence>",
            farewell=True,
        )
