"""The roster: whom an account knows, RFC 6121 section 2."""

from typing import Final

from andiron.domain.owner import Owner
from andiron.domain.subscriptions import Contact

__all__ = ["Roster", "roster_of", "sees"]


class Roster:
    """What is kept in memory of an account's roster: enough for presence, no names or groups."""

    __slots__ = ("contacts", "version")

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        """By bare JID; those with a request that waits are here, too, listed or not."""
        self.version = 0
        """The number of the last change that its clients were told of (section 2.6)."""


_NONE: Final = Roster()
"""That of whoever has none; nobody changes it."""


def roster_of(owner: Owner) -> Roster:
    """Return the roster of an account; it is to be read only."""
    found: Roster = owner.parts.get(Roster, _NONE)
    return found


def sees(owner: Owner, jid: str) -> bool:
    """Tell whether a bare JID may see the presence of an account, and what goes with it."""
    if jid == owner.jid:
        return True
    contact = roster_of(owner).contacts.get(jid)
    return contact is not None and contact.state.is_seen
