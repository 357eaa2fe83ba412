"""The items of nodes in the database, in the order of their publication."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Double,
    Text,
    and_,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.pubsub.config import AccessModel, NodeConfig
from andiron.domain.pubsub.nodes import ENTITIES, NODES, Affiliation, Node, update_node, with_group
from andiron.xmpp.rsm import PageRequest

__all__ = ["ITEMS", "Item", "LastItem"]

ITEMS: Final = table(
    "pubsub_items",
    column("id", BigInteger),
    column("node_id", BigInteger),
    column("item", Text),
    column("publisher", Text),
    column("stamp", Double),
    column("bytes", BigInteger),
    column("payload", Text),
)
_CHUNK: Final = 500
"""Rows that one statement names, under every database's limit of parameters."""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a node."""

    id: str
    publisher: str
    """The full JID it came from; empty when the server published it."""
    stamp: float
    """When, in Unix seconds."""
    payload: str
    """The text of the element, whose namespaces are declared in it; empty for none."""


@dataclass(frozen=True, slots=True)
class LastItem:
    """The last item of a node, with what decides who may see it."""

    node: Node
    item: Item


async def add_item(
    connection: AsyncConnection, node: Node, item: Item, limit: int, room: int
) -> bool:
    """Put an item at the end of a node in place of the one with its id, if there is one.

    The node keeps ``limit`` items. False, and nothing has changed, when the
    payloads would take more than ``room`` bytes.
    """
    here = ITEMS.c.node_id == node.id
    named = ITEMS.c.item == item.id
    length = len(item.payload.encode())
    old = await connection.scalar(select(ITEMS.c.bytes).where(here, named))
    kept = node.items if old is None else node.items - 1
    leaving: list[Any] = []
    if kept >= limit:
        query = select(ITEMS.c.id, ITEMS.c.bytes).where(here, ITEMS.c.item != item.id)
        rows = await connection.execute(query.order_by(ITEMS.c.id).limit(kept + 1 - limit))
        leaving = list(rows)
    size = node.bytes + length - (old or 0) - sum(row.bytes for row in leaving)
    if size > room:
        return False
    if old is not None:
        await connection.execute(delete(ITEMS).where(here, named))
    if leaving:
        await connection.execute(delete(ITEMS).where(here, ITEMS.c.id <= leaving[-1].id))
    await connection.execute(
        insert(ITEMS).values(
            node_id=node.id,
            item=item.id,
            publisher=item.publisher,
            stamp=item.stamp,
            bytes=length,
            payload=item.payload,
        )
    )
    count = kept - len(leaving) + 1
    await update_node(connection, node, item_count=count, byte_count=size)
    return True


async def remove_items(
    connection: AsyncConnection, node: Node, identities: Sequence[str]
) -> list[str]:
    """Remove items by their ids; return the ids of those that were there."""
    here = and_(ITEMS.c.node_id == node.id, ITEMS.c.item.in_(identities))
    rows = list(await connection.execute(select(ITEMS.c.item, ITEMS.c.bytes).where(here)))
    if rows:
        await connection.execute(delete(ITEMS).where(here))
        left = node.bytes - sum(row.bytes for row in rows)
        await update_node(connection, node, item_count=node.items - len(rows), byte_count=left)
    return [row.item for row in rows]


async def trim(connection: AsyncConnection, node: Node, limit: int) -> None:
    """Remove the oldest items so that ``limit`` are left."""
    here = ITEMS.c.node_id == node.id
    newest = select(ITEMS.c.id).where(here).order_by(ITEMS.c.id.desc())
    first = await connection.scalar(newest.offset(limit).limit(1))
    if first is None:
        return
    await connection.execute(delete(ITEMS).where(here, ITEMS.c.id <= first))
    totals = select(func.count(), func.sum(ITEMS.c.bytes)).select_from(ITEMS).where(here)
    count, size = (await connection.execute(totals)).one()
    await update_node(connection, node, item_count=count, byte_count=size or 0)


async def items_by_id(
    connection: AsyncConnection, node: Node, identities: Sequence[str]
) -> list[Item]:
    """Return those of the items that there are, in their order."""
    query = _items(node).where(ITEMS.c.item.in_(identities)).order_by(ITEMS.c.id)
    return [_item(row) for row in await connection.execute(query)]


async def newest_items(connection: AsyncConnection, node: Node, limit: int) -> list[Item]:
    """Return the most recent items, the oldest of them first."""
    query = _items(node).order_by(ITEMS.c.id.desc()).limit(limit)
    return [_item(row) for row in await connection.execute(query)][::-1]


async def page_of_items(
    connection: AsyncConnection, node: Node, page: PageRequest, limit: int
) -> tuple[list[Item], int] | None:
    """Return a page of at most ``limit`` items and the number of its first (XEP-0059).

    None when the item that it should begin or end at is not there.
    """
    here = ITEMS.c.node_id == node.id
    query, mark = _items(node), page.after or page.before
    if mark:
        place = await connection.scalar(select(ITEMS.c.id).where(here, ITEMS.c.item == mark))
        if place is None:
            return None
        query = query.where(ITEMS.c.id < place if page.backwards else ITEMS.c.id > place)
    order = ITEMS.c.id.desc() if page.backwards else ITEMS.c.id
    query = query.order_by(order).limit(limit).offset(page.index or 0)
    rows = list(await connection.execute(query))
    if page.backwards:
        rows.reverse()
    if not rows or not (mark or page.backwards):
        return [_item(row) for row in rows], page.index or 0
    earlier = select(func.count()).select_from(ITEMS).where(here, ITEMS.c.id < rows[0].id)
    return [_item(row) for row in rows], int(await connection.scalar(earlier) or 0)


async def item_ids(connection: AsyncConnection, node: Node) -> list[str]:
    """Return the ids of a node's items in their order."""
    query = select(ITEMS.c.item).where(ITEMS.c.node_id == node.id).order_by(ITEMS.c.id)
    return list(await connection.scalars(query))


async def last_items(
    connection: AsyncConnection,
    usernames: Sequence[str],
    names: Iterable[str],
    jid: str,
) -> list[LastItem]:
    """Return the last items of all nodes of some names of some accounts.

    Of who has to do with a node, only ``jid`` is told.
    """
    found: list[LastItem] = []
    latest = (
        select(func.max(ITEMS.c.id))
        .where(ITEMS.c.node_id == NODES.c.id)
        .correlate(NODES)
        .scalar_subquery()
    )
    wanted = list(names)
    for first in range(0, len(usernames), _CHUNK):
        query = (
            select(NODES, ITEMS, ENTITIES.c.affiliation)
            .select_from(NODES)
            .join(ITEMS, ITEMS.c.id == latest)
            .outerjoin(ENTITIES, and_(ENTITIES.c.node_id == NODES.c.id, ENTITIES.c.jid == jid))
            .where(
                NODES.c.username.in_(usernames[first : first + _CHUNK]),
                NODES.c.node.in_(wanted),
            )
        )
        found += [_last_item(row._mapping, jid) for row in await connection.execute(query)]
    return [
        replace(last, node=await with_group(connection, last.node))
        if last.node.config.access_model is AccessModel.ROSTER
        else last
        for last in found
    ]


def _last_item(row: Any, jid: str) -> LastItem:
    affiliation = row[ENTITIES.c.affiliation] or Affiliation.NONE
    return LastItem(
        Node(
            row[NODES.c.id],
            row[NODES.c.username],
            row[NODES.c.node],
            NodeConfig.from_json(row[NODES.c.config]),
            row[NODES.c.item_count],
            row[NODES.c.byte_count],
            {} if affiliation == Affiliation.NONE else {jid: affiliation},
        ),
        Item(
            row[ITEMS.c.item],
            row[ITEMS.c.publisher],
            row[ITEMS.c.stamp],
            row[ITEMS.c.payload],
        ),
    )


def _items(node: Node) -> Any:
    columns = (ITEMS.c.id, ITEMS.c.item, ITEMS.c.publisher, ITEMS.c.stamp, ITEMS.c.payload)
    return select(*columns).where(ITEMS.c.node_id == node.id)


def _item(row: Any) -> Item:
    return Item(row.item, row.publisher, row.stamp, row.payload)
