"""What rooms send, in order, and each broadcast written once."""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
from andiron.domain.rooms.occupant import Seat
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.tree import parse_text


class Way(Enum):
    """By which of its methods a client takes a stanza."""

    MESSAGE = auto()
    PRESENCE = auto()
    IQ = auto()


class Outbox:
    """Takes what a room says while it changes, and sends it when the change is whole.

    A recipient may end while it is sent to, which is a change of its own: what
    comes of that is sent after what was to be sent before.

    Who has blocked an occupant, a room or the service hears nothing from there, and the
    room nothing of that (XEP-0191 section 3.3).
    """

    __slots__ = ("_queue", "_sending")

    def __init__(self) -> None:
        self._queue: deque[tuple[Way, Sequence[Seat] | Client, str, str, bool]] = deque()
        self._sending = False

    def broadcast(
        self, way: Way, seats: Sequence[Seat], head: str, tail: str, *, farewell: bool = False
    ) -> None:
        """Send ``head``, each seat's ``to`` and ``tail``; the caller leaves ``seats`` as it is.

        The head is a start tag as far as the sender's address. A ``farewell`` tells who
        has left that it has, also where it has blocked the room.
        """
        if seats:
            self._queue.append((way, seats, head, tail, farewell))

    def send(self, way: Way, client: Client, text: str) -> None:
        """Send a whole stanza to one session."""
        self._queue.append((way, client, text, "", True))

    def flush(self, now: float) -> None:
        """Send all that waits."""
        if self._sending:
            return
        self._sending = True
        queue = self._queue
        try:
            while queue:
                way, to, head, tail, farewell = queue.popleft()
                if isinstance(to, Client):
                    _give(way, to, head, now)
                    continue
                if not farewell and any(seat.client.owner.blocked for seat in to):
                    to = _hearing(to, head)
                if way is Way.MESSAGE:
                    _spread(to, head, tail, now)
                else:
                    for seat in to:
                        _give(way, seat.client, f"{head}{seat.to}{tail}", now)
        finally:
            self._sending = False


def _hearing(seats: Sequence[Seat], head: str) -> list[Seat]:
    """Return the seats of those who have not blocked whom a stanza is from."""
    sender = parse_text(f"{head}/>").get("from", "")
    return [seat for seat in seats if not blocks(seat.client.owner, sender)]


def _spread(seats: Sequence[Seat], head: str, tail: str, now: float) -> None:
    for seat in seats:
        client = seat.client
        if client.bound:
            try:
                client.deliver(f"{head}{seat.to}{tail}", now)
            except StanzaError:
                continue  # One who has no room for it keeps nobody else from hearing.


def _give(way: Way, client: Client, text: str, now: float) -> None:
    if not client.bound:
        return
    if way is Way.PRESENCE:
        client.inform(text, now)
    elif way is Way.IQ:
        client.forward(text, now)
    else:
        with suppress(StanzaError):
            client.deliver(text, now)
