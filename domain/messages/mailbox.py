"""What is being handed out of what waits for one account, and to whom.

A message that was handed out stays in the store until its resource has it. Until then it
is *out*: nobody else is given it. When its session ends first, it is back where it was,
since it never was away.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Self

from andiron.domain.client import Client
from andiron.domain.database.underway import UnderWay

__all__ = ["PAGE_BYTES", "PAGE_MESSAGES", "Handed", "Mailbox", "is_there", "page_bounds", "stamps"]

PAGE_MESSAGES: Final = 50
"""How many stored messages a resource is given at a time."""
PAGE_BYTES: Final = 262_144
"""How many bytes of them, but one message in any case."""
_IN_MEMORY: Final = 8
"""How many times its UTF-8 a text may take in memory, amply: see ``size_of``."""


class Handed(str):
    """A stored message on its way to a resource, by which it is known when it comes back."""

    __slots__ = ("id", "mark", "stamp")

    id: int
    """Its place in the store, which another may have later."""
    stamp: float
    """When it was accepted, in Unix seconds: what tells it from that other."""
    mark: int
    """What tells when its resource has it: see :meth:`Session.when_taken`."""

    @classmethod
    def of(cls, text: str, identity: int, stamp: float) -> Self:
        """Return ``text`` as that of a stored message."""
        handed = cls(text)
        handed.id, handed.stamp, handed.mark = identity, stamp, 0
        return handed


class Mailbox:
    """What is known in memory of one account's store."""

    __slots__ = (
        "__weakref__",
        "_going",
        "_had",
        "_out",
        "adding",
        "asking_again",
        "lock",
        "owed",
        "removing",
        "taker",
        "unread",
    )

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        """Held by who changes what others must find in order: it serves in that of asking."""
        self.adding = UnderWay()
        """Messages on their way into the store, by who pays for that."""
        self.unread: set[str] = set()
        """Of whom something was added that the last look into the store may not have seen."""
        self.asking_again = False
        """Whether a look into the store has failed, and there is to be another."""
        self.removing = False
        """Whether what was had is about to be removed from the store."""
        self.taker: Client | None = None
        """Who is given what waits."""
        self._out: dict[int, tuple[Client, Handed]] = {}
        self._had: dict[int, Handed] = {}
        self._going: dict[int, Handed] = {}
        """What is being removed from the store."""
        self.owed: list[str] = []
        """Under which keys it is written down what ended sessions had."""

    def comes(self, payer: str) -> Callable[[], None]:
        """Note that a message is on its way into the store, until what is returned is called."""
        self.unread.add(payer)
        return self.adding.begin(payer)

    def look(self) -> None:
        """Note that the store is looked into now, which sees what is there."""
        self.unread = set(self.adding)

    @property
    def out(self) -> list[int]:
        """What nobody else is given."""
        return list(self._out)

    def hand(self, client: Client, handed: Handed) -> None:
        """Note that a message goes out to a resource."""
        self._out[handed.id] = client, handed

    def is_out(self, client: Client) -> bool:
        """Tell whether a resource was handed something that it does not have yet."""
        return any(holder is client for holder, _ in self._out.values())

    def had(self, handed: Handed) -> None:
        """Note that a message that is out has arrived."""
        entry = self._out.get(handed.id)
        if entry is not None and entry[1] is handed:
            del self._out[handed.id]
            self._had[handed.id] = handed

    def had_all(self, client: Client) -> None:
        """Note that a resource has all that was handed to it and is still out."""
        for holder, handed in list(self._out.values()):
            if holder is client:
                self.had(handed)

    @property
    def arrived(self) -> list[Handed]:
        """What one of the account's resources has, though it is in the store yet."""
        return [*self._going.values(), *self._had.values()]

    def out_to(self, client: Client) -> list[Handed]:
        """Return what was handed to a resource that it does not have yet: its session answers."""
        return [handed for holder, handed in self._out.values() if holder is client]

    def back(self, handed: Handed) -> bool:
        """Note that a message did not arrive; tell whether it waits in the store still."""
        entry = self._out.get(handed.id)
        if entry is not None and entry[1] is handed:
            del self._out[handed.id]
            return True
        if self._had.get(handed.id) is handed:
            del self._had[handed.id]
            return True
        return False

    def take_had(self) -> dict[int, Handed]:
        """Take what is to be removed from the store now; then it is :meth:`gone`, or not."""
        had, self._had = self._had, {}
        self._going |= had
        return had

    def gone(self, had: dict[int, Handed]) -> None:
        """Note that what was to be removed is."""
        for identity in had:
            self._going.pop(identity, None)

    def still_had(self, had: dict[int, Handed], keys: list[str]) -> None:
        """Note that what was to be removed could not be."""
        self.gone(had)
        self._had = had | self._had
        self.owed = keys + self.owed

    def take_owed(self) -> list[str]:
        """Take the keys under which what is to be removed now may be written down."""
        keys, self.owed = self.owed, []
        return keys


def stamps(had: Mapping[int, Handed]) -> dict[int, float]:
    """Return the times of stored messages by their ids, as the store wants them."""
    return {identity: handed.stamp for identity, handed in had.items()}


def is_there(client: Client | None) -> bool:
    """Tell whether messages to an account may come to a resource, and its client listens."""
    return client is not None and client.reachable and client.session.transport is not None


def page_bounds(client: Client) -> tuple[int, int]:
    """Return how many stored messages a resource may be given, and bytes of them."""
    stanzas, memory = client.session.room
    return (
        max(1, min(PAGE_MESSAGES, stanzas // 2)),
        max(1, min(PAGE_BYTES, memory // _IN_MEMORY)),
    )
