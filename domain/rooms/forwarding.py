"""Iqs between those in a room, who need not know each other (XEP-0045 section 17.4).

A request goes on under an id of ours, so that its answer finds the very
session that asked, and nobody else can answer.
"""

from dataclasses import dataclass
from itertools import count
from typing import Final

from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.outbox import Outbox, Way
from andiron.domain.rooms.room import Room
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import error_reply, with_identity
from andiron.xmpp.xml import Element

__all__ = ["Forwarding"]

_MAX_WAITING: Final = 200
"""How many requests may wait for the answer of one session."""


@dataclass(frozen=True, slots=True)
class _Asked:
    room: str
    """Its bare JID."""
    whom: str
    """The address that was asked, prepared."""
    asker: Client
    request: Element
    """Its root tag is kept, its text not."""


class Forwarding:
    """The requests that wait for an occupant's answer."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: dict[Client, dict[str, _Asked]] = {}
        self._numbers = count(1)

    def ask(self, room: Room, client: Client, target: Occupant, element: Element) -> None:
        """Pass a request on to one session of an occupant."""
        sender = room.seat(client).occupant
        seat = target.shown
        waiting = self._waiting.setdefault(seat.client, {})
        if len(waiting) >= _MAX_WAITING:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much is asked already")
        identity = f"room-{next(self._numbers)}"
        request = Element("", element.namespace, "iq", element.attributes)
        waiting[identity] = _Asked(room.jid, f"{room.jid}/{target.nick}", client, request)
        head = f"<iq{sender.from_attribute}{seat.to}"
        self._outbox.send(Way.IQ, seat.client, head + with_identity(element, identity))

    def answer(self, client: Client, element: Element) -> None:
        """Pass an answer on to who asked; one to no question is let go.

        So is one from an address that who asked has blocked since (XEP-0191 section 3.3).
        """
        waiting = self._waiting.get(client)
        asked = waiting.pop(element.get("id"), None) if waiting else None
        if not waiting:
            self._waiting.pop(client, None)
        if asked is None:
            return
        head = f"<iq from='{escape(asked.request.get('to'))}' to='{escape(asked.asker.jid)}'"
        self._tell(asked, head + with_identity(element, asked.request.get("id")))

    def left(self, client: Client) -> None:
        """Answer what waits for a session that is gone."""
        for asked in self._waiting.pop(client, {}).values():
            error = StanzaError(StanzaCondition.RECIPIENT_UNAVAILABLE)
            error.by = asked.room
            self._tell(asked, error_reply(asked.request, error, to=asked.asker.jid))

    def _tell(self, asked: _Asked, text: str) -> None:
        if not blocks(asked.asker.owner, asked.whom):
            self._outbox.send(Way.IQ, asked.asker, text)
