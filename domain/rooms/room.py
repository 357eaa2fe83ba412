"""A room: who is in it, how they stand to it, and who sees what (XEP-0045).

A room is told what happens and leaves what it has to say in the outbox. What
happens stands in the modules beside this one, each for a chapter: entering,
speaking, ruling, owning, inviting.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from andiron.domain.client import Client
from andiron.domain.config import RoomsConfig
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.history import History
from andiron.domain.rooms.occupant import Occupant, Seat, occupant_id
from andiron.domain.rooms.outbox import Outbox, Way
from andiron.domain.rooms.privileges import INITIAL_ROLES, RANK, Affiliation, Role
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.stanza import from_attribute

__all__ = ["Detail", "Room", "Subject", "prepared_nick"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What the room talks about, who said so, and when (Unix seconds, 0 for never)."""

    text: str = ""
    nick: str = ""
    stamp: float = 0.0


@dataclass(frozen=True, slots=True)
class Detail:
    """What a presence tells besides who it is about."""

    codes: tuple[int, ...] = ()
    new_nick: str = ""
    actor: str = ""
    """The nickname of who did it."""
    reason: str = ""
    inner: str = ""
    """Children in place of those of the occupant's presence, where it is unavailable."""
    identity: str = ""
    """The stanza's id."""


_PLAIN = Detail()
_LASTING: Final = frozenset({Role.VISITOR, Role.PARTICIPANT})
_MAX_VOICES: Final = 1000


class Room:
    """One room. Its ``jid`` is bare and prepared; ``secret`` is its own and kept."""

    __slots__ = (
        "affiliations",
        "archive",
        "config",
        "created_by",
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
        "reserved",
        "seats",
        "secret",
        "subject",
        "vcard",
        "voices",
    )

    def __init__(
        self, jid: str, config: RoomConfig, limits: RoomsConfig, outbox: Outbox, secret: bytes
    ) -> None:
        self.jid = jid
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
        """By bare JID; without those that are ``none``."""
        self.nicks: dict[str, str] = {}
        """Reserved nicknames by the bare JID whose they are; see :meth:`reserve`."""
        self.reserved: dict[str, str] = {}
        """Whose each reserved nickname is."""
        self.occupants: dict[str, Occupant] = {}
        """By nickname."""
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

    # Who is who

    def affiliation(self, bare: str) -> Affiliation:
        """Return how a person stands to the room."""
        return self.affiliations.get(bare, Affiliation.NONE)

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

    def reserve(self, bare: str, nick: str) -> None:
        """Reserve a nickname for a person, in place of another one; an empty one for none."""
        self.reserved.pop(self.nicks.pop(bare, ""), None)
        if nick:
            self.nicks[bare] = nick
            self.reserved[nick] = bare

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
        """Return all that a person is in the room."""
        return [occupant for occupant in self.occupants.values() if occupant.bare == bare]

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
        occupant.tails.clear()
        return seat

    def rise(self, seat: Seat) -> None:
        """Take a session's place away, and its occupant with the last one."""
        occupant = seat.occupant
        del self.seats[seat.client]
        occupant.seats.remove(seat)
        if not occupant.seats:
            del self.occupants[occupant.nick]
        elif occupant.shown is seat:
            occupant.shown = occupant.seats[-1]
            occupant.tails.clear()

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
            head, outbox = _head(occupant), self.outbox
            seeing, others = self.audience(occupant)
            outbox.broadcast(Way.PRESENCE, seeing, head, self._tail(occupant, detail, jid=True))
            outbox.broadcast(Way.PRESENCE, others, head, self._tail(occupant, detail, jid=False))
        own = [seat for seat in occupant.seats if seat is not but]
        self.tell_self(occupant, own, replace(detail, codes=(110, *detail.codes)))

    def tell_self(self, occupant: Occupant, seats: Sequence[Seat], detail: Detail) -> None:
        """Tell an occupant's presence to its own sessions (section 7.2.2)."""
        tail = presence_tail(occupant, detail, jid=True)
        self.outbox.broadcast(Way.PRESENCE, seats, _head(occupant), tail)

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
        head = _head(occupant)
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
        self.outbox.broadcast(Way.PRESENCE, (seat,), _head(occupant), tail, farewell=True)

    def introduce(self, seat: Seat) -> None:
        """Tell a session who else is in the room (section 7.2.2)."""
        jid = self.sees_jids(seat)
        me, to = (seat,), self.outbox.broadcast
        for occupant in self.occupants.values():
            if occupant is not seat.occupant and self.is_shown(occupant):
                to(Way.PRESENCE, me, _head(occupant), self._tail(occupant, _PLAIN, jid=jid))

    def announce(self, inner: str) -> None:
        """Send everybody a message of the room's own."""
        self.outbox.broadcast(
            Way.MESSAGE,
            tuple(self.seats.values()),
            f"<message xmlns='{ns.CLIENT}'{self.from_attribute}",
            f" type='groupchat'>{inner}</message>",
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


def prepared_nick(room: Room, nick: str) -> str:
    """Return a nickname as it would stand in an address; raises ``jid-malformed``."""
    prepared: str = parse_jid(f"{room.jid}/{nick}").resource
    return prepared


def _head(occupant: Occupant) -> str:
    return f"<presence xmlns='{ns.CLIENT}'{occupant.from_attribute}"


def presence_tail(occupant: Occupant, detail: Detail, *, jid: bool) -> str:
    """Return what follows the address of an available presence."""
    identity = f" id='{escape(detail.identity)}'" if detail.identity else ""
    x = _x(occupant, detail, occupant.role, detail.codes, jid=jid)
    return f"{identity}>{occupant.shown.inner}{x}{occupant.identity}</presence>"


def gone_tail(
    occupant: Occupant, detail: Detail, role: Role, *, jid: bool, codes: Sequence[int]
) -> str:
    """Return what follows the address of an unavailable presence."""
    x = _x(occupant, detail, role, codes, jid=jid)
    return f" type='unavailable'>{detail.inner}{x}{occupant.identity}</presence>"


def _x(occupant: Occupant, detail: Detail, role: Role, codes: Sequence[int], *, jid: bool) -> str:
    whose = f" jid='{escape(occupant.shown.jid)}'" if jid else ""
    nick = f" nick='{escape(detail.new_nick)}'" if detail.new_nick else ""
    inside = f"<actor nick='{escape(detail.actor)}'/>" if detail.actor else ""
    if detail.reason:
        inside += f"<reason>{escape(detail.reason)}</reason>"
    item = f"<item affiliation='{occupant.affiliation}' role='{role}'{whose}{nick}"
    item += f">{inside}</item>" if inside else "/>"
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    return f"<x xmlns='{ns.MUC_USER}'>{item}{statuses}</x>"
