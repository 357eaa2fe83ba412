"""What stands in a stanza: a look at its text rules out, its children alone decide.

A word in the text may be part of what somebody says, stand in CDATA or deeper
within; and a namespace may be written with character references. So what is not
named in the text is not there, and what is named is looked for in the tree.
"""

import re
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import children
from andiron.xmpp.xml import Element

__all__ = ["BODY", "SUBJECT", "has_body", "may_name", "may_refer", "shows_body", "tags"]

BODY: Final = f"{{{ns.CLIENT}}}body"
SUBJECT: Final = f"{{{ns.CLIENT}}}subject"

_QUOTED: Final = r"""(?:'[^'<>]*+'|"[^"<>]*+")"""
_LEAF: Final = rf"""<(?!body[\s/>])[^<>'"!/]++(?:{_QUOTED}[^<>'"/]*+)*+(?:/>|>[^<]*+</[^<>]*+>)"""
_shows_body = re.compile(
    rf"(?:{_LEAF}[^<]*+)*+<body(?:\s+xml:lang\s*=\s*{_QUOTED})?\s*/?>", re.ASCII
).match
"""Matches leaves, then a body: at the first child of a stanza, these are its children."""


def may_name(text: str, namespace: str) -> bool:
    """Tell whether a namespace may be that of an element in a text; False is certain."""
    return namespace in text or may_refer(text)


def may_refer(text: str) -> bool:
    """Tell whether a text may hold a character reference; one letter is sooner looked for."""
    return "&" in text and "&#" in text


def shows_body(text: str) -> bool:
    """Tell whether an unprefixed message has a body that takes no tree to see; True is certain.

    Nearly all do that people say: their first child is the body, or others come
    before it that have no children themselves.
    """
    # The first "<" after the root's is that of a child, since no attribute has one.
    first = text.find("<", 1)
    if text.startswith("<body>", first):
        return True
    return "<body" in text and _shows_body(text, first) is not None


def has_body(element: Element) -> bool:
    """Tell whether an unprefixed message has a body."""
    text = element.text
    if shows_body(text):
        return True
    return ("<body" in text or ":body" in text) and BODY in tags(element)


def tags(element: Element) -> frozenset[str]:
    """Return which children a stanza has."""
    return frozenset(child.tag for child in children(element))
