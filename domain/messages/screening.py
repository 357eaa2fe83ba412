"""Messages that somebody looks at before they go their way: the site's own code.

Nothing more is read from a client while one of its messages is looked at, so what it says
keeps its order with all else that it sends; the message is handled when it has gone its way.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from andiron.domain.client import Client
from andiron.domain.router import TRIFLES
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import has_body, shows_body, tags
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.xml import Element

__all__ = ["Screen", "Screening", "says_something"]

Screen = Callable[[Client, Element], Awaitable[Element]]
"""Returns what becomes of a message; raises :class:`StanzaError` against it. Must end soon."""

_SIGNS: Final = (*TRIFLES, f"{{{ns.RECEIPTS}}}", f"{{{ns.MARKERS}}}")
"""How the tags begin of what programs tell each other of messages."""


class _Messages(Protocol):
    """Where messages go hereafter."""

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take a message."""


class Screening:
    """Takes the messages of clients, and passes them on when they have been looked at."""

    def __init__(
        self,
        messages: _Messages,
        screen: Screen,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``spawn`` runs a coroutine to its end, also while the domain stops."""
        self._messages = messages
        self._screen = screen
        self._spawn = spawn

    def receive(self, client: Client, element: Element, ticket: int, now: float) -> bool:
        """Take a message from a bound client, as :meth:`Link.receive`."""
        if not says_something(element):
            return self._messages.receive(client, element, ticket, now)
        client.session.hold()
        self._spawn(self._look(client, element, ticket))
        return False

    async def _look(self, client: Client, element: Element, ticket: int) -> None:
        session = client.session
        try:
            try:
                looked_at = await self._screen(client, element)
                handled = self._messages.receive(client, looked_at, ticket, session.clock())
            except StanzaError as error:
                if not client.bound:
                    return  # It cannot be told, so it must not count the message as handled.
                client.refuse(element, error, session.clock())
                handled = True
            if handled:
                session.handled(ticket, session.clock())
        except Exception as error:  # noqa: BLE001 - as of any stanza, its stream ends for that
            session.failed(element, error, session.clock())
        finally:
            session.go_on()


def says_something(element: Element) -> bool:
    """Tell whether a message says more than that it was read, or that somebody types.

    An error does where it has a body, which anybody may write into one.
    """
    if element.attributes.get("type") == "error":
        return has_body(element)
    if shows_body(element.text):
        return True
    return any(not tag.startswith(_SIGNS) for tag in tags(element))
