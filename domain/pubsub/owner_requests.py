"""Requests in the owner's namespace of XEP-0060: configure, purge, delete, affiliations."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from andiron.domain.pubsub.config import NODE_CONFIG, NodeConfig
from andiron.domain.pubsub.errors import bad_request, hidden, not_acceptable
from andiron.domain.pubsub.nodes import Affiliation
from andiron.domain.pubsub.requests import node_name
from andiron.domain.pubsub.service import PubSub
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import find_form, write_form
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = ["OwnerRequests"]

_NS: Final = f"{{{ns.PUBSUB_OWNER}}}"
_AFFILIATION: Final = f"{_NS}affiliation"
_SUBSCRIPTION: Final = f"{_NS}subscription"
_SETTABLE: Final = frozenset({Affiliation.MEMBER, Affiliation.OUTCAST, Affiliation.NONE})
_OWNER: Final = "owner"

Handler = Callable[[IqRequest, Tree], Awaitable[str]]


class OwnerRequests:
    """Answers an account about its own nodes, and nobody else (section 8)."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub
        self._handlers: Mapping[tuple[str, str], Handler] = {
            ("get", "configure"): self._configuration,
            ("set", "configure"): self._configure,
            ("get", "default"): self._default,
            ("set", "delete"): self._delete,
            ("set", "purge"): self._purge,
            ("get", "affiliations"): self._affiliations,
            ("set", "affiliations"): self._affiliate,
            ("get", "subscriptions"): self._subscriptions,
            ("set", "subscriptions"): self._unsubscribe,
        }

    def register(self, registry: Registry) -> None:
        """Answer ``<pubsub/>`` of the owner at bare addresses."""
        for kind in ("get", "set"):
            registry.add(Target.ACCOUNT, kind, ns.PUBSUB_OWNER, "pubsub", self._answer)
            registry.add(Target.CONTACT, kind, ns.PUBSUB_OWNER, "pubsub", self._refuse)
        registry.refusals[f"{_NS}pubsub"] = StanzaCondition.FORBIDDEN

    def _refuse(self, _request: IqRequest) -> str:
        raise StanzaError(StanzaCondition.FORBIDDEN)

    def _answer(self, request: IqRequest) -> Awaitable[str]:
        request.username()
        child = next(iter(request.payload), None)
        if child is None:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "what?")
        handler = self._handlers.get((request.type, child.tag.removeprefix(_NS)))
        if handler is None:
            raise StanzaError(StanzaCondition.FEATURE_NOT_IMPLEMENTED)
        return handler(request, child)

    async def _configuration(self, request: IqRequest, child: Tree) -> str:
        node = await self._pubsub.node(request.client.owner, node_name(child))
        form = write_form("form", NODE_CONFIG, node.config.fields())
        return _owner(f"<configure node='{escape(node.name)}'>{form}</configure>")

    async def _configure(self, request: IqRequest, child: Tree) -> str:
        form = find_form(child)
        if form is None or form.type == "cancel":
            return ""
        if form.form_type not in {NODE_CONFIG, ""}:
            raise StanzaError(StanzaCondition.BAD_REQUEST, f"the form's type is {NODE_CONFIG}")
        await self._pubsub.configure(request.client.owner, node_name(child), form)
        return ""

    async def _default(self, _request: IqRequest, _child: Tree) -> str:
        form = write_form("form", NODE_CONFIG, NodeConfig().fields())
        return _owner(f"<default>{form}</default>")

    async def _delete(self, request: IqRequest, child: Tree) -> str:
        await self._pubsub.delete(request.client.owner, node_name(child))
        return ""

    async def _purge(self, request: IqRequest, child: Tree) -> str:
        await self._pubsub.purge(request.client.owner, node_name(child))
        return ""

    async def _affiliations(self, request: IqRequest, child: Tree) -> str:
        node = await self._pubsub.node(request.client.owner, node_name(child))
        affiliations = {request.account: _OWNER, **node.affiliations}
        inner = "".join(
            f"<affiliation jid='{escape(jid)}' affiliation='{affiliation}'/>"
            for jid, affiliation in affiliations.items()
        )
        return _owner(f"<affiliations node='{escape(node.name)}'>{inner}</affiliations>")

    async def _affiliate(self, request: IqRequest, child: Tree) -> str:
        changes: list[tuple[str, str]] = []
        for each in child.iterfind(_AFFILIATION):
            jid, affiliation = parse_jid(each.get("jid", "")).bare, each.get("affiliation", "")
            if jid == request.account and affiliation == _OWNER:
                continue
            if jid == request.account or affiliation not in _SETTABLE:
                raise not_acceptable("others are member, outcast or none, and the owner stays")
            changes.append((jid, affiliation))
        if len(changes) > self._pubsub.limits.max_entities:
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many at once")
        await self._pubsub.change_entities(
            request.client.owner, node_name(child), affiliations=changes
        )
        return ""

    async def _subscriptions(self, request: IqRequest, child: Tree) -> str:
        node = await self._pubsub.node(request.client.owner, node_name(child))
        inner = "".join(
            f"<subscription jid='{escape(jid)}' subscription='subscribed'/>"
            for jid in node.subscribers
        )
        return _owner(f"<subscriptions node='{escape(node.name)}'>{inner}</subscriptions>")

    async def _unsubscribe(self, request: IqRequest, child: Tree) -> str:
        """End subscriptions; to subscribe others without asking them is not offered."""
        jids: list[str] = []
        for each in child.iterfind(_SUBSCRIPTION):
            if each.get("subscription") != "none":
                raise not_acceptable("subscriptions can be ended")
            jids.append(parse_jid(each.get("jid", "")).full)
        if not jids:
            raise bad_request("jid-required")
        node = await self._pubsub.node(request.client.owner, node_name(child))
        if not set(jids) <= set(node.subscribers):
            raise hidden()
        await self._pubsub.change_entities(
            request.client.owner, node.name, subscriptions=[(jid, False) for jid in jids]
        )
        return ""


def _owner(inner: str) -> str:
    return f"<pubsub xmlns='{ns.PUBSUB_OWNER}'>{inner}</pubsub>"
