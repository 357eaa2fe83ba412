"""Rooms written down while sessions that are in them outlive their process.

Where a session sits goes with the session. Of the room that is what the database does not
keep: who was invited or given a voice and, of a temporary one, all there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from andiron.domain.client import Client
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.history import Entry
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import Affiliation, Role
from andiron.domain.rooms.room import Place, Room, Subject
from andiron.domain.rooms.store import StoredRoom
from andiron.sm.frozen import Plain, made_of

__all__ = ["FrozenRoom", "freeze", "freeze_seat", "resume", "seat"]

_SHOWN: Final = "shown"
"""Says that the others see this session of an occupant."""


@dataclass(frozen=True, slots=True)
class FrozenRoom:
    """A room as plain data. Times are Unix seconds, 0 for never."""

    name: str
    voices: Mapping[str, str]
    invited: Mapping[str, str]
    locked_until: float
    history: Sequence[tuple[str, str, float]] | None
    """None where the archive has it, or nobody."""
    temporary: Mapping[str, Any] | None
    """What the database would have of it, were it kept there."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read plain data. Raises ValueError for what is none of this version."""
        return made_of(cls, plain)

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


def freeze(room: Room, offset: float, *, history: bool) -> Mapping[str, Plain]:
    """Return a room as plain data; ``offset`` leads from the clock to Unix times.

    ``history`` is whether to have with it what was said, where the archive has not.
    """
    frozen = FrozenRoom(
        name=room.node,
        voices={bare: role.value for bare, role in room.voices.items()},
        invited=dict(room.invited),
        locked_until=round(room.locked_until + offset, 3) if room.locked_until else 0.0,
        history=room.history.plain() if history and not room.archived else None,
        temporary=None if room.config.persistent else _temporary(room),
    )
    return asdict(frozen)


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


def resume(room: Room, frozen: FrozenRoom, offset: float) -> None:
    """Let a room know what the database does not; ``offset`` leads from Unix times to the clock."""
    room.voices = {bare: Role(role) for bare, role in frozen.voices.items()}
    room.invited = dict(frozen.invited)
    room.locked_until = frozen.locked_until + offset if frozen.locked_until else 0.0
    for entry in frozen.history or ():
        room.history.add(Entry(*entry))


def freeze_seat(room: Room, client: Client) -> list[str]:
    """Return how a session sits in a room: its nickname, role, what others see."""
    place = room.seats[client]
    occupant = place.occupant
    shown = _SHOWN if occupant.shown is place else ""
    return [occupant.nick, occupant.role.value, place.inner, shown]


def seat(room: Room, client: Client, nick: str, role: str, inner: str, shown: str) -> None:
    """Let a session sit in a room as it did; nobody is told."""
    occupant = room.occupants.get(nick)
    if occupant is None:
        bare = client.account
        occupant = Occupant(room.jid, nick, bare, room.affiliation(bare), Role(role))
    others = occupant.shown if occupant.seats and shown != _SHOWN else None
    room.sit(occupant, client, inner)
    if others is not None:
        occupant.shown = others
