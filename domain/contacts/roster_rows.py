"""The rows of rosters: one for each contact of an account, and the account's version.

These run within a write of the database, several together.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Text,
    column,
    delete,
    func,
    insert,
    select,
    table,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.contacts.roster import Item, Roster
from andiron.domain.contacts.subscriptions import NOBODY, Contact, Kind, State, arrive, stanza

__all__ = [
    "CONTACTS",
    "SIZE",
    "STATE",
    "VERSIONS",
    "Change",
    "Row",
    "contact_of",
    "forget",
    "forget_all",
    "is_blocked",
    "item_of",
    "next_version",
    "read",
    "replace_contact",
    "write",
    "write_items",
]

_BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))
VERSIONS: Final = table("roster_versions", column("username", Text), column("version", BigInteger))
CONTACTS: Final = table(
    "contacts",
    column("username", Text),
    column("jid", Text),
    column("listed", Boolean),
    column("subscription", Text),
    column("ask", Boolean),
    column("approved", Boolean),
    column("request", Text),
    column("name", Text),
    column("groups", Text),
)
STATE: Final = (
    CONTACTS.c.jid,
    CONTACTS.c.listed,
    CONTACTS.c.subscription,
    CONTACTS.c.ask,
    CONTACTS.c.approved,
    CONTACTS.c.request != "",
)
SIZE: Final = func.coalesce(
    func.sum(
        func.length(CONTACTS.c.jid) + func.length(CONTACTS.c.name) + func.length(CONTACTS.c.groups)
    ),
    0,
)
"""The characters of contacts, as :attr:`Item.size` counts them."""
_FIRST_VERSIONS: Final = 2**40
"""A roster's first version is at random below: an account that is made anew must not come to
one that its clients know from before."""
_SEPARATOR: Final = "\x1f"
"""Between the groups of a contact; XML has no place for it, so no group holds it."""
_CHUNK: Final = 500
"""Addresses that one query asks for, under every database's limit of parameters."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a write changed of one contact of one account. Act on them in their order."""

    username: str
    jid: str
    """The contact's bare JID."""
    before: Contact
    after: Contact
    version: int = 0
    """The roster's new version; 0 where its clients need not be told."""
    item: Item | None = None
    """What they are told of; None where the contact was removed."""
    text: str = ""
    """The subscription stanza that goes to them before."""
    kind: Kind | None = None
    """Its type."""


@dataclass(frozen=True, slots=True)
class Row:
    """A contact, and the request of it that waits, or ``""``."""

    item: Item
    request: str = ""


async def replace_contact(
    connection: AsyncConnection,
    username: str,
    row: Row,
    contact: Contact,
    text: str = "",
    kind: Kind | None = None,
) -> list[Change]:
    """Write what became of a contact, and tell what changed, if anything."""
    before = row.item.contact
    item = replace(row.item, contact=contact)
    request = row.request if contact.state.pending else ""
    if contact != before:
        await write(connection, username, Row(item, request))
    elif not text:
        return []
    shown = _shown(contact) != _shown(before)
    version = await next_version(connection, username) if shown else 0
    return [
        Change(
            username,
            item.jid,
            before,
            contact,
            version,
            item if contact.listed else None,
            text,
            kind if text else None,
        )
    ]


def _shown(contact: Contact) -> tuple[object, ...]:
    """Return what clients see of a contact."""
    if not contact.listed:
        return ()
    return contact.state.subscription, contact.state.ask, contact.approved


async def is_blocked(connection: AsyncConnection, username: str, jid: str) -> bool:
    """Tell whether an account blocked a bare JID (XEP-0191); it may be in no memory."""
    names = (jid, jid.partition("@")[2])
    query = select(_BLOCKED.c.jid).where(_BLOCKED.c.username == username, _BLOCKED.c.jid.in_(names))
    return await connection.scalar(query.limit(1)) is not None


async def read(connection: AsyncConnection, username: str, jid: str) -> Row:
    """Return what an account keeps of a contact, which may be nothing."""
    query = select(*STATE, CONTACTS.c.name, CONTACTS.c.groups, CONTACTS.c.request).where(
        CONTACTS.c.username == username, CONTACTS.c.jid == jid
    )
    found = (await connection.execute(query)).first()
    return Row(Item(jid)) if found is None else Row(item_of(*found[:-1]), found[-1])


async def write(connection: AsyncConnection, username: str, row: Row) -> None:
    """Keep a contact in the place of what was kept of it; nothing where there is nothing."""
    item = row.item
    await connection.execute(
        delete(CONTACTS).where(CONTACTS.c.username == username, CONTACTS.c.jid == item.jid)
    )
    if item.contact == NOBODY:
        return
    state = item.contact.state
    await connection.execute(
        insert(CONTACTS).values(
            username=username,
            jid=item.jid,
            listed=item.contact.listed,
            subscription=state.subscription,
            ask=state.ask,
            approved=item.contact.approved,
            request=row.request,
            name=item.name,
            groups=_SEPARATOR.join(item.groups),
        )
    )


async def next_version(connection: AsyncConnection, username: str) -> int:
    """Return the number of a change that the account's clients are told of."""
    mine = VERSIONS.c.username == username
    version: int | None = await connection.scalar(
        update(VERSIONS)
        .where(mine)
        .values(version=VERSIONS.c.version + 1)
        .returning(VERSIONS.c.version)
    )
    if version is None:
        version = secrets.randbelow(_FIRST_VERSIONS) + 1
        await connection.execute(insert(VERSIONS).values(username=username, version=version))
    return version


@cache
def contact_of(listed: object, subscription: str, *flags: object) -> Contact:
    """Return the contact of a row's columns, :data:`STATE` but the first; equals are one."""
    ask, approved, pending = map(bool, flags)
    state = State.of(subscription, ask=ask, pending=pending)
    return Contact(state, listed=bool(listed), approved=approved)


def item_of(jid: str, *rest: Any) -> Item:
    """Return the item of :data:`STATE`, a name and groups."""
    *state, name, groups = rest
    return Item(jid, contact_of(*state), name, tuple(groups.split(_SEPARATOR)) if groups else ())


def write_items(rows: Sequence[Any], roster: Roster = Roster()) -> str:  # noqa: B008 - read only
    """Return the XML of rows that are :data:`STATE`, a name and groups.

    The shared groups of ``roster`` are put in.
    """
    items = {row[0]: item_of(*row) for row in rows}
    for group in roster.groups:
        for jid in group.members:
            items.setdefault(jid, Item(jid))
    items.pop(roster.own, None)
    shown = map(roster.shown, items.values())
    return "".join(item.to_xml() for item in shown if item is not None)


async def forget(connection: AsyncConnection, username: str, domain: str) -> list[Change]:
    """Take an account that is removed out of all rosters; return what changed there.

    Whoever gets that name next must not come into what others granted to this one.
    """
    account = f"{username}@{domain}"
    query = select(CONTACTS.c.username).where(CONTACTS.c.jid == account)
    changes = []
    for other in (await connection.scalars(query.order_by(CONTACTS.c.username))).all():
        for kind in (Kind.UNSUBSCRIBE, Kind.UNSUBSCRIBED):
            row = await read(connection, other, account)
            step = arrive(row.item.contact, kind)
            contact = replace(step.contact, approved=False)
            text = stanza(kind, account, f"{other}@{domain}") if step.passed else ""
            changes += await replace_contact(connection, other, row, contact, text, kind)
    return changes


async def forget_all(connection: AsyncConnection, usernames: Sequence[str], domain: str) -> None:
    """Take accounts that are made anew out of all rosters, where they were left by mishap."""
    for first in range(0, len(usernames), _CHUNK):
        jids = [f"{username}@{domain}" for username in usernames[first : first + _CHUNK]]
        query = select(CONTACTS.c.jid).where(CONTACTS.c.jid.in_(jids)).distinct()
        for jid in (await connection.scalars(query)).all():
            await forget(connection, jid.partition("@")[0], domain)
