"""One way to write an element, so that the same one is known again."""

from typing import Final

from andiron.xmpp.tree import Tree, parse_tree, serialise
from andiron.xmpp.xml import Element

__all__ = ["canonical", "canonical_text"]

_NOWHERE: Final = " "
"""The namespace of no element."""


def canonical(tree: Tree) -> str:
    """Return an element's text: its attributes in order, its namespace always declared.

    Changes the order of attributes in ``tree``.
    """
    for each in tree.iter():
        if len(each.attrib) > 1:
            attributes = sorted(each.attrib.items())
            each.attrib.clear()
            each.attrib.update(attributes)
    return serialise(tree, _NOWHERE)


def canonical_text(text: str) -> str:
    """Return the text of an element that passed the guard in that way."""
    return canonical(parse_tree(Element(text, "", "", {})))
