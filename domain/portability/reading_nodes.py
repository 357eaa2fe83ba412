"""What an account has published, from the records of a document (XEP-0227 section 4.10)."""

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from andiron.domain.config import PubSubConfig
from andiron.domain.portability import document
from andiron.domain.portability.canonical import canonical
from andiron.domain.portability.content import Content, NodeContent
from andiron.domain.portability.document import Record
from andiron.domain.portability.unreadable import UnreadableError
from andiron.domain.pubsub.config import AccessModel, InvalidOptionError, NodeConfig
from andiron.domain.pubsub.items import Item
from andiron.domain.pubsub.nodes import Affiliation
from andiron.xmpp import namespaces as ns
from andiron.xmpp.forms import Form, find_form
from andiron.xmpp.jid import parse_jid
from andiron.xmpp.tree import Tree

__all__ = ["STAMP", "NodeReader"]

_OWNER: Final = f"{{{ns.PUBSUB_OWNER}}}"
_ITEM: Final = f"{{{ns.PUBSUB}}}item"
STAMP: Final = f"{{{ns.DELAY}}}stamp"
"""Of an item: when it was published, which XEP-0227 has no place for."""
_ACCESS: Final = "pubsub#access_model"
_MAX_NAME: Final = 1023


class NodeReader:
    """Puts nodes into an account's content."""

    def __init__(
        self, content: Content, account: str, bounds: PubSubConfig, note: Callable[[str], None]
    ) -> None:
        self._nodes = content.nodes
        self._account = account
        self._bounds = bounds
        self._note = note
        self._now = time.time()

    def read(self, record: Record) -> None:
        """Take a record. Raises :class:`UnreadableError` and :class:`StanzaError`."""
        tree = record.tree
        if record.parent == document.ITEMS:
            if tree.tag == _ITEM:
                self._item(self._node(record.attributes.get("node"), record), record)
            return
        if record.parent == document.PUBSUB:
            self._note(f"{tree.tag} was left out")
            return
        node = self._node(tree.get("node"), record)
        self._describe(node, tree)
        if len(node.affiliations.keys() | node.subscribers) > self._bounds.max_entities:
            raise UnreadableError(
                f"more than {self._bounds.max_entities} addresses at a node", record.place
            )

    def _describe(self, node: NodeContent, tree: Tree) -> None:
        match tree.tag.removeprefix(_OWNER):
            case "configure":
                form = find_form(tree)
                node.config = self._config(form) if form is not None else NodeConfig()
            case "affiliations":
                for each in tree.findall(f"{_OWNER}affiliation"):
                    self._affiliate(node, each)
            case "subscriptions":
                for each in tree.findall(f"{_OWNER}subscription"):
                    # Prosody calls the attribute "subscribed".
                    if "subscribed" in {each.get("subscription"), each.get("subscribed")}:
                        node.subscribers.add(parse_jid(each.get("jid", "")).full)
            case name:
                self._note(f"<{name}/> of a node was left out")

    def finish(self) -> None:
        """Give nodes their bounds. Raises :class:`UnreadableError`."""
        for name, node in self._nodes.items():
            if node.config is None:
                # Nobody else sees what nobody says is public.
                self._note(f"the node {name} has no configuration; it is its owner's alone now")
                node.config = NodeConfig(access_model=AccessModel.WHITELIST, max_items=0)
            limit = node.config.max_items or self._bounds.max_items
            for item in list(node.items)[:-limit]:
                del node.items[item]
        if sum(node.size for node in self._nodes.values()) > self._bounds.quota:
            raise UnreadableError(f"the nodes hold more than {self._bounds.quota} bytes")

    def _node(self, name: str | None, record: Record) -> NodeContent:
        if not name or len(name) > _MAX_NAME:
            raise UnreadableError("a node has no name, or too long a one", record.place)
        if name not in self._nodes and len(self._nodes) >= self._bounds.max_nodes:
            raise UnreadableError(f"more than {self._bounds.max_nodes} nodes", record.place)
        return self._nodes.setdefault(name, NodeContent())

    def _config(self, form: Form) -> NodeConfig:
        """Read what is known of a configuration; who may see the node is never guessed."""
        config = NodeConfig(max_items=0)
        for var, values in form.fields.items():
            if not any(values):  # Prosody writes down what it has no value for
                continue
            one = replace(form, fields={var: values})
            try:
                config = config.with_options(one, self._bounds.max_items, strict=False)
            except InvalidOptionError:
                if var == _ACCESS:
                    self._note("a node of another access model is its owner's alone now")
                    config = replace(config, access_model=AccessModel.WHITELIST)
        return config

    def _affiliate(self, node: NodeContent, tree: Tree) -> None:
        jid, affiliation = parse_jid(tree.get("jid", "")).bare, tree.get("affiliation")
        if affiliation in {Affiliation.MEMBER, Affiliation.OUTCAST}:
            node.affiliations[jid] = affiliation
        elif jid != self._account and affiliation not in {Affiliation.NONE, None}:
            self._note(f"that somebody is {affiliation} of a node was left out")

    def _item(self, node: NodeContent, record: Record) -> None:
        tree = record.tree
        payload = canonical(_alone(tree[0])) if len(tree) else ""
        if len(payload.encode()) > self._bounds.max_item_size:
            raise UnreadableError(
                f"an item of more than {self._bounds.max_item_size} bytes", record.place
            )
        identity = tree.get("id") or secrets.token_hex(16)
        if len(identity) > _MAX_NAME:
            raise UnreadableError("an item's id is too long", record.place)
        publisher = tree.get("publisher", "")
        node.items.pop(identity, None)
        node.items[identity] = Item(
            identity,
            parse_jid(publisher).full if publisher else "",
            self._stamp(tree.get(STAMP)),
            payload,
        )
        if len(node.items) > self._bounds.max_items:
            del node.items[next(iter(node.items))]

    def _stamp(self, text: str | None) -> float:
        if text is None:
            return self._now
        try:
            return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp(), 3)
        except (ValueError, OverflowError):
            return self._now


def _alone(tree: Tree) -> Tree:
    tree.tail = None
    return tree
