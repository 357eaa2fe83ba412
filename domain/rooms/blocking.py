"""What a session in a room sees when its account blocks somebody there (XEP-0191).

While an address is blocked nothing comes from it, also not that it leaves: so it is seen
to leave at once, and seen again when it is unblocked.
"""

from typing import Final

from andiron.domain.contacts.blocking import blocks
from andiron.domain.rooms.occupant import Occupant, Seat
from andiron.domain.rooms.outbox import Way
from andiron.domain.rooms.presence import Detail, gone_tail, presence_head, presence_tail
from andiron.domain.rooms.privileges import Role
from andiron.domain.rooms.room import Room

__all__ = ["hide", "show"]

_PLAIN: Final = Detail()


def hide(room: Room, seat: Seat, jid: str) -> None:
    """Let those that an address covers look gone to a session that is about to block it.

    The address is the room's, one in it, or the service's.
    """
    for occupant in _covered(room, seat, jid):
        tail = gone_tail(occupant, _PLAIN, Role.NONE, jid=room.sees_jids(seat), codes=())
        room.outbox.broadcast(Way.PRESENCE, (seat,), presence_head(occupant), tail)


def show(room: Room, seat: Seat, jid: str) -> None:
    """Undo :func:`hide`, when the address is blocked no more; others that cover it may be."""
    for occupant in _covered(room, seat, jid):
        tail = presence_tail(occupant, _PLAIN, jid=room.sees_jids(seat))
        room.outbox.broadcast(Way.PRESENCE, (seat,), presence_head(occupant), tail)


def _covered(room: Room, seat: Seat, jid: str) -> list[Occupant]:
    """Return the other occupants that an address covers and a session otherwise sees."""
    nick = jid.removeprefix(f"{room.jid}/")
    named = room.occupants.get(nick) if nick != jid else None
    occupants = room.occupants.values() if nick == jid else [named] if named else []
    return [
        occupant
        for occupant in occupants
        if occupant is not seat.occupant
        and room.is_shown(occupant)
        and not blocks(seat.client.owner, f"{room.jid}/{occupant.nick}")
    ]
