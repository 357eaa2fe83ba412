"""By which names people are found: those in their vCards, and those of their accounts.

A name is found by how it begins, and by how each word of it does. What is kept for that
is written together with the vCard it comes from.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Text, column, delete, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import ACCOUNTS
from andiron.domain.database.database import Database
from andiron.domain.person import shown_name
from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import Tree, parse_text

__all__ = ["Directory", "Found", "folded", "list_names"]

_ENTRIES: Final = table(
    "directory", column("entry", Text), column("username", Text), column("shown", Text)
)
_DISABLED: Final = table("disabled_accounts", column("username", Text))
_VCARDS: Final = table("vcards", column("username", Text), column("text", Text))
_NAMES: Final = (f"{{{ns.VCARD}}}FN", f"{{{ns.VCARD}}}NICKNAME")
_WORDS: Final = 8
"""Words of a name by which it is found."""
_PAGE: Final = 200
_COMPLETE: Final = "directory_complete"
_LAST: Final = "\U0010ffff"
"""Sorts behind all that a name may hold, by bytes as both databases do."""


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who was found."""

    username: str
    shown: str
    """The name in the vCard, empty where there is none."""


class Directory:
    """Finds accounts by names. Methods raise :class:`DatabaseError` when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, beginning: str, after: str = "", limit: int = _PAGE) -> list[Found]:
        """Return accounts of which a name begins so, by their usernames, those behind ``after``.

        ``beginning`` is :func:`folded`. Disabled accounts are not found.
        """

        async def operation(connection: AsyncConnection) -> list[Found]:
            by_name = select(_ENTRIES.c.username).where(
                _ENTRIES.c.entry >= beginning, _ENTRIES.c.entry < beginning + _LAST
            )
            by_account = select(ACCOUNTS.c.username).where(
                ACCOUNTS.c.username >= beginning, ACCOUNTS.c.username < beginning + _LAST
            )
            hits = by_name.union(by_account).subquery()
            query = select(hits.c.username).where(
                hits.c.username > after, hits.c.username.not_in(select(_DISABLED.c.username))
            )
            found = (await connection.scalars(query.order_by(hits.c.username).limit(limit))).all()
            names = select(_ENTRIES.c.username, _ENTRIES.c.shown).distinct()
            rows = await connection.execute(names.where(_ENTRIES.c.username.in_(found)))
            shown = {row.username: row.shown for row in rows}
            return [Found(username, shown.get(username, "")) for username in found]

        return await self._database.read(operation)

    async def complete(self) -> None:
        """Take in the vCards that were there before there was a directory."""
        if await self._database.get_meta(_COMPLETE) is not None:
            return
        after: str | None = ""
        while after is not None:
            after = await self._database.write(partial(_take, after=after))
        await self._database.set_meta(_COMPLETE, "1")


def folded(text: str) -> str:
    """Return what a name, or the beginning of one, is compared by: from the first letter on."""
    name = unicodedata.normalize("NFKC", shown_name(text)).casefold()
    first = next((at for at, char in enumerate(name) if char.isalnum()), len(name))
    return name[first:]


async def list_names(connection: AsyncConnection, username: str, vcard: str) -> None:
    """Let an account be found by the names in its vCard, in place of what was there before."""
    await connection.execute(delete(_ENTRIES).where(_ENTRIES.c.username == username))
    tree = parse_text(vcard) if vcard else None
    names = [] if tree is None else [_name(tree, tag) for tag in _NAMES]
    shown = next(filter(None, names), "")
    entries = {entry for name in names for entry in _entries(name)}
    rows = [{"entry": each, "username": username, "shown": shown} for each in sorted(entries)]
    if rows:
        await connection.execute(insert(_ENTRIES), rows)


def _name(vcard: Tree, tag: str) -> str:
    return shown_name(vcard.findtext(tag) or "")


def _entries(name: str) -> Iterable[str]:
    words = name.split()
    entries = (folded(" ".join(words[at:])) for at in range(min(len(words), _WORDS)))
    return filter(None, entries)


async def _take(connection: AsyncConnection, after: str) -> str | None:
    """Take in some vCards; return the last username, None when there are no more."""
    query = select(_VCARDS.c.username, _VCARDS.c.text).where(_VCARDS.c.username > after)
    rows = (await connection.execute(query.order_by(_VCARDS.c.username).limit(20))).all()
    for username, text in rows:
        await list_names(connection, username, text)
    return rows[-1].username if rows else None
