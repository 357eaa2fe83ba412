"""What of rooms is to be known should the process be killed, noted as it changes."""

from collections.abc import Callable, Mapping
from typing import Final

from andiron.domain.rooms.freezing import freeze
from andiron.domain.rooms.room import Room
from andiron.sm.frozen import Plain

__all__ = ["RoomNotes"]


class RoomNotes:
    """Notes each room once when it has changed; what was said in it is not among that."""

    def __init__(
        self,
        note: Callable[[str, Plain], object],
        written: Mapping[str, Plain],
        offset: Callable[[], float],
    ) -> None:
        """Take what notes a room by its name, what it has, and what leads to Unix times.

        ``note`` is given None for a room that is no more.
        """
        self._note: Final = note
        self._written = dict(written)
        self._offset = offset

    def look(self, room: Room) -> None:
        """Note a room if it has changed."""
        plain = freeze(room, self._offset(), history=False)
        if plain != self._written.get(room.node):
            self._written[room.node] = plain
            self._note(room.node, plain)

    def gone(self, room: Room) -> None:
        """Note that a room is no more."""
        if self._written.pop(room.node, None) is not None:
            self._note(room.node, None)
