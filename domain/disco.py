"""Service Discovery, XEP-0030: who the domain and an account are and what they can."""

from typing import Final

from andiron.domain.registry import IqRequest, Registry, Target
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape

IDENTITIES: Final = {Target.DOMAIN: ("server", "im"), Target.ACCOUNT: ("account", "registered")}
"""Category and type of who is asked."""


class Disco:
    """Answers service discovery from what is registered by the time it is asked."""

    def __init__(self, registry: Registry, name: str) -> None:
        """Take the registry to tell about and the name of the domain's identity."""
        self._registry = registry
        self._name = name
        self.nodes: dict[str, Target] = {}
        """Nodes under which the same information is found, as XEP-0115's."""

    def register(self) -> None:
        """Answer ``disco#info`` and ``disco#items`` to the domain and to one's own account."""
        for target in Target:
            self._registry.add(target, "get", ns.DISCO_INFO, "query", self._info)
            self._registry.add(target, "get", ns.DISCO_ITEMS, "query", self._items)
            self._registry.add_feature(target, ns.DISCO_INFO)
            self._registry.add_feature(target, ns.DISCO_ITEMS)

    def identity(self, target: Target) -> tuple[str, str, str]:
        """Return category, type and name of who is asked."""
        category, kind = IDENTITIES[target]
        return category, kind, self._name if target is Target.DOMAIN else ""

    def _info(self, request: IqRequest) -> str:
        node = request.payload.get("node")
        if node is not None and self.nodes.get(node) is not request.target:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
        category, kind, name = self.identity(request.target)
        named = f" name='{escape(name)}'" if name else ""
        features = "".join(
            f"<feature var='{escape(feature)}'/>"
            for feature in self._registry.features(request.target)
        )
        return (
            f"<query xmlns='{ns.DISCO_INFO}'{_node(node)}>"
            f"<identity category='{category}' type='{kind}'{named}/>{features}</query>"
        )

    def _items(self, request: IqRequest) -> str:
        node = request.payload.get("node")
        if node:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
        return f"<query xmlns='{ns.DISCO_ITEMS}'{_node(node)}/>"


def _node(node: str | None) -> str:
    return f" node='{escape(node)}'" if node is not None else ""
