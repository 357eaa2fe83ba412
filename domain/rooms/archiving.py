"""The archives of rooms (XEP-0313): kept as they speak, read by those who may enter."""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from andiron.domain.archive import mam
from andiron.domain.archive.archive import Archive, Query
from andiron.domain.archive.ids import time_of, write_id
from andiron.domain.archive.store import Filter, Row
from andiron.domain.client import Client
from andiron.domain.contacts.blocking import blocks
from andiron.domain.database.database import DatabaseError
from andiron.domain.messages.keeping import stanza_id
from andiron.domain.rooms.history import Entry
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Room
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import has_body
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.stanza import with_child, with_delay
from andiron.xmpp.tree import Tree
from andiron.xmpp.xml import Element

__all__ = ["RoomArchives"]

logger = logging.getLogger("andiron.domain")

_HEAD: Final = re.compile("<message from='[^']*'")
"""How every message begins that was archived here."""


class RoomArchives:
    """What rooms keep of what is said in them."""

    def __init__(
        self,
        archive: Archive,
        page: int,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Take the most messages of one answer, and what runs a removal to its end."""
        self._archive = archive
        self._page = page
        self._spawn = spawn

    def add(self, room: Room, occupant: Occupant, text: str, wall: float, cause: Payer) -> str:
        """Keep an occupant's message; return its id, empty for one that is not kept."""
        if not room.config.archived:
            return ""
        peer = f"{room.jid}/{occupant.nick}" if occupant.nick else room.jid
        return self._archive.add_for(room.archive, peer, text, wall, cause)

    async def caught_up(self) -> None:
        """Wait until all that was said is in the database, unless that is out of reach."""
        await self._archive.caught_up_for_rooms()

    def written(self, session: Session, ticket: int) -> bool:
        """Tell whether all that was said is in the database.

        If not, the session's stanza is handled when it is.
        """
        return self._archive.written_for_rooms(session, ticket)

    def remove(self, room: Room) -> None:
        """Remove the archive of a room that is no more."""
        self._spawn(self._remove(room))

    async def _remove(self, room: Room) -> None:
        try:
            await self._archive.remove_room(room.archive)
        except DatabaseError:
            # Nobody can read it any more: another room of the name has another archive.
            logger.exception("the archive of %s could not be removed", room.jid)

    async def remember(self, room: Room) -> None:
        """Fill a room's history after a restart. Raises :class:`DatabaseError`."""
        await self._archive.load_room(room.archive)
        size = room.limits.history_max
        if room.config.archived and size:
            page = await self._archive.page(room.archive, Query(Filter(), size, backwards=True))
            for row in page.rows:
                entry = _entry(room, row)
                if entry is not None:
                    room.history.add(entry)

    def answer(self, room: Room, client: Client, kind: str, payload: Tree) -> str | Awaitable[str]:
        """Answer ``<query/>`` and ``<metadata/>`` of an archive (XEP-0313 sections 4 and 5).

        The archive is for those who may enter the room (section 9.2), and without the words
        of those in it whom they have blocked (XEP-0191).
        """
        self._check(room, client)
        if payload.tag == f"{{{ns.MAM}}}metadata":
            return mam.metadata(self._archive, room.archive)
        if kind == "get":
            return mam.FORM
        return mam.answer(
            self._archive,
            room.archive,
            payload,
            client,
            room.jid,
            self._page,
            shown=lambda row: not blocks(client.owner, row.peer),
        )

    def _check(self, room: Room, client: Client) -> None:
        if not room.config.archived:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "no archive is kept")
        affiliation, config = room.affiliation(client.account), room.config
        if client in room.seats or room.has_rank(client.account, Affiliation.MEMBER):
            return
        if affiliation is Affiliation.OUTCAST or config.members_only or config.password:
            raise StanzaError(StanzaCondition.FORBIDDEN, "the archive is for those in the room")


def _entry(room: Room, row: Row) -> Entry | None:
    """Return an archived message as one of the history; None for a subject, which is none."""
    head = _HEAD.match(row.text)
    if head is None or not has_body(Element(row.text, ns.CLIENT, "message", {})):
        return None
    stamp = time_of(row.id)
    text = with_child(row.text, stanza_id(write_id(row.id), room.jid))
    return Entry(head[0], with_delay(text, room.jid, stamp)[head.end() :], stamp)
