"""Who somebody is, as the site has it: what an account shows from its first sign-in on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAX_GROUPS", "MAX_NAME", "Person", "is_shown", "shown_name"]

MAX_NAME: Final = 200
"""The characters of a display name, and of a group's name; what exceeds them is cut off."""
MAX_GROUPS: Final = 100
"""In how many groups the site can say that one is; what exceeds them is left out."""
_JOINERS: Final = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


@dataclass(frozen=True, slots=True)
class Person:
    """One of the site's users, for ``identify=``, ``authenticate=`` and ``verify_token=``.

    Raises TypeError for what is of another type than it should be.
    """

    name: str
    """The name of the account."""
    display_name: str = ""
    """What people call them; empty where the site does not say."""
    avatar: bytes | None = field(default=None, repr=False)
    """A picture: PNG, JPEG, GIF or WebP. None where the site does not say, empty for none."""
    groups: Iterable[str] | None = None
    """The shared groups that they are in, all of them; None where the site does not say."""

    def __post_init__(self) -> None:
        """Look at the types: what the site returns is not checked by anybody else."""
        if not isinstance(self.name, str) or not isinstance(self.display_name, str):
            raise TypeError("a Person's name and display_name are text")
        if self.avatar is not None and not isinstance(self.avatar, bytes):
            raise TypeError("a Person's avatar is bytes, or None")
        if self.groups is None:
            return
        if isinstance(self.groups, (str, bytes)):
            raise TypeError("a Person's groups are a list of names")
        groups = tuple(self.groups)
        if not all(isinstance(group, str) for group in groups):
            raise TypeError("the names of a Person's groups are text")
        object.__setattr__(self, "groups", groups)


def is_shown(name: str) -> bool:
    """Tell whether a name may be shown as it is."""
    return bool(name) and shown_name(name) == name


def shown_name(text: str) -> str:
    """Return a name as it may be shown: on one line, without what cannot be seen, not too long."""
    seen = (
        char if char.isprintable() or char in _JOINERS else " " for char in text[: 4 * MAX_NAME]
    )
    return " ".join("".join(seen).split())[:MAX_NAME].strip()
