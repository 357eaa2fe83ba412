"""What the rows of other specifications say of two accounts, where they are not in memory."""

from collections.abc import Collection, Iterable
from typing import Final

from sqlalchemy import Text, column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.contacts.roster_rows import CONTACTS, STATE, item_of

__all__ = ["blocked_by", "group_members"]

_BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))


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
    query = select(*STATE, CONTACTS.c.name, CONTACTS.c.groups).where(
        CONTACTS.c.username == username, CONTACTS.c.groups != ""
    )
    items = [item_of(*row) for row in await connection.execute(query)]
    return frozenset(item.jid for item in items if not wanted.isdisjoint(item.groups))
