"""Addresses and nicknames as they are stored, held against the rules they are prepared by now.

What was stored by other rules is found and told with what to do; nothing is changed. Tables are
read by pages in the order of their keys, so that one of any size takes little memory, and a
server that runs on the database is not held up.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Text, column, literal, select, table, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database
from andiron.xmpp.former import Change, change, meant
from andiron.xmpp.jid import InvalidJID, resourcepart
from andiron.xmpp.nickname import nickname_keys
from andiron.xmpp.precis import PrecisError

__all__ = ["AddressCheck", "Finding", "Progress"]

_CHUNK: Final = 500
"""Rows that are read, and held in memory, at a time."""

_PAIR: Final = "(owner || ' ' || peer)"
_NEXT: Final = f"(SELECT {_PAIR} FROM archive WHERE {_PAIR} > {{}} ORDER BY {_PAIR} LIMIT 1)"  # noqa: S608
_PAIRS: Final = f"""
    WITH RECURSIVE pairs(pair) AS (
        SELECT {_NEXT.format(":after")}
        UNION ALL
        SELECT {_NEXT.format("pairs.pair")} FROM pairs WHERE pairs.pair IS NOT NULL
    )
    SELECT pair FROM pairs WHERE pair IS NOT NULL LIMIT :chunk
"""  # noqa: S608
"""Whose archives have messages of whom: from one to the next in an index, past all messages."""

Keys = Mapping[str, Any]
"""Columns and values that tell a row from others."""
Progress = Callable[[str, int], None]
"""Told of a table and how much of it was looked at, page by page."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something stored that an operator should know of; its text is one line."""

    where: str
    """What it is, and whose."""
    stored: str
    fault: str
    """What is wrong with it; goes on from it."""
    remedy: str
    """What to do, in words or in SQL."""

    def __str__(self) -> str:
        """Return the line, in which nothing acts on a terminal."""
        line = f"{self.where}: {self.stored!r} {self.fault}. {self.remedy}"
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


class AddressCheck:
    """Looks at what is stored; made with the prepared names of the domain and of its rooms.

    Where :meth:`run` raises :class:`DatabaseError`, what comes after was not looked at.
    """

    def __init__(
        self, database: Database, domain: str, rooms_host: str, progress: Progress
    ) -> None:
        self._database = database
        self._domain = domain
        self._rooms_host = rooms_host
        self._tell = progress

    async def run(self) -> AsyncIterator[Finding]:
        """Look at all of it, and yield what is found on the way."""
        for part in (
            self._accounts(),
            self._kept("contacts", "username", "contact of {}"),
            self._kept("blocked", "username", "address blocked by {}"),
            self._preferences(),
            self._archives(),
            self._entities(),
            self._rooms(),
            self._kept("room_affiliations", "room", "address in the lists of the room {}"),
            self._nicknames(),
        ):
            async for finding in part:
                yield finding

    async def _accounts(self) -> AsyncIterator[Finding]:
        async for (name,) in self._rows("accounts", ("username",)):
            found, other = self._named(name, self._domain)
            if found is not None:
                move = (
                    f"'andiron user export {name}' and 'andiron user import' take it to another"
                    f" name, 'andiron user remove {name}' removes it."
                )
                whom = f"Who has it signs in as {name}." if other else "Nobody can sign in to it."
                yield Finding("account", name, _fault(found, "@"), f"{whom} {move}")

    async def _kept(self, name: str, owner: str, where: str) -> AsyncIterator[Finding]:
        async for whose, jid in self._rows(name, (owner, "jid")):
            found = change(jid)
            if found is not None:
                remedy = await self._mend(name, {owner: whose, "jid": jid}, "jid", found.now)
                yield Finding(where.format(whose), jid, _fault(found), remedy)

    async def _preferences(self) -> AsyncIterator[Finding]:
        keys, lists = ("username",), ("always", "never")
        async for username, *texts in self._rows("archive_preferences", keys, lists):
            for jid in (each for listed in texts for each in listed.split("\n") if each):
                found = change(jid)
                if found is not None:
                    remedy = "It holds for nobody until a client sets the preferences anew."
                    where = f"archive preferences of {username}"
                    yield Finding(where, jid, _fault(found), remedy)

    async def _archives(self) -> AsyncIterator[Finding]:
        async for owner, peer in self._pairs():
            found = change(peer)
            if found is not None:
                keys = {"owner": owner, "peer": peer}
                remedy = "They are found by their time alone, and need nothing."
                if found.now:
                    remedy = _update("archive", keys, {"peer": found.now})
                yield Finding(
                    f"messages in the archive of {owner} with", peer, _fault(found), remedy
                )

    async def _entities(self) -> AsyncIterator[Finding]:
        async for node, jid in self._rows("pubsub_entities", ("node_id", "jid")):
            found = change(jid)
            if found is not None:
                keys = {"node_id": node, "jid": jid}
                remedy = await self._mend("pubsub_entities", keys, "jid", found.now)
                yield Finding(await self._node(node), jid, _fault(found), remedy)

    async def _node(self, identity: int) -> str:
        nodes = table("pubsub_nodes", column("id", BigInteger), *_texts("username", "node"))
        query = select(nodes.c.username, nodes.c.node).where(nodes.c.id == identity)
        owner, name = (await self._read(query))[0]
        return f"address in the lists of the node {name} of {owner}"

    async def _rooms(self) -> AsyncIterator[Finding]:
        async for name, creator in self._rows("rooms", ("name",), ("created_by",)):
            keys = {"name": name}
            found, other = self._named(name, self._rooms_host)
            if found is not None:
                remedy = f"Who wants to enter it writes {name}."
                if not other:
                    remedy = f"Nobody can enter it: {_delete('rooms', keys)}"
                yield Finding("room", name, _fault(found, "@"), remedy)
            found = change(creator)
            if found is not None and found.now:
                remedy = _update("rooms", keys, {"created_by": found.now})
                yield Finding(f"who made the room {name}", creator, _fault(found), remedy)

    async def _nicknames(self) -> AsyncIterator[Finding]:
        table_name, last = "room_affiliations", ""
        known: dict[str, tuple[str, str]] = {}
        async for room, jid, nick in self._rows(table_name, ("room", "jid"), ("nick",)):
            if room != last:
                last, known = room, {}
            if not nick:
                continue
            keys = {"room": room, "jid": jid}
            prepared, names, fault = _nickname(nick)
            twin = next((known[name] for name in sorted(names) if name in known), None)
            if twin is not None:
                fault = f"is one to people with {twin[0]!r}, which is that of {twin[1]}"
            if fault:
                now = "" if twin else prepared
                remedy = _update(table_name, keys, {"nick": now})
                yield Finding(f"nickname of {jid} in the room {room}", nick, fault, remedy)
            known.update(dict.fromkeys(names, (nick, jid)))

    def _named(self, name: str, host: str) -> tuple[Change | None, bool]:
        """Return what has become of a localpart, and whether it goes on to be one."""
        found = change(f"{name}@{host}")
        return (found, False) if found else (meant(f"{name}@{host}"), True)

    async def _mend(self, name: str, keys: Keys, changed: str, now: str) -> str:
        """Return the statement that lets a row be as it would be stored today."""
        if now:
            after = {**keys, changed: now}
            there = table(name, *(column(each) for each in keys))
            conditions = (there.c[each] == value for each, value in after.items())
            if not await self._read(select(literal(1)).select_from(there).where(*conditions)):
                return _update(name, keys, {changed: now})
        return _delete(name, keys)

    # Reading

    async def _rows(
        self, name: str, keys: Sequence[str], others: Sequence[str] = ()
    ) -> AsyncIterator[Sequence[Any]]:
        """Yield keys and other columns of a table's rows, in the order of the keys."""
        there = table(name, *(column(each) for each in (*keys, *others)))
        ordered = [there.c[each] for each in keys]
        first = select(*there.c).order_by(*ordered).limit(_CHUNK)
        count, rows = 0, await self._read(first)
        while rows:
            for row in rows:
                yield row
            count += len(rows)
            self._tell(name, count)
            last = rows[-1][: len(keys)]
            rows = await self._read(first.where(tuple_(*ordered) > tuple_(*last)))

    async def _pairs(self) -> AsyncIterator[Sequence[str]]:
        """Yield whose archives hold messages of whom."""
        count, after = 0, ""
        while rows := await self._read(text(_PAIRS), {"after": after, "chunk": _CHUNK}):
            for (after,) in rows:
                yield after.split(" ", 1)
            count += len(rows)
            self._tell("archive", count)

    async def _read(self, query: Any, values: Keys | None = None) -> Sequence[Any]:
        async def operation(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query, values or {})).all()

        return await self._database.read(operation)


def _texts(*names: str) -> list[Any]:
    return [column(name, Text) for name in names]


def _nickname(nick: str) -> tuple[str, frozenset[str], str]:
    """Return a nickname as it would be reserved now, what it is compared by, and its fault."""
    try:
        prepared = resourcepart(nick)
        names = nickname_keys(nick)
    except (InvalidJID, PrecisError) as error:
        reason = error.reason if isinstance(error, InvalidJID) else str(error)
        return "", frozenset(), f"can be no nickname: it {reason}"
    return prepared, names, "" if prepared == nick else f"is prepared to another form, {prepared!r}"


def _fault(found: Change, end: str = "") -> str:
    """Return what is wrong with an address, which is told up to ``end``."""
    now = found.now.partition(end)[0] if end else found.now
    return f"{found.reason}, {now!r}" if now else found.reason


def _update(name: str, keys: Keys, values: Keys) -> str:
    changes = ", ".join(f"{each} = {_literal(value)}" for each, value in values.items())
    return f"UPDATE {name} SET {changes} WHERE {_where(keys)};"  # noqa: S608


def _delete(name: str, keys: Keys) -> str:
    return f"DELETE FROM {name} WHERE {_where(keys)};"  # noqa: S608


def _where(keys: Keys) -> str:
    return " AND ".join(f"{each} = {_literal(value)}" for each, value in keys.items())


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"
