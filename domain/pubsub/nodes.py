"""The nodes of all accounts in the database, and who has to do with each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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

from andiron.domain.pubsub.config import AccessModel, NodeConfig
from andiron.domain.pubsub.relations import group_members

__all__ = ["ENTITIES", "NODES", "Affiliation", "Node"]

NODES: Final = table(
    "pubsub_nodes",
    column("id", BigInteger),
    column("username", Text),
    column("node", Text),
    column("config", Text),
    column("item_count", BigInteger),
    column("byte_count", BigInteger),
)
ENTITIES: Final = table(
    "pubsub_entities",
    column("node_id", BigInteger),
    column("jid", Text),
    column("affiliation", Text),
    column("subscribed", Boolean),
)


class Affiliation:
    """The affiliations besides the owner's, which is the account itself (section 4.1)."""

    MEMBER: Final = "member"
    OUTCAST: Final = "outcast"
    NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it stands in the database."""

    id: int
    username: str
    name: str
    config: NodeConfig
    items: int
    """How many items it has."""
    bytes: int
    """What their payloads take."""
    affiliations: Mapping[str, str] = field(default_factory=dict)
    """Of bare JIDs."""
    subscribers: Sequence[str] = ()
    """Bare or full JIDs that subscribed explicitly."""
    group: frozenset[str] = frozenset()
    """Who is in the roster groups that may see the node, if that is its access model."""


async def find_node(connection: AsyncConnection, username: str, name: str) -> Node | None:
    """Return a node with all who have to do with it."""
    query = select(NODES).where(NODES.c.username == username, NODES.c.node == name)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    (node,) = await _with_entities(connection, [row])
    return node


async def find_nodes(connection: AsyncConnection, username: str) -> list[Node]:
    """Return all nodes of an account by their names."""
    query = select(NODES).where(NODES.c.username == username).order_by(NODES.c.node)
    return await _with_entities(connection, list(await connection.execute(query)))


async def count_nodes(connection: AsyncConnection, username: str) -> int:
    """Return how many nodes an account has."""
    query = select(func.count()).select_from(NODES).where(NODES.c.username == username)
    return int(await connection.scalar(query) or 0)


async def used_bytes(connection: AsyncConnection, username: str) -> int:
    """Return what the payloads of an account take."""
    query = select(func.sum(NODES.c.byte_count)).where(NODES.c.username == username)
    return int(await connection.scalar(query) or 0)


async def insert_node(
    connection: AsyncConnection, username: str, name: str, config: NodeConfig
) -> Node:
    """Make a node; the caller has made sure that there is none of the name."""
    values = {"username": username, "node": name, "config": config.to_json()}
    await connection.execute(insert(NODES).values(**values, item_count=0, byte_count=0))
    query = select(NODES.c.id).where(NODES.c.username == username, NODES.c.node == name)
    identity = await connection.scalar(query)
    assert identity is not None
    return Node(int(identity), username, name, config, 0, 0)


async def update_node(connection: AsyncConnection, node: Node, **values: Any) -> None:
    """Change columns of a node."""
    await connection.execute(update(NODES).where(NODES.c.id == node.id).values(**values))


async def delete_node(connection: AsyncConnection, node: Node) -> None:
    """Remove a node and all that belongs to it."""
    await connection.execute(delete(NODES).where(NODES.c.id == node.id))


async def set_entity(
    connection: AsyncConnection,
    node: Node,
    jid: str,
    *,
    affiliation: str | None = None,
    subscribed: bool | None = None,
) -> None:
    """Change what an address has to do with a node; None leaves that as it is."""
    if affiliation is None:
        affiliation = node.affiliations.get(jid, Affiliation.NONE)
    if subscribed is None:
        subscribed = jid in node.subscribers
    await connection.execute(
        delete(ENTITIES).where(ENTITIES.c.node_id == node.id, ENTITIES.c.jid == jid)
    )
    if subscribed or affiliation != Affiliation.NONE:
        values = {"affiliation": affiliation, "subscribed": subscribed}
        await connection.execute(insert(ENTITIES).values(node_id=node.id, jid=jid, **values))


async def _with_entities(connection: AsyncConnection, rows: Sequence[Any]) -> list[Node]:
    affiliations: dict[int, dict[str, str]] = {row.id: {} for row in rows}
    subscribers: dict[int, list[str]] = {row.id: [] for row in rows}
    if rows:
        query = (
            select(ENTITIES)
            .where(ENTITIES.c.node_id.in_([row.id for row in rows]))
            .order_by(ENTITIES.c.jid)
        )
        for entity in await connection.execute(query):
            if entity.affiliation != Affiliation.NONE:
                affiliations[entity.node_id][entity.jid] = entity.affiliation
            if entity.subscribed:
                subscribers[entity.node_id].append(entity.jid)
    nodes = [
        Node(
            row.id,
            row.username,
            row.node,
            NodeConfig.from_json(row.config),
            row.item_count,
            row.byte_count,
            affiliations[row.id],
            subscribers[row.id],
        )
        for row in rows
    ]
    return [await with_group(connection, node) for node in nodes]


async def with_group(connection: AsyncConnection, node: Node) -> Node:
    """Return a node with the members of the roster groups that may see it."""
    config = node.config
    if config.access_model is not AccessModel.ROSTER or not config.roster_groups_allowed:
        return node
    members = await group_members(connection, node.username, config.roster_groups_allowed)
    return replace(node, group=members)
