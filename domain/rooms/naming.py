"""Who may have which nickname in a room: XEP-0045 sections 7.2.8, 7.6, 7.10, 9.3 and 17.1."""

from collections.abc import Mapping

from andiron.domain.rooms.nicknames import Reservations, keys_of
from andiron.domain.rooms.room import Room
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import parse_jid

__all__ = ["check_nick", "check_reservations", "prepared_nick"]


def prepared_nick(room: Room, nick: str) -> str:
    """Return a nickname as it would stand in an address; raises ``jid-malformed``."""
    prepared: str = parse_jid(f"{room.jid}/{nick}").resource
    return prepared


def check_nick(room: Room, nick: str, bare: str) -> None:
    """Raise the error for a nickname that a person may not have (sections 7.2.8 and 17.1)."""
    _check_form(room, nick)
    _check_free(room, nick, bare)
    # One's own stays usable beside another that was reserved by other rules.
    if room.nicks.get(bare) != nick and room.nicks.holders(nick) - {bare}:
        raise StanzaError(StanzaCondition.CONFLICT, "that name is somebody else's")


def check_reservations(room: Room, wishes: Mapping[str, str | None]) -> None:
    """Raise the error for nicknames that cannot be reserved for persons, by bare JID.

    As a whole, so that one may be taken from one person and given to another:
    None leaves a person's as it is, an empty one takes it away.
    """
    new = {bare: nick for bare, nick in wishes.items() if nick and nick != room.nicks.get(bare)}
    if not new:
        return
    after = Reservations()
    for bare, nick in room.nicks.items():
        if bare not in new and wishes.get(bare) != "":
            after.reserve(bare, nick)
    for bare, nick in new.items():
        _check_form(room, nick)
        _check_free(room, nick, bare)
        if after.holders(nick):
            raise StanzaError(StanzaCondition.CONFLICT, "that name is somebody else's")
        after.reserve(bare, nick)


def _check_form(room: Room, nick: str) -> None:
    if len(nick) > room.limits.max_nick or not keys_of(nick):
        raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "not a nickname")


def _check_free(room: Room, nick: str, bare: str) -> None:
    if any(occupant.bare != bare for occupant in room.occupants.alike(nick)):
        raise StanzaError(StanzaCondition.CONFLICT, "somebody is here by that name")
