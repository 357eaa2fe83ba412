"""What was held for resources goes back to the store: they leave, or more waits than a page."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from andiron.domain.client import Client
from andiron.domain.messages import carbons
from andiron.domain.messages.bouncing import Bouncer
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.messages.sharing import Share, Shared
from andiron.domain.messages.storing import sender_of, storable
from andiron.xmpp.xml import Element

__all__ = ["Kept", "Returning"]


class Kept(NamedTuple):
    """A message that was held, since when, and what is to be stored of it."""

    since: float
    element: Element
    waiting: Waiting


class Returning:
    """Takes out what is held for resources and must be stored.

    ``read`` reads a stanza of our own again, which was for a resource; None: it cannot.
    """

    def __init__(self, read: Callable[[str, Client], Element | None], bouncer: Bouncer) -> None:
        self._read = read
        self._bouncer = bouncer

    def take(self, clients: Sequence[Client]) -> list[Kept]:
        """Take it out, in the order in which it came.

        What several of them wait for is one message. What stays is for who is still there: it
        cannot be stored, or another resource has it, too. The caller lets it go on.
        """
        waiting = _waiting(clients)
        taken = list[Kept]()
        for client in clients:
            held = client.held or {}
            for number, (text, since, _) in list(held.items()):
                stays, kept = self._decide(client, text, since, waiting)
                if not stays:
                    del held[number]
                if kept is not None:
                    taken.append(kept)
        taken.sort(key=attrgetter("since"))
        return taken

    def _decide(
        self, client: Client, text: str, since: float, waiting: Mapping[Shared, Collection[Client]]
    ) -> tuple[bool, Kept | None]:
        """Tell whether a message stays, and what of it is to be stored."""
        share = text if isinstance(text, Share) else None
        element = self._read(text if share is None else carbons.original(share), client)
        if element is None:
            return False, None
        is_own = element.get("from") == client.account
        can_wait = not is_own and storable(element)
        if client.bound and (not can_wait or (share is not None and share.is_copy)):
            return True, None
        if share is not None and not share.shared.claim(waiting.get(share.shared, ())):
            return client in share.shared.holders, None
        if can_wait:
            stamp = client.session.wall(since)
            return False, Kept(since, element, Waiting(element.text, stamp, sender_of(element)))
        if not is_own:
            self._bouncer.bounce_if_refused(element)
        return False, None


def _waiting(clients: Sequence[Client]) -> Mapping[Shared, Collection[Client]]:
    """Return who waits for each message that others were given, too."""
    found = defaultdict[Shared, list[Client]](list)
    for client in clients:
        for text, _, _ in (client.held or {}).values():
            if isinstance(text, Share) and not text.is_copy:
                found[text.shared].append(client)
    return found
