"""Nicknames: what tells them apart, whose they are, and who may have which.

XEP-0045 sections 7.2.8, 7.6, 7.10, 7.12 and 9.3. Two that are one to people are
never in a room, or reserved, side by side; all that is looked up by a nickname
is looked up here.
"""

from collections.abc import Collection, Iterator, Mapping, MutableMapping, ValuesView
from typing import TypeVar

__all__ = ["ByNick", "Reservations"]

V = TypeVar("V")


def keys_of(nick: str) -> Collection[str]:
    """Return what a nickname is compared by: two that share a key are one to people."""
    return (nick,)


class ByNick(MutableMapping[str, V]):
    """Things by their nickname, of which no two are one to people.

    A nickname finds what is kept under that very one; :meth:`like` finds what
    is kept under one that is the same to people.
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

    def like(self, nick: str) -> V | None:
        """Return what is kept under a nickname that is this one to people."""
        for key in keys_of(nick):
            found = self._nicks.get(key)
            if found is not None:
                return self._entries[found]
        return None


class Reservations(Mapping[str, str]):
    """Reserved nicknames by the bare JID whose they are, one each.

    Some may be one to people all the same, kept from when others were; see :meth:`shared`.
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
        former = self._nicks.pop(bare, "")
        for key in keys_of(former) if former else ():
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

    def shared(self) -> list[tuple[str, ...]]:
        """Return the bare JIDs whose nicknames are one to people, in groups."""
        return sorted({tuple(sorted(each)) for each in self._holders.values() if len(each) > 1})
