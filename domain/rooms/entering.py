"""Entering, changing one's nickname or presence, and leaving: XEP-0045 sections 7.2, 7.6, 7.14."""

import hmac
from dataclasses import dataclass
from typing import Final

from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
from andiron.domain.rooms.history import Wish, read_wish
from andiron.domain.rooms.naming import check_nick
from andiron.domain.rooms.occupant import Occupant, Seat
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.presence import Detail
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import from_attribute, lang_attribute, timestamp
from andiron.xmpp.tree import Tree, parse_tree, serialise
from andiron.xmpp.xml import Element

__all__ = ["Arrival", "change", "enter", "leave", "parse_presence", "read_arrival", "rename"]

_MUC: Final = f"{{{ns.MUC}}}x"
_PASSWORD: Final = f"{{{ns.MUC}}}password"
_STATUS: Final = f"{{{ns.CLIENT}}}status"
_LANG: Final = f"{{{ns.XML}}}lang"
_OURS: Final = frozenset({_MUC, f"{{{ns.MUC_USER}}}x", f"{{{ns.OCCUPANT_ID}}}occupant-id"})
"""What only the service says, or only it is told."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a presence to an occupant's address says."""

    identity: str
    inner: str
    """What the others see of its children."""
    joins: bool
    """Whether it asks to enter (section 7.2.1)."""
    password: str
    wish: Wish


def read_arrival(element: Element, limit: int) -> Arrival:
    """Read a presence; raises :class:`StanzaError` for one that is longer than ``limit``."""
    tree = parse_presence(element)
    x = tree.find(_MUC)
    inner = "".join(serialise(child, ns.CLIENT) for child in tree if child.tag not in _OURS)
    if len(inner) > limit:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too long a presence")
    if x is None:
        return Arrival(element.get("id"), inner, joins=False, password="", wish=Wish())
    return Arrival(
        element.get("id"),
        inner,
        joins=True,
        password=x.findtext(_PASSWORD) or "",
        wish=read_wish(x),
    )


def parse_presence(element: Element) -> Tree:
    """Return a presence whose children alone others see, with its language on what it says."""
    tree = parse_tree(element)
    language = tree.get(_LANG)
    if language:
        for status in tree.iterfind(_STATUS):
            status.attrib.setdefault(_LANG, language)
    return tree


def enter(
    room: Room,
    client: Client,
    nick: str,
    arrival: Arrival,
    wall: float,
    now: float,
    *,
    created: bool = False,
) -> None:
    """Let a session in, or raise the :class:`StanzaError` that says why not (section 7.2.16)."""
    bare = client.account
    affiliation = room.affiliation(bare)
    _check_entry(room, affiliation, arrival.password, now)
    check_nick(room, nick, bare)
    # They are the person's own, or the nickname would have been refused.
    alike = room.occupants.alike(nick)
    occupant = room.occupants.get(nick, alike[0] if alike else None)
    if occupant is None:
        # Section 7.2.9: admins and owners always find a place, within the service's bound.
        full = room.limits.max_occupants if affiliation in _ADMINS else room.max_occupants
        if len(room.occupants) >= full:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "the room is full", type="wait")
        role = room.initial_role(bare)
        occupant = Occupant(room.jid, nick, bare, affiliation, role)
    seat = room.sit(occupant, client, arrival.inner)
    codes = [201] if created else []
    if occupant.nick != nick:
        codes.append(210)  # The person is here already, by this name written otherwise.
    welcome(room, seat, arrival, wall, *codes)


def welcome(room: Room, seat: Seat, arrival: Arrival, wall: float, *more: int) -> None:
    """Tell one who entered all there is to know, in the order of section 7.1.

    ``more`` are status codes of this one time.
    """
    occupant = seat.occupant
    room.introduce(seat)
    room.tell(occupant, but=seat)
    codes = [110]
    if room.config.jids_shown:
        codes.insert(0, 100)
    if room.archived:
        codes.append(170)
    room.tell_self(occupant, (seat,), Detail((*codes, *more), identity=arrival.identity))
    _send_history(room, seat, arrival.wish, wall)
    _send_subject(room, seat)


def change(room: Room, seat: Seat, arrival: Arrival, wall: float) -> None:
    """Take a new presence of a session that is in the room (section 7.7).

    One that asks to enter has lost its view of the room and gets it anew
    (section 7.2.1).
    """
    occupant = seat.occupant
    news = seat.inner != arrival.inner or occupant.shown is not seat
    seat.inner = arrival.inner
    occupant.shown = seat
    occupant.changed()
    if arrival.joins:
        welcome(room, seat, arrival, wall)
    elif news:
        room.tell(occupant, Detail(identity=arrival.identity))
    else:
        room.tell_self(occupant, (seat,), Detail((110,), identity=arrival.identity))


def rename(room: Room, seat: Seat, nick: str, arrival: Arrival) -> None:
    """Give an occupant, all its sessions, another nickname (section 7.6)."""
    occupant = seat.occupant
    check_nick(room, nick, occupant.bare)
    if any(other is not occupant for other in room.occupants.alike(nick)):
        raise StanzaError(StanzaCondition.CONFLICT, "you are in the room by that name, too")
    detail = Detail((303,), new_nick=nick)
    room.tell_gone(
        occupant,
        tuple(occupant.seats),
        detail,
        shown=room.is_shown(occupant),
        role=occupant.role,
    )
    del room.occupants[occupant.nick]
    room.occupants[nick] = occupant
    occupant.call(room.jid, nick)
    seat.inner = arrival.inner
    occupant.shown = seat
    room.tell(occupant, Detail(identity=arrival.identity))


def leave(room: Room, seat: Seat, detail: Detail) -> None:
    """Let a session go (section 7.14); the others are told when its occupant has no other."""
    occupant = seat.occupant
    shown = room.is_shown(occupant)
    was_seen = occupant.shown is seat
    room.rise(seat)
    if not occupant.seats:
        room.tell_gone(occupant, (seat,), detail, shown=shown)
        return
    own = Detail((110, *detail.codes), inner=detail.inner)
    room.tell_left(occupant, seat, own)
    if was_seen:
        room.tell(occupant)


_ADMINS: Final = frozenset({Affiliation.ADMIN, Affiliation.OWNER})


def _check_entry(room: Room, affiliation: Affiliation, password: str, now: float) -> None:
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError(StanzaCondition.FORBIDDEN, "you are banned")
    if affiliation is not Affiliation.OWNER and room.is_locked(now):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the room is being set up")
    if room.config.members_only and affiliation is Affiliation.NONE:
        raise StanzaError(StanzaCondition.REGISTRATION_REQUIRED, "members only")
    expected = room.config.password
    if expected and not hmac.compare_digest(
        password.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
    ):
        raise StanzaError(StanzaCondition.NOT_AUTHORIZED, "the password is wrong")


def _send_history(room: Room, seat: Seat, wish: Wish, wall: float) -> None:
    limits = room.limits
    fetch = room.config.history if room.config.history >= 0 else limits.history
    for entry in room.history.select(wish, min(fetch, limits.history_max), len(seat.to), wall):
        room.outbox.broadcast(Way.MESSAGE, (seat,), entry.head, entry.tail)


def _send_subject(room: Room, seat: Seat) -> None:
    """Send the subject, an empty one where there is none (section 7.2.15).

    It says that all is told, so it comes from the room where its author is blocked.
    """
    subject = room.subject
    sender = f"{room.jid}/{subject.nick}" if subject.nick else room.jid
    if blocks(seat.client.owner, sender):
        sender = room.jid
    delay = (
        f"<delay xmlns='{ns.DELAY}'{room.from_attribute} stamp='{timestamp(subject.stamp)}'/>"
        if subject.stamp
        else ""
    )
    room.outbox.broadcast(
        Way.MESSAGE,
        (seat,),
        f"<message xmlns='{ns.CLIENT}'{from_attribute(sender)}",
        f"{lang_attribute(subject.lang)} type='groupchat'>"
        f"<subject>{escape(subject.text)}</subject>{delay}</message>",
    )
