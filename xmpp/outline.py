"""What an element is made of, without what it says: for eyes that need not read it.

Names of elements, their namespaces and a few attributes of the protocol, where it has them, are
shown. Of all text, and of every other attribute, only that it is there: bodies, passwords, SASL
messages, tokens, ids that grant something and links with a signature are in none of what remains.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import STANZA_NAMES
from andiron.xmpp.tree import Tree, parse_text

__all__ = ["LONGEST", "outline"]

LONGEST: Final = 600
"""Characters of the longest outline."""
_READ: Final = 16_384
"""Characters of the longest element of which more than the name is read."""
_ELEMENTS: Final = 24
_DEPTH: Final = 4
_VALUE: Final = 100
_HIDDEN: Final = "\N{HORIZONTAL ELLIPSIS}"
_NODE: Final = frozenset({"node"})
_COUNTS: Final = frozenset({"h", "max", "resume"})
_ADDRESSES: Final = frozenset({"from", "to"})
_STANZA: Final = frozenset({"from", "to", "type"})
_NONE: Final = frozenset[str]()
_SHOWN: Final[Mapping[str, frozenset[str]]] = {
    ns.SASL: frozenset({"mechanism"}),
    ns.SM_2: _COUNTS,
    ns.SM_3: _COUNTS,
    ns.MUC_USER: _ADDRESSES | {"code"},
    ns.DELAY: _ADDRESSES,
    ns.DATA: frozenset({"type"}),
    **dict.fromkeys((ns.DISCO_INFO, ns.DISCO_ITEMS, ns.CAPS, ns.COMMANDS), _NODE),
    **dict.fromkeys((ns.PUBSUB, ns.PUBSUB_EVENT, ns.PUBSUB_OWNER), _NODE),
}
"""By namespace, since a name means something else in each: what grants something may have any."""
_NAME: Final = re.compile(r"<([^\s/>]{1,60})")


def outline(text: str) -> str:
    """Return the outline of one element, in :data:`LONGEST` characters at most."""
    if len(text) <= _READ:
        try:
            tree = parse_text(text)
        except StreamError:
            return _briefly(text)
        written = "".join(_written(tree, ns.CLIENT, 1, [_ELEMENTS]))
        return written if len(written) <= LONGEST else written[: LONGEST - 1] + _HIDDEN
    return _briefly(text)


def _briefly(text: str) -> str:
    found = _NAME.match(text)
    return f"<{found[1] if found else ''} {_HIDDEN}> ({len(text)} characters)"


def _written(tree: Tree, around: str, depth: int, left: list[int]) -> Iterator[str]:
    """Give an element in pieces; ``left`` is how many more may be shown."""
    left[0] -= 1
    namespace, name = _parted(tree.tag)
    yield f"<{name}"
    if namespace != around:
        yield f" xmlns='{escape(_cut(namespace))}'"
    named = _named(namespace, name, depth)
    for key, value in tree.attrib.items():
        if not key.startswith("{"):
            shown = escape(_cut(value)) if key in named else _HIDDEN
            yield f" {_cut(key)}='{shown}'"
    inner = _HIDDEN if (tree.text or "").strip() else ""
    if not inner and not len(tree):
        yield "/>"
        return
    yield f">{inner}"
    for child in tree:
        if depth == _DEPTH or left[0] <= 0:
            yield _HIDDEN
            break
        yield from _written(child, namespace, depth + 1, left)
    yield f"</{name}>"


def _named(namespace: str, name: str, depth: int) -> frozenset[str]:
    """Return the attributes that are shown of an element."""
    if namespace != ns.CLIENT:
        return _SHOWN.get(namespace, _NONE)
    if name in STANZA_NAMES:
        return _STANZA | {"id"} if depth == 1 else _STANZA
    return frozenset({"type", "code"}) if name == "error" else _NONE


def _parted(tag: str) -> tuple[str, str]:
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], _cut(name)


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE else text[:_VALUE] + _HIDDEN
