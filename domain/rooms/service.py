"""The rooms' address: which room a stanza is for, and which rooms there are (XEP-0045)."""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
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
from andiron.domain.rooms.freezing import freeze, freeze_seat
from andiron.domain.rooms.inviting import Mediation, mediate
from andiron.domain.rooms.notes import RoomNotes
from andiron.domain.rooms.occupant import Seat
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.presence import Detail
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.reaching import reached
from andiron.domain.rooms.requests import Request, answer_room, answer_service
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.speaking import say, whisper
from andiron.sm.frozen import Plain
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID
from andiron.xmpp.stanza import LANG
from andiron.xmpp.tree import parse_tree, serialise
from andiron.xmpp.xml import Element

__all__ = ["RoomService"]

_REQUESTS: Final = frozenset({"get", "set"})
_PING: Final = f"{{{ns.PING}}}ping"
_VCARD: Final = f"{{{ns.VCARD}}}vCard"
_DISCO: Final = frozenset({f"{{{ns.DISCO_INFO}}}query", f"{{{ns.DISCO_ITEMS}}}query"})
_STATUS: Final = f"{{{ns.CLIENT}}}status"
_ERROR: Final = f"{{{ns.CLIENT}}}error"
_GONE: Final = frozenset(
    f"{{{ns.STANZA_ERRORS}}}{condition}"
    for condition in (
        StanzaCondition.GONE,
        StanzaCondition.ITEM_NOT_FOUND,
        StanzaCondition.RECIPIENT_UNAVAILABLE,
        StanzaCondition.REDIRECT,
        StanzaCondition.REMOTE_SERVER_NOT_FOUND,
        StanzaCondition.REMOTE_SERVER_TIMEOUT,
    )
)
"""The errors that are about delivery (section 18.1.2)."""


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
        self._notes: RoomNotes | None = None

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
        try:
            self._take_presence(client, element, jid, now)
        except StanzaError as error:
            raise _signed(error, jid) from None
        self._outbox.flush(now)
        self._note(jid)
        return True

    def message(
        self,
        client: Client,
        element: Element,
        jid: JID,
        ticket: int,
        now: float,
    ) -> bool:
        """Say something to a room or to one in it; what all may read later is then kept."""
        try:
            self._take_message(client, element, jid, now)
        except StanzaError as error:
            raise _signed(error, jid) from None
        self._outbox.flush(now)
        if element.get("type") != "groupchat":
            self._note(jid)
            return True
        if "<subject" in element.text:
            self._note(jid)
        return self._rooms.written(client.session, ticket)

    def iq(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Answer a request, or pass an iq on to one who is in a room."""
        try:
            handled = self._take_iq(client, element, jid, ticket, now)
        except StanzaError as error:
            raise _signed(error, jid) from None
        self._outbox.flush(now)
        self._note(jid)
        return handled

    def left(self, client: Client, now: float) -> None:
        """Take a session out of all its rooms."""
        for room in self._visits.pop(client, ()):
            seat = room.seats.get(client)
            if seat is not None:
                leave(room, seat, Detail())
                self._rooms.tidy(room)
        self._forwarding.left(client)
        self._outbox.flush(now)

    # Outliving the process

    def noted_by(self, notes: RoomNotes) -> None:
        """Have what of rooms is to be known after a crash noted, from now on."""
        self._notes = notes
        self._rooms.events.destroyed.append(notes.gone)
        self._rooms.events.changed.append(notes.look)

    def _note(self, jid: JID) -> None:
        if self._notes is not None:
            room = self._rooms.by_name.get(jid.node)
            if room is not None:
                self._notes.look(room)

    def places(self, client: Client) -> Mapping[str, list[str]]:
        """Return where a session sits, by the room's name, as plain data."""
        visits = self._visits.get(client, ())
        return {room.node: freeze_seat(room, client) for room in visits if client in room.seats}

    def freeze(self, offset: float) -> list[tuple[str, Mapping[str, Plain]]]:
        """Return the rooms that somebody is in, by name, as plain data.

        ``offset`` leads from the clock to Unix times.
        """
        rooms = self._rooms.by_name.values()
        return [(room.node, freeze(room, offset, history=True)) for room in rooms if room.occupants]

    async def revive(self, frozen: Iterable[Mapping[str, Any]], offset: float) -> None:
        """Have rooms that were frozen; see :meth:`Rooms.revive`."""
        await self._rooms.revive(frozen, offset)

    def seat(self, client: Client, places: Mapping[str, Sequence[str]]) -> None:
        """Let a session sit in rooms as it did; nobody is told."""
        found = [self._rooms.seat(client, name, place) for name, place in places.items()]
        self._visits[client] = {room for room in found if room is not None}

    def tidy(self) -> None:
        """Let go of temporary rooms in which nobody sits, now that all sit who did."""
        for room in list(self._rooms.by_name.values()):
            self._rooms.tidy(room)

    # Messages

    def _take_message(self, client: Client, element: Element, jid: JID, now: float) -> None:
        kind = element.get("type")
        if kind == "error":
            self._take_error(client, element, jid)
            return
        room = self._rooms.find(jid)
        if room.is_locked(now) and not room.has_rank(client.account, Affiliation.OWNER):
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the room is being set up")
        if jid.resource:
            whisper(room, client, jid.resource, element)
        elif kind == "groupchat":
            if say(room, client, element, self._rooms.keep, client.session.wall(now)):
                self._store(self._rooms.updated(room, client.owner.username))
        elif kind == "headline":
            raise StanzaError(StanzaCondition.BAD_REQUEST, "messages for all are groupchat")
        else:
            self._mediate(room, client, element, now)

    def sharers(self, client: Client, jid: JID) -> Collection[Client] | None:
        """Return the sessions that are the same occupant: who else may see a private message."""
        if not jid.resource:
            return None
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        return [each.client for each in seat.occupant.seats] if seat else ()

    def reached(self, client: Client, element: Element, jid: JID) -> Collection[str]:  # noqa: ARG002
        """Return who is invited, or the occupant who is addressed."""
        room = self._rooms.by_name.get(jid.node)
        return () if room is None else reached(room, element, jid)

    def _mediate(self, room: Room, client: Client, element: Element, now: float) -> None:
        rooms = self._rooms
        mediation = Mediation(
            room, client, lambda text, to: rooms.post(room, client, text, to, now)
        )
        mediate(mediation, element)
        self._store(rooms.affiliated(room, mediation.members, client.owner.username))

    def _store(self, change: str | Awaitable[str]) -> None:
        """See to a change that nobody waits for."""
        if not isinstance(change, str):
            self._spawn(_finish(change))

    # Iqs

    def _take_iq(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        if element.get("type") not in _REQUESTS:
            self._forwarding.answer(client, element)
            return True
        if jid.resource:
            return self._ask_occupant(client, element, jid, ticket, now)
        payload = only_payload(element)
        lang = element.attributes.get(LANG, "")
        request = Request(self._rooms, client, element.get("type"), payload, now, lang)
        room = self._rooms.find(jid) if jid.node else None

        def call() -> str | Awaitable[str]:
            return answer_room(request, room) if room else answer_service(request)

        return self._iqs.answer(client, element, call, ticket, now, jid.bare)

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
        asker = room.seats[client].occupant
        if payload.tag == _PING and target is asker:
            return self._iqs.answer(client, element, lambda: "", ticket, now)
        if blocks(target.shown.client.owner, f"{room.jid}/{asker.nick}"):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        if payload.tag == _VCARD and element.get("type") == "get":
            # The occupant's account, whose vCard is not for its sessions to know.
            whose = Target.ACCOUNT if target.bare == client.account else Target.CONTACT
            call = self._iqs.asking(client, element, payload, whose, target.bare, now)
            return self._iqs.answer(client, element, call, ticket, now, room.jid)
        self._forwarding.ask(room, client, target, element)
        return True

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

    def _take_presence(self, client: Client, element: Element, jid: JID, now: float) -> None:
        kind = element.get("type")
        if kind == "unavailable":
            self._leave(client, element, jid)
        elif kind == "":
            self._arrive(client, element, jid, now)
        elif kind == "error":
            self._take_error(client, element, jid)
        elif kind == "subscribe":
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "rooms tell who is in them")

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
        seat = room.seats.get(client)
        if seat is not None and len(seat.occupant.seats) == 1:
            for tell in self._rooms.events.joined:
                tell(room, seat.occupant)

    def _leave(self, client: Client, element: Element, jid: JID) -> None:
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        if room is None or seat is None:
            return
        inner = "".join(
            serialise(child, ns.CLIENT) for child in parse_presence(element) if child.tag == _STATUS
        )
        short = len(inner) <= self._rooms.config.max_presence
        self._let_go(room, seat, Detail(inner=inner if short else ""))

    def _take_error(self, client: Client, element: Element, jid: JID) -> None:
        """Let a session go that says it is not there (sections 18.1.2 and 11.1).

        It answered so to what the room had sent to it; everything else that is
        wrong with a message is between those who send and get it.
        """
        room = self._rooms.by_name.get(jid.node)
        seat = room.seats.get(client) if room else None
        if room is not None and seat is not None and _is_final(element):
            self._let_go(room, seat, Detail((333,)))

    def _let_go(self, room: Room, seat: Seat, detail: Detail) -> None:
        leave(room, seat, detail)
        self._visits[seat.client].discard(room)
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


def _is_final(element: Element) -> bool:
    """Tell whether an error means that nothing can be delivered (section 18.1.2)."""
    error = parse_tree(element).find(_ERROR)
    return error is not None and any(child.tag in _GONE for child in error)


def _signed(error: StanzaError, jid: JID) -> StanzaError:
    """Return an error as the room's, or the service's: by it, not by the occupant who is asked."""
    error.by = jid.bare
    return error


async def _finish(change: Awaitable[str]) -> None:
    await change
