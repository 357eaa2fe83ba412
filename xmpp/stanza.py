"""Stanzas as text: address them, date them and answer them without a tree."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaError, StreamCondition, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import prepared
from andiron.xmpp.tree import Tree, parse_text, parse_tree, serialise
from andiron.xmpp.xml import Element

STANZA_NAMES: Final = frozenset({"message", "presence", "iq"})
LANG: Final = f"{ns.XML} lang"
"""What ``xml:lang`` is called among an element's attributes."""
LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,7}", re.ASCII)
"""The shape of a language's tag (RFC 5646 section 2.1); some 70 characters are the most."""

_ROOT_TAG: Final = re.compile(r"""<[^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*>""")
_SMALL: Final = 4096
_GROWTH: Final = 2
_END_OF_NAME: Final = frozenset("\t\n\r />")
_DELAY: Final = f"{{{ns.DELAY}}}delay"


def _attribute(name: str) -> re.Pattern[str]:
    """Match a start tag from the end of its name to the end of one attribute, the group.

    The tag is sound and holds the attribute. Passing the others one by one
    keeps what stands inside their quotes from being taken for it.
    """
    value = r"""\s*=\s*(?:"[^"]*"|'[^']*')"""
    return re.compile(rf"(?:\s+(?!{name}[\s=])[^\s=]+{value})*(\s+{name}{value})")


_FROM: Final = _attribute("from")
_TO: Final = _attribute("to")
_ID: Final = _attribute("id")


def is_stanza(element: Element) -> bool:
    """Tell whether this is a message, a presence or an iq (RFC 6120 section 8)."""
    return element.namespace == ns.CLIENT and element.name in STANZA_NAMES


def from_attribute(address: str) -> str:
    """Return ``from='…'`` with a leading space, ready for :func:`with_sender`."""
    return f" from='{escape(address)}'"


def unprefixed(element: Element) -> Element:
    """Return the stanza with ``jabber:client`` as its default namespace.

    A content namespace under a prefix is sound XML, but RFC 6120 section 4.8.5
    keeps it from the wire and many clients cannot read it. Raises
    :class:`StreamError` ``policy-violation`` where writing it anew would make
    it over twice as long: a prefix is short, and stands for much.
    """
    text, name = element.text, element.name
    if text.startswith(name, 1) and text[len(name) + 1] in _END_OF_NAME:
        return element
    return _rewritten(element, parse_tree(element))


def language(around: str, *trees: Tree | None) -> str:
    """Return the language of an element: its own, or that of the next around it that has one.

    ``around`` is the language outside; then come the elements, the innermost last (None for
    one that is not there). Empty where it has none, or one whose name cannot be one.
    """
    found = around
    for tree in trees:
        if tree is not None:
            found = tree.get(f"{{{ns.XML}}}lang", found)
    return found if LANGUAGE_TAG.fullmatch(found) else ""


def lang_attribute(tag: str) -> str:
    """Return ``xml:lang='…'`` with a leading space, or nothing for no language."""
    return f" xml:lang='{tag}'" if tag else ""


def with_language(element: Element, tag: str) -> Element:
    """Return an unprefixed stanza with a language where it has none (RFC 6120 section 8.1.5).

    The tag must be fit for an attribute as it is, as :data:`LANGUAGE_TAG` sees to.
    """
    attributes = element.attributes
    if LANG in attributes:
        return element
    text, name = element.text, element.name
    at = len(name) + 1
    said = f"{text[:at]} xml:lang='{tag}'{text[at:]}"
    return Element(said, element.namespace, name, {**attributes, LANG: tag})


def without(element: Element, unwanted: Callable[[Tree], bool]) -> Element:
    """Return a stanza without the children that are unwanted.

    Raises :class:`StreamError` as :func:`unprefixed` does.
    """
    tree = parse_tree(element)
    wanted = [child for child in tree if not unwanted(child)]
    if len(wanted) == len(tree):
        return element
    rest = Tree(tree.tag, tree.attrib)
    rest.text = tree.text
    rest.extend(wanted)
    return _rewritten(element, rest)


def _rewritten(element: Element, tree: Tree) -> Element:
    text = serialise(tree)
    if len(text) > max(_SMALL, _GROWTH * len(element.text)):
        raise StreamError(StreamCondition.POLICY_VIOLATION, "too many prefixes")
    return Element(text, element.namespace, element.name, element.attributes)


def with_sender(element: Element, from_attr: str) -> str:
    """Return the text of an unprefixed stanza with its ``from`` put right.

    ``from_attr`` comes from :func:`from_attribute`.
    """
    text = element.text
    at = len(element.name) + 1
    if "from" in element.attributes:
        return f"{text[:at]}{from_attr}{_without(_FROM, text, at)}"
    return f"{text[:at]}{from_attr}{text[at:]}"


def with_addresses(element: Element, sender: str, recipient: str) -> str:
    """Return the text of an unprefixed stanza with both addresses put right."""
    rest = without_addresses(element)
    return f"<{element.name}{from_attribute(sender)} to='{escape(recipient)}'{rest}"


def without_addresses(element: Element) -> str:
    """Return what follows the name in an unprefixed stanza's text, less both addresses."""
    rest = element.text[len(element.name) + 1 :]
    if "from" in element.attributes:
        rest = _without(_FROM, rest, 0)
    if "to" in element.attributes:
        rest = _without(_TO, rest, 0)
    return rest


def with_identity(element: Element, identity: str) -> str:
    """Return what follows the name, less both addresses, with another ``id``."""
    rest = without_addresses(element)
    if "id" in element.attributes:
        rest = _without(_ID, rest, 0)
    return f" id='{escape(identity)}'{rest}"


def with_child(text: str, child: str) -> str:
    """Return a stanza's text with ``child`` as its last child."""
    if text.endswith("/>"):
        tag = root_tag(text)
        if len(tag) == len(text):
            name = tag[1:-2].split(None, 1)[0]
            return f"{text[:-2]}>{child}</{name}>"
    end = text.rindex("</")
    return f"{text[:end]}{child}{text[end:]}"


def with_delay(text: str, by: str, when: float) -> str:
    """Return a stanza's text with the time, in Unix seconds, it was first accepted (XEP-0203).

    A delay that ``by`` put there before is the first time, and stays the only one.
    Who takes a stanza in must have taken out what others wrote in that name.
    """
    mark = f"<delay xmlns='{ns.DELAY}' from='{escape(by)}' stamp='"
    if mark in text and _is_delayed(text, by):
        return text
    return with_child(text, f"{mark}{timestamp(when)}'/>")


def _is_delayed(text: str, by: str) -> bool:
    return any(child.tag == _DELAY and child.get("from") == by for child in parse_text(text))


def timestamp(when: float) -> str:
    """Return Unix seconds as an XEP-0082 date and time in UTC."""
    moment = datetime.fromtimestamp(when, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


def iq_result(request: Element, payload: str = "", *, sender: str = "") -> str:
    """Return the answer to an iq request (RFC 6120 section 8.2.3), unaddressed to its asker.

    The stream of the asker needs no ``to``; ``sender`` is the entity asked, however spelled.
    """
    head = _answer_head(request, "result", sender)
    return f"{head}>{payload}</iq>" if payload else f"{head}/>"


def error_reply(request: Element, error: StanzaError, *, sender: str = "", to: str = "") -> str:
    """Return the error stanza that answers ``request`` (RFC 6120 section 8.3.1).

    ``sender`` is the entity that was asked, however spelled, by default the request's ``to``.
    """
    head = _answer_head(request, "error", sender or request.get("to"), to)
    return f"{head}>{error.beside}{error.to_xml()}</{request.name}>"


def _answer_head(request: Element, kind: str, sender: str, to: str = "") -> str:
    identity = request.attributes.get("id")
    return (
        f"<{request.name} xmlns='{ns.CLIENT}' type='{kind}'"
        + (f" id='{escape(identity)}'" if identity is not None else "")
        + (from_attribute(_known_as(sender)) if sender else "")
        + (f" to='{escape(to)}'" if to else "")
    )


def _known_as(address: str) -> str:
    """Return an address as clients compare it (RFC 7622 section 4), or one that is none as it is.

    By that they know an answer; whatever is forwarded to them is from such addresses, too.
    """
    return prepared(address) or address


def root_tag(text: str, at: int = 0) -> str:
    """Return the start tag of the element that begins at ``at`` in a guarded text."""
    match = _ROOT_TAG.match(text, at)
    if match is None:
        raise ValueError("not an element")
    return match.group()


def _without(attribute: re.Pattern[str], text: str, at: int) -> str:
    """Return ``text`` from ``at``, the end of the root's name, without one of its attributes."""
    match = attribute.match(text, at)
    if match is None:
        raise ValueError("not the root tag's attribute")
    return text[at : match.start(1)] + text[match.end(1) :]
