"""What was said: read, added and taken out by the site's code."""

import time
from collections.abc import Callable
from datetime import datetime
from math import ceil, floor
from typing import Final

from andiron.api.checks import (
    MAX_ADDRESS,
    MAX_PAGE,
    MAX_SUBJECT,
    count_of,
    moment_of,
    text_of,
    written,
)
from andiron.api.errors import InvalidError, NotFoundError, UnavailableError
from andiron.api.people import People
from andiron.api.rooms import RoomsApi
from andiron.api.values import ArchivedMessage, ArchivePage
from andiron.domain.archive.archive import Archive, Query
from andiron.domain.archive.ids import HIGHEST, first_at, last_at, parse_id, time_of, write_id
from andiron.domain.archive.store import Filter, Row
from andiron.domain.domain import Domain
from andiron.domain.messages.composing import message_text, new_id
from andiron.domain.rooms.naming import prepared_nick
from andiron.domain.rooms.room import Room
from andiron.xmpp.content import BODY, SUBJECT
from andiron.xmpp.jid import JID, InvalidJID
from andiron.xmpp.stanza import from_attribute
from andiron.xmpp.tree import parse_text

__all__ = ["ArchiveApi"]

_MAX_BODY: Final = 262_144


class ArchiveApi:
    """The archives of accounts and of rooms, by the name or address of whose they are."""

    def __init__(
        self,
        domain: Domain,
        people: People,
        rooms: RoomsApi,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._archive = domain.archive
        self._most = 0 if domain.config.archive is None else domain.config.archive.page
        self._people = people
        self._rooms = rooms
        self._wall = wall

    async def page(
        self,
        of: str,
        *,
        peer: str,
        start: datetime | None,
        end: datetime | None,
        after: str,
        before: str,
        size: int,
        latest: bool,
    ) -> ArchivePage:
        """Return a page of an archive."""
        archive = self._there()
        size = min(count_of(size, "The size of a page", 1, MAX_PAGE), self._most)
        lowest, highest = [0], [HIGHEST]
        if start is not None:
            lowest.append(first_at(ceil(moment_of(start, "The start") * 1000)))
        if end is not None:
            highest.append(last_at(floor(moment_of(end, "The end") * 1000)))
        required = set[int]()
        for ends, text, step in ((lowest, after, 1), (highest, before, -1)):
            if text:
                identity = _id(text)
                required.add(identity)
                ends.append(identity + step)
        bare, resource = self._peer(of, peer)
        wanted = Filter(
            lowest=min(max(lowest), HIGHEST),
            highest=min(highest),
            peer=bare,
            resource=resource,
        )
        query = Query(
            wanted, size, frozenset(required), backwards=latest or bool(before and not after)
        )
        page = await archive.page(await self._name(of), query)
        return ArchivePage(messages=tuple(map(_message, page.rows)), complete=page.complete)

    async def add(
        self, of: str, body: str, *, peer: str, sent: bool, time: datetime, subject: str
    ) -> str:
        """Put a message of the past into an archive; return its id there."""
        archive = self._there()
        stamp = moment_of(time, "The time")
        if not 0 <= stamp <= self._wall():
            raise InvalidError("The time of an archived message is in the past, and since 1970.")
        body = text_of(body, "The body", _MAX_BODY, least=1)
        subject = text_of(subject, "The subject", MAX_SUBJECT)
        name = await self._name(of)
        if self._rooms.is_address(of):
            room = self._rooms.find(of)
            address = _occupant(room, peer)
            sender = from_attribute(address)
            text = message_text(sender, "", "groupchat", new_id(), subject, body)
            return await archive.insert(name, address, "", text, stamp)
        owner, other = self._people.jid(of).bare, self._correspondent(peer)
        author, to = (owner, other.full) if sent else (other.full, owner)
        text = message_text(from_attribute(author), to, "chat", new_id(), subject, body)
        return await archive.insert(name, other.bare, other.resource, text, stamp)

    async def delete(self, of: str, message: str) -> None:
        """Take a message out of an archive, and out of what a room shows who enters."""
        archive = self._there()
        name = await self._name(of)
        if not await archive.remove(name, text_of(message, "The id", 100)):
            raise NotFoundError("There is no such message in this archive.")
        if self._rooms.is_address(of):
            self._rooms.find(of).history.forget(message)

    async def _name(self, of: str) -> str:
        if self._rooms.is_address(of):
            return self._rooms.find(of).archive
        return (await self._people.known(of)).node

    def _peer(self, of: str, peer: str) -> tuple[str, str]:
        if not peer:
            return "", ""
        if self._rooms.is_address(of):
            return _occupant(self._rooms.find(of), peer), ""
        jid = self._correspondent(peer)
        return jid.bare, jid.resource

    def _correspondent(self, peer: str) -> JID:
        """Return the address of whom an account talks with, which may be anybody."""
        text_of(peer, "The peer", MAX_ADDRESS, least=1)
        if "@" not in peer and "." not in peer and "/" not in peer:
            return self._people.jid(peer)
        try:
            return JID(peer)
        except InvalidJID as error:
            raise InvalidError(f"{peer[:100]!r} is no address: {error}.") from None

    def _there(self) -> Archive:
        if self._archive is None:
            raise UnavailableError("No archive is kept here (the setting archive).")
        return self._archive


def _occupant(room: Room, nick: str) -> str:
    """Return the address of one who spoke in a room, by the nickname."""
    text_of(nick, "The nickname", room.limits.max_nick)
    return f"{room.jid}/{prepared_nick(room, nick)}" if nick else room.jid


def _id(text: str) -> int:
    identity = parse_id(text_of(text, "The id", 100))
    if identity is None:
        raise NotFoundError(f"{text!r} is no id of this archive.")
    return identity


def _message(row: Row) -> ArchivedMessage:
    tree = parse_text(row.text)
    return ArchivedMessage(
        id=write_id(row.id),
        time=written(time_of(row.id)),
        sender=tree.get("from", ""),
        to=tree.get("to", ""),
        kind=tree.get("type", "normal"),
        body=tree.findtext(BODY, ""),
        subject=tree.findtext(SUBJECT, ""),
        message_id=tree.get("id", ""),
        xml=row.text,
    )
