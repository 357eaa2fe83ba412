"""Children of a wrapper element, each made to stand on its own.

BOSH (XEP-0124) carries several stanzas in one ``<body/>``. What goes on from
there is a child alone, so whatever it inherits is written into its root tag.
"""

import re
from dataclasses import dataclass
from typing import Final
from xml.parsers.expat import XMLParserType

from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import LANG, root_tag
from andiron.xmpp.xml import Element, Guard, parse, tagged, too_deep, too_many, utf8_length

_SPACE: Final = "\t\n\r "
_MANY: Final = 2
"""How many times as many nodes as a stanza may have may be in the whole."""
_NAME: Final = re.compile(r"<[^\t\n\r />]+")


def read_children(
    guard: Guard,
    text: str,
    *,
    max_size: int = 0,
    max_children: int = 256,
    max_prefixes: int = 32,
) -> tuple[Element, list[Element]]:
    """Check one whole element and return its root tag and its children, in order.

    The first element's text is the root tag alone, closed. Each child is what
    :meth:`Guard.read` would return for its text, which has the namespaces and
    the ``xml:lang`` it takes from the root declared on it; a child without a
    namespace of its own is thus in the root's.

    ``max_size``, in bytes, replaces the guard's own for the whole; the guard's
    size, depth and number of nodes hold for each child, and twice that number
    for the whole. Raises :class:`StreamError` as :meth:`Guard.read` does;
    ``bad-format`` for text between the children; ``policy-violation`` for too
    many children or prefixes declared on the root, for a child over its size,
    and where all that the children inherit comes to more than the size of the
    whole may be.
    """
    text = text.strip(_SPACE)
    parser = guard.parser(text, max_size)
    tags = _read_tags(parser, text, guard, max_children)
    if text[0] != "<":  # a byte order mark, which expat skips
        raise StreamError(StreamCondition.NOT_WELL_FORMED)
    root = tags[0]
    if len(root.declared) > max_prefixes:
        raise StreamError(StreamCondition.POLICY_VIOLATION, f"over {max_prefixes} prefixes")
    # One character a byte, as expat counts; what is markup is ASCII in either.
    flat = text if text.isascii() else text.encode().decode("latin-1")
    head = root_tag(flat)
    children: list[Element] = []
    budget = max_size or guard.max_size
    at = len(head)
    for tag in tags[1:]:
        _refuse_text(flat[at : tag.start])
        at = tag.end(flat)
        piece = flat[tag.start : at]
        own = piece if flat is text else _unflat(piece)
        child = _self_contained(own, tag, root)
        budget -= len(child.text) - len(own)
        if budget < 0 or utf8_length(child.text) > guard.max_size:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "a child too large")
        children.append(child)
    if not head.endswith("/>"):
        _refuse_text(flat[at : root.last])
        head = head[:-1] + "/>"
    return tagged(_unflat(head), root.name, root.attributes), children


@dataclass(slots=True)
class _Tag:
    """A start tag as expat reported it; offsets are in bytes.

    ``declared`` maps the prefixes it binds, None for the default namespace;
    ``last`` is where the end tag starts, or an empty element ends.
    """

    name: str
    attributes: dict[str, str]
    declared: dict[str | None, str | None]
    start: int
    last: int = 0

    def end(self, flat: str) -> int:
        """Return the offset after the element."""
        tag = root_tag(flat, self.start)
        if tag.endswith("/>"):
            return self.start + len(tag)
        return flat.index(">", self.last) + 1


class _Reader:
    """Handlers that keep the tags of the root and its children."""

    __slots__ = (
        "declared",
        "depth",
        "max_children",
        "max_depth",
        "max_nodes",
        "nodes",
        "parser",
        "tags",
        "whole",
    )

    def __init__(self, parser: XMLParserType, guard: Guard, max_children: int) -> None:
        self.parser = parser
        self.max_depth = guard.max_depth
        self.max_nodes = guard.max_nodes
        self.max_children = max_children
        self.depth = 0
        self.nodes = 0
        """How many the present child has, or what will be the next."""
        self.whole = 0
        """How many there were before it."""
        self.declared: dict[str | None, str | None] = {}
        self.tags: list[_Tag] = []

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self.nodes += 1
        self.declared[prefix] = uri

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.nodes += 1 + len(attributes)
        if self.nodes > self.max_nodes or self.whole + self.nodes > _MANY * self.max_nodes:
            raise too_many(self.max_nodes)
        if self.depth <= 2:
            if len(self.tags) > self.max_children:
                raise StreamError(
                    StreamCondition.POLICY_VIOLATION, f"over {self.max_children} children"
                )
            at = self.parser.CurrentByteIndex
            self.tags.append(_Tag(name, attributes, self.declared, at))
            self.declared = {}
            if self.depth == 1:
                self._next()
        elif self.depth > self.max_depth + 1:
            raise too_deep(self.max_depth)
        else:
            self.declared.clear()

    def end(self, _name: str) -> None:
        self.depth -= 1
        if self.depth == 1:
            self.tags[-1].last = self.parser.CurrentByteIndex
            self._next()
        elif self.depth == 0:
            self.tags[0].last = self.parser.CurrentByteIndex

    def _next(self) -> None:
        self.whole += self.nodes
        self.nodes = 0


def _read_tags(parser: XMLParserType, text: str, guard: Guard, max_children: int) -> list[_Tag]:
    guard.may_be_crowded(text, _MANY)
    reader = _Reader(parser, guard, max_children)
    parser.StartNamespaceDeclHandler = reader.declare
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parse(parser, text)
    finally:
        # The handlers hold the parser, and the parser them.
        del reader.parser
    return reader.tags


def _self_contained(text: str, tag: _Tag, root: _Tag) -> Element:
    """Return the child ``text`` with what it takes from the root put into its root tag."""
    added = "".join(
        f" xmlns:{prefix}='{escape(uri)}'" if prefix else f" xmlns='{escape(uri)}'"
        for prefix, uri in root.declared.items()
        if uri and prefix not in tag.declared and (prefix is None or f"{prefix}:" in text)
    )
    child = tagged(text, tag.name, tag.attributes)
    if root.attributes and LANG not in child.attributes:
        lang = tagged("", root.name, root.attributes).attributes.get(LANG)
        if lang is not None:
            added += f" xml:lang='{escape(lang)}'"
            child.attributes[LANG] = lang
    if added:
        name = _NAME.match(text)
        at = name.end() if name else 0
        child.text = f"{text[:at]}{added}{text[at:]}"
    return child


def _unflat(piece: str) -> str:
    return piece if piece.isascii() else piece.encode("latin-1").decode()


def _refuse_text(between: str) -> None:
    if between.strip(_SPACE):
        raise StreamError(StreamCondition.BAD_FORMAT, "text between elements")
