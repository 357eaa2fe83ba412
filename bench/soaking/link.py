"""What a session needs of its connection, and the other way round."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeAlias

Address: TypeAlias = tuple[str, int]
Addresses: TypeAlias = Sequence[Address]
"""Where there are servers of one chat; each connection goes to one of them."""
CONNECTING = 5.0
"""Seconds that a connection may take."""


class Owner(Protocol):
    """Whose connection it is."""

    def carried_by(self, link: "Link") -> None:
        """Hear that it is there; what other ones bring does not count any more."""

    def receive(self, link: "Link", text: str) -> None:
        """Take one top-level element."""

    def refused(self, what: str) -> None:
        """Hear that the server would not have it."""


class Link(Protocol):
    """One stream; ``ready`` once its session has bound or resumed."""

    ready: bool
    ended: asyncio.Future[None]

    def restart(self) -> None:
        """Open the stream anew, after sign-in."""

    def send(self, text: str) -> None:
        """Send one top-level element."""

    def kill(self, how: str) -> None:
        """End it otherwise than agreed; ``silent``: the server is not to notice."""

    def close(self) -> None:
        """End the session."""
