"""A group whose members have each other in their contact lists, by the site's word."""

from collections.abc import Mapping
from enum import Enum, auto
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

__all__ = ["SharedGroup", "Source"]

_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


class Source(Enum):
    """Who says who is in a group."""

    TABLE = auto()
    """The database."""
    SITE = auto()
    """The site's ``groups=``."""


class SharedGroup:
    """One such group. It is known as long as somebody in memory is in it."""

    __slots__ = ("__weakref__", "asked", "digest", "members", "name", "source")

    def __init__(self, source: Source, name: str) -> None:
        self.source = source
        self.name = name
        """What the group is called in contact lists."""
        self.members: Mapping[str, str] = _NOBODY
        """What people call each member, by bare JID; never changed, but replaced."""
        self.digest = ""
        """Tells this state of the group from any other."""
        self.asked: frozenset[str] = frozenset()
        """Whom the site named the last time, as it did, members or not."""

    def replace(self, members: Mapping[str, str]) -> None:
        """Have other members from now on."""
        self.members = members
        written = "\n".join(f"{jid} {members[jid]}" for jid in sorted(members))
        self.digest = blake2b(f"{self.name}\n{written}".encode(), digest_size=8).hexdigest()
