"""Rosters on disk: contacts, requests that wait, versions (RFC 6121 sections 2 and 3).

What one stanza changes at both accounts is one write, so that the two never
disagree.
"""

import json
import secrets
from dataclasses import dataclass, replace
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
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts import NoSuchAccount
from andiron.domain.config import RosterConfig
from andiron.domain.database import Database
from andiron.domain.owner import Effect, Owner
from andiron.domain.roster import Item, Roster
from andiron.domain.subscriptions import NOBODY, Contact, Kind, State, arrive, farewell, stanza
from andiron.domain.subscriptions import leave as depart

__all__ = ["Change", "NoSuchContact", "RosterFull", "RosterStore"]

_ACCOUNTS: Final = table("accounts", column("username", Text))
_BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))
_VERSIONS: Final = table("roster_versions", column("username", Text), column("version", BigInteger))
_CONTACTS: Final = table(
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
_STATE: Final = (
    _CONTACTS.c.jid,
    _CONTACTS.c.listed,
    _CONTACTS.c.subscription,
    _CONTACTS.c.ask,
    _CONTACTS.c.approved,
    _CONTACTS.c.request != "",
)
_FIRST_VERSIONS: Final = 2**40
"""A roster's first version is at random below: an account that is made anew must not come to
one that its clients know from before."""


class RosterFull(Exception):  # noqa: N818
    """The account has as many contacts as it may."""


class NoSuchContact(Exception):  # noqa: N818
    """The address is not in the roster."""


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
class _Row:
    item: Item
    request: str = ""


class RosterStore:
    """The rosters of all accounts; every method raises :class:`DatabaseError` when it fails.

    Writes take effect, and return, in the order of the calls.
    """

    def __init__(self, database: Database, domain: str, config: RosterConfig) -> None:
        self._database = database
        self._domain = domain
        self._config = config

    async def load(self, connection: AsyncConnection, username: str) -> Effect:
        """Read what the domain keeps in memory of a roster (a loader of :class:`Owners`)."""
        joined = _ACCOUNTS.outerjoin(
            _VERSIONS, _VERSIONS.c.username == _ACCOUNTS.c.username
        ).outerjoin(_CONTACTS, _CONTACTS.c.username == _ACCOUNTS.c.username)
        query = select(_VERSIONS.c.version, *_STATE).select_from(joined)
        roster = Roster()
        requests = []
        same: dict[Contact, Contact] = {}
        for version, jid, *state in await connection.execute(
            query.where(_ACCOUNTS.c.username == username)
        ):
            roster.version = version or 0
            if jid is not None:
                contact = _contact(*state)
                roster.contacts[jid] = same.setdefault(contact, contact)
                if contact.state.pending:
                    requests.append(jid)
        roster.requests = frozenset(requests)

        def effect(owner: Owner) -> None:
            if roster.version or roster.contacts:
                owner.parts[Roster] = roster

        return effect

    async def items(self, username: str) -> tuple[int, list[Item]]:
        """Return a roster and its version; later changes may be in it already."""

        async def operation(connection: AsyncConnection) -> tuple[int, list[Item]]:
            version = await connection.scalar(
                select(_VERSIONS.c.version).where(_VERSIONS.c.username == username)
            )
            query = select(*_STATE, _CONTACTS.c.name, _CONTACTS.c.groups).where(
                _CONTACTS.c.username == username, _CONTACTS.c.listed == true()
            )
            rows = await connection.execute(query.order_by(_CONTACTS.c.jid))
            return version or 0, [_item(*row) for row in rows]

        return await self._database.read(operation)

    async def requests(self, username: str) -> list[tuple[str, str]]:
        """Return the requests that wait for an answer: whose, and the stanzas."""

        async def operation(connection: AsyncConnection) -> list[tuple[str, str]]:
            query = select(_CONTACTS.c.jid, _CONTACTS.c.request).where(
                _CONTACTS.c.username == username, _CONTACTS.c.request != ""
            )
            rows = await connection.execute(query.order_by(_CONTACTS.c.jid))
            return [(jid, request) for jid, request in rows]

        return await self._database.read(operation)

    async def put(
        self, username: str, jid: str, name: str, groups: tuple[str, ...]
    ) -> list[Change]:
        """Add a contact, or change its name and groups (sections 2.3 and 2.4).

        Raises :class:`RosterFull` and :class:`NoSuchAccount`.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            await _need(connection, username)
            row = await _read(connection, username, jid)
            before = row.item.contact
            if not before.listed and await self._is_full(connection, username):
                return None
            item = Item(jid, replace(before, listed=True), name, groups)
            await _write(connection, username, replace(row, item=item))
            version = await _next_version(connection, username)
            return [Change(username, jid, before, item.contact, version, item)]

        return _done(await self._database.write(operation))

    async def remove(self, username: str, jid: str) -> list[Change]:
        """Remove a contact, and the subscriptions in both directions (section 2.5).

        Raises :class:`NoSuchContact`.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            row = await _read(connection, username, jid)
            before = row.item.contact
            if not before.listed:
                return None
            await _write(connection, username, _Row(Item(jid)))
            version = await _next_version(connection, username)
            changes = [Change(username, jid, before, NOBODY, version)]
            for kind in farewell(before):
                changes += await self._arrive(
                    connection, f"{username}@{self._domain}", jid, kind, ""
                )
            return changes

        changes = await self._database.write(operation)
        if changes is None:
            raise NoSuchContact
        return changes

    async def exchange(self, username: str, jid: str, kind: Kind, text: str) -> list[Change]:
        """Send a subscription stanza, ``text``, from an account to a contact (section 3).

        Raises :class:`RosterFull` and :class:`NoSuchAccount`, the latter for
        the sender; a contact that does not exist never answers.
        """

        async def operation(connection: AsyncConnection) -> list[Change] | None:
            await _need(connection, username)
            row = await _read(connection, username, jid)
            step = depart(row.item.contact, kind)
            grows = step.contact.listed and not row.item.contact.listed
            if grows and await self._is_full(connection, username):
                return None
            changes = await _replace(connection, username, row, step.contact)
            if step.passed:
                sender = f"{username}@{self._domain}"
                changes += await self._arrive(connection, sender, jid, kind, text)
            return changes

        return _done(await self._database.write(operation))

    async def forget(self, username: str) -> list[Change]:
        """Take an account that was removed out of all rosters, as if it had taken leave.

        What its contacts kept of it goes; those that knew it are told.
        """
        account = f"{username}@{self._domain}"

        async def operation(connection: AsyncConnection) -> list[Change]:
            query = select(_CONTACTS.c.username).where(_CONTACTS.c.jid == account)
            changes = []
            for other in (await connection.scalars(query.order_by(_CONTACTS.c.username))).all():
                row = await _read(connection, other, account)
                for kind in (Kind.UNSUBSCRIBE, Kind.UNSUBSCRIBED):
                    step = arrive(row.item.contact, kind)
                    text = stanza(kind, account, f"{other}@{self._domain}") if step.passed else ""
                    changes += await _replace(connection, other, row, step.contact, text, kind)
                    row = replace(row, item=replace(row.item, contact=step.contact), request="")
            return changes

        return await self._database.write(operation)

    async def _arrive(
        self, connection: AsyncConnection, sender: str, jid: str, kind: Kind, text: str
    ) -> list[Change]:
        """Let a stanza arrive at an account, and what its server answers at the sender's."""
        username, _, host = jid.partition("@")
        if host != self._domain or not await _exists(connection, username):
            return []
        text = text or stanza(kind, sender, jid)
        row = await _read(connection, username, sender)
        blocked = await _is_blocked(connection, username, sender)
        step = arrive(row.item.contact, kind)
        if kind is Kind.SUBSCRIBE:
            is_new = step.contact.state.pending and step.passed
            if blocked or (is_new and await self._has_requests(connection, username)):
                return []
            if is_new:
                row = replace(row, request=text)
        delivered = text if step.passed and not blocked else ""
        changes = await _replace(connection, username, row, step.contact, delivered, kind)
        if step.reply is not None:
            changes += await self._arrive(connection, jid, sender, step.reply, "")
        return changes

    async def _is_full(self, connection: AsyncConnection, username: str) -> bool:
        query = select(func.count()).where(
            _CONTACTS.c.username == username, _CONTACTS.c.listed == true()
        )
        return (await connection.scalar(query) or 0) >= self._config.max_contacts

    async def _has_requests(self, connection: AsyncConnection, username: str) -> bool:
        query = select(func.count()).where(
            _CONTACTS.c.username == username, _CONTACTS.c.request != ""
        )
        return (await connection.scalar(query) or 0) >= self._config.max_requests


def _done(changes: list[Change] | None) -> list[Change]:
    if changes is None:
        raise RosterFull
    return changes


async def _replace(
    connection: AsyncConnection,
    username: str,
    row: _Row,
    contact: Contact,
    text: str = "",
    kind: Kind | None = None,
) -> list[Change]:
    """Write what became of a contact, and tell what changed, if anything."""
    before = row.item.contact
    item = replace(row.item, contact=contact)
    request = row.request if contact.state.pending else ""
    if contact != before:
        await _write(connection, username, _Row(item, request))
    elif not text:
        return []
    shown = _shown(contact) != _shown(before)
    version = await _next_version(connection, username) if shown else 0
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


async def _need(connection: AsyncConnection, username: str) -> None:
    if not await _exists(connection, username):
        raise NoSuchAccount(f"There is no account {username}.")


async def _exists(connection: AsyncConnection, username: str) -> bool:
    query = select(_ACCOUNTS.c.username).where(_ACCOUNTS.c.username == username)
    return await connection.scalar(query) is not None


async def _is_blocked(connection: AsyncConnection, username: str, jid: str) -> bool:
    """Tell whether an account blocked a bare JID (XEP-0191); it may be in no memory."""
    names = (jid, jid.partition("@")[2])
    query = select(_BLOCKED.c.jid).where(_BLOCKED.c.username == username, _BLOCKED.c.jid.in_(names))
    return await connection.scalar(query.limit(1)) is not None


async def _read(connection: AsyncConnection, username: str, jid: str) -> _Row:
    query = select(*_STATE, _CONTACTS.c.name, _CONTACTS.c.groups, _CONTACTS.c.request).where(
        _CONTACTS.c.username == username, _CONTACTS.c.jid == jid
    )
    found = (await connection.execute(query)).first()
    return _Row(Item(jid)) if found is None else _Row(_item(*found[:-1]), found[-1])


async def _write(connection: AsyncConnection, username: str, row: _Row) -> None:
    item = row.item
    await connection.execute(
        delete(_CONTACTS).where(_CONTACTS.c.username == username, _CONTACTS.c.jid == item.jid)
    )
    if item.contact == NOBODY:
        return
    state = item.contact.state
    await connection.execute(
        insert(_CONTACTS).values(
            username=username,
            jid=item.jid,
            listed=item.contact.listed,
            subscription=state.subscription,
            ask=state.ask,
            approved=item.contact.approved,
            request=row.request,
            name=item.name,
            groups=json.dumps(item.groups) if item.groups else "",
        )
    )


async def _next_version(connection: AsyncConnection, username: str) -> int:
    mine = _VERSIONS.c.username == username
    version: int | None = await connection.scalar(
        update(_VERSIONS)
        .where(mine)
        .values(version=_VERSIONS.c.version + 1)
        .returning(_VERSIONS.c.version)
    )
    if version is None:
        version = secrets.randbelow(_FIRST_VERSIONS) + 1
        await connection.execute(insert(_VERSIONS).values(username=username, version=version))
    return version


def _contact(listed: bool, subscription: str, ask: bool, approved: bool, pending: bool) -> Contact:
    state = State.of(subscription, ask=bool(ask), pending=bool(pending))
    return Contact(state, listed=bool(listed), approved=bool(approved))


def _item(jid: str, *rest: Any) -> Item:
    *state, name, groups = rest
    return Item(jid, _contact(*state), name, tuple(json.loads(groups)) if groups else ())
