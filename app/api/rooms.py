"""Rooms: made, set up, listed, spoken in and brought to an end by the site's code."""

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from andiron.api.checks import MAX_ADDRESS, MAX_PAGE, count_of, text_of
from andiron.api.errors import InvalidError, NotFoundError, UnavailableError
from andiron.api.people import People
from andiron.api.values import Affiliation, Member, RoomInfo, RoomPage, RoomPerson, Sent
from andiron.domain.domain import Domain
from andiron.domain.messages.composing import message_text, new_id
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.managing import RoomManagement
from andiron.domain.rooms.privileges import Affiliation as Standing
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.ruling import Change
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamError
from andiron.xmpp.escape import escape_text
from andiron.xmpp.jid import JID, InvalidJID
from andiron.xmpp.xml import Element

__all__ = ["RoomOptions", "RoomsApi"]

_MAX_NAME: Final = 1023
_MAX_REASON: Final = 1000

RoomOptions = dict[str, str | bool | None]
"""What is to be set of a room, by the names of the API; None: as it is."""
_FIELDS: Final = {
    "name": "name",
    "description": "description",
    "public": "public",
    "members_only": "members_only",
    "moderated": "moderated",
    "addresses_shown": "jids_shown",
    "archived": "archived",
    "password": "password",
}


class RoomsApi:
    """What the site does with the rooms."""

    def __init__(self, domain: Domain, people: People, clock: Callable[[], float]) -> None:
        self._people = people
        self._rooms = domain.rooms
        self._read = domain.reader.read
        self._management = (
            None
            if domain.rooms is None
            else RoomManagement(domain.rooms, domain.name, clock=clock, wall=time.time)
        )

    # Which rooms there are

    def info(self, room: str) -> RoomInfo:
        """Return a room."""
        return _info(self.find(room))

    def list(self, after: str, size: int) -> RoomPage:
        """Return some rooms."""
        rooms, _ = self._there()
        count_of(size, "The size of a page", 1, MAX_PAGE)
        text_of(after, "The address after which to begin", MAX_ADDRESS)
        there = sorted(each.jid for each in rooms.by_name.values())
        start = bisect_right(there, after)
        page = there[start : start + size]
        found = [rooms.by_name[jid.partition("@")[0]] for jid in page]
        return RoomPage(rooms=tuple(map(_info, found)), complete=start + size >= len(there))

    def find(self, room: str) -> Room:
        """Return a room by its name or address."""
        rooms, _ = self._there()
        jid = self.jid(room)
        found = rooms.by_name.get(jid.node)
        if found is None:
            raise NotFoundError(f"There is no room {jid.node}.")
        return found

    def jid(self, room: str) -> JID:
        """Return the address of a room, of its name or address; there need be none."""
        rooms, _ = self._there()
        text_of(room, "A room's name", MAX_ADDRESS, least=1)
        try:
            jid = JID(room if "@" in room else f"{room}@{rooms.host}")
        except InvalidJID as error:
            raise InvalidError(f"{room[:100]!r} is no room's name: {error}.") from None
        if jid.domain != rooms.host or jid.resource or not jid.node:
            raise InvalidError(
                f"{room[:100]!r} is no room of {rooms.host}: give the name alone, or"
                f" name@{rooms.host}."
            )
        return jid

    def is_address(self, name: object) -> bool:
        """Tell whether a name is the address of a room, and not of an account."""
        rooms = self._rooms
        return rooms is not None and isinstance(name, str) and name.rpartition("@")[2] == rooms.host

    # What becomes of them

    async def create(
        self,
        room: str,
        options: RoomOptions,
        *,
        owners: Sequence[str],
        members: Sequence[str],
        subject: str,
    ) -> RoomInfo:
        """Make a room that stays until it is destroyed."""
        rooms, management = self._there()
        jid = self.jid(room)
        config = _configured(RoomConfig(persistent=True), options)
        text_of(subject, "The subject", rooms.config.max_subject)
        standings = dict.fromkeys(self._people.several(members, "members"), Standing.MEMBER)
        standings |= dict.fromkeys(self._people.several(owners, "owners"), Standing.OWNER)
        return _info(await management.create(jid, config, standings, subject))

    async def change(self, room: str, options: RoomOptions) -> RoomInfo:
        """Set a room up anew."""
        found, (_, management) = self.find(room), self._there()
        await management.configure(found, _configured(found.config, options))
        return _info(found)

    async def destroy(self, room: str, reason: str) -> None:
        """Bring a room to its end."""
        found, (_, management) = self.find(room), self._there()
        await management.destroy(found, text_of(reason, "The reason", _MAX_REASON))

    # Who has which place in them

    def members(self, room: str) -> tuple[Member, ...]:
        """Return all who have a lasting place in a room."""
        found = self.find(room)
        places = [(bare, found.place(bare)) for bare in sorted(found.affiliations)]
        return tuple(
            Member(
                account=bare,
                affiliation=place.affiliation.value,
                nick=place.nick,
                reason=place.reason,
            )
            for bare, place in places
        )

    async def set_member(
        self, room: str, account: str, affiliation: Affiliation, *, nick: str | None, reason: str
    ) -> None:
        """Give somebody a place, or take it."""
        found, (rooms, management) = self.find(room), self._there()
        try:
            standing = Standing(affiliation)
        except ValueError:
            raise InvalidError(
                f"An affiliation is one of {', '.join(Standing)}, not {str(affiliation)[:20]!r}."
            ) from None
        if nick is not None:
            text_of(nick, "The nickname", rooms.config.max_nick)
        text_of(reason, "The reason", _MAX_REASON)
        jid = self._people.jid(account)
        await management.affiliate(found, jid.bare, Change(standing, reason, nick))

    async def invite(self, room: str, account: str, reason: str) -> None:
        """Invite somebody."""
        _, management = self._there()
        self.find(room)
        text_of(reason, "The reason", _MAX_REASON)
        jid = await self._people.addressed(account)
        await management.invite(self.find(room), jid.bare, reason)

    def occupants(self, room: str) -> tuple[RoomPerson, ...]:
        """Return who is in a room."""
        return tuple(
            RoomPerson(
                nick=each.nick,
                account=each.bare,
                affiliation=each.affiliation.value,
                role=each.role.value,
                sessions=len(each.seats),
            )
            for each in self.find(room).occupants.values()
        )

    # What is said in them

    async def say(self, room: str, body: str, *, sender: str, nick: str) -> Sent:
        """Say something to all in a room."""
        rooms, management = self._there()
        body = text_of(body, "The body", rooms.config.max_message, least=1)
        text_of(nick, "The nickname", rooms.config.max_nick)
        self.find(room)
        owner, _ = await self._people.speaking(sender)
        identity = new_id()
        element = self._element(message_text("", "", "groupchat", identity, "", body))
        # Meanwhile it may have come to its end, or be another.
        kept = await management.say(self.find(room), element, owner.jid, nick, owner.payer)
        return Sent(id=identity, archive_id=kept)

    async def set_subject(self, room: str, subject: str) -> None:
        """Let a room have another subject."""
        rooms, management = self._there()
        found, site = self.find(room), self._people.site
        told = escape_text(text_of(subject, "The subject", rooms.config.max_subject))
        element = self._element(
            f"<message xmlns='{ns.CLIENT}' type='groupchat' id='{new_id()}'>"
            f"<subject>{told}</subject></message>"
        )
        await management.say(found, element, site.jid, "", site.payer)

    def _element(self, text: str) -> Element:
        try:
            return self._read(text)
        except StreamError as error:
            raise InvalidError(f"The message is not one: {error}.") from None

    def _there(self) -> tuple[Rooms, RoomManagement]:
        if self._rooms is None or self._management is None:
            raise UnavailableError("There are no rooms here (the setting rooms).")
        return self._rooms, self._management


def _configured(config: RoomConfig, options: RoomOptions) -> RoomConfig:
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if not isinstance(getattr(config, _FIELDS[name]), bool):
            text_of(value, f"The {name} of a room", _MAX_NAME)
        elif not isinstance(value, bool):
            raise InvalidError(
                f"Whether a room is {name} must be True or False, not {type(value).__name__}."
            )
    return replace(config, **{_FIELDS[name]: value for name, value in given.items()})  # type: ignore[arg-type]


def _info(room: Room) -> RoomInfo:
    config = room.config
    return RoomInfo(
        address=room.jid,
        name=config.name,
        description=config.description,
        subject=room.subject.text,
        public=config.public,
        members_only=config.members_only,
        moderated=config.moderated,
        addresses_shown=config.jids_shown,
        archived=room.archived,
        persistent=config.persistent,
        has_password=bool(config.password),
        occupants=len(room.occupants),
    )
