"""The archives of accounts and rooms (XEP-0313): what is kept, and how it is read.

A message is kept without waiting for the database. What is read was written
before, for a query waits for that. Archives are named by the username of an
account, or by the bare JID of a room.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.archive.ids import (
    HIGHEST,
    Ids,
    first_at,
    id_after,
    last_at,
    parse_id,
    write_id,
)
from andiron.domain.archive.preferences import USERNAME, Policy, Preferences, loaded, loading
from andiron.domain.archive.store import (
    ACCOUNTS,
    ROOMS,
    ArchiveStore,
    Filter,
    Range,
    Row,
    Values,
    Withdrawal,
)
from andiron.domain.archive.trimming import Trimming
from andiron.domain.archive.writer import ArchiveWriter, Held
from andiron.domain.client import Owner
from andiron.domain.config import ArchiveConfig
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.owners import Effect
from andiron.sm.journal.ledger import Ledger
from andiron.sm.payers import Payer
from andiron.sm.session import Session
from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = ["Archive", "Page", "Query"]

logger = logging.getLogger("andiron.domain")

_EVERYTHING: Final = Preferences(Policy.ALWAYS)
"""What an account most often prefers."""
_DAY: Final = 86_400
_SHARES: Final = 16
"""The part of what may wait to be written that one may cause is one of so many."""
_PAGE_SIZE: Final = 1_048_576
"""Characters of one page, beyond which it has fewer messages than were asked for."""


@dataclass(frozen=True, slots=True)
class Query:
    """A page of an archive that is asked for."""

    wanted: Filter
    size: int
    """The most messages; 0 asks for their number alone."""
    required: frozenset[int] = frozenset()
    """Messages that must be in the archive."""
    backwards: bool = False
    """Whether the last of the messages that are wanted make the page, or the first."""
    whole: bool = True
    """Whether all that match are wanted, not only those on one side of a known message."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an archive, in the order of the archive."""

    rows: tuple[Row, ...]
    complete: bool
    """Whether no more messages that are wanted lie in the direction of the query."""
    count: int | None = None
    """How many messages match, where that is known without counting far."""
    index: int | None = None
    """How many of them come before this page, where that is known."""


class Archive:
    """Keeps messages and finds them again."""

    def __init__(
        self,
        database: Database,
        config: ArchiveConfig,
        in_roster: Callable[[Owner, str], bool],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``in_roster`` tells whether a bare JID is in an account's roster."""
        self._config = config
        self._in_roster = in_roster
        self._wall = wall
        self._ids = Ids()
        default = Preferences(Policy(config.default))
        self._default = _EVERYTHING if default == _EVERYTHING else default
        self._accounts = ArchiveStore(database, ACCOUNTS)
        self._rooms = ArchiveStore(database, ROOMS)
        self._loading = loading(self._accounts.last(USERNAME))
        share = config.backlog // _SHARES
        self._account_writer = ArchiveWriter(self._accounts, config.backlog, share)
        self._room_writer = ArchiveWriter(self._rooms, config.backlog, share)
        self._inserting = asyncio.Lock()

    def add(self, owner: Owner, peer: str, text: str, stamp: float, cause: Payer) -> str:
        """Keep a message of Unix time ``stamp`` with the JID ``peer``; return its id.

        ``cause`` is who sent it, on whose account it waits to be written. The id is
        empty where the account is in no database, its preferences are against it, or
        the database does not keep up.
        """
        row = self._row(owner, peer, peer.partition("/")[0], text, stamp)
        kept = row is not None and self._account_writer.put((row,), cause, (owner.born,))
        return write_id(row[1]) if row is not None and kept else ""

    def add_both(
        self, sender: Owner, address: str, recipient: Owner, to: str, text: str, stamp: float
    ) -> tuple[str, str]:
        """Keep a message in the archives of both; return its ids, the recipient's first.

        It is from ``address`` of the sender, who causes it, and ``to`` one of the
        recipient, who is another. Where there is no room for both it is in neither.
        """
        theirs = self._row(recipient, address, sender.jid, text, stamp)
        mine = self._row(sender, to, recipient.jid, text, stamp)
        rows: tuple[Values, ...]
        births: tuple[str, ...]
        if theirs and mine:
            rows, births = (theirs, mine), (recipient.born, sender.born)
        elif theirs:
            rows, births = (theirs,), (recipient.born,)
        elif mine:
            rows, births = (mine,), (sender.born,)
        else:
            return "", ""
        if not self._account_writer.put(rows, sender.payer, births):
            return "", ""
        return write_id(theirs[1]) if theirs else "", write_id(mine[1]) if mine else ""

    @property
    def waiting(self) -> int:
        """How many bytes, about, wait to be written."""
        return self._account_writer.waiting + self._room_writer.waiting

    def written(self, session: Session, ticket: int) -> bool:
        """Tell whether all that was added is in the database.

        If not, the session's stanza is handled when it is.
        """
        return self._account_writer.written(session, ticket)

    def written_for_rooms(self, session: Session, ticket: int) -> bool:
        """Tell the same of what was said in rooms."""
        return self._room_writer.written(session, ticket)

    def hold(self, owner: Owner, peer: str, text: str, stamp: float, cause: Payer) -> Held | None:
        """Give a message its place in the archive; None where :meth:`add` would return no id.

        The caller must soon have it kept or dropped: whoever reads the archive waits.
        """
        row = self._row(owner, peer, peer.partition("/")[0], text, stamp)
        return None if row is None else self._account_writer.hold(row, cause, owner.born)

    async def write_down(self, accounts: Ledger, rooms: Ledger) -> None:
        """Have what is added written down before the database has it, from now on.

        What another process left so is put into the database first, once.
        Raises :class:`DatabaseError`.
        """
        for store, writer, ledger in (
            (self._accounts, self._account_writer, accounts),
            (self._rooms, self._room_writer, rooms),
        ):
            await store.restore(ledger.left())
            ledger.take_over()
            writer.write_down(ledger)

    async def caught_up(self) -> None:
        """Wait until all that was added is in the database.

        While that is out of reach nobody waits.
        """
        await self._account_writer.caught_up()

    async def caught_up_for_rooms(self) -> None:
        """Wait for the same of what was said in rooms."""
        await self._room_writer.caught_up()

    def withdraw(self, username: str, identity: str) -> None:
        """Take a message out of an account's archive again, by the id that :meth:`add` gave.

        Whoever asks for the archive from now on does not find it.
        """
        number = parse_id(identity)
        assert number is not None
        self._account_writer.withdraw(Withdrawal(username, number))

    def _row(self, owner: Owner, peer: str, bare: str, text: str, stamp: float) -> Values | None:
        if not owner.registered:
            return None
        preferences: Preferences = owner.parts.get(Preferences, self._default)
        if preferences is not _EVERYTHING and not self._wanted(preferences, owner, peer, bare):
            return None
        return owner.username, self._ids.next(stamp), bare, peer[len(bare) + 1 :], text

    def _wanted(self, preferences: Preferences, owner: Owner, peer: str, bare: str) -> bool:
        policy = preferences.policy_for(peer, bare)
        return policy is Policy.ALWAYS or (policy is Policy.ROSTER and self._in_roster(owner, bare))

    def add_for(self, room: str, peer: str, text: str, stamp: float, cause: Payer) -> str:
        """Keep a message of the occupant ``peer`` in the archive of a room.

        Returns its id, which is empty where the database does not keep up.
        Call :meth:`load_room` before the first one.
        """
        identity = self._ids.next(stamp)
        row = (room, identity, peer, "", text)
        return write_id(identity) if self._room_writer.put((row,), cause) else ""

    async def page(self, archive: str, query: Query) -> Page:
        """Return the page that is asked for: of what was kept until now.

        What is kept meanwhile may be written before what was held, and who went on
        from there would never see that.

        Raises :class:`StanzaError` ``item-not-found``, and :class:`DatabaseError`.
        """
        last = self._ids.last or HIGHEST
        store = await self._flushed(archive)
        wanted = replace(query.wanted, highest=min(query.wanted.highest, last))
        if store is self._rooms:
            wanted = _of_occupant(wanted, archive)
        query = replace(query, wanted=wanted)
        required = query.required
        if required and len(await store.known(archive, required)) < len(required):
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "not in the archive")
        if query.size == 0:
            count = await store.count(archive, query.wanted)
            return Page((), complete=count == 0, count=count if query.whole else None)
        found = await store.page(archive, query.wanted, query.size + 1, backwards=query.backwards)
        rows = _within_size(found[: query.size])
        complete = len(rows) == len(found)
        if query.backwards:
            rows.reverse()
        known = query.whole and complete
        return Page(
            tuple(rows),
            complete,
            count=len(rows) if known else None,
            index=0 if rows and (known or (query.whole and not query.backwards)) else None,
        )

    async def range(self, archive: str) -> Range | None:
        """Return the ends of an archive, None for an empty one. Raises :class:`DatabaseError`."""
        last = self._ids.last or HIGHEST
        return await (await self._flushed(archive)).range(archive, last)

    # What the site itself does with an archive

    async def insert(self, archive: str, peer: str, resource: str, text: str, stamp: float) -> str:
        """Put a message of a past Unix time behind others of that time; return its id.

        When this returns it is in the database. Raises :class:`StanzaError` where that
        millisecond is full, and :class:`DatabaseError`.
        """
        moment = int(stamp * 1000)
        async with self._inserting:
            store = await self._flushed(archive)
            there = Filter(lowest=first_at(moment), highest=last_at(moment))
            found = await store.page(archive, there, 1, backwards=True)
            identity = id_after(found[0].id if found else None, moment)
            if identity is None:
                raise StanzaError(StanzaCondition.CONFLICT, "too many messages of one millisecond")
            # Nothing newer is looked for, nor given an id that is older.
            self._ids.last = max(self._ids.last, identity)
            await store.add([(archive, identity, peer, resource, text)])
        return write_id(identity)

    async def remove(self, archive: str, identity: str) -> bool:
        """Take one message out of an archive; tell whether it was there.

        Raises :class:`DatabaseError`.
        """
        number = parse_id(identity)
        if number is None:
            return False
        store = await self._flushed(archive)
        there = bool(await store.known(archive, [number]))
        if there:
            await store.withdraw([Withdrawal(archive, number)])
        return there

    async def load(self, connection: AsyncConnection, usernames: Sequence[str]) -> Effect:
        """Read what must be known before messages of accounts are kept (a ``Loader``)."""
        latest = 0
        preferred: dict[str, Preferences] = {}
        query = self._loading.where(USERNAME.in_(usernames))
        for username, last, *preferences in await connection.execute(query):
            latest = max(latest, last or 0)
            if (found := loaded(*preferences)) is not None:
                preferred[username] = found

        def effect(owner: Owner) -> None:
            self._ids.last = max(self._ids.last, latest)
            if owner.username in preferred:
                owner.parts[Preferences] = preferred[owner.username]

        return effect

    async def load_room(self, room: str) -> None:
        """Read what must be known before messages of a room are kept."""
        found = await self._rooms.range(room)
        if found is not None:
            self._ids.last = max(self._ids.last, found.last)

    def remove_account(self, username: str) -> None:
        """Forget what is not written yet of an account that was removed."""
        self._account_writer.forget(username)

    async def remove_room(self, room: str) -> None:
        """Remove the archive of a room that is no more. Raises :class:`DatabaseError`."""
        self._room_writer.forget(room)
        await self._room_writer.flushed(room)
        await self._rooms.remove(room)

    async def run(self) -> None:
        """Remove what is older or more than it may be, now and then; to be cancelled."""
        config = self._config
        trimmings = [Trimming(each, config.max_bytes) for each in (self._accounts, self._rooms)]
        while config.days or config.max_bytes:
            try:
                if config.days:
                    lowest = first_at(int((self._wall() - config.days * _DAY) * 1000))
                    await self._accounts.sweep(lowest)
                    await self._rooms.sweep(lowest)
                for trimming in trimmings:
                    await trimming.run()
            except DatabaseError:
                logger.exception("old messages could not be removed")
            await asyncio.sleep(config.sweep_interval)

    async def close(self) -> None:
        """Write what is not written yet."""
        await self._account_writer.close()
        await self._room_writer.close()

    async def _flushed(self, archive: str) -> ArchiveStore:
        # No username has an @, and every room's address has one.
        if "@" in archive:
            await self._room_writer.flushed(archive)
            return self._rooms
        await self._account_writer.flushed(archive)
        return self._accounts


def _of_occupant(wanted: Filter, room: str) -> Filter:
    """Return the filter by an occupant's whole address; that of the room is everybody's."""
    peer = f"{wanted.peer}/{wanted.resource}" if wanted.resource else wanted.peer
    return replace(wanted, peer="" if peer == room else peer, resource="")


def _within_size(rows: list[Row]) -> list[Row]:
    """Return as many rows as one page may carry, one at least."""
    size = 0
    for number, row in enumerate(rows):
        size += len(row.text)
        if size > _PAGE_SIZE and number:
            return rows[:number]
    return rows
