"""What a client in memory was sent, to be looked at."""

from dataclasses import dataclass, field

from andiron.xmpp import namespaces as ns
from andiron.xmpp.tree import Tree, parse_text

__all__ = ["Stanza"]

_CLIENT = "{" + ns.CLIENT + "}"
_ERRORS = "{" + ns.STANZA_ERRORS + "}"


@dataclass(frozen=True, slots=True)
class Stanza:
    """A message, presence or iq as it came; what it lacks is empty."""

    text: str
    tree: Tree = field(repr=False, compare=False)
    """Its parsed form, with tags as ``{namespace}name``."""

    @classmethod
    def of(cls, text: str) -> "Stanza":
        """Return the stanza of a text that the server sent."""
        return cls(text, parse_text(text))

    @property
    def name(self) -> str:
        """``message``, ``presence`` or ``iq``."""
        return self.tree.tag.rpartition("}")[2]

    @property
    def kind(self) -> str:
        """Its attribute ``type``."""
        return self.tree.get("type", "")

    @property
    def id(self) -> str:
        """Its id."""
        return self.tree.get("id", "")

    @property
    def sender(self) -> str:
        """The full address that it is from."""
        return self.tree.get("from", "")

    @property
    def body(self) -> str:
        """The text of a message."""
        return self.tree.findtext(_CLIENT + "body", "")

    @property
    def condition(self) -> str:
        """What is wrong, of an error (RFC 6120 section 8.3.3), such as ``forbidden``."""
        for child in self.tree.iterfind(f"{_CLIENT}error/*"):
            if child.tag.startswith(_ERRORS) and not child.tag.endswith("}text"):
                return child.tag.removeprefix(_ERRORS)
        return ""
