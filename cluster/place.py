"""Where the processes of one chat meet: who is home, and how the others reach it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Connect", "Place", "PlaceError"]

Connect = Callable[[], asyncio.BaseProtocol]
"""Makes what takes a connection."""


class PlaceError(Exception):
    """The place cannot be used; the sentence says why, and what to do about it."""


class Place(Protocol):
    """A place of which one process at a time is the home."""

    @property
    def patience(self) -> float:
        """For how many seconds a home that says nothing may still be it; infinite: while it lives.

        After that it is worth a try to :meth:`take` its place.
        """
        ...

    @property
    def early(self) -> bool:
        """Whether nobody can be home yet, which is over within seconds."""
        ...

    async def begin(self) -> None:
        """Find out whether it can be used, before anything else. Raises :class:`PlaceError`."""
        ...

    async def take(self) -> bool:
        """Become home, where nobody is; tell whether this process is it now.

        Whoever is keeps it until :meth:`release`, or its end, however that comes.
        Raises :class:`PlaceError`.
        """
        ...

    async def wait(self) -> None:
        """Return when another :meth:`take` or :meth:`reach` may be worth it, within a second."""
        ...

    async def reach(self, connect: Connect) -> bool:
        """Connect to the home; tell whether one answers. Raises :class:`PlaceError`."""
        ...

    async def listen(self, connect: Connect) -> None:
        """As home, take the connections of others. Raises :class:`PlaceError`."""
        ...

    async def close(self) -> None:
        """Take no more connections; the home stays this process."""
        ...

    async def release(self) -> None:
        """Be home no more, and take no more connections; nothing where one is not."""
        ...

    async def end(self) -> None:
        """Release it, and let go of whatever else it needs: this process has done with it."""
        ...
