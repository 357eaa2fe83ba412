"""The rooms' address: which room a stanza is for, and which rooms there are (XEP-0045)."""

from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Final

from andiron.domain.client import Client
from andiron.domain.iq import Iqs, only_payload
from andiron.domain.registry import Target
from andiron.domain.rooms.blocking import hide, show
from andiron.domain.rooms.entering import (
    Arrival,
    change,
    enter,
    leave,
    parse_presence,
    read_arrival,
    rename,
)
from andiron.domain.rooms.forwarding import Forwarding
from andiron.domain.rooms.inviting import Mediation, mediate
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.requests import Request, answer_room, answer_service
from andiron.domain.rooms.room import Detail, Room
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.speaking import say, whisper
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID
from andiron.xmpp.tree import serialise
from andiron.xmpp.xml import Element

__all__ = ["RoomService"]

_REQUESTS: Final = frozenset({"get", "set"})
_PING: Final = f"{{{ns.PING}}}ping"
_VCARD: Final = f"{{{ns.VCARD}}}vCard"
_DISCO: Final = frozenset({f"{{{ns.DISCO_INFO}}}query", f"{{{ns.DISCO_ITEMS}}}query"})
_STATUS: Final = f"{{{ns.CLIENT}}}status"


class RoomService:
    """Takes the stanzas for rooms; a :class:`andiron.domain.events.Service`."""

    def __init__(
        self, rooms: Rooms, iqs: Iqs, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """``spawn`` runs what is to be stored, to its end even when the domain stops."""
        self.domain = rooms.host
        self._rooms = rooms
        self._iqs = iqs
        self._outbox = rooms.outbox
        self._spawn = spawn
        self._forwarding = Forwarding(rooms.outbox)
        self._visits: dict[Client, set[Room]] = {}

    # The Service protocol

    def presence(
        self,
        client: Client,
        element: Element,
        jid: JID,
        ticket: int,  # noqa: ARG002
        now: float,
    ) -> bool:
        """Enter, leave, or change one's presence or nickname."""
        kind = element.get("type")
        if kind == "unavailable":
            self._leave(client, element, jid)
        elif kind == "":
            self._arrive(client, element, jid, now)
        elif kind == "subscribe":
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "rooms tell who is in them")
        self._outbox.flush(now)
        return True

    def message(
        self,
        client: Client,
        element: Element,
        jid: JID,
        ticket: int,  # noqa: ARG002
        now: float,
    ) -> bool:
        """Say something to a room or to one in it."""
        kind = element.get("type")
        if kind == "error":
            return True
        room = self._rooms.find(jid)
        if room.is_locked(now) and not room.has_rank(client.account, Affiliation.OWNER):
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the room is being set up")
        if jid.resource:
            whisper(room, client, jid.resource, element)
        elif kind == "groupchat":
            if say(room, client, element, self._rooms.archive, client.session.wall(now)):
                self._store(self._rooms.updated(room))
        elif kind == "headline":
            raise StanzaError(StanzaCondition.BAD_REQUEST, "messages for all are groupchat")
        else:
            self._mediate(room, client, element, now)
        self._outbox.flush(now)
        return True

    def sharers(self, client: Client, jid: JID) -> Collection[Client] | None:
        """Return the sessions that are the same occupant: who else may see a private message."""
        if not jid.resource:
            return None
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        return [each.client for each in seat.occupant.seats] if seat else ()

    def _mediate(self, room: Room, client: Client, element: Element, now: float) -> None:
        rooms = self._rooms
        mediation = Mediation(
            room, client, lambda text, to: rooms.post(room, client, text, to, now)
        )
        mediate(mediation, element)
        self._store(rooms.affiliated(room, mediation.members))

    def _store(self, change: str | Awaitable[str]) -> None:
        """See to a change that nobody waits for."""
        if not isinstance(change, str):
            self._spawn(_finish(change))

    def iq(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Answer a request, or pass an iq on to one who is in a room."""
        if element.get("type") not in _REQUESTS:
            self._forwarding.answer(client, element)
            self._outbox.flush(now)
            return True
        if jid.resource:
            return self._ask_occupant(client, element, jid, ticket, now)
        payload = only_payload(element)
        request = Request(self._rooms, client, element.get("type"), payload, now)
        room = self._rooms.find(jid) if jid.node else None

        def call() -> str | Awaitable[str]:
            return answer_room(request, room) if room else answer_service(request)

        handled = self._iqs.answer(client, element, call, ticket, now)
        self._outbox.flush(now)
        return handled

    def _ask_occupant(
        self, client: Client, element: Element, jid: JID, ticket: int, now: float
    ) -> bool:
        """Answer for an occupant, or let it answer (section 17.4, XEP-0410)."""
        room = self._rooms.find(jid)
        payload = only_payload(element)
        if client not in room.seats:
            # Sections 6.6 and XEP-0410 section 3: the one error, whoever is in the room.
            asks = payload.tag in _DISCO
            condition = StanzaCondition.BAD_REQUEST if asks else StanzaCondition.NOT_ACCEPTABLE
            raise StanzaError(condition, "you are not in the room", type="cancel")
        target = room.occupants.get(jid.resource)
        if target is None:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "nobody is here by that name")
        if payload.tag == _PING and target is room.seats[client].occupant:
            return self._iqs.answer(client, element, lambda: "", ticket, now)
        if payload.tag == _VCARD and element.get("type") == "get":
            # The occupant's account, whose vCard is not for its sessions to know.
            whose = Target.ACCOUNT if target.bare == client.account else Target.CONTACT
            return self._iqs.answer_by_handler(
                client, element, payload, whose, target.bare, ticket, now
            )
        self._forwarding.ask(room, client, target, element)
        self._outbox.flush(now)
        return True

    def left(self, client: Client, now: float) -> None:
        """Take a session out of all its rooms."""
        for room in self._visits.pop(client, ()):
            seat = room.seats.get(client)
            if seat is not None:
                leave(room, seat, Detail())
                self._rooms.tidy(room)
        self._forwarding.left(client)
        self._outbox.flush(now)

    def hide(self, client: Client, jid: str, now: float) -> None:
        """Show a session that those whom its account is about to block are gone."""
        for room in self._visited(client, jid):
            hide(room, room.seats[client], jid)
        self._outbox.flush(now)

    def show(self, client: Client, jid: str, now: float) -> None:
        """Show a session those again whom its account has unblocked."""
        for room in self._visited(client, jid):
            show(room, room.seats[client], jid)
        self._outbox.flush(now)

    def _visited(self, client: Client, jid: str) -> list[Room]:
        """Return the rooms that a session is in, of those that an address here covers."""
        bare, _, resource = jid.partition("/")
        if "@" in bare:
            room = self._rooms.by_name.get(bare.partition("@")[0])
            rooms = {room} if room else set()
        else:
            rooms = set() if resource else self._visits.get(client, set())
        return [room for room in rooms if client in room.seats]

    # Presence

    def _arrive(self, client: Client, element: Element, jid: JID, now: float) -> None:
        if not jid.node:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "enter a room")
        if not jid.resource:
            raise StanzaError(StanzaCondition.JID_MALFORMED, "enter it by a nickname")
        arrival = read_arrival(element, self._rooms.config.max_presence)
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        if room is not None and seat is not None:
            if seat.occupant.nick == jid.resource:
                change(room, seat, arrival, client.session.wall(now))
            else:
                rename(room, seat, jid.resource, arrival)
        elif arrival.joins:
            self._enter(client, room, jid, arrival, now)
        else:
            self._tell_absent(client, element, jid)

    def _enter(
        self, client: Client, room: Room | None, jid: JID, arrival: Arrival, now: float
    ) -> None:
        if self._rooms.closed:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "the rooms are closing")
        visits = self._visits.setdefault(client, set())
        if len(visits) >= self._rooms.config.max_rooms_per_session:
            visits = {each for each in visits if client in each.seats}
            self._visits[client] = visits
            if len(visits) >= self._rooms.config.max_rooms_per_session:
                raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "you are in too many rooms")
        created = room is None
        if room is None:
            room = self._rooms.create(client, jid, now)
        wall = client.session.wall(now)
        enter(room, client, jid.resource, arrival, wall, now, created=created)
        if created:
            self._rooms.add(room)
        visits.add(room)

    def _leave(self, client: Client, element: Element, jid: JID) -> None:
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        if room is None or seat is None:
            return
        inner = "".join(
            serialise(child, ns.CLIENT) for child in parse_presence(element) if child.tag == _STATUS
        )
        leave(
            room, seat, Detail(inner=inner if len(inner) <= self._rooms.config.max_presence else "")
        )
        self._visits[client].discard(room)
        self._rooms.tidy(room)

    def _tell_absent(self, client: Client, element: Element, jid: JID) -> None:
        """Tell one who thinks to be in a room that he is not (section 7.2.17)."""
        identity = element.get("id")
        marked = f" id='{escape(identity)}'" if identity else ""
        self._outbox.send(
            Way.PRESENCE,
            client,
            f"<presence xmlns='{ns.CLIENT}' from='{escape(jid.full)}' to='{escape(client.jid)}'"
            f" type='unavailable'{marked}><x xmlns='{ns.MUC_USER}'>"
            "<item affiliation='none' role='none'><reason>You are not in the room.</reason></item>"
            "<status code='110'/><status code='307'/><status code='333'/></x></presence>",
        )


async def _finish(change: Awaitable[str]) -> None:
    await change
