"""How much of one call is on its way, counted at each of its ends.

What is sent counts until the far end has given it back, which it does as it takes what came. So
who is slow holds up his own call, and no other.
"""

import asyncio
from typing import Final

from andiron.cluster.frames import Kind
from andiron.cluster.link import COST, Link, TooLargeError

__all__ = ["MOST_MESSAGES", "WINDOW", "Window"]

WINDOW: Final = 65_536
"""Bytes of a call's messages in one direction that may be on their way, or wait there to be taken;
the last of them may exceed it."""
MOST_MESSAGES: Final = WINDOW // COST + 2
"""How many that the far end has sent may wait to be taken: as many as there is room for, one that
went though there was none, and that the client has left."""


class Window:
    """One end of a call, as far as its messages are counted; a ``link``'s call of that number.

    A size is that of a message's bytes and :data:`~andiron.cluster.link.COST`.
    """

    __slots__ = ("_on_way", "_over", "_room", "_taken", "link", "number")

    def __init__(self, link: Link, number: int) -> None:
        self.link = link
        self.number = number
        self._on_way = 0
        """Bytes sent of which the far end has not said that they were taken."""
        self._taken = 0
        """Bytes taken here of which the far end does not know yet."""
        self._over = False
        self._room: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        """Whether nothing more is to be sent now."""
        return self._on_way >= WINDOW

    def write(self, kind: Kind, payload: bytes, head: bytes = b"") -> None:
        """Send something, whether or not there is room, unless it has ended.

        ``head`` goes before it, and does not count. Raises :class:`TooLargeError`.
        """
        if self._over:
            return
        size = len(payload)
        if size + len(head) > self.link.limit:
            raise TooLargeError
        self._on_way += size + COST
        self.link.write(kind, self.number, head + payload if head else payload)

    def took(self, size: int) -> None:
        """Note that a message of the far end's was taken."""
        self._taken += size
        if self._taken >= WINDOW // 2:
            self.link.write(Kind.TAKEN, self.number, self._taken.to_bytes(4, "big"))
            self._taken = 0

    def given_back(self, size: int) -> None:
        """Note that the far end has taken so many bytes."""
        full = self.full
        self._on_way -= size
        if full and not self.full:
            self.go_on()

    def end(self) -> None:
        """Let nobody wait any more: nothing more is to be sent."""
        self._over = True
        self.link.forget(self)
        self.go_on()

    async def room(self) -> None:
        """Return when there is room, on the connection, too; or at the :meth:`end`."""
        while not self._over and (self.full or self.link.congested):
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            if self.link.congested:
                self.link.wait(self)
            await asyncio.shield(self._room)

    def go_on(self) -> None:
        """Let those look who wait: there may be room."""
        room, self._room = self._room, None
        if room is not None:
            room.set_result(None)
