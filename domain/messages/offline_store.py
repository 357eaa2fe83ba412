"""Messages that wait for their account to come online (RFC 6121 section 8.5.2.2, XEP-0160).

They are read a page at a time, and stay until it is said that their account has
them: who ends in between, of whatever, finds them again. What they may take is
bounded for each account, by number and by bytes, and so shared that nobody who
sends much keeps others from sending something.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Double,
    Integer,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import among, births
from andiron.domain.database.database import Database
from andiron.domain.database.lines import OWN
from andiron.domain.database.underway import UnderWay
from andiron.domain.owners import NoSuchAccount
from andiron.xmpp.xml import utf8_length

__all__ = [
    "MESSAGES",
    "NOTHING",
    "OfflineFull",
    "OfflineStore",
    "Page",
    "StoredMessage",
    "Waiting",
    "row",
]

MESSAGES: Final = table(
    "offline_messages",
    column("id", Integer),
    column("username", Text),
    column("stamp", Double),
    column("text", Text),
    column("sender", Text),
    column("size", BigInteger),
)


class OfflineFull(Exception):  # noqa: N818
    """No more of its sender's messages may wait for the account.

    Says why, for the sender, where that itself has messages waiting.
    """


class Waiting(NamedTuple):
    """A message that is to wait."""

    text: str
    stamp: float
    """When it was accepted, in Unix seconds."""
    sender: str = ""
    """The bare JID of whose it is, by which the account's room is shared out."""


def row(username: str, message: Waiting) -> dict[str, str | float]:
    """Return the row of a message that waits for an account."""
    return {"username": username, "size": utf8_length(message.text), **message._asdict()}


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it was accepted, and when, in Unix seconds."""

    text: str
    stamp: float
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Page:
    """The first of the messages that wait, in the order in which they were added."""

    messages: Sequence[StoredMessage]
    complete: bool
    """Whether no others wait."""


NOTHING: Final = Page((), complete=True)
_NONE: Final[Mapping[int, float]] = MappingProxyType({})


class OfflineStore:
    """The waiting messages of all accounts.

    What one payer adds for an account is kept in the order of the calls, what several add in
    any. A page has what was added before it was asked for, and not what was to be removed.
    Every method raises :class:`DatabaseError` when the database fails.
    """

    def __init__(
        self, database: Database, limit_per_account: int = 1000, bytes_per_account: int = 16_777_216
    ) -> None:
        """Take how many messages may wait for one account, and how many bytes of UTF-8."""
        self._database = database
        self._limit = limit_per_account
        self._bytes = bytes_per_account
        self._removing = UnderWay()
        """For which accounts something is about to be removed."""

    async def add(self, username: str, message: Waiting) -> None:
        """Keep a message; when this returns, it survives a crash.

        Raises :class:`OfflineFull`, or :class:`NoSuchAccount` where the account is gone.
        """
        (refusal,) = await self.add_all(username, [message])
        if refusal is not None:
            raise refusal

    async def add_all(
        self,
        username: str,
        messages: Sequence[Waiting],
        payer: str = OWN,
        born: str | None = None,
    ) -> Sequence[OfflineFull | None]:
        """Keep messages, as :meth:`add` does; return for each why it is not kept, if so.

        ``payer`` is who causes it, as of :meth:`Database.write`. ``born`` tells the account from
        others of its name, None where any is meant. Raises :class:`NoSuchAccount` where the
        account is gone.
        """
        senders = {message.sender for message in messages}

        async def operation(connection: AsyncConnection) -> list[OfflineFull | None] | None:
            if born is not None and (await births(connection, [username])).get(username) != born:
                return None
            room = await self._room(connection, username, senders)
            refusals = [room.take(message) for message in messages]
            rows = [
                row(username, message)
                for message, refusal in zip(messages, refusals, strict=True)
                if refusal is None
            ]
            if rows:
                await connection.execute(insert(MESSAGES), rows)
            return refusals

        try:
            refused = await self._database.write(operation, payer)
        except IntegrityError:
            refused = None
        if refused is None:
            raise NoSuchAccount(f"There is no account {username}.")
        return refused

    async def page(
        self,
        username: str,
        most: int,
        size: int,
        *,
        had: Mapping[int, float] = _NONE,
        out: Collection[int] = (),
    ) -> Page:
        """Return up to ``most`` messages of ``size`` bytes in all, but one if there is any.

        Those that the account ``had``, ids with their times, are removed before; those that
        are ``out`` are passed over.
        """
        columns = MESSAGES.c
        waiting = columns.username == username
        if out:
            waiting &= columns.id.not_in(list(out))
        first = select(columns.id, columns.size).where(waiting).order_by(columns.id).limit(most + 1)

        async def operation(connection: AsyncConnection) -> Page:
            await _remove(connection, username, had)
            sizes = [tuple(row) for row in await connection.execute(first)]
            chosen, room = list[int](), size
            for identity, each in sizes[:most]:
                room -= each
                if chosen and room < 0:
                    break
                chosen.append(identity)
            texts = select(columns.text, columns.stamp, columns.id).where(columns.id.in_(chosen))
            rows = await connection.execute(texts.order_by(columns.id)) if chosen else ()
            return Page([StoredMessage(*row) for row in rows], complete=len(chosen) == len(sizes))

        await self._removing.settled(username)
        if had:
            with self._removing.one(username):
                return await self._database.write(operation, username)
        return await self._database.read(operation)

    async def remove(self, username: str, had: Mapping[int, float]) -> None:
        """Remove messages that the account has, by their ids; one of another time is another."""
        with self._removing.one(username):
            await self._database.write(
                lambda connection: _remove(connection, username, had), username
            )

    async def has(self, username: str, message: Waiting) -> bool:
        """Tell whether a message waits for an account, this one with its time."""
        columns = MESSAGES.c
        query = select(columns.id).where(
            columns.username == username,
            columns.stamp == message.stamp,
            columns.text == message.text,
        )

        async def operation(connection: AsyncConnection) -> bool:
            return (await connection.execute(query.limit(1))).first() is not None

        return await self._database.read(operation)

    async def among(self, usernames: Sequence[str]) -> set[str]:
        """Return those of some accounts for which something waits."""
        return await self._database.read(
            lambda connection: among(connection, MESSAGES.c.username, usernames)
        )

    async def count(self, username: str) -> int:
        """Return how many messages wait for an account."""

        async def operation(connection: AsyncConnection) -> int:
            query = select(func.count()).where(MESSAGES.c.username == username)
            return await connection.scalar(query) or 0

        return await self._database.read(operation)

    async def _room(
        self, connection: AsyncConnection, username: str, senders: Collection[str]
    ) -> "_Room":
        columns = MESSAGES.c
        used = select(columns.sender, func.count(), func.sum(columns.size))
        used = used.where(columns.username == username).group_by(columns.sender)
        room = _Room(self._limit, self._bytes)
        for sender, number, size in await connection.execute(used):
            room.number -= number
            room.bytes -= int(size)
            if sender in senders:
                room.taken[sender] = number, int(size)
        return room


class _Room:
    """What an account has room for yet.

    Who has something waiting may not take more than remains for others. So one alone
    fills half, a second half of the rest, and for who has nothing waiting there is room
    until all of it is taken.
    """

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.bytes = size
        self.taken: dict[str, tuple[int, int]] = {}

    def take(self, message: Waiting) -> OfflineFull | None:
        """Take a message, or say why not."""
        size = utf8_length(message.text)
        number_left, bytes_left = self.number - 1, self.bytes - size
        if number_left < 0 or bytes_left < 0:
            return OfflineFull("")
        former = self.taken.get(message.sender)
        taken = (former[0] + 1, former[1] + size) if former else (1, size)
        if former and (taken[0] > number_left or taken[1] > bytes_left):
            return OfflineFull("too much of yours waits for this account already")
        self.number, self.bytes = number_left, bytes_left
        self.taken[message.sender] = taken
        return None


async def _remove(connection: AsyncConnection, username: str, had: Mapping[int, float]) -> None:
    if had:
        columns = MESSAGES.c
        gone = delete(MESSAGES).where(
            columns.username == username,
            columns.id == bindparam("gone"),
            columns.stamp == bindparam("since"),
        )
        rows = [{"gone": identity, "since": stamp} for identity, stamp in had.items()]
        await connection.execute(gone, rows)
