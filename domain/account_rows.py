"""The rows of accounts, for operations of the database that concern some."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnClause, Text, column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.owners import NoSuchAccount

__all__ = ["ACCOUNTS", "among", "exists", "need"]

ACCOUNTS: Final = table("accounts", column("username", Text))
_CHUNK: Final = 500
"""Names that one query asks for, under every database's limit of parameters."""


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
