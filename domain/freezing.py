"""What the domain knows of a resource, written down and taken up again.

A clean stop, a crash and a move to another process take the same way: a session that can be
resumed goes on hibernating elsewhere, and nobody is told anything.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Self
from weakref import WeakValueDictionary

from andiron.domain.client import Client
from andiron.domain.contacts.presence import Presences
from andiron.domain.messages import sharing
from andiron.domain.messages.handing import Place
from andiron.domain.messages.offline import Offline
from andiron.domain.pubsub.interest import Interests
from andiron.domain.router import Router
from andiron.sm.freezing import written_time
from andiron.sm.frozen import Noted, Plain, made_of

__all__ = ["Freezer", "FrozenClient"]

logger = logging.getLogger("andiron.domain")


@dataclass(frozen=True, slots=True)
class FrozenClient:
    """A resource as plain data. Times are Unix seconds, 0 for never.

    What there may be much of, and changes bit by bit, is an object: so a change is a small one.
    """

    born: str = ""
    """What tells its account from others that had its name before."""
    presence: str = ""
    """The available presence it last sent, as others get it."""
    priority: int | None = None
    language: str = ""
    interested: bool = False
    """Whether it asked for the roster."""
    inactive: bool = False
    """Whether nobody looks at it (XEP-0352)."""
    carbons: bool = False
    """Whether it wants copies of messages (XEP-0280)."""
    best_since: float = 0.0
    had: Mapping[str, bool] = field(default_factory=dict)
    """Which messages that it shares with others sessions that have ended had: their numbers."""
    directed: Mapping[str, bool] = field(default_factory=dict)
    """Full JIDs of those that saw its directed presence."""
    caps: Sequence[str] = ()
    """Hash, node and version of its capabilities (XEP-0115)."""
    nodes: Sequence[str] | None = None
    """What it wants to be notified of; None where that is not known."""
    handed: Mapping[str, Place] = field(default_factory=dict)
    """Stored messages that are with it, or that the account has, by their ids in the store."""
    held: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Messages that wait while stored ones are fetched, by number: each with since when, and what
    is to be known of it again."""
    idle: Mapping[str, str] = field(default_factory=dict)
    """What waits for somebody to look at it: the latest of each kind and sender."""
    places: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    """Where it is by directed presence to a service, by that one's host name, and there by name."""

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read plain data. Raises ValueError for what is none of this version."""
        return made_of(cls, {name: plain[name] for name in plain if name not in _FORMER})


_FORMER: Final = frozenset({"copied_since", "inherited"})
"""What earlier versions wrote down."""


class Freezer:
    """Writes resources down, and takes them up: :meth:`take_up` each, then :meth:`finish`."""

    def __init__(
        self, router: Router, presences: Presences, interests: Interests, offline: Offline
    ) -> None:
        self._router = router
        self._presences = presences
        self._interests = interests
        self._offline = offline
        self._begun: list[tuple[Client, FrozenClient]] = []

    def freeze(
        self, client: Client, language: str, idle: Mapping[str, str] | None
    ) -> Mapping[str, Plain]:
        """Return a resource as plain data; its session is about to be frozen.

        ``idle`` is what waits for somebody to look at it, None where somebody does.
        """
        session = client.session
        caps, nodes = self._interests.freeze(client)
        held = client.held or {}
        # The fields of a FrozenClient, of which none is to be changed later.
        return {
            "born": client.owner.born,
            "presence": client.presence,
            "priority": client.priority,
            "language": language,
            "interested": client.interested,
            "inactive": idle is not None,
            "carbons": client in client.owner.carbons,
            "best_since": written_time(session, client.best_since),
            "had": client.had or {},
            "directed": dict.fromkeys(client.directed or (), True),
            "caps": caps,
            "nodes": nodes,
            "handed": self._offline.handed(client),
            "held": {number: each.plain for number, each in held.items()},
            "idle": idle or {},
            "places": {
                each.domain: each.places(client) for each in self._presences.visited(client)
            },
        }

    def take_up(self, client: Client, kept: FrozenClient, now: float) -> None:
        """Let a resource, which has its address, be there as it was; nobody is told.

        What it has to do with others is seen to by :meth:`finish`.
        """
        offset = now - client.session.wall(now)

        def instant(wall: float) -> float:
            return wall + offset if wall else inf

        client.presence, client.priority = kept.presence, kept.priority
        client.interested = kept.interested
        self._router.add(client)
        self._router.update(client.account, now)
        client.best_since = instant(kept.best_since)
        if kept.carbons:
            client.owner.carbons = (*client.owner.carbons, client)
        self._begun.append((client, kept))

    def finish(self, waiting: Collection[str], now: float) -> None:
        """Tie the resources that were taken up to each other and to what is stored for them.

        ``waiting`` are the accounts, bare JIDs, for which something is.
        """
        begun, self._begun = self._begun, []
        for client, kept in begun:
            try:
                self._tie(client, kept, now)
            except Exception:
                logger.exception("What %s was to others cannot be taken up", client.jid)
        for client, _ in begun:
            self._offline.take_up(client)
        held = {client: _held(client, kept, now) for client, kept in begun}
        for client, kept in begun:
            sharing.seat(client, kept.had)
        for client, _ in begun:
            if held[client]:
                self._offline.load_again(client, held[client])
            elif client.account in waiting and client.reachable:
                client.owner.draining = True
                self._offline.load(client)

    def _tie(self, client: Client, kept: FrozenClient, now: float) -> None:
        there = {jid: self._router.full[jid] for jid in kept.directed if jid in self._router.full}
        if there:
            client.directed = WeakValueDictionary(there)
        for host, places in kept.places.items():
            if host in self._router.services:
                service = self._router.services[host]
                service.seat(client, places)
                self._presences.visits(client, service)
        if kept.caps:
            self._interests.thaw(client, kept.caps, kept.nodes, now)


def _held(client: Client, kept: FrozenClient, now: float) -> list[tuple[str, float]]:
    """Return the messages that were held for a resource, as they were."""
    offset = now - client.session.wall(now)
    return [
        (sharing.again(client.owner, Noted.of(text, *note) if note else text), wall + offset)
        for text, wall, *note in kept.held.values()
    ]
