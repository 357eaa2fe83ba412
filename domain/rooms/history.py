"""A room's last messages, for those who enter (XEP-0045 sections 7.2.13 and 7.2.14)."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.tree import Tree

__all__ = ["Entry", "History", "Wish", "read_wish"]

_HISTORY = f"{{{ns.MUC}}}history"


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, with its delay, around the place of the recipient's address."""

    head: str
    tail: str
    stamp: float

    @property
    def size(self) -> int:
        """Its length in characters, without the recipient's address."""
        return len(self.head) + len(self.tail)


@dataclass(frozen=True, slots=True)
class Wish:
    """How much one who enters would like to get; None: as the room has it."""

    characters: int | None = None
    stanzas: int | None = None
    seconds: int | None = None
    since: float | None = None


class History:
    """The newest messages of a room, few enough and short enough."""

    __slots__ = ("_characters", "_entries", "_max_characters")

    def __init__(self, max_entries: int, max_characters: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=max_entries)
        self._characters = 0
        self._max_characters = max_characters

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Keep a message; the oldest make place."""
        entries = self._entries
        if entries.maxlen == 0:
            return
        if len(entries) == entries.maxlen:
            self._characters -= entries[0].size
        entries.append(entry)
        self._characters += entry.size
        while self._characters > self._max_characters and entries:
            self._characters -= entries.popleft().size

    def plain(self) -> list[tuple[str, str, float]]:
        """Return the messages as plain data, oldest first."""
        return [(entry.head, entry.tail, entry.stamp) for entry in self._entries]

    def forget(self, identity: str) -> None:
        """Let go of the message that has an id in the room's archive."""
        # Nobody but the room writes this: ids in its name are taken out of what is said.
        mark = f"<stanza-id xmlns='{ns.STANZA_ID}' id='{identity}' "
        kept = [entry for entry in self._entries if mark not in entry.tail]
        self._entries.clear()
        self._entries.extend(kept)
        self._characters = sum(entry.size for entry in kept)

    def select(self, wish: Wish, limit: int, to: int, wall: float) -> list[Entry]:
        """Return what is sent, oldest first: never more than ``limit`` messages.

        ``to`` is the length of the recipient's address attribute, which counts
        among the characters; ``wall`` is now.
        """
        if wish.stanzas is not None:
            limit = min(limit, wish.stanzas)
        since = wish.since if wish.since is not None else -1.0
        if wish.seconds is not None:
            since = max(since, wall - wish.seconds)
        found: list[Entry] = []
        room = wish.characters
        for entry in islice(self._newest(), limit):
            if entry.stamp < since:
                break
            if room is not None:
                room -= entry.size + to
                if room < 0:
                    break
            found.append(entry)
        found.reverse()
        return found

    def _newest(self) -> Iterator[Entry]:
        return reversed(self._entries)


def read_wish(x: Tree) -> Wish:
    """Read the ``<history/>`` of a ``muc`` element; raises :class:`StanzaError` for nonsense."""
    history = x.find(_HISTORY)
    if history is None:
        return Wish()
    since = history.get("since")
    return Wish(
        _number(history, "maxchars"),
        _number(history, "maxstanzas"),
        _number(history, "seconds"),
        None if since is None else _unix_time(since),
    )


def _number(history: Tree, name: str) -> int | None:
    value = history.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 12):
        raise StanzaError(StanzaCondition.BAD_REQUEST, f"{name} is a number")
    return int(value)


def _unix_time(value: str) -> float:
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise StanzaError(StanzaCondition.BAD_REQUEST, "since is a date and time") from None
