"""What happens at the nodes of accounts: written to the database, then told to whom it concerns."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.config import PubSubConfig
from andiron.domain.database.database import Database
from andiron.domain.database.underway import UnderWay
from andiron.domain.owners import NoSuchAccount, Owners
from andiron.domain.pubsub import event
from andiron.domain.pubsub.config import InvalidOptionError, NodeConfig
from andiron.domain.pubsub.errors import (
    hidden,
    not_acceptable,
    precondition_not_met,
    pubsub_error,
)
from andiron.domain.pubsub.items import Item, add_item, newest_items, remove_items, trim
from andiron.domain.pubsub.nodes import (
    Node,
    count_nodes,
    delete_node,
    find_node,
    find_nodes,
    insert_node,
    set_entity,
    update_node,
    used_bytes,
)
from andiron.domain.pubsub.notifier import Notifier
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.forms import Form

__all__ = ["PubSub"]

T = TypeVar("T")
Published = Callable[[Owner, Node, Item], Awaitable[None]]
"""Takes an item of an account's node; it raises nothing."""


class PubSub:
    """The nodes of all accounts. Methods that ask for an account take its owner.

    They do not ask who wants something: see :mod:`andiron.domain.pubsub.requests`. An ``asker``
    is somebody else's username in whose place it is done: what one asks, with or without it,
    is done in the order of the calls.
    Every one raises :class:`StanzaError` for whoever asked, ``item-not-found``
    where there is no such node, and :class:`DatabaseError` when the database fails.
    """

    def __init__(
        self, database: Database, owners: Owners, notifier: Notifier, limits: PubSubConfig
    ) -> None:
        self._database = database
        self._owners = owners
        self.notifier = notifier
        self.limits = limits
        self.published: list[Published] = []
        """Told of every item that was published."""
        self._writing = UnderWay()
        """How many writes of each asker are under way, by username."""

    async def owner(self, bare: str) -> Owner:
        """Return the account of a bare JID, which must have one in the database."""
        try:
            owner = await self._owners.load(bare)
        except NoSuchAccount:
            raise hidden() from None
        if not owner.registered:
            raise hidden()
        return owner

    async def publish(
        self,
        owner: Owner,
        name: str,
        item: Item,
        options: Form | None = None,
    ) -> str:
        """Put an item into a node, which is made if there is none; return the item's id.

        ``options`` are what the node must be configured like, or is when it is
        made (XEP-0060 section 7.1.5). An item without an id gets one. When this
        returns, the item survives a crash and whoever is there has been told.
        """
        limits, size = self.limits, len(item.payload.encode())
        if size > limits.max_item_size:
            raise _too_big()
        item = replace(item, id=item.id or secrets.token_urlsafe(12))

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            config = _wanted(node, options, limits.max_items)
            if isinstance(config, StanzaError):
                return config
            if config.max_payload_size and size > config.max_payload_size:
                return _too_big()
            if node is None:
                if await count_nodes(connection, owner.username) >= limits.max_nodes:
                    return _full(f"an account has at most {limits.max_nodes} nodes")
                node = Node(0, owner.username, name, config, 0, 0)
            return await self._store(connection, node, item)

        node = await self._write(owner, operation)
        if node.config.deliver_notifications:
            self.notifier.tell(owner, node, event.published(node, item))
        for tell in self.published:
            await tell(owner, node, item)
        return item.id

    async def retract(
        self, owner: Owner, name: str, identity: str, *, notify: bool = False
    ) -> None:
        """Remove an item; ``notify`` tells of it even where the node does not (section 7.2)."""

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            if node is None or not await remove_items(connection, node, [identity]):
                return hidden()
            return node

        node = await self._write(owner, operation)
        if notify or node.config.notify_retract:
            self.notifier.tell(owner, node, event.retracted(name, identity))

    async def purge(self, owner: Owner, name: str) -> None:
        """Remove all items of a node (section 8.5)."""

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            if node is None:
                return hidden()
            await trim(connection, node, 0)
            return node

        node = await self._write(owner, operation)
        if node.config.notify_retract:
            self.notifier.tell(owner, node, event.purged(name))

    async def create(self, owner: Owner, name: str, form: Form | None) -> str:
        """Make a node, under a name of its own if it has none; return the name (section 8.1)."""
        name = name or secrets.token_urlsafe(12)
        config = self._configured(NodeConfig(), form)

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            if await find_node(connection, owner.username, name) is not None:
                return StanzaError(StanzaCondition.CONFLICT, "there is a node of that name")
            if await count_nodes(connection, owner.username) >= self.limits.max_nodes:
                return _full(f"an account has at most {self.limits.max_nodes} nodes")
            return await insert_node(connection, owner.username, name, config)

        await self._write(owner, operation)
        return name

    async def configure(self, owner: Owner, name: str, form: Form) -> None:
        """Change a node's configuration (section 8.2)."""

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            if node is None:
                return hidden()
            try:
                config = self._configured(node.config, form)
            except StanzaError as error:
                return error
            await update_node(connection, node, config=config.to_json())
            if config.max_items:
                await trim(connection, node, config.max_items)
            changed = await find_node(connection, owner.username, name)
            assert changed is not None
            return changed

        node = await self._write(owner, operation)
        if node.config.notify_config:
            self.notifier.tell(owner, node, event.configured(name))

    async def delete(self, owner: Owner, name: str) -> None:
        """Remove a node (section 8.4)."""

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            if node is None:
                return hidden()
            await delete_node(connection, node)
            return node

        node = await self._write(owner, operation)
        if node.config.notify_delete:
            self.notifier.tell(owner, node, event.deleted(name))

    async def change_entities(
        self,
        owner: Owner,
        name: str,
        affiliations: Sequence[tuple[str, str]] = (),
        subscriptions: Sequence[tuple[str, bool]] = (),
        admit: Callable[[Node], StanzaError | None] | None = None,
        asker: str = "",
    ) -> Node:
        """Set affiliations and subscriptions of addresses; return the node as it was before.

        ``admit`` looks at the node first, and may refuse.
        """

        async def operation(connection: AsyncConnection) -> Node | StanzaError:
            node = await find_node(connection, owner.username, name)
            if node is None:
                return hidden()
            refused = admit(node) if admit is not None else None
            if refused is not None:
                return refused
            known = {*node.affiliations, *node.subscribers}
            known.update(jid for jid, _ in affiliations)
            known.update(jid for jid, subscribed in subscriptions if subscribed)
            if len(known) > self.limits.max_entities:
                return _full(f"at most {self.limits.max_entities} addresses at one node")
            for jid, affiliation in affiliations:
                await set_entity(connection, node, jid, affiliation=affiliation)
            for jid, subscribed in subscriptions:
                await set_entity(connection, node, jid, subscribed=subscribed)
            return node

        return await self._write(owner, operation, asker)

    async def node(self, owner: Owner, name: str, asker: str = "") -> Node:
        """Return a node."""

        async def operation(connection: AsyncConnection) -> Node | None:
            return await find_node(connection, owner.username, name)

        node = await self.read(owner, operation, asker)
        if node is None:
            raise hidden()
        return node

    async def nodes(self, owner: Owner, asker: str = "") -> list[Node]:
        """Return all nodes of an account."""

        async def operation(connection: AsyncConnection) -> list[Node]:
            return await find_nodes(connection, owner.username)

        return await self.read(owner, operation, asker)

    async def last_item(self, owner: Owner, name: str) -> Item | None:
        """Return the item that was published last; None when there is none, or no node."""

        async def operation(connection: AsyncConnection) -> list[Item]:
            node = await find_node(connection, owner.username, name)
            return [] if node is None else await newest_items(connection, node, 1)

        found = await self.read(owner, operation)
        return found[0] if found else None

    async def read(
        self,
        owner: Owner,
        operation: Callable[[AsyncConnection], Awaitable[T]],
        asker: str = "",
    ) -> T:
        """Read from the database what an account has.

        What the same asker had written before is read, too: a client may
        publish and retrieve without waiting (RFC 6120 section 10.1).
        """
        payer = asker or owner.username
        if payer in self._writing:
            return await self._database.write(operation, payer)
        return await self._database.read(operation)

    async def _store(
        self, connection: AsyncConnection, node: Node, item: Item
    ) -> Node | StanzaError:
        """Put an item into a node, and make the node first where its id is 0."""
        limits, config = self.limits, node.config
        room = limits.quota
        if config.persist_items:
            room += node.bytes - await used_bytes(connection, node.username)
        if not node.id:
            if len(item.payload.encode()) > room:
                return _full("the account has no room for more")
            node = await insert_node(connection, node.username, node.name, config)
        if config.persist_items:
            limit = min(config.max_items or limits.max_items, limits.max_items)
            if not await add_item(connection, node, item, limit, room):
                return _full("the account has no room for more")
        return node

    async def _write(
        self,
        owner: Owner,
        operation: Callable[[AsyncConnection], Awaitable[T | StanzaError]],
        asker: str = "",
    ) -> T:
        """Run a write that returns its refusal, since one that raises is undone at some cost."""
        payer = asker or owner.username
        try:
            with self._writing.one(payer):
                outcome = await self._database.write(operation, payer)
        except IntegrityError:
            raise hidden() from None  # The account was removed meanwhile.
        if isinstance(outcome, StanzaError):
            raise outcome
        return outcome

    def _configured(self, config: NodeConfig, form: Form | None) -> NodeConfig:
        if form is None:
            return config
        try:
            return config.with_options(form, self.limits.max_items, strict=False)
        except InvalidOptionError as error:
            raise not_acceptable(f"{error} cannot be that") from None


def _wanted(node: Node | None, options: Form | None, bound: int) -> NodeConfig | StanzaError:
    """Return the configuration that a node has, or gets, for what is published with options."""
    config = NodeConfig() if node is None else node.config
    if options is None:
        return config
    try:
        wanted = config.with_options(options, bound, strict=True)
    except InvalidOptionError as error:
        return precondition_not_met(f"{error} cannot be that")
    if node is not None and wanted != config:
        return precondition_not_met("the node is configured otherwise")
    return wanted


def _too_big() -> StanzaError:
    return pubsub_error(StanzaCondition.NOT_ACCEPTABLE, "payload-too-big")


def _full(text: str) -> StanzaError:
    return StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text)
