"""Which items of a node answer a request for them: XEP-0060 section 6.5, XEP-0059."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.pubsub.errors import hidden
from andiron.domain.pubsub.items import Item, items_by_id, newest_items, page_of_items
from andiron.domain.pubsub.nodes import Node
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.rsm import PageRequest, read_set, write_set
from andiron.xmpp.tree import Tree

__all__ = ["read_items"]

_ITEM: Final = f"{{{ns.PUBSUB}}}item"
_SET: Final = f"{{{ns.RSM}}}set"
_PAGE_BYTES: Final = 524_288
"""What the payloads of one answer take at most, but for a single one that takes more."""
_MAX_IDS: Final = 100


async def read_items(
    connection: AsyncConnection, node: Node, payload: Tree, request: Tree
) -> tuple[list[Item], str]:
    """Return the items asked for, the oldest first, and a ``<set/>`` if they are a part.

    ``request`` is the ``<items/>`` in ``payload``. What does not fit in one
    answer is left out: the oldest, or by the page's other end, what follows.
    """
    wanted = [item.get("id", "") for item in request.iterfind(_ITEM)]
    if wanted:
        if len(wanted) > _MAX_IDS:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, f"at most {_MAX_IDS} items by id")
        found = await items_by_id(connection, node, wanted)
        return _fitting(found, backwards=False), ""
    if payload.find(_SET) is not None:
        return await _page(connection, node, read_set(payload), _max_items(request))
    newest = await newest_items(connection, node, _max_items(request) or node.items)
    found = _fitting(newest, backwards=True)
    return found, "" if len(found) == len(newest) else _set(node, found, node.items - len(found))


async def _page(
    connection: AsyncConnection, node: Node, page: PageRequest, most: int
) -> tuple[list[Item], str]:
    size = page.size(node.items, most or node.items)
    if size == 0:
        return [], write_set(count=node.items)
    read = await page_of_items(connection, node, page, size)
    if read is None:
        raise hidden()
    items, index = read
    found = _fitting(items, backwards=page.backwards)
    if page.backwards:
        index += len(items) - len(found)
    return found, _set(node, found, index)


def _set(node: Node, found: list[Item], index: int) -> str:
    if not found:
        return write_set(count=node.items)
    return write_set(found[0].id, found[-1].id, count=node.items, index=index)


def _fitting(items: list[Item], *, backwards: bool) -> list[Item]:
    """Return as many as fit in one answer, from the beginning or from the end."""
    room = _PAGE_BYTES
    count = 0
    for item in reversed(items) if backwards else items:
        room -= len(item.payload)
        if room < 0 and count:
            break
        count += 1
    return items[len(items) - count :] if backwards else items[:count]


def _max_items(request: Tree) -> int:
    """Return ``max_items`` (section 6.5.7), 0 where it is not said."""
    text = request.get("max_items")
    if text is None:
        return 0
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    raise StanzaError(StanzaCondition.BAD_REQUEST, "max_items is a number")
