"""What an account consists of, on its way from one server to another."""

from dataclasses import dataclass, field

from andiron.domain.accounts.credentials import ScramKeys
from andiron.domain.archive.preferences import Preferences
from andiron.domain.contacts.roster import Item as RosterItem
from andiron.domain.portability.spool import Spool
from andiron.domain.pubsub.config import NodeConfig
from andiron.domain.pubsub.items import Item as PublishedItem

__all__ = ["Content", "NodeContent"]


@dataclass(slots=True)
class NodeContent:
    """A node with its items, and who has to do with it (XEP-0060)."""

    config: NodeConfig | None = None
    affiliations: dict[str, str] = field(default_factory=dict)
    subscribers: set[str] = field(default_factory=set)
    items: dict[str, PublishedItem] = field(default_factory=dict)
    """By their ids, the oldest first."""

    @property
    def size(self) -> int:
        """The bytes of all payloads."""
        return sum(len(item.payload.encode()) for item in self.items.values())


@dataclass(slots=True)
class Content:
    """All that is kept for one account but its uploads."""

    username: str
    password: str = ""
    """In the clear, where the other server tells it."""
    keys: dict[str, ScramKeys] = field(default_factory=dict)
    """By mechanism."""
    disabled: bool = False
    """Whether nobody may sign in to it."""
    contacts: dict[str, RosterItem] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    """The presence stanzas that wait for an answer, by who asks."""
    blocked: set[str] = field(default_factory=set)
    private: dict[str, str] = field(default_factory=dict)
    """The texts of elements in private storage, by their tags."""
    vcard: str = ""
    photo: str = ""
    """The SHA-1 of the picture in the vCard, as presence tells it."""
    nodes: dict[str, NodeContent] = field(default_factory=dict)
    preferences: Preferences | None = None
    """Which messages it wants to be archived."""
    last_seen: float | None = None
    offline: Spool = field(default_factory=Spool)
    """Rows of a message's text, and when it was accepted."""
    archive: Spool = field(default_factory=Spool)
    """Rows of an id, whether it may be there already, the bare JID and the resource of the
    correspondent, and the text."""

    def close(self) -> None:
        """Let go of the messages."""
        self.offline.close()
        self.archive.close()
