"""What happens in the domain, for the specifications that want to know."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from andiron.domain.client import Client
from andiron.sm.link import CloseReason
from andiron.xmpp.jid import JID
from andiron.xmpp.xml import Element

__all__ = ["Events", "Service"]


class Service(Protocol):
    """An address of its own within the domain, such as the one of the rooms.

    Its stanzas' children are the client's; addresses are prepared. It sends by
    the clients in :attr:`Router.full`: ``client.deliver`` for messages,
    ``client.inform`` for presence, ``client.forward`` for iqs.
    """

    domain: str
    """Its host name, prepared."""

    def message(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Take a message to ``jid``; True when it is handled, as of :meth:`Link.receive`.

        Raises :class:`StanzaError` for its sender; ``iq`` and ``presence`` do so, too.
        """

    def sharers(self, client: Client, jid: JID) -> Collection[Client] | None:
        """Return who may see what a client says to ``jid``, of the resources of its account.

        None where all may (XEP-0280 section 6.1).
        """

    def reached(self, client: Client, element: Element, jid: JID) -> Collection[str]:
        """Return the bare JIDs of those whom a stanza to ``jid`` reaches in particular.

        None for what is for all there. Raises :class:`StanzaError`.
        """

    def iq(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Take an iq to ``jid``, of any of the four types; requests must be answered."""

    def presence(self, client: Client, element: Element, jid: JID, ticket: int, now: float) -> bool:
        """Take a presence to ``jid``."""

    def left(self, client: Client, now: float) -> None:
        """Note that a resource has become unavailable to everyone, however that came.

        Called for each service that had directed presence from it.
        """

    def places(self, client: Client) -> Mapping[str, list[str]]:
        """Return where a resource is by its directed presence, by name, to be written down."""

    def seat(self, client: Client, places: Mapping[str, Sequence[str]]) -> None:
        """Let a resource be where it was when that was written down; nobody is told."""

    def hide(self, client: Client, jid: str, now: float) -> None:
        """Show a resource what it is to see when its account is about to block an address.

        It is one of the service's. From then on nothing may come from it (XEP-0191).
        """

    def show(self, client: Client, jid: str, now: float) -> None:
        """Show a resource what it may see again of an address that is blocked no more."""


class Events:
    """Lists of callbacks; a specification's module appends its own when it is registered."""

    def __init__(self) -> None:
        self.bound: list[Callable[[Client], None]] = []
        """A client has bound its resource."""
        self.ended: list[Callable[[Client, CloseReason], None]] = []
        """The session of one that had ended, for good."""
        self.available: list[Callable[[Client, Element, bool, float], None]] = []
        """A resource sent available presence to all, the first time or again (``initial``)."""
        self.unavailable: list[Callable[[Client, float], None]] = []
        """A resource that was available is no more; it is bound still, or its session ended."""
        self.reachable: list[Callable[[Client], None]] = []
        """Messages to the account may come to a resource from now on."""
        self.unreachable: list[Callable[[Client], None]] = []
        """They may not any more; it is bound still."""
        self.subscribed: list[Callable[[str, str, float], None]] = []
        """Of an account and a contact, bare JIDs: the contact now sees the account's presence."""
        self.unsubscribed: list[Callable[[str, str, float], None]] = []
        """Of an account and a contact: the contact sees the account's presence no more."""
        self.let_go: list[Callable[[str], None]] = []
        """The account of a username was removed, and what is in memory of it is let go at once."""
        self.removed: list[Callable[[str], Awaitable[None]]] = []
        """The account of a username was removed; others are to forget it.

        There may be another of that name by now, which is not in memory yet: what that has in
        the database stays. What raises is called again, with all others, later."""
