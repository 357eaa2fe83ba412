"""What the rows of other specifications say of two accounts, where they are not in memory."""

import json
from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Text, column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["blocked_by", "group_members"]

_BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))
_CONTACTS: Final = table(
    "contacts", column("username", Text), column("jid", Text), column("groups", Text)
)


async def blocked_by(
    connection: AsyncConnection, usernames: Collection[str], jid: str
) -> frozenset[str]:
    """Return which of some accounts have blocked a full JID, or what it is part of (XEP-0191)."""
    if not usernames:
        return frozenset()
    bare = jid.partition("/")[0]
    names = (jid, bare, bare.rpartition("@")[2])
    query = select(_BLOCKED.c.username).where(
        _BLOCKED.c.username.in_(list(usernames)), _BLOCKED.c.jid.in_(names)
    )
    return frozenset(await connection.scalars(query))


async def group_members(
    connection: AsyncConnection, username: str, groups: Iterable[str]
) -> frozenset[str]:
    """Return the contacts of an account who are in one of some groups of its roster."""
    wanted = frozenset(groups)
    query = select(_CONTACTS.c.jid, _CONTACTS.c.groups).where(
        _CONTACTS.c.username == username, _CONTACTS.c.groups != ""
    )
    rows = await connection.execute(query)
    return frozenset(row.jid for row in rows if not wanted.isdisjoint(json.loads(row.groups)))
