"""A room: who is in it, how they stand to it, and who sees what (XEP-0045).

A room is told what happens and leaves what it has to say in the outbox. What
happens stands in the modules beside this one, each for a chapter: entering,
speaking, ruling, owning, inviting.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from andiron.domain.client import Client
from andiron.domain.config import RoomsConfig
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.history import History
from andiron.domain.rooms.nicknames import ByNick, Reservations
from andiron.domain.rooms.occupant import Occupant, Seat, occupant_id
from andiron.domain.rooms.outbox import Outbox, Way
from andiron.domain.rooms.presence import Detail, gone_tail, presence_head, presence_tail
from andiron.domain.rooms.privileges import INITIAL_ROLES, RANK, Affiliation, Role
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.stanza import from_attribute

__all__ = ["Place", "Room", "RoomEvents", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What the room talks about, who said so, and when (Unix seconds, 0 for never)."""

    text: str = ""
    nick: str = ""
    stamp: float = 0.0
    lang: str = ""
    """Its language, where that was said."""


@dataclass(frozen=True, slots=True)
class Place:
    """A person's lasting place in a room."""

    affiliation: Affiliation = Affiliation.NONE
    nick: str = ""
    """The nickname that is reserved."""
    reason: str = ""
    """What was said when the affiliation was given."""


class RoomEvents:
    """Lists of callbacks for what happens to rooms."""

    def __init__(self) -> None:
        self.created: list[Callable[[Room], None]] = []
        """There is a new room."""
        self.destroyed: list[Callable[[Room], None]] = []
        """A room is no more."""
        self.changed: list[Callable[[Room], None]] = []
        """A room has changed, and no stanza to it has done that."""
        self.joined: list[Callable[[Room, Occupant], None]] = []
        """Somebody has entered, who was not there."""
        self.left: list[Callable[[Room, Occupant], None]] = []
        """Somebody has left, with the last session."""


_PLAIN = Detail()
_LASTING: Final = frozenset({Role.VISITOR, Role.PARTICIPANT})
_MAX_VOICES: Final = 1000


class Room:
    """One room. Its ``jid`` is bare and prepared; ``secret`` is its own and kept."""

    __slots__ = (
        "affiliations",
        "archive",
        "archiving",
        "config",
        "created_by",
        "events",
        "from_attribute",
        "history",
        "invited",
        "jid",
        "limits",
        "locked_until",
        "nicks",
        "occupants",
        "outbox",
        "photos",
        "reasons",
        "seats",
        "secret",
        "subject",
        "vcard",
        "voices",
    )

    def __init__(
        self,
        jid: str,
        config: RoomConfig,
        limits: RoomsConfig,
        outbox: Outbox,
        secret: bytes,
        *,
        archiving: bool = True,
        events: RoomEvents | None = None,
    ) -> None:
        self.jid = jid
        self.events = events or RoomEvents()
        self.archiving = archiving
        """Whether there are archives at all, whatever its owners want."""
        self.archive = f"{jid}/{hashlib.sha256(secret).hexdigest()[:16]}"
        """The name of its archive, which no later room of the same name has."""
        self.from_attribute = from_attribute(jid)
        self.config = config
        self.limits = limits
        self.outbox = outbox
        self.secret = secret
        self.created_by = ""
        """The bare JID of who made it, of whose rooms it counts as one."""
        self.locked_until = 0.0
        """Until when nobody but owners may enter, unless they set it up before."""
        self.subject = Subject()
        self.history = History(limits.history_max, limits.history_characters)
        self.affiliations: dict[str, Affiliation] = {}
        """By bare JID, or by domain for a ban of all in it; without those that are ``none``."""
        self.reasons: dict[str, str] = {}
        """Why each has the affiliation, where that was said."""
        self.nicks = Reservations()
        """Reserved nicknames, by the bare JID whose they are."""
        self.occupants: ByNick[Occupant] = ByNick()
        self.seats: dict[Client, Seat] = {}
        self.invited: dict[str, str] = {}
        """Who was invited lately, and by whom: bare JIDs."""
        self.voices: dict[str, Role] = {}
        """Who was given a voice, or had it taken, by bare JID; see :meth:`remember_voice`."""
        self.vcard = ""
        self.photos: tuple[str, ...] = ()
        """The hashes of the pictures in its vCard (XEP-0486)."""

    @property
    def node(self) -> str:
        """Its name within the service."""
        return self.jid.partition("@")[0]

    @property
    def max_occupants(self) -> int:
        """How many may be in it, by the owner's wish and the service's bound."""
        bound = self.limits.max_occupants
        return min(self.config.max_occupants or bound, bound)

    @property
    def archived(self) -> bool:
        """Whether what is said in it is kept."""
        return self.archiving and self.config.archived

    # Who is who

    def affiliation(self, bare: str) -> Affiliation:
        """Return how a person stands to the room: as said of him, else banned with his domain.

        Section 9.2 has this order.
        """
        own = self.affiliations.get(bare)
        if own is not None:
            return own
        domain = self.affiliations.get(bare.rpartition("@")[2])
        return Affiliation.OUTCAST if domain is Affiliation.OUTCAST else Affiliation.NONE

    def has_rank(self, bare: str, least: Affiliation) -> bool:
        """Tell whether a person's affiliation is ``least`` or above it."""
        return RANK[self.affiliation(bare)] >= RANK[least]

    def those(self, affiliation: Affiliation) -> list[str]:
        """Return the bare JIDs of all that stand in one way to the room."""
        return [bare for bare, each in self.affiliations.items() if each is affiliation]

    def is_locked(self, now: float) -> bool:
        """Tell whether the room waits for its first configuration (section 10.1.1)."""
        return now < self.locked_until

    def seat(self, client: Client) -> Seat:
        """Return a session's place; raises ``not-acceptable`` for one that has none."""
        seat = self.seats.get(client)
        if seat is None:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "you are not in the room")
        return seat

    def place(self, bare: str) -> Place:
        """Return a person's own place, whatever holds for the domain."""
        return Place(
            self.affiliations.get(bare, Affiliation.NONE),
            self.nicks.get(bare, ""),
            self.reasons.get(bare, ""),
        )

    def settle(self, bare: str, place: Place) -> None:
        """Give a person a place, which is all that is kept of him; ``none`` keeps nothing."""
        self.nicks.reserve(bare, place.nick)
        if place.reason:
            self.reasons[bare] = place.reason
        else:
            self.reasons.pop(bare, None)
        if place.affiliation is Affiliation.NONE:
            self.affiliations.pop(bare, None)
        else:
            self.affiliations[bare] = place.affiliation

    def initial_role(self, bare: str) -> Role:
        """Return the role in which a person enters (sections 5.1 and 5.1.2)."""
        initial = INITIAL_ROLES[self.config.moderated][self.affiliation(bare)]
        return initial if initial is Role.MODERATOR else self.voices.get(bare, initial)

    def remember_voice(self, bare: str, role: Role) -> None:
        """Let a voice, or the lack of it, last beyond this visit (section 5.1).

        A moderator's role does not, and a kick changes nothing.
        """
        if role is not Role.NONE:
            self.voices.pop(bare, None)
        if role in _LASTING:
            while len(self.voices) >= _MAX_VOICES:
                del self.voices[next(iter(self.voices))]
            self.voices[bare] = role

    def occupants_of(self, bare: str) -> list[Occupant]:
        """Return all that a person is in the room; of a domain, those it stands for."""
        return [
            occupant
            for occupant in self.occupants.values()
            if occupant.bare == bare
            or (occupant.bare.endswith(f"@{bare}") and occupant.bare not in self.affiliations)
        ]

    def sees_jids(self, seat: Seat) -> bool:
        """Tell whether a session is told others' JIDs (sections 7.2.3 and 7.2.4)."""
        return self.config.jids_shown or seat.occupant.role is Role.MODERATOR

    def is_shown(self, occupant: Occupant) -> bool:
        """Tell whether the others are told of an occupant."""
        return occupant.role in self.config.broadcast

    # Coming and going; the callers tell the others

    def sit(self, occupant: Occupant, client: Client, inner: str) -> Seat:
        """Give a session a place under an occupant, who may be new."""
        if not occupant.seats:
            occupant.identity = occupant_id(self.secret, occupant.bare)
            self.occupants[occupant.nick] = occupant
        seat = self.seats[client] = Seat(client, occupant, inner)
        occupant.seats.append(seat)
        occupant.shown = seat
        occupant.changed()
        return seat

    def rise(self, seat: Seat) -> None:
        """Take a session's place away, and its occupant with the last one."""
        occupant = seat.occupant
        seat.client.session.changed()
        del self.seats[seat.client]
        occupant.seats.remove(seat)
        if not occupant.seats:
            del self.occupants[occupant.nick]
            for tell in self.events.left:
                tell(self, occupant)
        elif occupant.shown is seat:
            occupant.shown = occupant.seats[-1]
            occupant.changed()

    # Telling

    def audience(self, but: Occupant) -> tuple[list[Seat], list[Seat]]:
        """Return everybody but one: those who see JIDs, and those who do not."""
        seats = self.seats.values()
        if self.config.jids_shown:
            return [seat for seat in seats if seat.occupant is not but], []
        seeing: list[Seat] = []
        others: list[Seat] = []
        moderator = Role.MODERATOR
        for seat in seats:
            occupant = seat.occupant
            if occupant is not but:
                (seeing if occupant.role is moderator else others).append(seat)
        return seeing, others

    def tell(self, occupant: Occupant, detail: Detail = _PLAIN, *, but: Seat | None = None) -> None:
        """Tell an occupant's presence to everybody who may know of it, to itself last.

        One of its own sessions may be left out.
        """
        if self.is_shown(occupant):
            head, outbox = presence_head(occupant), self.outbox
            seeing, others = self.audience(occupant)
            outbox.broadcast(Way.PRESENCE, seeing, head, self._tail(occupant, detail, jid=True))
            outbox.broadcast(Way.PRESENCE, others, head, self._tail(occupant, detail, jid=False))
        own = [seat for seat in occupant.seats if seat is not but]
        self.tell_self(occupant, own, replace(detail, codes=(110, *detail.codes)))

    def tell_self(self, occupant: Occupant, seats: Sequence[Seat], detail: Detail) -> None:
        """Tell an occupant's presence to its own sessions (section 7.2.2)."""
        tail = presence_tail(occupant, detail, jid=True)
        self.outbox.broadcast(Way.PRESENCE, seats, presence_head(occupant), tail)

    def tell_gone(
        self,
        occupant: Occupant,
        seats: Sequence[Seat],
        detail: Detail,
        *,
        shown: bool = True,
        role: Role = Role.NONE,
    ) -> None:
        """Tell that an occupant is no more under its nickname: to ``seats``, its own, first.

        ``role`` is what it has hereafter. Those who were never told of it are
        not told this, either: ``shown`` says.
        """
        head = presence_head(occupant)
        self.outbox.broadcast(
            Way.PRESENCE,
            seats,
            head,
            gone_tail(occupant, detail, role, jid=True, codes=(110, *detail.codes)),
            farewell=role is Role.NONE,
        )
        if not shown:
            return
        seeing, others = self.audience(occupant)
        for audience, jid in ((seeing, True), (others, False)):
            tail = gone_tail(occupant, detail, role, jid=jid, codes=detail.codes)
            self.outbox.broadcast(Way.PRESENCE, audience, head, tail)

    def tell_hidden(self, occupant: Occupant) -> None:
        """Let those who saw an occupant forget it: its role is now one that is not told of."""
        self.tell_gone(occupant, (), _PLAIN)

    def tell_left(self, occupant: Occupant, seat: Seat, detail: Detail) -> None:
        """Tell a session that it has left while others of its occupant stay."""
        tail = gone_tail(occupant, detail, Role.NONE, jid=True, codes=detail.codes)
        self.outbox.broadcast(Way.PRESENCE, (seat,), presence_head(occupant), tail, farewell=True)

    def introduce(self, seat: Seat) -> None:
        """Tell a session who else is in the room (section 7.2.2)."""
        jid = self.sees_jids(seat)
        me, to = (seat,), self.outbox.broadcast
        for occupant in self.occupants.values():
            if occupant is not seat.occupant and self.is_shown(occupant):
                to(Way.PRESENCE, me, presence_head(occupant), self._tail(occupant, _PLAIN, jid=jid))

    def announce(self, inner: str) -> None:
        """Send everybody a message of the room's own."""
        self.outbox.broadcast(
            Way.MESSAGE,
            tuple(self.seats.values()),
            f"<message xmlns='{ns.CLIENT}'{self.from_attribute}",
            f" type='groupchat'>{inner}</message>",
        )

    def tell_moderators(self, items: str) -> None:
        """Tell the moderators what no presence tells; who has gone meanwhile need not know."""
        seats = [seat for seat in self.seats.values() if seat.occupant.role is Role.MODERATOR]
        self.outbox.broadcast(
            Way.MESSAGE,
            seats,
            f"<message xmlns='{ns.CLIENT}'{self.from_attribute}",
            f"><x xmlns='{ns.MUC_USER}'>{items}</x><no-store xmlns='{ns.HINTS}'/></message>",
        )

    def announce_codes(self, codes: Iterable[int]) -> None:
        """Tell everybody what has changed about the room (section 10.2.1)."""
        statuses = "".join(f"<status code='{code}'/>" for code in codes)
        if statuses:
            self.announce(f"<x xmlns='{ns.MUC_USER}'>{statuses}</x>")

    def _tail(self, occupant: Occupant, detail: Detail, *, jid: bool) -> str:
        if detail is not _PLAIN:
            return presence_tail(occupant, detail, jid=jid)
        tail = occupant.tails.get(jid)
        if tail is None:
            tail = occupant.tails[jid] = presence_tail(occupant, detail, jid=jid)
        return tail
