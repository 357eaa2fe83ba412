"""Trees, for the few stanzas that Andiron itself must understand."""

from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import Element as Tree
from xml.etree.ElementTree import ParseError, XMLParser

from defusedxml.ElementTree import fromstring

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.xml import Element

__all__ = [
    "Tree",
    "children",
    "parse_text",
    "parse_tree",
    "serialise",
]

_XML_PREFIX: Final = "{" + ns.XML + "}"


def parse_tree(element: Element) -> Tree:
    """Parse an element that the guard let pass; tags read ``{namespace}name``.

    The element keeps the tree for who asks next, so nobody may change it.
    Raises :class:`StreamError` ``not-well-formed`` for one that no guard saw.
    """
    made: Tree | None = getattr(element, "tree", None)
    if made is None:
        made = element.tree = parse_text(element.text)
    return made


def parse_text(text: str) -> Tree:
    """Parse the text of such an element, also one that grew since.

    What defusedxml refuses must be declared, and a declaration begins with ``<!``. Where there
    is none, ElementTree's own parser makes the same tree: defusedxml has to do without the part
    of it that is in C, and takes two to seven times as long.
    """
    try:
        if "<!" in text:
            tree: Tree = fromstring(text, forbid_dtd=True)
            return tree
        parser = XMLParser()  # noqa: S314
        parser.feed(text)
        return parser.close()
    except ParseError:
        raise StreamError(StreamCondition.NOT_WELL_FORMED) from None


def children(element: Element) -> list[Tree]:
    """Return the child elements of a guarded element."""
    return list(parse_tree(element))


def serialise(tree: Tree, parent_namespace: str = "") -> str:
    """Write a tree with default namespaces only, as XMPP clients expect."""
    parts: list[str] = []
    names: dict[str, tuple[str, str]] = {}
    # Not by recursion: how deep an element may nest is a setting, Python's stack is not.
    around: list[tuple[Iterator[Tree], str, str]] = []
    siblings, outer, after = iter((tree,)), parent_namespace, ""
    while True:
        for element in siblings:
            tag = element.tag
            if tag not in names:
                names[tag] = _split(tag)
            namespace, name = names[tag]
            head = name if namespace == outer else f"{name} xmlns='{escape(namespace)}'"
            if element.attrib:
                head += _attributes(element)
            text = escape_text(element.text) if element.text else ""
            # What follows the outermost is not its own.
            tail = escape_text(element.tail) if element.tail and around else ""
            if len(element):
                parts.append(f"<{head}>{text}")
                around.append((siblings, outer, after))
                siblings, outer, after = iter(element), namespace, f"</{name}>{tail}"
                break
            parts.append(f"<{head}>{text}</{name}>{tail}" if text else f"<{head}/>{tail}")
        else:
            parts.append(after)
            if not around:
                return "".join(parts)
            siblings, outer, after = around.pop()


def _split(tag: str) -> tuple[str, str]:
    if tag.startswith("{"):
        namespace, _, name = tag[1:].rpartition("}")
        return namespace, name
    return "", tag


def _attributes(tree: Tree) -> str:
    parts: list[str] = []
    prefixes = 0
    for key, value in tree.attrib.items():
        if key.startswith(_XML_PREFIX):
            parts.append(f" xml:{key[len(_XML_PREFIX) :]}='{escape(value)}'")
        elif key.startswith("{"):
            uri, local = _split(key)
            prefix = f"n{prefixes}"
            parts.append(f" xmlns:{prefix}='{escape(uri)}' {prefix}:{local}='{escape(value)}'")
            prefixes += 1
        else:
            parts.append(f" {key}='{escape(value)}'")
    return "".join(parts)
