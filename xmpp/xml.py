"""The guard: what a client sends is one sound XML element, or a stream error.

expat, in C, checks the whole element; only its root tag is read into Python.
RFC 6120 section 11 restricts XML to one root element, namespaces bound, no
DTD, no processing instruction, no comment and no entity but the five
predefined ones.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn
from xml.etree.ElementTree import Element as Tree
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType, errors

from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.namespaces import CLIENT

_ENTITY_CODES: Final = frozenset(
    errors.codes[message]
    for message in (
        errors.XML_ERROR_UNDEFINED_ENTITY,
        errors.XML_ERROR_RECURSIVE_ENTITY_REF,
        errors.XML_ERROR_ASYNC_ENTITY,
        errors.XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF,
        errors.XML_ERROR_ENTITY_DECLARED_IN_PE,
        errors.XML_ERROR_EXTERNAL_ENTITY_HANDLING,
    )
)
_MISPLACED_DECLARATION: Final = errors.codes[errors.XML_ERROR_MISPLACED_XML_PI]

# The same as ElementTree's: expat refuses a namespace name that holds it, so a
# tree can be made of whatever the guard lets pass.
_SEPARATOR: Final = "}"

# expat writes a namespace name anew for every prefixed attribute, and for every
# element that has a handler. Below this length that costs nothing worth a check.
_SMALL: Final = 1024

_SHORT: Final = 200
"""Characters of a text that may be remembered, of which"""
_REMEMBERED: Final = 64
"""so many are."""
_FEW: Final = 50
_LONG: Final = 4096
"""Characters of a text in which to find a few tags takes less time than to count all."""
_tag = re.compile(r"""<[^<>"']*+(?:(?:"[^"<]*+"|'[^'<]*+')[^<>"']*+)*+>""").match

# What a handler refuses, expat reads on to the end of what it was given.
_PIECE: Final = 16_384

_KNOWN: Final = {
    f"{CLIENT}{_SEPARATOR}{name}": (CLIENT, name) for name in ("message", "presence", "iq")
}
"""What nearly all elements are called; to find it takes less time than to part it."""

# The fewest characters that one more level, "<a></a>", and one more node, "<a/>", take.
_LEVEL: Final = 7
_NODE: Final = 4


@dataclass(slots=True)
class Element:
    """A guarded top-level element: its text as it came, and its root tag.

    ``attributes`` holds unprefixed attributes under their names and prefixed
    ones as ``"<namespace> <local name>"``. The text begins with the root tag's ``<``
    and ends with its last ``>``. Treat instances as immutable.
    """

    text: str
    namespace: str
    name: str
    attributes: dict[str, str]
    tree: Tree = field(init=False, repr=False, compare=False)
    """What :func:`andiron.xmpp.tree.parse_tree` made of it; unset until it has."""

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute of the root tag, or ``default`` where it is absent."""
        return self.attributes.get(attribute, default)


class Guard:
    """Reads untrusted elements under fixed limits; one guard serves many sessions.

    ``max_size`` is in bytes of UTF-8 and ``max_depth`` in nested elements, the
    root being the first. ``max_nodes`` bounds elements, attributes and
    namespace declarations together, each of which takes a microsecond or two
    where a tree is made and written, however few bytes it came in.
    ``max_namespace`` is in characters of a namespace
    name as written; it binds elements of more than 1,024 characters, in which
    a long name used often would cost far more memory than it took to send.
    A guard holds no state between calls, but for what :meth:`read_again` remembers.
    """

    __slots__ = (
        "_crowded_tag",
        "_long_namespace",
        "_plain",
        "_remembered",
        "max_depth",
        "max_namespace",
        "max_nodes",
        "max_size",
    )

    def __init__(
        self,
        max_size: int = 262_144,
        max_depth: int = 64,
        max_namespace: int = 255,
        max_nodes: int = 4000,
    ) -> None:
        self.max_size = max_size
        self.max_depth = max_depth
        self.max_namespace = max_namespace
        self.max_nodes = max_nodes
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self.read)
        self._plain = min(_LEVEL * max_depth, _NODE * max_nodes)
        self._crowded_tag = re.compile(
            r"""<[^\s<>"'/=!?]++(?:\s++[^\s<>"'/=]++\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'))"""
            f"{{{max_nodes}}}"
        ).search
        over = f"{{{max_namespace + 1}}}"
        self._long_namespace = re.compile(
            rf"""xmlns(?::[^\s=:]*)?\s*=\s*(?:"[^"]{over}|'[^']{over})"""
        ).search

    def read(self, text: str, max_size: int = 0) -> Element:
        """Check one whole element and return it with its root tag read.

        ``max_size`` replaces the guard's own for this element, as before sign-in.
        Raises :class:`StreamError` with the condition RFC 6120 names; the
        caller must then close the stream.
        """
        parser = self.parser(text, max_size)
        # What is this short can neither nest too deep nor hold too much.
        root = _Root(parser) if len(text) <= self._plain else self._bounded(parser, text)
        parser.StartElementHandler = root.start
        parse(parser, text)
        if text[0] != "<" or text[-1] != ">":
            text = _trimmed(text)
        return tagged(text, root.name, root.attributes)

    def read_again(self, text: str, max_size: int = 0) -> Element:
        """Return what :meth:`read` does, remembering short texts: what many say in the same words.

        Not for what holds a secret.
        """
        short = len(text) <= min(_SHORT, max_size or self.max_size)
        return self._remembered(text) if short else self.read(text, max_size)

    def read_bytes(self, data: bytes, max_size: int = 0) -> Element:
        """Check one element that came as bytes, which must be UTF-8 (RFC 6120 section 11.6)."""
        limit = max_size or self.max_size
        if len(data) > limit:
            raise _over(limit)
        return self.read(decode(data), limit)

    def parser(self, text: str, max_size: int = 0) -> XMLParserType:
        """Return a parser for ``text``, which is not too large, that refuses restricted XML."""
        size = len(text)
        limit = max_size or self.max_size
        if size > limit or (size * 4 > limit and utf8_length(text) > limit):
            raise _over(limit)
        if size > _SMALL and self._has_long_namespace(text):
            raise StreamError(
                StreamCondition.POLICY_VIOLATION,
                f"a namespace name longer than {self.max_namespace} characters",
            )
        # A NUL among the first two bytes makes expat read the rest as UTF-16; others it refuses.
        if "\0" in (text if size <= _SMALL else text[:2]):
            raise StreamError(StreamCondition.NOT_WELL_FORMED)
        parser = ParserCreate(None, _SEPARATOR, None)
        if "!" in text or "?" in text:
            parser.StartDoctypeDeclHandler = _refuse_doctype
            parser.CommentHandler = _refuse_comment
            parser.ProcessingInstructionHandler = _refuse_instruction
            parser.XmlDeclHandler = _refuse_declaration
        return parser

    def _has_long_namespace(self, text: str) -> bool:
        search = self._long_namespace
        # Declarations stand in tags only, which are little of a long text.
        at = text.find("<")
        for _ in range(_FEW):
            if at < 0:
                return False
            tag = _tag(text, at)
            if tag is None:
                break
            if search(text, at, tag.end()):
                return True
            at = text.find("<", tag.end())
        return at >= 0 and search(text, at) is not None

    def _holds_little(self, text: str) -> bool:
        """Tell whether there are so few tags that no bound is near; to count all takes longer."""
        at, nodes = text.find("<"), 0
        for _ in range(min(_FEW, self.max_depth)):
            tag = _tag(text, at)
            if tag is None:
                return False
            nodes += 1 + text.count("=", at, tag.end())
            at = text.find("<", tag.end())
            if at < 0:
                return nodes <= self.max_nodes
        return False

    def _bounded(self, parser: XMLParserType, text: str) -> "_Root | _Bounds":
        """Return what reads the root tag, and counts where so much text may exceed a bound."""
        if len(text) > _LONG and self._holds_little(text):
            return _Root(parser)
        crowded = self.may_be_crowded(text)
        # Every level but the innermost has an end tag of its own; what has none is to hear
        # all the same that it nests too deep.
        ends = text.count("</")
        if not crowded and ends < self.max_depth:
            begun = text.count("<") - ends - text.count("/>")
            if begun <= self.max_depth:
                return _Root(parser)
        bounds = _Bounds(self.max_depth, self.max_nodes)
        parser.EndElementHandler = bounds.end
        if crowded:
            parser.StartNamespaceDeclHandler = bounds.declare
        return bounds

    def may_be_crowded(self, text: str, elements_in: int = 1) -> bool:
        """Tell whether ``text`` may hold more than ``max_nodes``, so that they must be counted.

        A text that holds several stanzas may have the elements of ``elements_in``.

        Of a sound text C counts the elements in no time, every "<" but those of end tags, and
        every attribute has a "=". Raises :class:`StreamError` for too many elements or CDATA
        sections, and for a single tag with so many attributes, which a parser would read all
        before it reported the first.
        """
        limit = self.max_nodes
        if len(text) <= _NODE * limit:
            return False
        elements, equals = text.count("<") - text.count("</"), text.count("=")
        if elements + equals <= limit:
            return False
        if elements > limit * elements_in:
            sections = text.count("<![CDATA[")  # in which a "<" is text
            if not sections or sections > limit:
                raise too_many(limit)
        if equals > limit and self._crowded_tag(text):
            raise too_many(limit)
        return True


class _Root:
    """A handler that keeps the root tag and then takes itself off."""

    __slots__ = ("attributes", "name", "parser")

    def __init__(self, parser: XMLParserType) -> None:
        self.parser = parser

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.parser.StartElementHandler = None


class _Bounds:
    """Handlers that keep the root tag and refuse what nests too deep or holds too much."""

    __slots__ = ("attributes", "depth", "max_depth", "max_nodes", "name", "nodes")

    def __init__(self, max_depth: int, max_nodes: int) -> None:
        self.max_depth = max_depth
        self.max_nodes = max_nodes
        self.depth = 0
        self.nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            self.name = name
            self.attributes = attributes
        elif self.depth > self.max_depth:
            raise too_deep(self.max_depth)
        self.nodes += 1 + len(attributes)
        if self.nodes > self.max_nodes:
            raise too_many(self.max_nodes)

    def end(self, _name: str) -> None:
        self.depth -= 1

    def declare(self, _prefix: str | None, _uri: str | None) -> None:
        self.nodes += 1
        if self.nodes > self.max_nodes:
            raise too_many(self.max_nodes)


def parse(parser: XMLParserType, text: str) -> None:
    """Let ``parser`` read the whole of ``text``; raise what is wrong as a :class:`StreamError`."""
    try:
        at = 0
        if len(text) > _PIECE and parser.EndElementHandler is not None:
            while len(text) - at > _PIECE:
                parser.Parse(text[at : at + _PIECE], False)
                at += _PIECE
        parser.Parse(text[at:], True)
    except ExpatError as error:
        parser.StartElementHandler = None  # it may refer to the parser
        raise _stream_error(error) from None
    except UnicodeEncodeError:
        parser.StartElementHandler = None
        raise _not_utf8() from None


def tagged(text: str, name: str, attributes: dict[str, str]) -> Element:
    """Return the element with the root tag as a parser of the guard's reported it."""
    known = _KNOWN.get(name)
    if known is None:
        namespace, _, local = name.rpartition(_SEPARATOR)
    else:
        namespace, local = known
    for key in attributes:
        if _SEPARATOR in key:
            attributes = {
                name.replace(_SEPARATOR, " "): value for name, value in attributes.items()
            }
            break
    return Element(text, namespace, local, attributes)


def decode(data: bytes) -> str:
    """Return bytes as text; raises ``unsupported-encoding`` where they are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None


def utf8_length(text: str) -> int:
    """Return the bytes that ``text`` takes as UTF-8; lone surrogates count as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def too_deep(limit: int) -> StreamError:
    """Return the error for elements nested deeper than ``limit``."""
    return StreamError(StreamCondition.POLICY_VIOLATION, f"nested deeper than {limit}")


def too_many(limit: int) -> StreamError:
    """Return the error for more than ``limit`` elements, attributes and declarations."""
    return StreamError(
        StreamCondition.POLICY_VIOLATION, f"more than {limit} elements and attributes"
    )


def _over(limit: int) -> StreamError:
    return StreamError(StreamCondition.POLICY_VIOLATION, f"over {limit} bytes")


def _not_utf8() -> StreamError:
    return StreamError(StreamCondition.UNSUPPORTED_ENCODING, "not UTF-8")


def _trimmed(text: str) -> str:
    """Strip white space; a byte order mark, which expat skips, is no part of an element."""
    text = text.strip("\t\n\r ")
    if text[0] != "<":
        raise StreamError(StreamCondition.NOT_WELL_FORMED)
    return text


def _refuse(what: str) -> Callable[..., NoReturn]:
    def handler(*_args: object) -> NoReturn:
        raise StreamError(StreamCondition.RESTRICTED_XML, f"{what} is not allowed")

    return handler


_refuse_doctype: Final = _refuse("a document type declaration")
_refuse_comment: Final = _refuse("a comment")
_refuse_instruction: Final = _refuse("a processing instruction")
_refuse_declaration: Final = _refuse("an XML declaration")


def _stream_error(error: ExpatError) -> StreamError:
    if error.code in _ENTITY_CODES:
        return StreamError(StreamCondition.RESTRICTED_XML, "only predefined entities are allowed")
    if error.code == _MISPLACED_DECLARATION:
        return StreamError(StreamCondition.RESTRICTED_XML, "an XML declaration is not allowed")
    return StreamError(StreamCondition.NOT_WELL_FORMED)
