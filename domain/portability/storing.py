"""Puts an account's content into the database, whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from sqlalchemy import TableClause, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import insert_accounts
from andiron.domain.accounts.credentials import Credentials
from andiron.domain.accounts.disabling import write_disabled
from andiron.domain.archive.ids import ID_BITS, first_at, last_at
from andiron.domain.archive.store import ACCOUNTS as ARCHIVE
from andiron.domain.config import PubSubConfig
from andiron.domain.contacts import roster_rows
from andiron.domain.contacts.subscriptions import State
from andiron.domain.database.database import Database
from andiron.domain.messages import offline_store
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.portability.canonical import canonical_text
from andiron.domain.portability.content import Content, NodeContent
from andiron.domain.portability.tables import BLOCKED, PREFERENCES, PRIVATE, SEEN, VCARDS
from andiron.domain.profile.directory import list_names
from andiron.domain.pubsub.items import ITEMS
from andiron.domain.pubsub.nodes import (
    ENTITIES,
    Affiliation,
    Node,
    find_node,
    insert_node,
    update_node,
)

__all__ = ["Counts", "add", "merge"]

_BATCH: Final = 500

Counts = dict[str, int]
"""How much was stored of what."""


async def add(
    database: Database,
    domain: str,
    content: Content,
    credentials: Credentials,
    bounds: PubSubConfig,
) -> Counts:
    """Make an account with its content.

    Raises :class:`AccountExists`, and :class:`DatabaseError`.
    """
    username = content.username

    async def operation(connection: AsyncConnection) -> Counts:
        await insert_accounts(connection, [(username, credentials)], domain)
        if content.disabled:
            await write_disabled(connection, username)
        counts = await _write(connection, content, bounds)
        await _forget_strays(connection, content, domain)
        return counts

    return await database.write(operation)


async def merge(database: Database, content: Content, bounds: PubSubConfig) -> Counts:
    """Add to an account what it lacks; what it has stays. Raises :class:`DatabaseError`."""
    return await database.write(lambda connection: _write(connection, content, bounds))


async def _write(connection: AsyncConnection, content: Content, bounds: PubSubConfig) -> Counts:
    username = content.username
    counts = {
        "contacts": await _contacts(connection, content),
        "messages": await _offline(connection, content) + await _archive(connection, content),
        "nodes": await _nodes(connection, content, bounds),
    }
    await _add_missing(
        connection, BLOCKED, username, "jid", [{"jid": jid} for jid in sorted(content.blocked)]
    )
    await _add_missing(
        connection,
        PRIVATE,
        username,
        "tag",
        [{"tag": tag, "text": text} for tag, text in sorted(content.private.items())],
    )
    if content.vcard:
        row = {"text": content.vcard, "photo": content.photo}
        await _add_missing(connection, VCARDS, username, "username", [row])
        kept = select(VCARDS.c.text).where(VCARDS.c.username == username)
        await list_names(connection, username, await connection.scalar(kept) or "")
    if content.last_seen is not None:
        row_seen = {"stamp": content.last_seen}
        await _add_missing(connection, SEEN, username, "username", [row_seen])
    if (preferences := content.preferences) is not None:
        row = {
            "policy": str(preferences.default),
            "always": "\n".join(sorted(preferences.always)),
            "never": "\n".join(sorted(preferences.never)),
        }
        await _add_missing(connection, PREFERENCES, username, "username", [row])
    return counts


async def _add_missing(
    connection: AsyncConnection, into: TableClause, username: str, key: str, rows: list[Any]
) -> None:
    """Insert those of an account's rows whose key it does not have yet."""
    rows = [{"username": username, **row} for row in rows]
    query = select(into.c[key]).where(into.c.username == username)
    known = set(await connection.scalars(query))
    if missing := [row for row in rows if row[key] not in known]:
        await connection.execute(insert(into), missing)


async def _contacts(connection: AsyncConnection, content: Content) -> int:
    username, added = content.username, 0
    for jid, item in content.contacts.items():
        known = await roster_rows.read(connection, username, jid)
        if known.item.contact.listed or (known.request and not item.contact.listed):
            continue
        request = content.requests.get(jid, "") if item.contact.state.pending else ""
        await roster_rows.write(connection, username, roster_rows.Row(item, request))
        added += item.contact.listed
    if content.contacts:
        await roster_rows.next_version(connection, username)
    return added


async def _forget_strays(connection: AsyncConnection, content: Content, domain: str) -> None:
    """Let others grant nothing to the account that it does not know of itself.

    They had granted it to an earlier account of the name.
    """
    columns = roster_rows.CONTACTS.c
    account = f"{content.username}@{domain}"
    query = select(columns.username).where(columns.jid == account)
    for other in (await connection.scalars(query)).all():
        if f"{other}@{domain}" not in content.contacts:
            row = await roster_rows.read(connection, other, account)
            state = row.item.contact.state
            if state.subscription == "none" and not row.item.contact.approved:
                continue
            left = State.of("none", ask=state.ask, pending=state.pending)
            contact = replace(row.item.contact, state=left, approved=False)
            await roster_rows.replace_contact(connection, other, row, contact)


async def _offline(connection: AsyncConnection, content: Content) -> int:
    columns = offline_store.MESSAGES.c
    query = select(columns.text, columns.stamp).where(columns.username == content.username)
    known = {
        (canonical_text(text), round(stamp, 3)) for text, stamp in await connection.execute(query)
    }
    count = 0
    for rows in _batches(content.offline):
        new = [
            offline_store.row(content.username, Waiting(text, stamp))
            for text, stamp in rows
            if (text, stamp) not in known
        ]
        if new:
            await connection.execute(insert(offline_store.MESSAGES), new)
        count += len(new)
    return count


async def _archive(connection: AsyncConnection, content: Content) -> int:
    owner, count = content.username, 0
    first = await connection.scalar(select(ARCHIVE.c.id).where(ARCHIVE.c.owner == owner).limit(1))
    has_any = first is not None
    for rows in _batches(content.archive):
        new: dict[int, dict[str, Any]] = {}
        for identity, is_doubtful, peer, resource, text in rows:
            if identity in new or (
                (has_any or is_doubtful)
                and (
                    _is_among(new, identity, text)
                    or await _is_archived(connection, owner, identity, text)
                )
            ):
                continue
            new[identity] = {
                "owner": owner,
                "id": identity,
                "peer": peer,
                "resource": resource,
                "text": text,
            }
        if new:
            await connection.execute(insert(ARCHIVE), list(new.values()))
        count += len(new)
    return count


def _is_among(rows: Mapping[int, Mapping[str, Any]], identity: int, text: str) -> bool:
    moment = identity >> ID_BITS
    return any(row["id"] >> ID_BITS == moment and row["text"] == text for row in rows.values())


async def _is_archived(connection: AsyncConnection, owner: str, identity: int, text: str) -> bool:
    """Tell whether there is a message with the id, or the same one of the same moment."""
    moment = identity >> ID_BITS
    query = select(ARCHIVE.c.id, ARCHIVE.c.text).where(
        ARCHIVE.c.owner == owner,
        ARCHIVE.c.id >= first_at(moment),
        ARCHIVE.c.id <= last_at(moment),
    )
    rows = list(await connection.execute(query))
    return any(row.id == identity or canonical_text(row.text) == text for row in rows)


async def _nodes(connection: AsyncConnection, content: Content, bounds: PubSubConfig) -> int:
    added = 0
    for name, node in content.nodes.items():
        known = await find_node(connection, content.username, name)
        if known is None:
            config = node.config
            assert config is not None
            made = await insert_node(connection, content.username, name, config)
            await _entities(connection, made, node)
            await _items(connection, made, node, bounds)
            added += 1
        else:
            await _items(connection, known, node, bounds)
    return added


async def _entities(connection: AsyncConnection, made: Node, node: NodeContent) -> None:
    rows = [
        {
            "node_id": made.id,
            "jid": jid,
            "affiliation": node.affiliations.get(jid, Affiliation.NONE),
            "subscribed": jid in node.subscribers,
        }
        for jid in sorted(node.affiliations.keys() | node.subscribers)
    ]
    if rows:
        await connection.execute(insert(ENTITIES), rows)


async def _items(
    connection: AsyncConnection, made: Node, node: NodeContent, bounds: PubSubConfig
) -> None:
    """Add the items that a node lacks, as long as it has room for them."""
    here = ITEMS.c.node_id == made.id
    known = set(await connection.scalars(select(ITEMS.c.item).where(here)))
    room = (made.config.max_items or bounds.max_items) - len(known)
    new = [item for item in node.items.values() if item.id not in known][: max(0, room)]
    if not new:
        return
    rows = [
        {
            "node_id": made.id,
            "item": item.id,
            "publisher": item.publisher,
            "stamp": item.stamp,
            "bytes": len(item.payload.encode()),
            "payload": item.payload,
        }
        for item in new
    ]
    await connection.execute(insert(ITEMS), rows)
    totals = select(func.count(), func.sum(ITEMS.c.bytes)).select_from(ITEMS).where(here)
    count, size = (await connection.execute(totals)).one()
    await update_node(connection, made, item_count=count, byte_count=size)


def _batches(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
