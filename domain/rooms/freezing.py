"""A room written down while sessions that are in it outlive their process.

Of one that is kept in the database, that is what is not kept there: who is in it, as
what, and who was invited or given a voice. Of a temporary one it is all there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from andiron.domain.client import Client
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.history import Entry
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Place, Room, Subject
from andiron.domain.rooms.store import StoredRoom
from andiron.sm.frozen import Plain

__all__ = ["FrozenRoom", "freeze", "seat"]


@dataclass(frozen=True, slots=True)
class FrozenRoom:
    """A room as plain data. Times are Unix seconds, 0 for never."""

    name: str
    occupants: Sequence[tuple[str, str, str, int, Sequence[tuple[str, str]]]]
    """Nickname, bare JID, role, which of the sessions others see, and those: full JID and
    what others see of its presence."""
    voices: Mapping[str, str]
    invited: Mapping[str, str]
    locked_until: float
    history: Sequence[tuple[str, str, float]] | None
    """None where the archive has it."""
    temporary: Mapping[str, Any] | None
    """What the database would have of it, were it kept there."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read plain data. Raises ValueError for what is none of this version."""
        try:
            return cls(**plain)
        except TypeError as error:
            raise ValueError(f"not a room: {error}") from None

    def stored(self) -> StoredRoom | None:
        """Return what the database would have of a temporary room, None for one that it has.

        Raises ValueError for what is none of this version.
        """
        kept = self.temporary
        if kept is None:
            return None
        places = {
            bare: Place(Affiliation(affiliation), nick, reason)
            for bare, (affiliation, nick, reason) in kept["places"].items()
        }
        return StoredRoom(
            self.name,
            kept["created_by"],
            bytes.fromhex(kept["secret"]),
            RoomConfig.from_json(kept["config"]),
            Subject(*kept["subject"]),
            kept["vcard"],
            places,
        )


def freeze(room: Room, offset: float) -> Mapping[str, Plain]:
    """Return a room as plain data; ``offset`` leads from the clock to Unix times."""
    frozen = FrozenRoom(
        name=room.node,
        occupants=[_occupant(each) for each in room.occupants.values()],
        voices={bare: role.value for bare, role in room.voices.items()},
        invited=dict(room.invited),
        locked_until=room.locked_until + offset if room.locked_until else 0.0,
        history=None if room.archived else room.history.plain(),
        temporary=None if room.config.persistent else _temporary(room),
    )
    return asdict(frozen)


def _occupant(occupant: Occupant) -> tuple[str, str, str, int, list[tuple[str, str]]]:
    seats = [(seat.jid, seat.inner) for seat in occupant.seats]
    shown = occupant.seats.index(occupant.shown)
    return occupant.nick, occupant.bare, occupant.role.value, shown, seats


def _temporary(room: Room) -> dict[str, Plain]:
    subject = room.subject
    places = {bare: room.place(bare) for bare in {*room.affiliations, *room.nicks}}
    return {
        "created_by": room.created_by,
        "secret": room.secret.hex(),
        "config": room.config.to_json(),
        "subject": [subject.text, subject.nick, subject.stamp, subject.lang],
        "vcard": room.vcard,
        "places": {
            bare: [place.affiliation.value, place.nick, place.reason]
            for bare, place in places.items()
        },
    }


def seat(room: Room, frozen: FrozenRoom, full: Mapping[str, Client], offset: float) -> list[Client]:
    """Let those be in a room who were, of the sessions in ``full``; nobody is told.

    ``offset`` leads from Unix times to the clock. Returns the sessions.
    """
    room.voices = {bare: Role(role) for bare, role in frozen.voices.items()}
    room.invited = dict(frozen.invited)
    room.locked_until = frozen.locked_until + offset if frozen.locked_until else 0.0
    for entry in frozen.history or ():
        room.history.add(Entry(*entry))
    found: list[Client] = []
    for nick, bare, role, shown, seats in frozen.occupants:
        occupant = Occupant(room.jid, nick, bare, room.affiliation(bare), Role(role))
        for jid, inner in seats:
            client = full.get(jid)
            if client is not None:
                room.sit(occupant, client, inner)
                found.append(client)
        for place in occupant.seats:
            if place.jid == seats[shown][0]:
                occupant.shown = place
    return found
