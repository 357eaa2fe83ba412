"""The rows of accounts, for operations of the database that concern some."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnClause,
    Text,
    bindparam,
    column,
    delete,
    insert,
    literal,
    select,
    table,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.migrations import META
from andiron.domain.owners import Birth, NoSuchAccount

__all__ = [
    "ACCOUNTS",
    "add",
    "among",
    "births",
    "departed",
    "departed_mark",
    "exists",
    "need",
    "note_departed",
    "read_births",
    "settle_departed",
]

ACCOUNTS: Final = table("accounts", column("username", Text), column("born", Text))
"""``born`` tells an account from others that had its name before; empty: made by a version that
did not write it."""
_BORN: Final = 8
"""Random bytes of it."""
_CHUNK: Final = 500
"""Names that one query asks for, under every database's limit of parameters."""
_DEPARTED: Final = "departed "
"""What stands before the username in the key of the mark of an account that was removed."""
_MARKS: Final = select(META.c.key, META.c.value).where(META.c.key.startswith(_DEPARTED))
# Made once: every account that comes into memory reads it.
_BIRTHS: Final = (
    select(ACCOUNTS.c.username, ACCOUNTS.c.born, META.c.value)
    .select_from(ACCOUNTS.outerjoin(META, META.c.key == literal(_DEPARTED) + ACCOUNTS.c.username))
    .where(ACCOUNTS.c.username.in_(bindparam("usernames", expanding=True)))
)


async def add(connection: AsyncConnection, usernames: Iterable[str]) -> None:
    """Make accounts, which there are not yet."""
    rows = [{"username": name, "born": secrets.token_hex(_BORN)} for name in usernames]
    await connection.execute(insert(ACCOUNTS), rows)


async def exists(connection: AsyncConnection, username: str) -> bool:
    """Tell whether there is an account."""
    query = select(ACCOUNTS.c.username).where(ACCOUNTS.c.username == username)
    return await connection.scalar(query) is not None


async def need(connection: AsyncConnection, username: str) -> None:
    """Raise :class:`NoSuchAccount` unless there is an account."""
    if not await exists(connection, username):
        raise NoSuchAccount(f"There is no account {username}.")


async def among(
    connection: AsyncConnection, names: ColumnClause[Any], usernames: Sequence[str]
) -> set[str]:
    """Return those of some usernames that are in a table's column of them."""
    found: set[str] = set()
    for first in range(0, len(usernames), _CHUNK):
        query = select(names).where(names.in_(usernames[first : first + _CHUNK]))
        found.update((await connection.scalars(query)).all())
    return found


async def births(connection: AsyncConnection, usernames: Sequence[str]) -> dict[str, str]:
    """Return what tells accounts from others of their names, of those there are, by username."""
    found: dict[str, str] = {}
    for first in range(0, len(usernames), _CHUNK):
        query = select(ACCOUNTS.c.username, ACCOUNTS.c.born).where(
            ACCOUNTS.c.username.in_(usernames[first : first + _CHUNK])
        )
        found.update((name, born) for name, born in await connection.execute(query))
    return found


async def read_births(connection: AsyncConnection, usernames: Sequence[str]) -> dict[str, Birth]:
    """Return the same of a few, and whether there is a mark of a former account of each name."""
    rows = await connection.execute(_BIRTHS, {"usernames": list(usernames)})
    return {username: Birth(born, mark is not None) for username, born, mark in rows}


# An account that was removed leaves a mark, until the server has forgotten it: others may
# have something of it left, in memory or in their rows, which goes by its name alone.


async def note_departed(connection: AsyncConnection, usernames: Iterable[str]) -> None:
    """Leave the marks of accounts that are removed."""
    for username in usernames:
        key = _DEPARTED + username
        await connection.execute(delete(META).where(META.c.key == key))
        await connection.execute(insert(META).values(key=key, value=secrets.token_hex(_BORN)))


async def departed(connection: AsyncConnection) -> Mapping[str, str]:
    """Return the marks of accounts that were removed, by username."""
    return {key.removeprefix(_DEPARTED): mark for key, mark in await connection.execute(_MARKS)}


async def departed_mark(connection: AsyncConnection, username: str) -> str | None:
    """Return the mark of one account that was removed, None where there is none."""
    query = select(META.c.value).where(META.c.key == _DEPARTED + username)
    mark: str | None = await connection.scalar(query)
    return mark


async def settle_departed(connection: AsyncConnection, username: str, mark: str) -> None:
    """Take a mark away, unless that of a later account of the name has replaced it."""
    mine = (META.c.key == _DEPARTED + username, META.c.value == mark)
    await connection.execute(delete(META).where(*mine))
