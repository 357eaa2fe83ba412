"""Who is told of what happens at a node, and of its last item unasked (XEP-0163 section 4.3)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Client, Owner
from andiron.domain.contacts.blocking import blocks
from andiron.domain.contacts.roster import roster_of
from andiron.domain.database.database import Database
from andiron.domain.pubsub import event
from andiron.domain.pubsub.access import may_see, may_see_by
from andiron.domain.pubsub.config import SendLast
from andiron.domain.pubsub.interest import Interests
from andiron.domain.pubsub.items import LastItem, last_items
from andiron.domain.pubsub.nodes import Node
from andiron.domain.pubsub.relations import blocked_by
from andiron.domain.router import Router
from andiron.xmpp.errors import StanzaError

__all__ = ["Notifier"]

_CHUNK: Final = 200
"""Accounts whose last items are read at a time, so that a large roster is no large answer."""


class Notifier:
    """Sends notifications to resources that want them and may have them."""

    def __init__(self, database: Database, router: Router, interests: Interests) -> None:
        self._database = database
        self._router = router
        self._interests = interests
        self._reads = 0
        self._told: set[tuple[str, str]] = set()
        """Nodes, by account and name, of which news was sent while last items were read."""

    def tell(self, owner: Owner, node: Node, inner: str) -> None:
        """Send news of a node, which the database has committed, to all whom they concern."""
        if self._reads:
            self._told.add((owner.username, node.name))
        message = event.Event(owner.jid, inner)
        for client in self._recipients(owner, node):
            _send(client, message)

    async def send_last(
        self, client: Client, accounts: Sequence[str], nodes: Collection[str]
    ) -> None:
        """Send a resource the last items of nodes that it newly wants, or newly may see.

        ``accounts`` are bare JIDs: its own, and those whose presence it sees.
        """
        for first in range(0, len(accounts), _CHUNK):
            found = await self._read_last(client, accounts[first : first + _CHUNK], nodes)
            wanted = self._interests.of(client)
            for owner, last in found:
                if last.node.name in wanted:
                    _send(client, _last_event(owner, last))

    async def send_last_to_subscriber(
        self, clients: Sequence[Client], owner: Owner, node: Node
    ) -> None:
        """Send the last item to a new explicit subscriber (XEP-0060 section 6.1.7)."""
        config = node.config
        if config.send_last_published_item is SendLast.NEVER or not config.deliver_notifications:
            return  # The owner wants nobody told.
        if not clients:
            return

        async def operation(connection: AsyncConnection) -> list[LastItem]:
            return await last_items(connection, [owner.username], [node.name], clients[0].account)

        for last in await self._database.read(operation):
            message = _last_event(owner.jid, last)
            for client in clients:
                _send(client, message)

    def links_of(self, jid: str) -> list[Client]:
        """Return the available resources that a subscription by a bare or full JID means."""
        if "/" not in jid:
            return self._router.available(jid)
        client = self._router.full.get(jid)
        return [client] if client is not None and client.priority is not None else []

    def _recipients(self, owner: Owner, node: Node) -> Iterator[Client]:
        """Yield each resource once that is to hear of a node (XEP-0163 section 4.3.2)."""
        name, available, wanted = node.name, self._router.available, self._interests.of
        for client in available(owner.jid):
            if name in wanted(client):
                yield client
        accounts = self._router.accounts
        for jid in roster_of(owner).among(accounts):
            if jid != owner.jid and self._may_hear(node, owner, jid):
                for client in available(jid):
                    if name in wanted(client) and not _blocked(owner, client):
                        yield client
        for jid in node.subscribers:
            yield from self._subscribed(owner, node, jid)

    def _subscribed(self, owner: Owner, node: Node, jid: str) -> Iterator[Client]:
        bare = jid.partition("/")[0]
        if not may_see(node, owner, bare):
            return
        contact = roster_of(owner).contact(bare)
        shared = bare == owner.jid or (contact is not None and contact.state.is_seen)
        for client in self.links_of(jid):
            told = shared and node.name in self._interests.of(client)
            twice = "/" in jid and bare in node.subscribers
            if not told and not twice and not _blocked(owner, client):
                yield client

    @staticmethod
    def _may_hear(node: Node, owner: Owner, jid: str) -> bool:
        contact = roster_of(owner).contact(jid)
        return contact is not None and contact.state.is_seen and may_see(node, owner, jid)

    async def _read_last(
        self, client: Client, accounts: Sequence[str], nodes: Collection[str]
    ) -> list[tuple[str, LastItem]]:
        """Return the last items that the resource may see, with the bare JIDs of their owners."""
        jids = {jid.partition("@")[0]: jid for jid in accounts}
        own = client.owner

        async def operation(connection: AsyncConnection) -> tuple[list[LastItem], frozenset[str]]:
            found = await last_items(connection, list(jids), nodes, own.jid)
            others = {last.node.username for last in found} - {own.username}
            return found, await blocked_by(connection, others, client.jid)

        self._reads += 1
        try:
            found, blocked = await self._database.read(operation)
            # What was read may be older than news that were sent meanwhile: they count.
            return [
                (jid, last)
                for last in found
                if (jid := jids[last.node.username])
                and last.node.config.send_last_published_item is SendLast.ON_SUB_AND_PRESENCE
                and last.node.config.deliver_notifications
                and (last.node.username, last.node.name) not in self._told
                and (jid == own.jid or _may_get(last.node, own, jid, blocked))
            ]
        finally:
            self._reads -= 1
            if not self._reads:
                self._told.clear()


def _may_get(node: Node, own: Owner, owner: str, blocked: Collection[str]) -> bool:
    # Both rosters say the same; the one in memory is asked.
    contact = roster_of(own).contact(owner)
    shared = contact is not None and contact.state.sees
    return (
        shared
        and node.username not in blocked
        and not blocks(own, owner)
        and may_see_by(node, own.jid, shares_presence=True)
    )


def _blocked(owner: Owner, client: Client) -> bool:
    return blocks(owner, client.jid) or blocks(client.owner, owner.jid)


def _last_event(owner: str, last: LastItem) -> event.Event:
    return event.Event(owner, event.last_published(last.node, last.item, owner))


def _send(client: Client, message: event.Event) -> None:
    try:
        client.deliver(message.to(client.jid), client.session.clock())
    except StanzaError:
        return  # One whose client has no room hears of it when it comes again.
