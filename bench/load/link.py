"""What a session needs of its transport, and a transport of its session."""

from typing import Any, Protocol
from xml.etree.ElementTree import Element

STEP_TIMEOUT = 30.0
"""Seconds in which a server must answer a step of a handshake."""


class LoadError(Exception):
    """The server did something that ends this session."""


class Link(Protocol):
    """A stream over one transport, seen from the client."""

    async def open(self) -> Element:
        """Connect and open the stream; return its features."""

    async def restart(self) -> Element:
        """Open the stream again after sign-in; return its features."""

    def send(self, stanza: bytes) -> None:
        """Send one top-level element, or keep it for the next request."""

    def elements(self, document: bytes) -> list[Element]:
        """Return the top-level elements of what came in at once."""

    def abort(self) -> None:
        """Drop the TCP connections without a word."""

    async def close(self) -> None:
        """End the stream, then the connections."""


class Receiver(Protocol):
    """A session, seen from its transport."""

    def on_doc(self, document: bytes) -> None:
        """Take what came in at once: a WebSocket message, or a ``<body/>``."""

    def on_error(self, text: str) -> None:
        """Take note of what must not happen."""

    def on_lost(self, link: Link) -> None:
        """Hear that a connection is gone."""

    def deliver(self, elements: list[Element]) -> None:
        """Take elements of the handshake."""

    async def expect(self, *tags: str, seconds: float = STEP_TIMEOUT) -> Element:
        """Wait for the next element, which must be one of these."""

    async def expect_document(self) -> Element:
        """Wait for the next document as a whole."""

    def spawn(self, coroutine: Any) -> None:
        """Run something beside, and hold it until it is done."""
