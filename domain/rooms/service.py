"""The rooms' address: which room a stanza is for, and which rooms there are (XEP-0045)."""

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

from andiron.domain.config import RoomCreators, RoomsConfig
from andiron.domain.iq import answer, ask
from andiron.domain.registry import IqRequest, Target
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.entering import (
    Arrival,
    change,
    enter,
    leave,
    read_arrival,
    rename,
)
from andiron.domain.rooms.forwarding import Forwarding
from andiron.domain.rooms.inviting import Mediation, mediate
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.outbox import Outbox, Way
from andiron.domain.rooms.owning import Destruction, NewConfig, configure, destroy
from andiron.domain.rooms.picture import give_vcard
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.requests import Request, answer_room, answer_service
from andiron.domain.rooms.room import Detail, Room
from andiron.domain.rooms.speaking import say, whisper
from andiron.domain.rooms.store import RoomStore
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID
from andiron.xmpp.tree import Tree, children, parse_tree, serialise
from andiron.xmpp.xml import Element

if TYPE_CHECKING:
    from andiron.domain.link import DomainLink

__all__ = ["Rooms"]

_SECRET_BYTES: Final = 32
_REQUESTS: Final = frozenset({"get", "set"})
_PING: Final = f"{{{ns.PING}}}ping"
_VCARD: Final = f"{{{ns.VCARD}}}vCard"
_DISCO: Final = frozenset({f"{{{ns.DISCO_INFO}}}query", f"{{{ns.DISCO_ITEMS}}}query"})
_STATUS: Final = f"{{{ns.CLIENT}}}status"


Post = Callable[[str, str, JID, float, float], None]
"""Sends a whole message, of a sender, to an account, at a Unix time, now."""


class Rooms:
    """All rooms; a :class:`andiron.domain.events.Service`."""

    def __init__(
        self,
        domain: str,
        config: RoomsConfig,
        store: RoomStore,
        post: Post,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Take their host name, prepared.

        ``post`` sends a room's message to an account, ``spawn`` runs what is
        to be stored even when the domain stops.
        """
        self.domain = domain
        self.config = config
        self.outbox = Outbox()
        self.rooms: dict[str, Room] = {}
        """By the name before the ``@``."""
        self._store = store
        self._post = post
        self._spawn = spawn
        self._forwarding = Forwarding(self.outbox)
        self._made: Counter[str] = Counter()
        self._visits: dict[DomainLink, set[Room]] = {}

    # The Service protocol

    def presence(
        self,
        link: "DomainLink",
        element: Element,
        jid: JID,
        ticket: int,  # noqa: ARG002
        now: float,
    ) -> bool:
        """Enter, leave, or change one's presence or nickname."""
        kind = element.get("type")
        if kind == "unavailable":
            self._leave(link, element, jid)
        elif kind == "":
            self._arrive(link, element, jid, now)
        elif kind == "subscribe":
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "rooms tell who is in them")
        self.outbox.flush(now)
        return True

    def message(
        self,
        link: "DomainLink",
        element: Element,
        jid: JID,
        ticket: int,  # noqa: ARG002
        now: float,
    ) -> bool:
        """Say something to a room or to one in it."""
        kind = element.get("type")
        if kind == "error":
            return True
        room = self.room(jid)
        if room.is_locked(now) and not room.has_rank(link.account, Affiliation.OWNER):
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the room is being set up")
        if jid.resource:
            whisper(room, link, jid.resource, element)
        elif kind == "groupchat":
            if say(room, link, element, self._keep, link.session.wall(now)):
                self._keep_update(room)
        elif kind == "headline":
            raise StanzaError(StanzaCondition.BAD_REQUEST, "messages for all are groupchat")
        else:
            self._mediate(room, link, element, now)
        self.outbox.flush(now)
        return True

    def _mediate(self, room: Room, link: "DomainLink", element: Element, now: float) -> None:
        mediation = Mediation(room, link, lambda text, to: self.post(room, link, text, to, now))
        mediate(mediation, element)
        if mediation.members and room.config.persistent:
            self._spawn(self._store.affiliate(room, mediation.members))

    def _keep_update(self, room: Room) -> None:
        if room.config.persistent:
            self._spawn(self._store.update(room))

    def iq(self, link: "DomainLink", element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Answer a request, or pass an iq on to one who is in a room."""
        if element.get("type") not in _REQUESTS:
            self._forwarding.answer(link, element)
            self.outbox.flush(now)
            return True
        if jid.resource:
            return self._ask_occupant(link, element, jid, ticket, now)
        payloads = children(element)
        if len(payloads) != 1:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq request has one payload")
        request = Request(self, link, element.get("type"), payloads[0], now)
        room = self.room(jid) if jid.node else None

        def call() -> str | Awaitable[str]:
            return answer_room(request, room) if room else answer_service(request)

        handled = answer(link, element, call, ticket, now)
        self.outbox.flush(now)
        return handled

    def _ask_occupant(
        self, link: "DomainLink", element: Element, jid: JID, ticket: int, now: float
    ) -> bool:
        """Answer for an occupant, or let it answer (section 17.4, XEP-0410)."""
        room = self.room(jid)
        payloads = children(element)
        if len(payloads) != 1:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "an iq request has one payload")
        if link not in room.seats:
            # Sections 6.6 and XEP-0410 section 3: the one error, whoever is in the room.
            asks = payloads[0].tag in _DISCO
            condition = StanzaCondition.BAD_REQUEST if asks else StanzaCondition.NOT_ACCEPTABLE
            raise StanzaError(condition, "you are not in the room", type="cancel")
        target = room.occupants.get(jid.resource)
        if target is None:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "nobody is here by that name")
        tag = payloads[0].tag
        if tag == _PING and target is room.seats[link].occupant:
            return answer(link, element, lambda: "", ticket, now)
        if tag == _VCARD and element.get("type") == "get":
            return self._ask_account(link, element, payloads[0], target, ticket, now)
        self._forwarding.ask(room, link, target, element)
        self.outbox.flush(now)
        return True

    def _ask_account(
        self,
        link: "DomainLink",
        element: Element,
        payload: Tree,
        target: Occupant,
        ticket: int,
        now: float,
    ) -> bool:
        """Ask for an occupant's account, whose vCard is not for its sessions to know."""
        whose = Target.ACCOUNT if target.bare == link.account else Target.CONTACT
        handler = link.registry.find(whose, "get", payload.tag)
        if handler is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        request = IqRequest(
            type="get",
            payload=payload,
            sender=link.jid,
            account=link.account,
            target=whose,
            wall=link.session.wall(now),
            to=target.bare,
            link=link,
        )
        return answer(link, element, lambda: ask(handler, request), ticket, now)

    def left(self, link: "DomainLink", now: float) -> None:
        """Take a session out of all its rooms."""
        for room in self._visits.pop(link, ()):
            seat = room.seats.get(link)
            if seat is not None:
                leave(room, seat, Detail())
                self.tidy(room)
        self._forwarding.left(link)
        self.outbox.flush(now)

    # Rooms

    def room(self, jid: JID) -> Room:
        """Return the room of an address; raises ``item-not-found`` where there is none."""
        room = self.rooms.get(jid.node)
        if room is None:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there is no such room")
        return room

    def add(self, room: Room) -> None:
        """Have a room from now on."""
        self.rooms[room.node] = room
        self._made[room.created_by] += 1

    def remove(self, room: Room) -> None:
        """Have a room no more; nobody is in it."""
        if self.rooms.get(room.node) is room:
            del self.rooms[room.node]
            self._made[room.created_by] -= 1
            if not self._made[room.created_by]:
                del self._made[room.created_by]

    def tidy(self, room: Room) -> None:
        """Let go of a temporary room that the last one has left (section 7.14)."""
        if not room.occupants and not room.config.persistent:
            self.remove(room)

    async def load(self) -> None:
        """Bring back the rooms that are kept."""
        for stored in await self._store.load():
            room = Room(
                f"{stored.name}@{self.domain}",
                stored.config,
                self.config,
                self.outbox,
                stored.secret,
            )
            room.created_by = stored.created_by
            room.subject = stored.subject
            room.affiliations = {
                bare: each.affiliation for bare, each in stored.affiliations.items()
            }
            room.nicks = {
                bare: each.nick for bare, each in stored.affiliations.items() if each.nick
            }
            give_vcard(room, stored.vcard)
            self.add(room)

    def _create(self, link: "DomainLink", jid: JID, now: float) -> Room:
        """Make a room, owned by who enters it first, and locked (section 10.1.1)."""
        config = self.config
        may = config.create is RoomCreators.ANYONE or (
            config.create is RoomCreators.ACCOUNTS and link.owner.registered
        )
        if not may:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "you may not make rooms")
        if (
            len(self.rooms) >= config.max_rooms
            or self._made[link.account] >= config.max_rooms_per_account
        ):
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many rooms")
        secret = secrets.token_bytes(_SECRET_BYTES)
        room = Room(jid.bare, RoomConfig(), config, self.outbox, secret)
        room.created_by = link.account
        room.affiliations[link.account] = Affiliation.OWNER
        room.locked_until = now + config.lock_timeout
        return room

    # Presence

    def _arrive(self, link: "DomainLink", element: Element, jid: JID, now: float) -> None:
        if not jid.node:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "enter a room")
        if not jid.resource:
            raise StanzaError(StanzaCondition.JID_MALFORMED, "enter it by a nickname")
        arrival = read_arrival(element, self.config.max_presence)
        room = self.rooms.get(jid.node)
        seat = room.seats.get(link) if room else None
        if room is not None and seat is not None:
            if seat.occupant.nick == jid.resource:
                change(room, seat, arrival, link.session.wall(now))
            else:
                rename(room, seat, jid.resource, arrival)
        elif arrival.joins:
            self._enter(link, room, jid, arrival, now)
        else:
            self._tell_absent(link, element, jid)

    def _enter(
        self, link: "DomainLink", room: Room | None, jid: JID, arrival: Arrival, now: float
    ) -> None:
        visits = self._visits.setdefault(link, set())
        if len(visits) >= self.config.max_rooms_per_session:
            visits = {each for each in visits if link in each.seats}
            self._visits[link] = visits
            if len(visits) >= self.config.max_rooms_per_session:
                raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "you are in too many rooms")
        created = room is None
        if room is None:
            room = self._create(link, jid, now)
        wall = link.session.wall(now)
        enter(room, link, jid.resource, arrival, wall, now, created=created)
        if created:
            self.add(room)
        visits.add(room)

    def _leave(self, link: "DomainLink", element: Element, jid: JID) -> None:
        room = self.rooms.get(jid.node)
        seat = room.seats.get(link) if room else None
        if room is None or seat is None:
            return
        inner = "".join(
            serialise(child, ns.CLIENT) for child in parse_tree(element) if child.tag == _STATUS
        )
        leave(room, seat, Detail(inner=inner if len(inner) <= self.config.max_presence else ""))
        self._visits[link].discard(room)
        self.tidy(room)

    def _tell_absent(self, link: "DomainLink", element: Element, jid: JID) -> None:
        """Tell one who thinks to be in a room that he is not (section 7.2.17)."""
        identity = element.get("id")
        marked = f" id='{escape(identity)}'" if identity else ""
        self.outbox.send(
            Way.PRESENCE,
            link,
            f"<presence xmlns='{ns.CLIENT}' from='{escape(jid.full)}' to='{escape(link.jid)}'"
            f" type='unavailable'{marked}><x xmlns='{ns.MUC_USER}'>"
            "<item affiliation='none' role='none'><reason>You are not in the room.</reason></item>"
            "<status code='110'/><status code='307'/><status code='333'/></x></presence>",
        )

    # What is asked of rooms and must be kept; the results are those of iq handlers

    @property
    def features(self) -> tuple[str, ...]:
        """What the service can besides rooms as such."""
        return ()

    def features_of(self, room: Room) -> tuple[str, ...]:
        """Return what a room can besides being one."""
        return ()

    def post(self, room: Room, link: "DomainLink", text: str, jid: JID, now: float) -> None:
        """Send a room's message to an account that need not be in it."""
        self._post(text, room.jid, jid, link.session.wall(now), now)

    def configure(self, room: Room, new: NewConfig, actor: str) -> str | Awaitable[str]:
        """Set a room up."""
        was_persistent = room.config.persistent
        configure(room, new, actor)
        self.tidy(room)
        if room.config.persistent:
            return self._stored(self._store.save(room))
        return self._stored(self._store.remove(room)) if was_persistent else ""

    def destroy(self, room: Room, destruction: Destruction) -> str | Awaitable[str]:
        """Let a room end."""
        destroy(room, destruction)
        self.remove(room)
        return self._stored(self._store.remove(room)) if room.config.persistent else ""

    def affiliated(self, room: Room, bares: Iterable[str]) -> str | Awaitable[str]:
        """Keep the affiliations of some, which have changed."""
        self.tidy(room)
        if room.config.persistent and bares:
            return self._stored(self._store.affiliate(room, bares))
        return ""

    def updated(self, room: Room) -> str | Awaitable[str]:
        """Keep what has changed about a room."""
        return self._stored(self._store.update(room)) if room.config.persistent else ""

    async def _stored(self, written: Awaitable[None]) -> str:
        await written
        return ""

    def _keep(self, room: Room, occupant: Occupant, text: str, wall: float) -> str:
        return ""
