"""Result Set Management, XEP-0059: a long list, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.tree import Tree

__all__ = ["PageRequest", "Slice", "read_set", "slice_of", "write_set"]

_SET: Final = f"{{{ns.RSM}}}set"
_MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for; without any limit, the first page."""

    max: int | None = None
    """How many items at most; 0 asks for the count alone (section 2.7)."""
    after: str | None = None
    """The page begins after this item."""
    before: str | None = None
    """The page ends before this item, or, if empty, with the last one (section 2.5)."""
    index: int | None = None
    """The page begins with the item of this number, from 0 (section 2.6)."""

    @property
    def backwards(self) -> bool:
        """Whether the page is found from its end."""
        return self.before is not None

    def size(self, default: int, limit: int) -> int:
        """Return how many items the page may have: ``default`` where the client does not say."""
        return min(default if self.max is None else self.max, limit)


def read_set(parent: Tree) -> PageRequest:
    """Read the ``<set/>`` among an element's children; without one, nothing is limited.

    Raises :class:`StanzaError` for numbers that are none, and for more than one
    place to begin, which section 2 does not define.
    """
    tree = parent.find(_SET)
    if tree is None:
        return PageRequest()
    request = PageRequest(
        max=_number(tree, "max"),
        after=_text(tree, "after"),
        before=_text(tree, "before"),
        index=_number(tree, "index"),
    )
    if [request.after, request.before, request.index].count(None) < 2:
        raise StanzaError(StanzaCondition.BAD_REQUEST, "a page has one of after, before and index")
    return request


def write_set(
    first: str = "", last: str = "", *, count: int | None = None, index: int | None = None
) -> str:
    """Return the ``<set/>`` of a result with the page's first and last item, if it has any.

    ``count`` is the length of the whole list and ``index`` the number of
    ``first`` in it, where they are known.
    """
    inner = ""
    if first:
        at = "" if index is None else f" index='{index}'"
        inner = f"<first{at}>{escape(first)}</first><last>{escape(last)}</last>"
    if count is not None:
        inner += f"<count>{count}</count>"
    return f"<set xmlns='{ns.RSM}'>{inner}</set>" if inner else f"<set xmlns='{ns.RSM}'/>"


@dataclass(frozen=True, slots=True)
class Slice:
    """A page of a list in memory: ``items[start:stop]``."""

    start: int
    stop: int
    xml: str
    """The ``<set/>`` that tells of it."""


def slice_of(items: Sequence[str], request: PageRequest, default: int, limit: int) -> Slice:
    """Return the page asked for of a list of unique names.

    It has up to ``default`` items where the client does not say, and never more
    than ``limit``. Raises :class:`StanzaError` ``item-not-found`` (section 2.4).
    """
    size = request.size(default, limit)
    if request.before is not None:
        stop = _position(items, request.before) if request.before else len(items)
        start = max(0, stop - size)
    else:
        start = _position(items, request.after) + 1 if request.after else request.index or 0
        if start > len(items):
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the list is shorter")
        stop = min(start + size, len(items))
    if start == stop:
        return Slice(start, stop, write_set(count=len(items)))
    xml = write_set(items[start], items[stop - 1], count=len(items), index=start)
    return Slice(start, stop, xml)


def _position(items: Sequence[str], name: str) -> int:
    try:
        return items.index(name)
    except ValueError:
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "not in the list") from None


def _text(tree: Tree, name: str) -> str | None:
    found = tree.find(f"{{{ns.RSM}}}{name}")
    return None if found is None else (found.text or "").strip()


def _number(tree: Tree, name: str) -> int | None:
    text = _text(tree, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"{name} is a number from 0")
    return int(text)
