"""What service discovery tells of accounts and their nodes: XEP-0060 sections 5.1 to 5.5.

Strangers are answered only where they may see a node; to others an account
that there is looks like one that there is not.
"""

from collections.abc import Awaitable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.about.disco import Disco, info, items
from andiron.domain.client import Owner
from andiron.domain.contacts.roster import sees
from andiron.domain.pubsub.access import may_see
from andiron.domain.pubsub.config import META_DATA
from andiron.domain.pubsub.errors import hidden
from andiron.domain.pubsub.items import item_ids
from andiron.domain.pubsub.nodes import Node
from andiron.domain.pubsub.service import PubSub
from andiron.domain.registry import DiscoForm, Identity, IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Field

__all__ = ["FEATURES", "Discovery"]

_PEP: Final = Identity("pubsub", "pep")
_LEAF: Final = Identity("pubsub", "leaf")
_TOLD: Final = frozenset(
    f"pubsub#{name}"
    for name in (
        "title",
        "description",
        "type",
        "language",
        "access_model",
        "persist_items",
        "max_items",
        "max_payload_size",
    )
)
"""What the owner configured that others may know (section 5.4)."""
FEATURES: Final = tuple(
    f"{ns.PUBSUB}#{feature}"
    for feature in (
        "access-open",
        "access-presence",
        "access-roster",
        "access-whitelist",
        "auto-create",
        "auto-subscribe",
        "config-node",
        "config-node-max",
        "create-and-configure",
        "create-nodes",
        "delete-items",
        "delete-nodes",
        "filtered-notifications",
        "instant-nodes",
        "item-ids",
        "last-published",
        "member-affiliation",
        "meta-data",
        "modify-affiliations",
        "multi-items",
        "outcast-affiliation",
        "persistent-items",
        "presence-notifications",
        "presence-subscribe",
        "publish",
        "publish-options",
        "purge-nodes",
        "retract-items",
        "retrieve-affiliations",
        "retrieve-default",
        "retrieve-items",
        "retrieve-subscriptions",
        "rsm",
        "subscribe",
    )
)


class Discovery:
    """Answers service discovery of accounts, as far as they publish something."""

    def __init__(self, pubsub: PubSub, registry: Registry) -> None:
        self._pubsub = pubsub
        self._registry = registry

    def register(self, disco: Disco) -> None:
        """Announce personal eventing and answer about nodes and other accounts."""
        registry = self._registry
        disco.account_info = self._node_info
        disco.account_items = self._items
        registry.add(Target.CONTACT, "get", ns.DISCO_INFO, "query", self._contact_info)
        registry.add(Target.CONTACT, "get", ns.DISCO_ITEMS, "query", self._items)
        registry.identities[Target.ACCOUNT].append(_PEP)
        registry.identities[Target.CONTACT] += [Identity("account", "registered"), _PEP]
        for target in (Target.ACCOUNT, Target.CONTACT):
            for feature in (ns.PUBSUB, ns.DISCO_INFO, ns.DISCO_ITEMS, *FEATURES):
                registry.add_feature(target, feature)

    def _contact_info(self, request: IqRequest) -> Awaitable[str]:
        if request.payload.get("node"):
            return self._node_info(request)
        return self._account_info(request)

    async def _account_info(self, request: IqRequest) -> str:
        await self._visible(request)
        registry, target = self._registry, request.target
        return info(registry.identities[target], registry.features(target), registry.forms[target])

    async def _node_info(self, request: IqRequest) -> str:
        node = await self._visible_node(request)
        fields = [field for field in node.config.fields() if field.var in _TOLD]
        form = DiscoForm(META_DATA, (*fields, Field("pubsub#owner", (request.to,), "jid-multi")))
        return info([_LEAF], [ns.PUBSUB, ns.DISCO_INFO], [form], node.name)

    async def _items(self, request: IqRequest) -> str:
        to = request.to
        if not request.payload.get("node"):
            inner = "".join(_item(to, node) for node in await self._visible(request))
            head = f"<query xmlns='{ns.DISCO_ITEMS}'"
            return f"{head}>{inner}</query>" if inner else f"{head}/>"
        node = await self._visible_node(request)

        async def operation(connection: AsyncConnection) -> list[str]:
            return await item_ids(connection, node)

        owner, asker = await self._owner(request), request.payer
        found = await self._pubsub.read(owner, operation, asker)
        return items([(to, item) for item in found], node.name)

    async def _visible(self, request: IqRequest) -> list[Node]:
        """Return the nodes that the asker may see; a stranger who may see none is refused."""
        owner, asker = await self._owner(request), request.payer
        found = [
            node
            for node in await self._pubsub.nodes(owner, asker)
            if may_see(node, owner, request.account)
        ]
        if not found and not sees(owner, request.account):
            raise _unavailable()
        return found

    async def _visible_node(self, request: IqRequest) -> Node:
        owner, asker = await self._owner(request), request.payer
        try:
            node = await self._pubsub.node(owner, request.payload.get("node", ""), asker)
            if may_see(node, owner, request.account):
                return node
        except StanzaError:
            pass
        raise hidden() if sees(owner, request.account) else _unavailable()

    async def _owner(self, request: IqRequest) -> Owner:
        if request.target is Target.ACCOUNT:
            return request.client.owner
        try:
            return await self._pubsub.owner(request.to)
        except StanzaError:
            raise _unavailable() from None


def _unavailable() -> StanzaError:
    return StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)


def _item(jid: str, node: Node) -> str:
    title = f" name='{escape(node.config.title)}'" if node.config.title else ""
    return f"<item jid='{escape(jid)}' node='{escape(node.name)}'{title}/>"
