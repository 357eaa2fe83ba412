"""The wrapper of XEP-0124 section 6: a request's ``<body/>`` read, an answer's written."""

import re
from collections.abc import Sequence
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.children import read_children
from andiron.xmpp.errors import BoshCondition, BoshError, StreamError
from andiron.xmpp.escape import escape
from andiron.xmpp.stanza import STANZA_NAMES
from andiron.xmpp.xml import Element, Guard, decode

MAX_RID: Final = 2**53 - 1
LANG: Final = f"{ns.XML} lang"
VERSION: Final = f"{ns.XBOSH} version"

_RESTART: Final = f"{ns.XBOSH} restart"
_TRUE: Final = frozenset({"true", "1"})
_NUMBER: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_DECLARATION: Final = re.compile(
    r"""[\t\n\r ]*<\?xml[\t\n\r ]+version=["']1\.[0-9]["']"""
    r"""(?:[\t\n\r ]+encoding=["'][Uu][Tt][Ff]-8["'])?(?:[\t\n\r ]+standalone=["'][a-z]+["'])?"""
    r"""[\t\n\r ]*\?>"""
)
_PLAIN: Final = re.compile(
    r"""<body((?:[ ](?:xmlns|rid|sid|ack|key)=(?:'[!-%(-;=-~]*+'|"[!#-%'-;=-~]*+"))++)[ ]?(/?)>"""
)
_FEW: Final = 32
"""Attributes and declarations of a wrapper that is read like any element."""
_PAIR: Final = re.compile(r"""([a-z]+)=('[^']*'|"[^"]*")""")
_BETWEEN: Final = re.compile(
    r"(?:</(?:message|presence|iq)>|<[ar] [^<>]{0,80}/>)(?=<[a-z])", re.ASCII
)
"""Where a stanza, or a word of stream management, may end that another element follows."""
_NODE: Final = 4
"""The fewest characters of an element or an attribute."""
_END_OF_NAME: Final = frozenset("\t\n\r />")
_INHERITED: Final = f" xmlns='{ns.HTTPBIND}'"
_CLOSE: Final = "</body>"
_OPEN: Final = f"<body xmlns='{ns.HTTPBIND}'"
_STREAM: Final = f" xmlns:stream='{ns.STREAMS}'"

RECOVERABLE: Final = f"{_OPEN} type='error'/>"
"""The recoverable binding condition (XEP-0124 section 17.3): repeat what has no answer."""


class Body:
    """One request's ``<body/>``; ``attributes`` are those of the root tag.

    ``ack``, ``pause``: None where absent. ``children`` each stand on their own.
    """

    __slots__ = (
        "ack",
        "attributes",
        "children",
        "key",
        "newkey",
        "pause",
        "restart",
        "rid",
        "sid",
        "terminate",
    )

    def __init__(self, attributes: dict[str, str], children: list[Element]) -> None:
        """Read the attributes that every request may have; raises :class:`BoshError`."""
        get = attributes.get
        rid = _number(get("rid"), "rid")
        if rid is None or not 0 < rid <= MAX_RID:
            raise BoshError(BoshCondition.BAD_REQUEST, "rid must be a number from 1 to 2^53-1")
        self.rid = rid
        self.sid = get("sid", "")
        self.ack = _number(get("ack"), "ack")
        self.pause = _number(get("pause"), "pause")
        self.key = get("key", "")
        self.newkey = get("newkey", "")
        # gloox says goodbye with a word of its own.
        self.terminate = get("type") in ("terminate", "terminal")
        self.restart = get(_RESTART) in _TRUE
        self.attributes = attributes
        self.children = children

    @property
    def empty(self) -> bool:
        """Whether it only asks for what waits, as polling does."""
        return not (self.children or self.terminate or self.restart or self.pause is not None)


def read_body(guard: Guard, data: bytes, max_size: int, max_stanzas: int) -> Body:
    """Read a request's ``<body/>`` of at most ``max_size`` bytes.

    Each child is in ``jabber:client`` where it is a stanza that only inherits
    the wrapper's namespace (XEP-0206 section 2). Raises :class:`BoshError`
    ``bad-request`` for whatever cannot be read.
    """
    if len(data) > max_size:
        raise BoshError(BoshCondition.BAD_REQUEST, f"over {max_size} bytes")
    try:
        text = decode(data)
        body = _read_plain(guard, text, max_stanzas) or _read_empty(guard, text, max_size)
        if body is not None:
            return body
        if "<?" in text:
            text = _DECLARATION.sub("", text, count=1)
        root, children = read_children(guard, text, max_size=max_size, max_children=max_stanzas)
    except StreamError as error:
        raise BoshError(BoshCondition.BAD_REQUEST, str(error)) from None
    if not _is_body(root):
        raise BoshError(BoshCondition.BAD_REQUEST, f"not a <body/> in {ns.HTTPBIND}")
    for child in children:
        if child.namespace == ns.HTTPBIND and child.name in STANZA_NAMES:
            _to_client_namespace(child)
        if len(child.text) > guard.max_size:
            raise BoshError(BoshCondition.BAD_REQUEST, f"a stanza over {guard.max_size} bytes")
    return Body(root.attributes, children)


def _read_plain(guard: Guard, text: str, max_stanzas: int) -> Body | None:
    """Read a body as nearly all are: a plain wrapper, empty or around elements without more.

    None for any other, sound or not. A wrapper with nothing to inherit but its
    namespace, around elements that have a default namespace of their own,
    needs no parser that looks at all of it: each is sound by itself.
    """
    match = _PLAIN.match(text)
    if match is None:
        return None
    pairs = _PAIR.findall(match[1])
    attributes = {name: value[1:-1] for name, value in pairs}
    if len(attributes) != len(pairs) or attributes.pop("xmlns", "") != ns.HTTPBIND:
        return None
    at = match.end()
    if match[2] or not text.endswith(_CLOSE):
        return Body(attributes, []) if match[2] and at == len(text) else None
    children = _each_alone(guard, text, at, max_stanzas)
    return None if children is None else Body(attributes, children)


def _each_alone(guard: Guard, text: str, at: int, max_stanzas: int) -> list[Element] | None:
    """Read the elements from ``at`` to the end of the body, each by itself, if they are such.

    Where one ends is guessed, and right if each part is one whole element: none begins with
    another.
    """
    ends = [end.end() for end in _BETWEEN.finditer(text, at)]
    if len(ends) >= max_stanzas or (ends and len(text) > _NODE * guard.max_nodes):
        return None  # There may be too many, which is for others to count.
    children: list[Element] = []
    try:
        for end in (*ends, -len(_CLOSE)):
            child = guard.read(text[at:end])
            if not _stands_alone(child):
                return None
            children.append(child)
            at = end
    except StreamError:
        return None
    return children


def _stands_alone(child: Element) -> bool:
    """Tell whether an element has no prefix, and a default namespace of its own."""
    head = len(child.name) + 1
    own = child.text[1:head] == child.name and child.text[head] in _END_OF_NAME
    return own and child.namespace not in ("", ns.HTTPBIND)


def _read_empty(guard: Guard, text: str, max_size: int) -> Body | None:
    """Read a wrapper with nothing in it, as that of a session's beginning; None for any other."""
    tags = text.count("<")
    if tags > 1 and not (tags == 2 and text.endswith("></body>")):
        return None
    if text.count(">") != tags or text.count("=") > _FEW:
        return None
    root = guard.read(text, max_size)
    return Body(root.attributes, []) if _is_body(root) else None


def _is_body(root: Element) -> bool:
    return root.name == "body" and root.namespace == ns.HTTPBIND


def answer(attributes: str, payload: Sequence[str]) -> str:
    """Return an answer's ``<body/>``; ``attributes`` begin with a space or are empty."""
    if not payload:
        return f"{_OPEN}{attributes}/>"
    inner = "".join(payload)
    stream = _STREAM if "<stream:" in inner else ""
    return f"{_OPEN}{attributes}{stream}>{inner}{_CLOSE}"


def terminal(condition: BoshCondition | None, payload: Sequence[str] = ()) -> str:
    """Return the ``<body/>`` that ends a session (XEP-0124 sections 13 and 17.2)."""
    named = "" if condition is None else f" condition='{condition}'"
    return answer(f" type='terminate'{named}", payload)


def attribute(name: str, value: str | float) -> str:
    """Return an attribute with a leading space."""
    return f" {name}='{escape(str(value))}'"


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise BoshError(BoshCondition.BAD_REQUEST, f"{name} must be a number")
    return int(text)


def _to_client_namespace(child: Element) -> None:
    """Put a stanza into ``jabber:client`` where its namespace was only inherited."""
    at = len(child.name) + 1
    if child.text.startswith(_INHERITED, at):
        rest = child.text[at + len(_INHERITED) :]
        child.text = f"<{child.name} xmlns='{ns.CLIENT}'{rest}"
        child.namespace = ns.CLIENT
