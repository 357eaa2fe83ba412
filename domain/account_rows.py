"""The rows of accounts, for operations of the database that concern some."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnClause, Text, column, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.owners import NoSuchAccount

__all__ = ["ACCOUNTS", "add", "among", "births", "exists", "need"]

ACCOUNTS: Final = table("accounts", column("username", Text), column("born", Text))
"""``born`` tells an account from others that had its name before; empty: made by a version that
did not write it."""
_BORN: Final = 8
"""Random bytes of it."""
_CHUNK: Final = 500
"""Names that one query asks for, under every database's limit of parameters."""


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
