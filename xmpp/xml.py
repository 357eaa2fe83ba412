"""The guard: what a client sends is one sound XML element, or a stream error.

expat, in C, checks the whole element; only its root tag is read into Python.
RFC 6120 section 11 restricts XML to one root element, namespaces bound, no
DTD, no processing instruction, no comment and no entity but the five
predefined ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from xml.parsers.expat import ExpatError, ParserCreate, XMLParserType, errors

from andiron.xmpp.errors import StreamCondition, StreamError

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

    def get(self, attribute: str, default: str = "") -> str:
        """Return an attribute of the root tag, or ``default`` where it is absent."""
        return self.attributes.get(attribute, default)


class Guard:
    """Reads untrusted elements under fixed limits; one guard serves many sessions.

    ``max_size`` is in bytes of UTF-8 and ``max_depth`` in nested elements, the
    root being the first. A guard holds no state between calls.
    """

    __slots__ = ("_attributes", "_depth", "_name", "_parser", "max_depth", "max_size")

    def __init__(self, max_size: int = 262_144, max_depth: int = 64) -> None:
        self.max_size = max_size
        self.max_depth = max_depth
        self._name = ""
        self._attributes: dict[str, str] = {}
        self._depth = 0
        self._parser = ParserCreate(None, " ")

    def read(self, text: str, max_size: int = 0) -> Element:
        """Check one whole element and return it with its root tag read.

        ``max_size`` lowers the limit for this element, as before sign-in.
        Raises :class:`StreamError` with the condition RFC 6120 names; the
        caller must then close the stream.
        """
        size = len(text)
        limit = max_size or self.max_size
        if size > limit or (size * 4 > limit and utf8_length(text) > limit):
            raise StreamError(StreamCondition.POLICY_VIOLATION, f"over {limit} bytes")
        parser = self._parser = ParserCreate(None, " ")
        if "<!" in text or "<?" in text:
            self._refuse_restricted(parser)
        # Every level of depth has a "<" of its own, so few of them cannot nest deep.
        if text.count("<") > self.max_depth:
            self._depth = 0
            parser.StartElementHandler = self._start_nested
            parser.EndElementHandler = self._end_nested
        else:
            parser.StartElementHandler = self._start_root
        try:
            parser.Parse(text, True)
        except ExpatError as error:
            raise _stream_error(error) from None
        except UnicodeEncodeError:
            raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "not UTF-8") from None
        finally:
            parser.StartElementHandler = None
            parser.EndElementHandler = None
        namespace, _, name = self._name.rpartition(" ")
        if text[0] != "<" or text[-1] != ">":
            text = text.strip("\t\n\r ")
        return Element(text, namespace, name, self._attributes)

    def read_bytes(self, data: bytes, max_size: int = 0) -> Element:
        """Check one element that came as bytes, which must be UTF-8 (RFC 6120 section 11.6)."""
        limit = max_size or self.max_size
        if len(data) > limit:
            raise StreamError(StreamCondition.POLICY_VIOLATION, f"over {limit} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "not UTF-8") from None
        return self.read(text, limit)

    def _start_root(self, name: str, attributes: dict[str, str]) -> None:
        self._name = name
        self._attributes = attributes
        self._parser.StartElementHandler = None

    def _start_nested(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 1:
            self._name = name
            self._attributes = attributes
        elif self._depth > self.max_depth:
            raise StreamError(
                StreamCondition.POLICY_VIOLATION, f"nested deeper than {self.max_depth}"
            )

    def _end_nested(self, _name: str) -> None:
        self._depth -= 1

    @staticmethod
    def _refuse_restricted(parser: XMLParserType) -> None:
        parser.StartDoctypeDeclHandler = _refuse("a document type declaration")
        parser.CommentHandler = _refuse("a comment")
        parser.ProcessingInstructionHandler = _refuse("a processing instruction")
        parser.XmlDeclHandler = _refuse("an XML declaration")


def utf8_length(text: str) -> int:
    """Return the bytes that ``text`` takes as UTF-8; lone surrogates count as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _refuse(what: str) -> Callable[..., None]:
    def handler(*_args: object) -> None:
        raise StreamError(StreamCondition.RESTRICTED_XML, f"{what} is not allowed")

    return handler


def _stream_error(error: ExpatError) -> StreamError:
    if error.code in _ENTITY_CODES:
        return StreamError(StreamCondition.RESTRICTED_XML, "only predefined entities are allowed")
    if error.code == _MISPLACED_DECLARATION:
        return StreamError(StreamCondition.RESTRICTED_XML, "an XML declaration is not allowed")
    return StreamError(StreamCondition.NOT_WELL_FORMED)
