"""Rosters on disk: contacts, requests that wait, versions (RFC 6121 sections 2 and 3).

What one stanza changes at both accounts is one write, so that the two never
disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import ACCOUNTS, exists, need
from andiron.domain.client import Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts.roster import Item, Roster
from andiron.domain.contacts.roster_rows import (
    CONTACTS,
    SIZE,
    STATE,
    VERSIONS,
    Change,
    Row,
    contact_of,
    forget,
    is_blocked,
    next_version,
    read,
    replace_contact,
    write,
)
from andiron.domain.contacts.subscriptions import (
    NOBODY,
    Contact,
    Kind,
    arrive,
    farewell,
    leave,
    stanza,
)
from andiron.domain.database.database import Database
from andiron.domain.owners import Effect

__all__ = ["Change", "NoSuchContact", "RosterFull", "RosterStore"]


class RosterFull(Exception):  # noqa: N818
    """The account has as many contacts as it may, or as much of them."""


class NoSuchContact(Exception):  # noqa: N818
    """The address is not in the roster."""


class RosterStore:
    """The rosters of all accounts; every method raises :class:`DatabaseError` when it fails.

    What one account has changed takes effect in the order of the calls; all return in the
    order in which they take effect.
    """

    def __init__(self, database: Database, domain: str, config: RosterConfig) -> None:
        self._database = database
        self._domain = domain
        self._config = config

    async def load(self, connection: AsyncConnection, usernames: Sequence[str]) -> Effect:
        """Read what the domain keeps in memory of rosters (a loader of :class:`Owners`)."""
        joined = ACCOUNTS.outerjoin(VERSIONS, VERSIONS.c.username == ACCOUNTS.c.username).outerjoin(
            CONTACTS, CONTACTS.c.username == ACCOUNTS.c.username
        )
        query = select(ACCOUNTS.c.username, VERSIONS.c.version, *STATE).select_from(joined)
        rosters: dict[str, Roster] = {}
        requests: dict[str, set[str]] = {}
        for username, version, jid, *state in await connection.execute(
            query.where(ACCOUNTS.c.username.in_(usernames))
        ):
            roster = rosters.setdefault(username, Roster())
            roster.version = version or 0
            if jid is not None:
                contact = contact_of(*state)
                roster.contacts[jid] = contact
                if contact.state.pending:
                    requests.setdefault(username, set()).add(jid)
        for username, jids in requests.items():
            rosters[username].requests = frozenset(jids)

        def effect(owner: Owner) -> None:
            roster = rosters.get(owner.username)
            if roster is not None and (roster.version or roster.contacts):
                owner.parts[Roster] = roster  # Its groups are read after it.

        return effect

    async def catch_up(self, username: str) -> None:
        """Return when what an account was to change before can be read."""

        async def operation(_connection: AsyncConnection) -> None:
            return

        await self._database.write(operation, username)

    async def rows(self, username: str) -> tuple[int, Sequence[Any]]:
        """Return a roster's version and rows; later changes may be in them already.

        :func:`write_items` makes something of them, which takes long where they are many.
        """

        async def operation(connection: AsyncConnection) -> tuple[int, Sequence[Any]]:
            version = await _version(connection, username)
            query = select(*STATE, CONTACTS.c.name, CONTACTS.c.groups).where(
                CONTACTS.c.username == username, CONTACTS.c.listed == true()
            )
            rows = await connection.execute(query.order_by(CONTACTS.c.jid))
            return version, rows.all()

        return await self._database.read(operation)

    async def own(self, username: str, jids: Sequence[str]) -> list[Item]:
        """Return some contacts of a roster as the account itself keeps them."""

        async def operation(connection: AsyncConnection) -> list[Item]:
            return [(await read(connection, username, jid)).item for jid in jids]

        return await self._database.read(operation)

    async def requests(self, username: str) -> list[tuple[str, str]]:
        """Return the requests that wait for an answer: whose, and the stanzas."""

        async def operation(connection: AsyncConnection) -> list[tuple[str, str]]:
            query = select(CONTACTS.c.jid, CONTACTS.c.request).where(
                CONTACTS.c.username == username, CONTACTS.c.request != ""
            )
            rows = await connection.execute(query.order_by(CONTACTS.c.jid))
            return [(jid, request) for jid, request in rows]

        return await self._database.read(operation)

    async def put(
        self, username: str, jid: str, name: str, groups: tuple[str, ...]
    ) -> list[Change]:
        """Add a contact, or change its name and groups (sections 2.3 and 2.4).

        Raises :class:`RosterFull` and :class:`NoSuchAccount`.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            await need(connection, username)
            row = await read(connection, username, jid)
            before = row.item.contact
            item = Item(jid, replace(before, listed=True), name, groups)
            if await self._is_full(connection, username, row.item, item):
                return None
            await write(connection, username, replace(row, item=item))
            version = await next_version(connection, username)
            return [Change(username, jid, before, item.contact, version, item)]

        return _done(await self._database.write(operation, username))

    async def remove(self, username: str, jid: str) -> list[Change]:
        """Remove a contact, and the subscriptions in both directions (section 2.5).

        Raises :class:`NoSuchContact`.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            row = await read(connection, username, jid)
            before = row.item.contact
            if not before.listed:
                return None
            await write(connection, username, Row(Item(jid)))
            version = await next_version(connection, username)
            changes = [Change(username, jid, before, NOBODY, version)]
            for kind in farewell(before):
                changes += await self._arrive(
                    connection, f"{username}@{self._domain}", jid, kind, ""
                )
            return changes

        changes = await self._database.write(operation, username)
        if changes is None:
            raise NoSuchContact
        return changes

    async def exchange(self, username: str, jid: str, kind: Kind, text: str) -> list[Change]:
        """Send a subscription stanza, ``text``, from an account to a contact (section 3).

        Raises :class:`RosterFull` and :class:`NoSuchAccount`, the latter for
        the sender; a contact that does not exist never answers.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            await need(connection, username)
            row = await read(connection, username, jid)
            step = leave(row.item.contact, kind)
            item = replace(row.item, contact=step.contact)
            if await self._is_full(connection, username, row.item, item):
                return None
            changes = await replace_contact(connection, username, row, step.contact)
            if step.passed:
                sender = f"{username}@{self._domain}"
                changes += await self._arrive(connection, sender, jid, kind, text)
            return changes

        return _done(await self._database.write(operation, username))

    async def forget(self, username: str, known: Mapping[str, Contact]) -> list[Change]:
        """Take an account that was removed out of all rosters, as if it had taken leave.

        Where there is another of its name by now, that was done when it was made, and maybe by
        another process. ``known`` is what this one takes the name to be to some accounts; what
        that should be is among the changes, too.
        """
        account = f"{username}@{self._domain}"
        columns = CONTACTS.c
        mine = select(columns.username, *STATE).where(columns.jid == account)

        async def operation(connection: AsyncConnection) -> list[Change]:
            there = await exists(connection, username)
            changes = [] if there else await forget(connection, username, self._domain)
            rows = await connection.execute(mine)
            kept = {other: contact_of(*state) for other, _, *state in rows}
            told = {change.username for change in changes}
            for other, before in known.items():
                if other not in told and kept.get(other, NOBODY) != before:
                    item = (await read(connection, other, account)).item
                    version = await _version(connection, other)
                    listed = item if item.contact.listed else None
                    changes.append(Change(other, account, before, item.contact, version, listed))
            return changes

        return await self._database.write(operation)

    async def strays(self) -> list[str]:
        """Return accounts that somebody sees, or shows himself to, but that are no more."""
        host = f"@{self._domain}"
        gone = CONTACTS.outerjoin(ACCOUNTS, ACCOUNTS.c.username + host == CONTACTS.c.jid)
        query = select(CONTACTS.c.jid).select_from(gone).distinct()
        query = query.where(
            CONTACTS.c.jid.endswith(host, autoescape=True),
            ACCOUNTS.c.username.is_(None),
            (CONTACTS.c.subscription != "none") | (CONTACTS.c.request != ""),
        )

        async def operation(connection: AsyncConnection) -> list[str]:
            return [jid.removesuffix(host) for jid in (await connection.scalars(query)).all()]

        return await self._database.read(operation)

    async def _arrive(
        self, connection: AsyncConnection, sender: str, jid: str, kind: Kind, text: str
    ) -> list[Change]:
        """Let a stanza arrive at an account, and what its server answers at the sender's."""
        username, _, host = jid.partition("@")
        if host != self._domain or not await exists(connection, username):
            return []
        text = text or stanza(kind, sender, jid)
        row = await read(connection, username, sender)
        blocked = await is_blocked(connection, username, sender)
        step = arrive(row.item.contact, kind)
        if kind is Kind.SUBSCRIBE:
            is_new = step.contact.state.pending and step.passed
            if blocked or (is_new and await self._has_requests(connection, username)):
                return []
            if is_new:
                row = replace(row, request=text)
        delivered = text if step.passed and not blocked else ""
        changes = await replace_contact(connection, username, row, step.contact, delivered, kind)
        if step.reply is not None:
            changes += await self._arrive(connection, jid, sender, step.reply, "")
        return changes

    async def _is_full(
        self, connection: AsyncConnection, username: str, before: Item, after: Item
    ) -> bool:
        """Tell whether a roster has no room for what becomes of a contact."""
        was, more = before.contact.listed, after.size - before.size
        if not after.contact.listed or (was and more <= 0):
            return False
        query = select(func.count(), SIZE).where(
            CONTACTS.c.username == username, CONTACTS.c.listed == true()
        )
        count, size = (await connection.execute(query)).one()
        if not was:
            count, more = count + 1, after.size
        return bool(count > self._config.max_contacts or size + more > self._config.max_size)

    async def _has_requests(self, connection: AsyncConnection, username: str) -> bool:
        query = select(func.count()).where(
            CONTACTS.c.username == username, CONTACTS.c.request != ""
        )
        return (await connection.scalar(query) or 0) >= self._config.max_requests


async def _version(connection: AsyncConnection, username: str) -> int:
    """Return a roster's version, 0 where it has none."""
    query = select(VERSIONS.c.version).where(VERSIONS.c.username == username)
    return await connection.scalar(query) or 0


def _done(changes: list[Change] | None) -> list[Change]:
    if changes is None:
        raise RosterFull
    return changes
