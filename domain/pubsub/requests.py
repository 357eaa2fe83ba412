"""Requests in the namespace of XEP-0060: publish, retrieve, retract, create, subscribe."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.contacts.roster import sees
from andiron.domain.database.key_sizes import MAX_NAME, fits
from andiron.domain.pubsub import event
from andiron.domain.pubsub.access import may_see
from andiron.domain.pubsub.config import NODE_CONFIG, PUBLISH_OPTIONS
from andiron.domain.pubsub.errors import (
    bad_request,
    hidden,
    not_acceptable,
    pubsub_error,
    unsupported,
)
from andiron.domain.pubsub.items import Item
from andiron.domain.pubsub.nodes import Affiliation, Node, find_node
from andiron.domain.pubsub.pages import read_items
from andiron.domain.pubsub.service import PubSub
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import Form, find_form
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree, serialise

__all__ = ["Requests", "node_name"]

_NS: Final = f"{{{ns.PUBSUB}}}"
_ITEM: Final = f"{_NS}item"
_CONFIGURE: Final = f"{_NS}configure"
_OPTIONS: Final = f"{_NS}publish-options"

Handler = Callable[[IqRequest, Tree], Awaitable[str]]


class Requests:
    """Answers what is asked of one's own account and of those of others."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub
        own: Mapping[tuple[str, str], Handler] = {
            ("set", "publish"): self._publish,
            ("set", "retract"): self._retract,
            ("set", "create"): self._create,
        }
        shared: Mapping[tuple[str, str], Handler] = {
            ("get", "items"): self._items,
            ("get", "subscriptions"): self._subscriptions,
            ("get", "affiliations"): self._affiliations,
            ("set", "subscribe"): self._subscribe,
            ("set", "unsubscribe"): self._unsubscribe,
        }
        self._handlers: Mapping[Target, Mapping[tuple[str, str], Handler]] = {
            Target.ACCOUNT: {**own, **shared},
            Target.CONTACT: {**dict.fromkeys(own, self._forbidden), **shared},
        }

    def register(self, registry: Registry) -> None:
        """Answer ``<pubsub/>`` at bare addresses."""
        for kind in ("get", "set"):
            registry.add(Target.ACCOUNT, kind, ns.PUBSUB, "pubsub", self._answer)
            registry.add(Target.CONTACT, kind, ns.PUBSUB, "pubsub", self._answer_other)
        registry.refusals[f"{_NS}pubsub"] = StanzaCondition.ITEM_NOT_FOUND

    async def _answer_other(self, request: IqRequest) -> str:
        """Answer about somebody else's; a stranger's requests all fail alike.

        Else their errors would tell which accounts exist.
        """
        try:
            return await self._answer(request)
        except StanzaError:
            if sees(await self._pubsub.owner(request.to), request.account):
                raise
            raise hidden() from None

    def _answer(self, request: IqRequest) -> Awaitable[str]:
        """Find what is asked by the first child; another may belong to it (section 8.1.3)."""
        child = next(iter(request.payload), None)
        name = child.tag.removeprefix(_NS) if child is not None else ""
        handler = self._handlers[request.target].get((request.type, name))
        if child is None:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "what?")
        if handler is None:
            raise (
                unsupported(_FEATURES.get(name, name))
                if name in _FEATURES
                else StanzaError(StanzaCondition.FEATURE_NOT_IMPLEMENTED)
            )
        return handler(request, child)

    async def _forbidden(self, _request: IqRequest, _child: Tree) -> str:
        raise StanzaError(StanzaCondition.FORBIDDEN, "the account's own clients may")

    # The owner's (sections 7 and 8.1)

    async def _publish(self, request: IqRequest, child: Tree) -> str:
        request.username()
        name, items = node_name(child), child.findall(_ITEM)
        if not items:
            raise bad_request("item-required")
        if len(items) > 1:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "one item at a time")
        payloads = list(items[0])
        if len(payloads) > 1:
            raise bad_request("invalid-payload")
        item = Item(
            _bounded(items[0].get("id", "")),
            request.sender,
            request.wall,
            serialise(payloads[0]) if payloads else "",
        )
        identity = await self._pubsub.publish(
            request.client.owner, name, item, _form(request.payload, _OPTIONS, PUBLISH_OPTIONS)
        )
        return _pubsub(f"<publish node='{escape(name)}'><item id='{escape(identity)}'/></publish>")

    async def _retract(self, request: IqRequest, child: Tree) -> str:
        request.username()
        name, items = node_name(child), child.findall(_ITEM)
        if len(items) != 1 or not items[0].get("id"):
            raise bad_request("item-required")
        notify = child.get("notify", "") in {"1", "true"}
        await self._pubsub.retract(
            request.client.owner, name, items[0].get("id", ""), notify=notify
        )
        return ""

    async def _create(self, request: IqRequest, child: Tree) -> str:
        request.username()
        wanted = _bounded(child.get("node", ""))
        form = _form(request.payload, _CONFIGURE, NODE_CONFIG)
        name = await self._pubsub.create(request.client.owner, wanted, form)
        return _pubsub(f"<create node='{escape(name)}'/>") if name != wanted else ""

    # Everybody's who may see the node (sections 6, 5.6 and 5.7)

    async def _items(self, request: IqRequest, child: Tree) -> str:
        owner, name = await self._owner(request), node_name(child)

        async def operation(connection: AsyncConnection) -> tuple[list[Item], str] | None:
            node = await find_node(connection, owner.username, name)
            if node is None or not may_see(node, owner, request.account):
                return None
            return await read_items(connection, node, request.payload, child)

        # One reading, so that it has its place among what the client writes.
        read = await self._pubsub.read(owner, operation, request.payer)
        if read is None:
            raise hidden()
        items = "".join(map(event.write_item, read[0]))
        head = f"<items node='{escape(name)}'"
        return _pubsub((f"{head}>{items}</items>" if items else f"{head}/>") + read[1])

    async def _subscribe(self, request: IqRequest, child: Tree) -> str:
        request.username()
        jid, name = _own_jid(request, child), node_name(child)
        owner = await self._owner(request)
        node = await self._pubsub.change_entities(
            owner,
            name,
            subscriptions=[(jid, True)],
            admit=lambda node: None if may_see(node, owner, request.account) else hidden(),
            asker=request.payer,
        )
        notifier = self._pubsub.notifier
        if jid not in node.subscribers:
            await notifier.send_last_to_subscriber(notifier.links_of(jid), owner, node)
        return _pubsub(_subscription(name, jid))

    async def _unsubscribe(self, request: IqRequest, child: Tree) -> str:
        request.username()
        jid, name = _own_jid(request, child), node_name(child)
        owner = await self._owner(request)

        def admit(node: Node) -> StanzaError | None:
            if jid in node.subscribers:
                return None
            if not may_see(node, owner, request.account):
                return hidden()
            return pubsub_error(StanzaCondition.UNEXPECTED_REQUEST, "not-subscribed")

        await self._pubsub.change_entities(
            owner,
            name,
            subscriptions=[(jid, False)],
            admit=admit,
            asker=request.payer,
        )
        return ""

    async def _subscriptions(self, request: IqRequest, child: Tree) -> str:
        inner = "".join(
            _subscription(node.name, jid)
            for node in await self._seen(request, child)
            for jid in node.subscribers
            if jid.partition("/")[0] == request.account
        )
        return _pubsub(f"<subscriptions>{inner}</subscriptions>")

    async def _affiliations(self, request: IqRequest, child: Tree) -> str:
        own = request.target is Target.ACCOUNT
        inner = "".join(
            f"<affiliation node='{escape(node.name)}'"
            f" affiliation='{'owner' if own else node.affiliations[request.account]}'/>"
            for node in await self._seen(request, child)
            if own or node.affiliations.get(request.account) == Affiliation.MEMBER
        )
        return _pubsub(f"<affiliations>{inner}</affiliations>")

    async def _seen(self, request: IqRequest, child: Tree) -> list[Node]:
        """Return the nodes that the asker may see, or the one that is named."""
        if child.get("node"):
            return [(await self._visible(request, node_name(child)))[1]]
        owner = await self._owner(request)
        nodes = await self._pubsub.nodes(owner, request.payer)
        return [node for node in nodes if may_see(node, owner, request.account)]

    async def _visible(self, request: IqRequest, name: str) -> tuple[Owner, Node]:
        owner = await self._owner(request)
        node = await self._pubsub.node(owner, name, request.payer)
        if not may_see(node, owner, request.account):
            raise hidden()
        return owner, node

    async def _owner(self, request: IqRequest) -> Owner:
        """Return whose nodes are asked for; a user without an account has none."""
        if request.target is Target.ACCOUNT:
            return request.client.owner
        return await self._pubsub.owner(request.to)


_FEATURES: Final = {
    "options": "subscription-options",
    "default": "retrieve-default-sub",
}


def node_name(child: Tree) -> str:
    """Return the node that a request is about; raises :class:`StanzaError` where it must say."""
    name = child.get("node")
    if not name:
        raise bad_request("nodeid-required")
    return _bounded(name)


def _bounded(name: str) -> str:
    if not fits(name, MAX_NAME):
        raise not_acceptable(f"a name has at most {MAX_NAME} bytes")
    return name


def _form(payload: Tree, tag: str, form_type: str) -> Form | None:
    """Return the form that comes with a request, None when there is none or an empty one."""
    holder = payload.find(tag)
    form = find_form(holder) if holder is not None else None
    if form is not None and form.form_type not in {form_type, ""}:
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"the form's type is {form_type}")
    return form


def _own_jid(request: IqRequest, child: Tree) -> str:
    """Return the address to subscribe, which must be the asker's (section 6.1.3.1)."""
    jid = parse_jid(child.get("jid", "") or request.account)
    if jid.bare != request.account:
        raise bad_request("invalid-jid")
    full: str = jid.full
    return full


def _subscription(node: str, jid: str) -> str:
    return f"<subscription node='{escape(node)}' jid='{escape(jid)}' subscription='subscribed'/>"


def _pubsub(inner: str) -> str:
    return f"<pubsub xmlns='{ns.PUBSUB}'>{inner}</pubsub>"
