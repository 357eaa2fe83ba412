"""Service Discovery, XEP-0030: who the domain and an account are and what they can."""

from collections.abc import Awaitable, Iterable
from typing import Protocol

from andiron.domain.registry import (
    DiscoForm,
    Identity,
    IqHandler,
    IqRequest,
    Registry,
    Target,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import write_form


class Hidden(Protocol):
    """What the domain tells some of those who ask, and others not."""

    def features(self, request: IqRequest) -> tuple[str, ...]:
        """Return what the domain has for who asks besides what it has for all."""

    def info(self, request: IqRequest, node: str) -> str | None:
        """Return what ``disco#info`` tells about a node; None for nothing."""

    def items(self, request: IqRequest, node: str) -> str | None:
        """Return what ``disco#items`` tells about a node; None for nothing."""


class Disco:
    """Answers service discovery from what is registered by the time it is asked.

    Somebody else's account tells only what its module lets it: see
    :attr:`Target.CONTACT`.
    """

    def __init__(self, registry: Registry, name: str) -> None:
        """Take the registry to tell about and the name of the domain's identity."""
        self._registry = registry
        self.nodes: dict[str, Target] = {}
        """Nodes under which the same information is found, as XEP-0115's."""
        self.account_info: IqHandler | None = None
        """Answers ``disco#info`` about an account's own nodes (XEP-0163)."""
        self.account_items: IqHandler | None = None
        """Answers ``disco#items`` about an account and its nodes."""
        self.hidden: Hidden | None = None
        """What the domain tells not to all."""
        registry.identities[Target.DOMAIN].append(Identity("server", "im", name))
        registry.identities[Target.ACCOUNT].append(Identity("account", "registered"))

    def register(self) -> None:
        """Answer ``disco#info`` and ``disco#items`` to the domain and to one's own account."""
        for target in (Target.DOMAIN, Target.ACCOUNT):
            self._registry.add(target, "get", ns.DISCO_INFO, "query", self._info)
            self._registry.add(target, "get", ns.DISCO_ITEMS, "query", self._items)
            self._registry.add_feature(target, ns.DISCO_INFO)
            self._registry.add_feature(target, ns.DISCO_ITEMS)

    def _info(self, request: IqRequest) -> str | Awaitable[str]:
        node = request.payload.get("node")
        registry, target = self._registry, request.target
        hidden = self.hidden if target is Target.DOMAIN else None
        if node is not None and self.nodes.get(node) is not target:
            if target is Target.ACCOUNT and self.account_info is not None:
                return self.account_info(request)
            told = hidden.info(request, node) if hidden is not None else None
            if told is None:
                raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
            return told
        features = registry.features(target)
        # The hash of XEP-0115 is the same for all, and so must be what stands behind it.
        if hidden is not None and node is None:
            features = sorted({*features, *hidden.features(request)}, key=str.encode)
        return info(registry.identities[target], features, registry.forms[target], node)

    def _items(self, request: IqRequest) -> str | Awaitable[str]:
        if request.target is Target.ACCOUNT and self.account_items is not None:
            return self.account_items(request)
        node = request.payload.get("node")
        if node:
            told = None
            if self.hidden is not None and request.target is Target.DOMAIN:
                told = self.hidden.items(request, node)
            if told is None:
                raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
            return told
        return items(self._registry.items if request.target is Target.DOMAIN else (), node)


def info(
    identities: Iterable[Identity],
    features: Iterable[str],
    forms: Iterable[DiscoForm] = (),
    node: str | None = None,
) -> str:
    """Return a ``disco#info`` result's payload (section 3.1, XEP-0128)."""
    inner = "".join(map(_identity, identities))
    inner += "".join(f"<feature var='{escape(feature)}'/>" for feature in features)
    inner += "".join(write_form("result", form.form_type, form.fields) for form in forms)
    return f"<query xmlns='{ns.DISCO_INFO}'{_node(node)}>{inner}</query>"


def items(found: Iterable[tuple[str, str]], node: str | None = None) -> str:
    """Return a ``disco#items`` result's payload for addresses and names (section 4.1)."""
    inner = "".join(
        f"<item jid='{escape(jid)}'" + (f" name='{escape(name)}'/>" if name else "/>")
        for jid, name in found
    )
    head = f"<query xmlns='{ns.DISCO_ITEMS}'{_node(node)}"
    return f"{head}>{inner}</query>" if inner else f"{head}/>"


def _identity(identity: Identity) -> str:
    named = f" name='{escape(identity.name)}'" if identity.name else ""
    return f"<identity category='{identity.category}' type='{identity.type}'{named}/>"


def _node(node: str | None) -> str:
    return f" node='{escape(node)}'" if node is not None else ""
