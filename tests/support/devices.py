"""Clients of one account, as a model of them knows them: what each was sent and acknowledged."""

from andiron.sm.session import Session
from support.domains import Client
from support.resuming import Resuming, number_of


class Device:
    """A client that forgets nothing which it acknowledged.

    A ``plain`` one has no stream management: what the network takes it has.
    """

    def __init__(self, resource: str, client: Client, *, plain: bool) -> None:
        self.resource = resource
        self.plain = plain
        self.resuming = None if plain else Resuming(client)
        self._client = client
        self.name = client.session.id if self.resuming is None else self.resuming.sm_id
        self.stanzas: list[str | None] = []
        """The messages, by number, and None for whatever else came."""
        self.acknowledged = 0

    @property
    def client(self) -> Client:
        return self._client if self.resuming is None else self.resuming.client

    @property
    def lost(self) -> bool:
        return self.resuming is not None and self.resuming.lost


def name_of(session: Session) -> str:
    management = session.management
    return session.id if management is None else management.id


def waiting_for(session: Session) -> set[str | None]:
    """Return what waits for a session's client."""
    transport, management = session.transport, session.management
    texts = [each.text for each in (session.link.held or {}).values()]
    if management is not None:
        texts += [text for text, *_ in management.queue]
    elif transport is not None:
        texts += transport.sent
    return set(map(number_of, texts))
