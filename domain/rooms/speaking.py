"""Messages in a room: to all, about its subject, and in private (XEP-0045 7.4, 7.5, 8.1)."""

import re
from collections.abc import Callable
from typing import Final

from andiron.domain.client import Client
from andiron.domain.messages.keeping import NO_ARCHIVE, stanza_id
from andiron.domain.rooms.config import PrivateMessages
from andiron.domain.rooms.history import Entry
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.privileges import Role
from andiron.domain.rooms.room import Room, Subject
from andiron.sm.payers import Payer
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import BODY, SUBJECT, has_body, may_name, tags
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.stanza import language, with_child, with_delay, without, without_addresses
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element

__all__ = ["Keep", "say", "speak", "whisper"]

Keep = Callable[[Room, Occupant, str, float, Payer], str]
"""Puts a message of an occupant into the room's archive, at the cost of who pays for it.

Returns its id there, or ``""``.
"""

# A namespace may be written with character references, a name may not.
_SUSPECT: Final = re.compile(r"occupant-id|muc#user|&#").search
_THREAD: Final = f"{{{ns.CLIENT}}}thread"
_USER: Final = f"{{{ns.MUC_USER}}}x"
_OURS: Final = frozenset({_USER, f"{{{ns.OCCUPANT_ID}}}occupant-id"})
_STORE: Final = f"{{{ns.HINTS}}}store"


def say(room: Room, client: Client, element: Element, keep: Keep, wall: float) -> bool:
    """Send an occupant's groupchat message to all (section 7.4); True if the subject changed."""
    return speak(room, room.seat(client).occupant, element, keep, client.owner.payer, wall)


def speak(
    room: Room, occupant: Occupant, element: Element, keep: Keep, payer: Payer, wall: float
) -> bool:
    """Send the message of one who may have no session in the room, as :func:`say` does."""
    if len(element.text) > room.limits.max_message:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too long a message")
    element = _cleaned(element)
    subject = _new_subject(element, occupant, wall)
    if subject is not None:
        _change_subject(room, occupant, subject)
    elif occupant.role is Role.VISITOR:
        raise StanzaError(StanzaCondition.FORBIDDEN, "you have no voice here")
    text = f"<message{without_addresses(element)}"
    kept = subject is None and _is_worth_keeping(element)
    marks = occupant.identity
    if kept or subject is not None:
        sent = with_child(text, marks)[len("<message") :]
        identity = keep(room, occupant, f"<message{occupant.from_attribute}{sent}", wall, payer)
        marks += stanza_id(identity, room.jid)
    text = with_child(text, marks)
    head, tail = f"<message{occupant.from_attribute}", text[len("<message") :]
    room.outbox.broadcast(Way.MESSAGE, tuple(room.seats.values()), head, tail)
    if kept:
        delayed = with_delay(text, room.jid, wall)[len("<message") :]
        room.history.add(Entry(head, delayed, wall))
    return subject is not None


def whisper(room: Room, client: Client, nick: str, element: Element) -> None:
    """Send a private message to all sessions of another occupant (section 7.5)."""
    sender = room.seat(client).occupant
    kind = element.get("type")
    if kind == "groupchat":
        raise StanzaError(StanzaCondition.BAD_REQUEST, "groupchat is for everybody")
    recipient = room.occupants.get(nick)
    if recipient is None:
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "nobody is here by that name")
    if kind != "error" and sender.role not in _WHISPERERS[room.config.private_messages]:
        raise StanzaError(StanzaCondition.FORBIDDEN, "no private messages here")
    element = _cleaned(element)
    text = f"<message{without_addresses(element)}"
    text = with_child(text, f"<x xmlns='{ns.MUC_USER}'/>{sender.identity}")
    head, tail = f"<message{sender.from_attribute}", text[len("<message") :]
    room.outbox.broadcast(Way.MESSAGE, tuple(recipient.seats), head, tail)


_WHISPERERS: Final = {
    PrivateMessages.ANYONE: frozenset({Role.VISITOR, Role.PARTICIPANT, Role.MODERATOR}),
    PrivateMessages.PARTICIPANTS: frozenset({Role.PARTICIPANT, Role.MODERATOR}),
    PrivateMessages.MODERATORS: frozenset({Role.MODERATOR}),
    PrivateMessages.NONE: frozenset[Role](),
}


def _change_subject(room: Room, occupant: Occupant, subject: Subject) -> None:
    may = occupant.role is Role.MODERATOR or (
        room.config.change_subject and occupant.role is Role.PARTICIPANT
    )
    if not may:
        raise StanzaError(StanzaCondition.FORBIDDEN, "the subject is not yours to change")
    if len(subject.text) > room.limits.max_subject:
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "too long a subject")
    room.subject = subject


def _new_subject(element: Element, occupant: Occupant, wall: float) -> Subject | None:
    """Return the subject that a message sets: one without a body or a thread (section 8.1)."""
    if "subject" not in element.text:
        return None
    tree = parse_tree(element)
    subject = tree.find(SUBJECT)
    if subject is None or tree.find(BODY) is not None or tree.find(_THREAD) is not None:
        return None
    return Subject(subject.text or "", occupant.nick, wall, language("", tree, subject))


def _is_worth_keeping(element: Element) -> bool:
    """Tell whether a message belongs to the history and the archive (XEP-0313, XEP-0334)."""
    if not may_name(element.text, ns.HINTS):
        return has_body(element)
    found = tags(element)
    return found.isdisjoint(NO_ARCHIVE) and (BODY in found or _STORE in found)


def _cleaned(element: Element) -> Element:
    """Return a message without what only the room may say of who sent it.

    Delays and ids in its name were taken out of what clients send to anybody.
    """
    if _SUSPECT(element.text) is None:
        return element
    return without(element, lambda child: child.tag in _OURS)
