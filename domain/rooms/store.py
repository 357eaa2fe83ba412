"""Persistent rooms in the database."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from sqlalchemy import (
    Double,
    LargeBinary,
    Text,
    column,
    delete,
    insert,
    null,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.by_name import forget_affiliations
from andiron.domain.database.database import Database
from andiron.domain.database.engines import Operation
from andiron.domain.database.lines import OWN
from andiron.domain.rooms.config import RoomConfig
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Place, Room, Subject

__all__ = ["RoomStore", "StoredRoom"]

_ROOMS: Final = table(
    "rooms",
    column("name", Text),
    column("created_by", Text),
    column("secret", LargeBinary),
    column("config", Text),
    column("subject", Text),
    column("subject_nick", Text),
    column("subject_stamp", Double),
    column("subject_lang", Text),
    column("vcard", Text),
)
_AFFILIATED: Final = table(
    "room_affiliations",
    column("room", Text),
    column("jid", Text),
    column("affiliation", Text),
    column("nick", Text),
    column("reason", Text),
    column("username", Text),
)
_ACCOUNTS: Final = table("accounts", column("username", Text))


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A room as it was kept."""

    name: str
    created_by: str
    secret: bytes
    config: RoomConfig
    subject: Subject
    vcard: str
    places: Mapping[str, Place]
    """Of persons, by bare JID, and of domains that are banned."""


class RoomStore:
    """The rooms that outlive those who are in them.

    Each method that writes takes what it writes from the room when it is
    called. For one room that takes effect in the order of the calls, whoever is the ``payer``
    of each, as of :meth:`Database.write`. All raise :class:`DatabaseError` when the database
    fails.
    """

    def __init__(self, database: Database, domain: str) -> None:
        """``domain`` is that of the accounts, whose affiliations go when they are removed."""
        self._database = database
        self._domain = domain
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of each room, which is written once at a time."""

    def save(self, room: Room, payer: str = OWN) -> Awaitable[None]:
        """Keep a room, all there is of it."""
        name, values = room.node, _values(room)
        places = {bare: room.place(bare) for bare in room.affiliations}

        async def operation(connection: AsyncConnection) -> None:
            await _put(connection, name, values)
            await connection.execute(delete(_AFFILIATED).where(_AFFILIATED.c.room == name))
            await self._affiliate(connection, name, places)

        return self._write(name, operation, payer)

    def update(self, room: Room, payer: str = OWN) -> Awaitable[None]:
        """Keep a room's configuration, subject and vCard as they are now."""
        name, values = room.node, _values(room)

        async def operation(connection: AsyncConnection) -> None:
            await connection.execute(update(_ROOMS).where(_ROOMS.c.name == name).values(**values))

        return self._write(name, operation, payer)

    def affiliate(self, room: Room, bares: Iterable[str], payer: str = OWN) -> Awaitable[None]:
        """Keep how some persons stand to a room now."""
        name = room.node
        changed = {bare: room.place(bare) for bare in bares}

        async def operation(connection: AsyncConnection) -> None:
            mine = _AFFILIATED.c.room == name
            for bare in changed:
                await connection.execute(delete(_AFFILIATED).where(mine, _AFFILIATED.c.jid == bare))
            if await connection.scalar(select(_ROOMS.c.name).where(_ROOMS.c.name == name)):
                await self._affiliate(connection, name, changed)

        return self._write(name, operation, payer)

    def remove(self, room: Room, payer: str = OWN) -> Awaitable[None]:
        """Keep a room no more."""
        name = room.node

        async def operation(connection: AsyncConnection) -> None:
            await connection.execute(delete(_ROOMS).where(_ROOMS.c.name == name))

        return self._write(name, operation, payer)

    async def forget(self, bare: str) -> None:
        """Keep of an address nothing that rooms have granted it; its bans stay."""
        await self._database.write(lambda connection: forget_affiliations(connection, bare))

    def _write(self, name: str, operation: Operation[None], payer: str) -> Awaitable[None]:
        # A task of its own stands in line from now on, whenever its result is awaited.
        return asyncio.ensure_future(self._in_turn(name, operation, payer))

    async def _in_turn(self, name: str, operation: Operation[None], payer: str) -> None:
        async with self._turns.setdefault(name, asyncio.Lock()):
            await self._database.write(operation, payer)

    async def load(self) -> list[StoredRoom]:
        """Return all rooms that were kept."""

        async def operation(connection: AsyncConnection) -> list[StoredRoom]:
            people: dict[str, dict[str, Place]] = {}
            each = _AFFILIATED.c
            query = select(each.room, each.jid, each.affiliation, each.nick, each.reason)
            for name, jid, affiliation, nick, reason in await connection.execute(query):
                place = Place(Affiliation(affiliation), nick, reason)
                people.setdefault(name, {})[jid] = place
            rows = await connection.execute(select(*_ROOMS.c).order_by(_ROOMS.c.name))
            return [
                StoredRoom(
                    row.name,
                    row.created_by,
                    row.secret,
                    RoomConfig.from_json(row.config),
                    Subject(row.subject, row.subject_nick, row.subject_stamp, row.subject_lang),
                    row.vcard,
                    people.get(row.name, {}),
                )
                for row in rows
            ]

        return await self._database.read(operation)

    async def _affiliate(
        self, connection: AsyncConnection, name: str, places: Mapping[str, Place]
    ) -> None:
        for bare, each in places.items():
            if each.affiliation is not Affiliation.NONE:
                await connection.execute(
                    insert(_AFFILIATED).values(
                        room=name,
                        jid=bare,
                        affiliation=each.affiliation.value,
                        nick=each.nick,
                        reason=each.reason,
                        username=self._username(bare, each.affiliation),
                    )
                )

    def _username(self, bare: str, affiliation: Affiliation) -> Any:
        """Return whose row this is; a ban stays when the account goes."""
        username, _, domain = bare.partition("@")
        if domain != self._domain or affiliation is Affiliation.OUTCAST:
            return null()
        return (
            select(_ACCOUNTS.c.username).where(_ACCOUNTS.c.username == username).scalar_subquery()
        )


def _values(room: Room) -> dict[str, Any]:
    return {
        "created_by": room.created_by,
        "secret": room.secret,
        "config": room.config.to_json(),
        "subject": room.subject.text,
        "subject_nick": room.subject.nick,
        "subject_stamp": room.subject.stamp,
        "subject_lang": room.subject.lang,
        "vcard": room.vcard,
    }


async def _put(connection: AsyncConnection, name: str, values: dict[str, Any]) -> None:
    changed = await connection.execute(update(_ROOMS).where(_ROOMS.c.name == name).values(**values))
    if not changed.rowcount:
        await connection.execute(insert(_ROOMS).values(name=name, **values))
