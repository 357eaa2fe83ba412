"""What is kept by nickname, and found by those that people take for one another.

An occupant's address has its very nickname, and finds it alone: a stanza to one that
only looks like it is not for it. Who comes to a room, or reserves a nickname, is kept
from what is one to people with somebody else's (RFC 8266, UTS #39): XEP-0045 sections
7.2.8, 7.6 and 7.10 leave the rule to the service.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, ValuesView
from functools import lru_cache
from typing import TypeVar

from andiron.xmpp.nickname import nickname_keys
from andiron.xmpp.precis import PrecisError

__all__ = ["ByNick", "Reservations", "keys_of"]

V = TypeVar("V")


@lru_cache(maxsize=1000)
def keys_of(nick: str) -> frozenset[str]:
    """Return what a nickname is compared by: two that share a key are one to people.

    The caller has bounded its length. What can be no nickname has none.
    """
    try:
        return nickname_keys(nick)
    except PrecisError:
        return frozenset()


class ByNick(MutableMapping[str, V]):
    """Things by their nickname, of which no two are one to people.

    A nickname finds what is kept under that very one; :meth:`alike` finds what
    is kept under those that are the same to people.
    """

    __slots__ = ("_entries", "_nicks")

    def __init__(self) -> None:
        self._entries: dict[str, V] = {}
        self._nicks: dict[str, str] = {}
        """By key, the nickname that has it."""

    def __getitem__(self, nick: str) -> V:
        return self._entries[nick]

    def __setitem__(self, nick: str, value: V) -> None:
        self._entries[nick] = value
        for key in keys_of(nick):
            self._nicks[key] = nick

    def __delitem__(self, nick: str) -> None:
        del self._entries[nick]
        for key in keys_of(nick):
            del self._nicks[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> ValuesView[V]:
        """Return the things."""
        return self._entries.values()

    def alike(self, nick: str) -> list[V]:
        """Return what is kept under nicknames that are this one to people."""
        found = {self._nicks[key] for key in keys_of(nick) if key in self._nicks}
        return [self._entries[each] for each in sorted(found)]


class Reservations(Mapping[str, str]):
    """Reserved nicknames by the bare JID whose they are, one each.

    Some may be one to people all the same, kept by other rules; see :meth:`faults`.
    """

    __slots__ = ("_holders", "_nicks")

    def __init__(self) -> None:
        self._nicks: dict[str, str] = {}
        self._holders: dict[str, set[str]] = {}
        """By key, whose nickname has it."""

    def __getitem__(self, bare: str) -> str:
        return self._nicks[bare]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nicks)

    def __len__(self) -> int:
        return len(self._nicks)

    def reserve(self, bare: str, nick: str) -> None:
        """Reserve a nickname for a person, in place of another one; an empty one for none."""
        for key in keys_of(self._nicks.pop(bare, "")):
            self._holders[key].discard(bare)
            if not self._holders[key]:
                del self._holders[key]
        if nick:
            self._nicks[bare] = nick
            for key in keys_of(nick):
                self._holders.setdefault(key, set()).add(bare)

    def holders(self, nick: str) -> set[str]:
        """Return whose nicknames are this one to people."""
        return {bare for key in keys_of(nick) for bare in self._holders.get(key, ())}

    def faults(self) -> list[str]:
        """Return what an operator should know of those that were kept by other rules."""
        shared = {tuple(sorted(each)) for each in self._holders.values() if len(each) > 1}
        return [
            f"the nicknames {self._named(group)} are one to people" for group in sorted(shared)
        ] + [
            f"the nickname {self._named([bare])} can be none any more"
            for bare, nick in self._nicks.items()
            if not keys_of(nick)
        ]

    def _named(self, group: Iterable[str]) -> str:
        return ", ".join(f"{self._nicks[bare]!r} of {bare}" for bare in group)
