"""What each resource wants to be notified of, by its capabilities (XEP-0115, XEP-0060 section 9.2).

A resource announces ``node+notify`` in its service discovery, and a hash of
that in its presence. A hash is asked about once, and believed for others only
when it is right (XEP-0115 section 5.4): then nobody can speak for the client
of somebody else.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from andiron.domain.about.caps import verification_string
from andiron.domain.client import Client
from andiron.domain.events import Events
from andiron.domain.questions import Questions
from andiron.domain.registry import DiscoForm
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import may_name
from andiron.xmpp.escape import escape
from andiron.xmpp.forms import FORM_TYPE, Field
from andiron.xmpp.tree import Tree, children
from andiron.xmpp.xml import Element

__all__ = ["Interests", "read_info"]

NOTIFY: Final = "+notify"
_C: Final = f"{{{ns.CAPS}}}c"
_QUERY: Final = f"{{{ns.DISCO_INFO}}}query"
_IDENTITY: Final = f"{{{ns.DISCO_INFO}}}identity"
_FEATURE: Final = f"{{{ns.DISCO_INFO}}}feature"
_LANG: Final = f"{{{ns.XML}}}lang"
_X: Final = f"{{{ns.DATA}}}x"
_FIELD: Final = f"{{{ns.DATA}}}field"
_VALUE: Final = f"{{{ns.DATA}}}value"
_NOTHING: Final[frozenset[str]] = frozenset()

_MAX_NODES: Final = 100
"""Nodes that one client may want to hear of; what exceeds that is not sent."""
_MAX_NAME: Final = 1000
_KNOWN: Final = 1000
"""Hashes that are remembered: kinds and settings of clients, not clients."""

Changed = Callable[[Client, frozenset[str], float], None]
"""Told of a resource and the nodes that it newly wants to hear of."""


@dataclass(frozen=True, slots=True)
class Caps:
    """What a presence says of its client's capabilities (XEP-0115 section 4)."""

    hash: str
    node: str
    ver: str


class Interests:
    """The nodes that each available resource wants to hear of."""

    def __init__(self, questions: Questions) -> None:
        self.changed: list[Changed] = []
        """Callbacks; a specification's module appends its own."""
        self._questions = questions
        self._caps: dict[Client, Caps] = {}
        self._nodes: dict[Client, frozenset[str]] = {}
        self._known: OrderedDict[str, frozenset[str]] = OrderedDict()

    def register(self, events: Events) -> None:
        """Take note of presence from now on."""
        events.available.append(self._available)
        events.unavailable.append(self._unavailable)

    def of(self, client: Client) -> frozenset[str]:
        """Return the nodes that a resource wants to hear of."""
        return self._nodes.get(client, _NOTHING)

    def freeze(self, client: Client) -> tuple[list[str], list[str] | None]:
        """Return a resource's capabilities as plain data, and its nodes, None while unknown."""
        caps, nodes = self._caps.get(client), self._nodes.get(client)
        told = [] if caps is None else [caps.hash, caps.node, caps.ver]
        return told, None if nodes is None else sorted(nodes)

    def thaw(
        self, client: Client, caps: Sequence[str], nodes: Sequence[str] | None, now: float
    ) -> None:
        """Know again what a resource wanted; ask it where it had not answered."""
        known = self._caps[client] = Caps(*caps)
        if nodes is None:
            self._ask(client, known, now)
        else:
            self._nodes[client] = frozenset(nodes)

    def _available(self, client: Client, element: Element, initial: bool, now: float) -> None:
        caps = read_caps(element) if may_name(element.text, ns.CAPS) else None
        if not initial and self._caps.get(client) == caps:
            return
        if caps is None:
            # Presence without capabilities says nothing of them (XEP-0115 section 8.4).
            return
        self._caps[client] = caps
        known = self._known.get(caps.ver) if caps.hash == "sha-1" else None
        if known is not None:
            self._known.move_to_end(caps.ver)
            self._set(client, known, now)
        else:
            self._ask(client, caps, now)

    def _ask(self, client: Client, caps: Caps, now: float) -> None:
        node = escape(f"{caps.node}#{caps.ver}")
        self._questions.ask(
            client,
            f"<query xmlns='{ns.DISCO_INFO}' node='{node}'/>",
            partial(self._answered, caps),
            now,
        )

    def _unavailable(self, client: Client, _now: float) -> None:
        self._caps.pop(client, None)
        self._nodes.pop(client, None)
        self._questions.forget(client)

    def _answered(self, caps: Caps, client: Client, element: Element, now: float) -> None:
        if element.get("type") != "result" or self._caps.get(client) != caps:
            return
        query = next((child for child in children(element) if child.tag == _QUERY), None)
        if query is None:
            return
        nodes = wanted(query)
        if caps.hash == "sha-1" and read_info(query) == caps.ver:
            self._known[caps.ver] = nodes
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        self._set(client, nodes, now)

    def _set(self, client: Client, nodes: frozenset[str], now: float) -> None:
        added = nodes - self._nodes.get(client, _NOTHING)
        self._nodes[client] = nodes
        client.session.changed()
        if added:
            for tell in self.changed:
                tell(client, added, now)


def read_caps(element: Element) -> Caps | None:
    """Return a presence's capabilities; None for none, or such as cannot be asked about."""
    for child in children(element):
        if child.tag == _C:
            node, ver = child.get("node", ""), child.get("ver", "")
            if not node or not ver or len(node) > _MAX_NAME or len(ver) > _MAX_NAME:
                return None
            return Caps(child.get("hash", ""), node, ver)
    return None


def wanted(query: Tree) -> frozenset[str]:
    """Return the nodes whose ``+notify`` is among the features, a bounded number."""
    found = [
        var[: -len(NOTIFY)]
        for feature in query.iterfind(_FEATURE)
        if (var := feature.get("var", "")).endswith(NOTIFY) and len(NOTIFY) < len(var) <= _MAX_NAME
    ]
    return frozenset(found[:_MAX_NODES])


def read_info(query: Tree) -> str:
    """Return the SHA-1 verification string of a ``disco#info`` result (XEP-0115 section 5.4).

    It is empty for information of which none may be made: with something
    twice, or with what could be mistaken for something else.
    """
    identities = [
        (one.get("category", ""), one.get("type", ""), one.get(_LANG, ""), one.get("name", ""))
        for one in query.iterfind(_IDENTITY)
    ]
    features = [feature.get("var", "") for feature in query.iterfind(_FEATURE)]
    forms: list[DiscoForm] = []
    for form in query.iterfind(_X):
        fields = {
            field.get("var", ""): tuple(value.text or "" for value in field.iterfind(_VALUE))
            for field in form.iterfind(_FIELD)
            if field.get("var") != FORM_TYPE or field.get("type") == "hidden"
        }
        kinds = set(fields.pop(FORM_TYPE, ()))
        if len(kinds) > 1:
            return ""
        if kinds:
            forms.append(DiscoForm(kinds.pop(), tuple(Field(*field) for field in fields.items())))
    kinds_of_forms = [form.form_type for form in forms]
    if any(max(Counter(each).values(), default=0) > 1 for each in (features, kinds_of_forms)):
        return ""
    if len(set(identities)) < len(identities):
        return ""
    parts = [*features, *kinds_of_forms, *(part for identity in identities for part in identity)]
    parts += [
        part for form in forms for field in form.fields for part in (field.var, *field.values)
    ]
    if any("<" in part for part in parts):
        # It would read like the end of one part and the beginning of another.
        return ""
    return verification_string(identities, features, forms)
