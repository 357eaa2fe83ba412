"""Reads documents of XEP-0227 without ever holding one whole.

What an account consists of comes as records, elements that are each as small
as a stanza. DTDs, and with them entities, are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, NoReturn
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import TreeBuilder
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate

from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import Tree

__all__ = ["Closed", "Document", "DocumentError", "Event", "Opened", "Record"]

_SEPARATOR: Final = "}"
_CHUNK: Final = 65_536
_MAX_DEPTH: Final = 128
"""Levels of elements within a record: the domain's own bound, and what wraps a stanza here."""

SERVER_DATA: Final = f"{{{ns.PIE}}}server-data"
HOST: Final = f"{{{ns.PIE}}}host"
USER: Final = f"{{{ns.PIE}}}user"
OFFLINE: Final = f"{{{ns.PIE}}}offline-messages"
ARCHIVE: Final = f"{{{ns.PIE_MAM}}}archive"
ROSTER: Final = f"{{{ns.ROSTER}}}query"
PRIVATE: Final = f"{{{ns.PRIVATE}}}query"
PUBSUB: Final = f"{{{ns.PUBSUB}}}pubsub"
PUBSUB_OWNER: Final = f"{{{ns.PUBSUB_OWNER}}}pubsub"
ITEMS: Final = f"{{{ns.PUBSUB}}}items"
_INCLUDE: Final = f"{{{ns.XINCLUDE}}}include"

_CONTAINERS: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({SERVER_DATA, HOST}),
    SERVER_DATA: frozenset({HOST}),
    HOST: frozenset({USER}),
    USER: frozenset({OFFLINE, ARCHIVE, ROSTER, PRIVATE, PUBSUB, PUBSUB_OWNER}),
    PUBSUB: frozenset({ITEMS}),
}
"""What may hold many records, by what it stands in. Everything else is a record."""
_INCLUDING: Final = frozenset({SERVER_DATA, HOST, USER})
"""Where other files may be included; deeper down it is the user's own data (section 5)."""


class DocumentError(Exception):
    """The document cannot be read; the sentence says where, and why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A container begins."""

    tag: str
    attributes: Mapping[str, str]
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Record:
    """An element within a container."""

    parent: str
    """The container's tag."""
    attributes: Mapping[str, str]
    """The container's attributes."""
    tree: Tree
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.file}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Closed:
    """A container ends."""

    tag: str


@dataclass(frozen=True, slots=True)
class _Include:
    parent: str
    attributes: Mapping[str, str]
    line: int


Event = Opened | Record | Closed


class Document:
    """A document of one file, or of several that include one another (section 5).

    ``max_record`` is the size of the largest record, in bytes.
    """

    def __init__(self, path: Path, max_record: int) -> None:
        self._path = path
        self._max_record = max_record

    def __iter__(self) -> Iterator[Event]:
        """Read the events of the document. Raises :class:`DocumentError` where it is unsound."""
        return self._read(self._path, "")

    def _read(self, path: Path, parent: str) -> Iterator[Event]:
        """Read a file whose root stands in ``parent``; files include no more than four deep."""
        reader = _Reader(path.name, parent, self._max_record)
        try:
            with path.open("rb") as file:
                for event in reader.read(file):
                    if isinstance(event, _Include):
                        yield from self._read(self._included(path, event), event.parent)
                    else:
                        yield event
        except OSError as error:
            raise DocumentError(f"{path.name} cannot be read: {error.strerror}.") from None

    def _included(self, path: Path, include: _Include) -> Path:
        """Return the file that is meant: one beside the document, or in a folder there."""
        href = include.attributes.get("href", "")
        parts = urlsplit(href)
        name = PurePosixPath(unquote(parts.path))
        sound = (
            set(include.attributes) == {"href"}
            and href == parts.path
            and name.name
            and not name.is_absolute()
            and ".." not in name.parts
            and "\0" not in str(name)
            and "\\" not in str(name)
        )
        found = path.parent / name
        if not sound or not found.resolve().is_relative_to(self._path.parent.resolve()):
            raise DocumentError(
                f"{path.name}, line {include.line}: {href!r} cannot be included; only files in"
                " the document's own folder and below can."
            )
        return found


class _Reader:
    """Handlers of expat that make events of one file."""

    def __init__(self, name: str, parent: str, max_record: int) -> None:
        self._name = name
        self._root = parent
        self._max_record = max_record
        self._stack: list[tuple[str, Mapping[str, str]]] = [(parent, {})]
        self._events: list[Event | _Include] = []
        self._depth = 0
        """Open elements of the record that is being read; 0: none is."""
        self._builder = TreeBuilder()
        self._mark = 0
        """Where the record began, or the last element outside of one."""
        self._line = 0
        self._names: dict[str, str] = {}
        self._parser = ParserCreate(None, _SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self, file: BinaryIO) -> Iterator[Event | _Include]:
        done = 0
        more = True
        try:
            while more:
                chunk = file.read(_CHUNK)
                more = bool(chunk)
                done += len(chunk)
                try:
                    self._parser.Parse(chunk, not more)
                except ExpatError as error:
                    self._fail(f"{ErrorString(error.code)}", error.lineno)
                if done - self._mark > self._max_record + _CHUNK:
                    self._too_large()
                events, self._events = self._events, []
                yield from events
        finally:
            # The handlers hold the parser, and the parser them.
            del self._parser

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self._tag(name)
        if self._depth:
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                self._fail(f"elements are nested deeper than {_MAX_DEPTH}")
            self._builder.start(tag, self._attributes(attributes))
            return
        self._mark = self._parser.CurrentByteIndex
        parent, _ = self._stack[-1]
        line = self._parser.CurrentLineNumber
        is_root = len(self._stack) == 1
        if tag in _CONTAINERS.get(parent, ()):
            self._stack.append((tag, attributes))
            self._events.append(Opened(tag, attributes, self._name, line))
        elif is_root and parent != USER:
            self._fail(f"this is not a document of XEP-0227: it begins with <{_local(tag)}/>")
        else:
            self._depth = 1
            self._line = line
            self._builder = TreeBuilder()
            self._builder.start(tag, self._attributes(attributes))
            self._parser.CharacterDataHandler = self._builder.data

    def _end(self, name: str) -> None:
        if self._depth == 0:
            self._mark = self._parser.CurrentByteIndex
            tag, _ = self._stack.pop()
            self._events.append(Closed(tag))
            return
        self._builder.end(self._tag(name))
        self._depth -= 1
        if self._depth:
            return
        self._parser.CharacterDataHandler = None
        if self._parser.CurrentByteIndex - self._mark > self._max_record:
            self._too_large()
        tree = self._builder.close()
        parent, outer = self._stack[-1]
        if tree.tag == _INCLUDE and parent in _INCLUDING:
            if len(self._stack) == 1:
                self._fail("a file that is included cannot be an inclusion itself")
            self._events.append(_Include(parent, dict(tree.attrib), self._line))
        else:
            self._events.append(Record(parent, outer, tree, self._name, self._line))
        self._mark = self._parser.CurrentByteIndex

    def _tag(self, name: str) -> str:
        tag = self._names.get(name)
        if tag is None:
            tag = f"{{{name}" if _SEPARATOR in name else name
            if len(self._names) < 1000:
                self._names[name] = tag
        return tag

    def _attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        if _SEPARATOR in "".join(attributes):
            return {self._tag(name): value for name, value in attributes.items()}
        return attributes

    def _refuse_doctype(self, *_args: object) -> NoReturn:
        self._fail("a document type declaration is not allowed")

    def _too_large(self) -> NoReturn:
        self._fail(f"an element is larger than {self._max_record} bytes", self._line)

    def _fail(self, reason: str, line: int = 0) -> NoReturn:
        line = line or self._parser.CurrentLineNumber
        raise DocumentError(f"{self._name}, line {line}: {reason}.")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
