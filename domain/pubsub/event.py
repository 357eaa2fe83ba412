"""Notifications as text: XEP-0060 sections 7.1.2, 7.2.2, 8.2.5.4, 8.4.2 and 8.5.2."""

from typing import Final

from andiron.domain.pubsub.items import Item
from andiron.domain.pubsub.nodes import Node
from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import timestamp

__all__ = ["Event", "configured", "deleted", "published", "purged", "retracted"]

_EVENT: Final = f"<event xmlns='{ns.PUBSUB_EVENT}'>"


class Event:
    """A message of an account, written once; each recipient gets his address in it."""

    __slots__ = ("_head", "_tail")

    def __init__(self, sender: str, inner: str) -> None:
        """Take the bare JID of the account and what stands in the message."""
        self._head = f"<message xmlns='{ns.CLIENT}' type='headline' from='{escape(sender)}' to='"
        self._tail = f"'>{inner}</message>"

    def to(self, jid: str) -> str:
        """Return the message for one recipient."""
        return f"{self._head}{escape(jid)}{self._tail}"


def published(node: Node, item: Item) -> str:
    """Tell of an item, with its payload if that is configured."""
    return _items(node.name, _item(item, payload=node.config.deliver_payloads))


def last_published(node: Node, item: Item, owner: str) -> str:
    """Tell of an item that was published some time ago (section 6.1.7)."""
    stamp = timestamp(item.stamp)
    delay = f"<delay xmlns='{ns.DELAY}' from='{escape(owner)}' stamp='{stamp}'/>"
    return published(node, item) + delay


def retracted(node: str, identity: str) -> str:
    """Tell that an item is gone."""
    return _items(node, f"<retract id='{escape(identity)}'/>")


def purged(node: str) -> str:
    """Tell that all items are gone."""
    return f"{_EVENT}<purge node='{escape(node)}'/></event>"


def deleted(node: str) -> str:
    """Tell that the node is gone."""
    return f"{_EVENT}<delete node='{escape(node)}'/></event>"


def configured(node: str) -> str:
    """Tell that the configuration changed, not how."""
    return f"{_EVENT}<configuration node='{escape(node)}'/></event>"


def write_item(item: Item) -> str:
    """Return an item as the answer to a request has it."""
    return _item(item, payload=True)


def _items(node: str, inner: str) -> str:
    return f"{_EVENT}<items node='{escape(node)}'>{inner}</items></event>"


def _item(item: Item, *, payload: bool) -> str:
    head = f"<item id='{escape(item.id)}'"
    return f"{head}>{item.payload}</item>" if payload and item.payload else f"{head}/>"
