"""Who is in a room: a person under a nickname, by one session or several."""

import hashlib
import hmac

from andiron.domain.client import Client
from andiron.domain.rooms.privileges import Affiliation, Role, Standing
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import from_attribute


class Seat:
    """One session in a room."""

    __slots__ = ("client", "inner", "jid", "occupant", "to")

    def __init__(self, client: Client, occupant: "Occupant", inner: str) -> None:
        self.client = client
        self.occupant = occupant
        self.inner = inner
        """The children of its presence that others see, as text."""
        self.jid: str = client.jid
        self.to = f" to='{escape(client.jid)}'"


class Occupant:
    """A nickname and whose it is; all its seats are of one account."""

    __slots__ = (
        "affiliation",
        "bare",
        "from_attribute",
        "identity",
        "nick",
        "role",
        "seats",
        "shown",
        "tails",
    )

    def __init__(
        self, room_jid: str, nick: str, bare: str, affiliation: Affiliation, role: Role
    ) -> None:
        self.bare = bare
        self.affiliation = affiliation
        self.role = role
        self.identity = ""
        """Its ``<occupant-id/>`` (XEP-0421)."""
        self.seats: list[Seat] = []
        self.shown: Seat
        """The seat whose presence the others see: the last one that spoke up."""
        self.tails: dict[bool, str] = {}
        """Its presence as others see it, with and without its JID; kept until it changes."""
        self.call(room_jid, nick)

    def call(self, room_jid: str, nick: str) -> None:
        """Give it a nickname."""
        self.nick = nick
        self.from_attribute = from_attribute(f"{room_jid}/{nick}")
        self.changed()

    def changed(self) -> None:
        """Note that its presence, or where its sessions sit, is another from now on."""
        self.tails.clear()
        for seat in self.seats:
            seat.client.session.changed()

    @property
    def standing(self) -> Standing:
        """How it stands in the room."""
        return Standing(self.affiliation, self.role)


def occupant_id(secret: bytes, bare: str) -> str:
    """Return the element that tells occupants apart without telling who they are (XEP-0421)."""
    identity = hmac.new(secret, bare.encode(), hashlib.sha256).hexdigest()
    return f"<occupant-id xmlns='{ns.OCCUPANT_ID}' id='{identity}'/>"
