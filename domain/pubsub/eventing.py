"""Personal eventing, put together: requests, notifications, and what brings them about."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.about.disco import Disco
from andiron.domain.account_rows import exists
from andiron.domain.by_name import forget_entity
from andiron.domain.client import Client
from andiron.domain.config import PubSubConfig
from andiron.domain.contacts.roster import roster_of, sees
from andiron.domain.database.database import Database
from andiron.domain.events import Events
from andiron.domain.owners import Owners
from andiron.domain.pubsub.access import may_see_by
from andiron.domain.pubsub.discovery import Discovery
from andiron.domain.pubsub.interest import Interests
from andiron.domain.pubsub.items import Item
from andiron.domain.pubsub.nodes import find_nodes, set_entity
from andiron.domain.pubsub.notifier import Notifier
from andiron.domain.pubsub.owner_requests import OwnerRequests
from andiron.domain.pubsub.requests import Requests
from andiron.domain.pubsub.service import PubSub
from andiron.domain.registry import Registry
from andiron.domain.router import Router
from andiron.xmpp.forms import Form

__all__ = ["PersonalEventing"]

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class PersonalEventing:
    """XEP-0163 for all accounts of a domain; :meth:`register` makes it answer."""

    def __init__(
        self,
        database: Database,
        owners: Owners,
        router: Router,
        interests: Interests,
        limits: PubSubConfig,
        spawn: Spawn,
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self._database = database
        self._owners = owners
        self._router = router
        self._interests = interests
        self._spawn = spawn
        self._waiting: dict[Client, set[str]] = {}
        """Resources for which last items are read, and the nodes that are to be read next."""
        self._notifier = Notifier(database, router, interests)
        self._pubsub = PubSub(database, owners, self._notifier, limits)
        self.published = self._pubsub.published
        """Called with each item that an account publishes, when it is stored."""
        self.read = self._pubsub.read
        """Reads what an account has from the database of nodes and items."""

    def register(self, registry: Registry, disco: Disco, events: Events) -> None:
        """Answer requests, and follow what happens."""
        Requests(self._pubsub).register(registry)
        OwnerRequests(self._pubsub).register(registry)
        Discovery(self._pubsub, registry).register(disco)
        self._interests.changed.append(self._wanted)
        events.subscribed.append(self._subscribed)
        events.unsubscribed.append(self._unsubscribed)
        events.removed.append(self._removed)

    async def publish(
        self,
        bare: str,
        node: str,
        item_id: str,
        payload: str,
        options: Mapping[str, str],
        stamp: float,
    ) -> str:
        """Publish for an account what no client of it sent; return the item's id.

        ``payload`` is the text of one element that declares its namespaces,
        ``options`` are publish-options (XEP-0060 section 7.1.5) such as
        ``pubsub#access_model``, ``stamp`` is Unix time. Raises
        :class:`StanzaError` and :class:`DatabaseError`.
        """
        owner = await self._pubsub.owner(bare)
        form = Form("submit", {var: (value,) for var, value in options.items()})
        return await self._pubsub.publish(owner, node, Item(item_id, "", stamp, payload), form)

    async def last_item(self, bare: str, node: str) -> Item | None:
        """Return the last item of an account's node, None when there is none.

        Raises :class:`StanzaError` where there is no account, and :class:`DatabaseError`.
        """
        return await self._pubsub.last_item(await self._pubsub.owner(bare), node)

    def _wanted(self, client: Client, nodes: frozenset[str], _now: float) -> None:
        """Send the last items of its own account and of its contacts to a resource.

        One reading at a time for each, however often it changes its mind.
        """
        waiting = self._waiting.get(client)
        if waiting is None:
            self._waiting[client] = set(nodes)
            self._spawn(client.session.errand(self._send_last(client)))
        else:
            waiting |= nodes

    async def _send_last(self, client: Client) -> None:
        try:
            while nodes := self._waiting[client]:
                self._waiting[client] = set()
                accounts = roster_of(client.owner).seen()
                if client.account not in accounts:
                    accounts.insert(0, client.account)
                await self._notifier.send_last(client, accounts, nodes)
        finally:
            del self._waiting[client]

    def _subscribed(self, account: str, contact: str, _now: float) -> None:
        """Send the last items of an account to a contact that newly sees it."""
        for client in self._router.available(contact):
            nodes = self._interests.of(client)
            if nodes:
                self._spawn(self._notifier.send_last(client, [account], nodes))

    def _unsubscribed(self, account: str, contact: str, _now: float) -> None:
        self._spawn(self._cancel(account, contact))

    async def _cancel(self, account: str, contact: str) -> None:
        """End the subscriptions of who has lost the right to them (XEP-0163 section 6.3)."""
        username = account.partition("@")[0]

        async def operation(connection: AsyncConnection) -> None:
            owner = self._owners.get(account)
            if owner is not None and sees(owner, contact):
                return  # It has the right again, and may have subscribed by that.
            for node in await find_nodes(connection, username):
                if may_see_by(node, contact, shares_presence=False):
                    continue
                for jid in node.subscribers:
                    if jid.partition("/")[0] == contact:
                        await set_entity(connection, node, jid, subscribed=False)

        await self._database.write(operation, username)

    async def _removed(self, username: str) -> None:
        async def operation(connection: AsyncConnection) -> None:
            # Who made another account of the name has done so then.
            if not await exists(connection, username):
                await forget_entity(connection, f"{username}@{self._router.domain}")

        await self._database.write(operation)
