"""What the site itself does with rooms, by no session and whatever their owners say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.inviting import write_invitation
from andiron.domain.rooms.naming import check_nick, check_reservations, prepared_nick
from andiron.domain.rooms.occupant import Occupant, occupant_id
from andiron.domain.rooms.owning import Destruction, NewConfig
from andiron.domain.rooms.privileges import RANK, Affiliation, Role
from andiron.domain.rooms.room import Room, Subject
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.ruling import Change, change_affiliations, check_affiliations
from andiron.domain.rooms.speaking import speak
from andiron.sm.payers import Payer
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import JID
from andiron.xmpp.xml import Element

__all__ = ["RoomManagement"]


class RoomManagement:
    """Changes rooms and speaks in them. What must be kept is kept when a method returns.

    Where whoever waits for it is cancelled, it is kept all the same: the rooms have changed.
    Methods raise :class:`StanzaError` for what may not be, and :class:`DatabaseError`.
    """

    def __init__(
        self, rooms: Rooms, site: str, *, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        """``site`` is the domain, by which the site owns rooms that are nobody else's."""
        self._rooms = rooms
        self._site = site
        self._clock = clock
        self._wall = wall

    async def create(
        self,
        jid: JID,
        config: RoomConfig,
        affiliations: Mapping[str, Affiliation],
        subject: str = "",
    ) -> Room:
        """Make a room; the site owns it where nobody else does."""
        rooms = self._rooms
        if rooms.closed:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "the rooms are closing")
        if jid.node in rooms.by_name:
            raise StanzaError(StanzaCondition.CONFLICT, "there is such a room")
        room = rooms.make(jid, self._site)
        if Affiliation.OWNER not in affiliations.values():
            room.affiliations[self._site] = Affiliation.OWNER
        check_affiliations(room, affiliations)
        if subject:
            room.subject = Subject(subject, stamp=self._wall())
        rooms.add(room)
        kept = rooms.configure(room, NewConfig(config, dict(affiliations)), "")

        async def keep() -> str:
            try:
                return kept if isinstance(kept, str) else await kept
            except BaseException:
                rooms.discard(room)
                raise

        await _done(keep())
        return room

    async def configure(self, room: Room, config: RoomConfig) -> None:
        """Set a room up anew, and tell those who are in it."""
        await self._told(self._rooms.configure(room, NewConfig(config, {}), ""))

    async def destroy(self, room: Room, reason: str) -> None:
        """Bring a room to its end."""
        await self._told(self._rooms.destroy(room, Destruction(reason)))

    async def affiliate(self, room: Room, bare: str, change: Change) -> None:
        """Give a person a lasting place in a room, or take it."""
        check_affiliations(room, {bare: change.affiliation})
        gone = RANK[change.affiliation] <= RANK[Affiliation.NONE]
        check_reservations(room, {bare: "" if gone else change.nick})
        changed = change_affiliations(room, {bare: change})
        await self._told(self._rooms.affiliated(room, changed))

    async def invite(self, room: Room, bare: str, reason: str) -> None:
        """Invite a person, who becomes a member where only members may enter (section 7.8.2)."""
        if room.affiliation(bare) is Affiliation.OUTCAST:
            raise StanzaError(StanzaCondition.FORBIDDEN, "this person is banned")
        if room.config.members_only and room.affiliation(bare) is Affiliation.NONE:
            await self.affiliate(room, bare, Change(Affiliation.MEMBER))
        inner = f"<reason>{escape(reason)}</reason>" if reason else ""
        text = write_invitation(room, JID(bare), self._site, inner)
        self._rooms.post_at(room, text, JID(bare), self._wall(), self._clock())

    async def say(self, room: Room, element: Element, bare: str, nick: str, payer: Payer) -> str:
        """Send a groupchat message to all; return its id in the room's archive.

        ``bare`` is who says it, a person or the site, who need not be in the room. It is by
        the nickname that they have there, else by ``nick``; the site may speak without one.
        """
        occupant = self._speaker(room, bare, nick)
        identity = ""

        def keep(room: Room, occupant: Occupant, text: str, wall: float, cause: Payer) -> str:
            nonlocal identity
            identity = self._rooms.keep(room, occupant, text, wall, cause)
            return identity

        changed = speak(room, occupant, element, keep, payer, self._wall())
        await self._told(self._rooms.updated(room) if changed else "")
        await self._rooms.caught_up()
        return identity

    def _speaker(self, room: Room, bare: str, nick: str) -> Occupant:
        there = room.occupants_of(bare) if "@" in bare else []
        if there:
            return there[0]
        affiliation, role = Affiliation.NONE, Role.MODERATOR
        if bare != self._site:
            affiliation, role = room.affiliation(bare), room.initial_role(bare)
            members_only = room.config.members_only and affiliation is Affiliation.NONE
            if affiliation is Affiliation.OUTCAST or members_only:
                raise StanzaError(StanzaCondition.FORBIDDEN, "who says it may not enter the room")
            nick = nick or room.nicks.get(bare, "") or bare.partition("@")[0]
        if nick:
            nick = prepared_nick(room, nick)
            check_nick(room, nick, bare)
        occupant = Occupant(room.jid, nick, bare, affiliation, role)
        if not nick:
            occupant.from_attribute = room.from_attribute
        occupant.identity = occupant_id(room.secret, bare)
        return occupant

    async def _told(self, change: str | Awaitable[str]) -> None:
        self._rooms.outbox.flush(self._clock())
        await _done(change)


async def _done(change: str | Awaitable[str]) -> None:
    if not isinstance(change, str):
        await asyncio.shield(change)
