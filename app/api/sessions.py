"""Who is there, by which sessions, and their end."""

from math import inf
from typing import Final, Literal, cast

from andiron.api.checks import MAX_ADDRESS, text_of, written
from andiron.api.errors import InvalidError
from andiron.api.people import People
from andiron.api.values import Presence, Resource, Session
from andiron.domain.client import Client
from andiron.domain.router import Router
from andiron.sm.manager import SessionManager
from andiron.sm.session import Session as Stream
from andiron.xmpp import namespaces as ns
from andiron.xmpp.jid import JID, InvalidJID
from andiron.xmpp.tree import parse_text

__all__ = ["SessionsApi"]

_Show = Literal["", "away", "chat", "dnd", "xa"]
_SHOWS: Final = frozenset({"away", "chat", "dnd", "xa"})
_SHOW: Final = f"{{{ns.CLIENT}}}show"
_STATUS: Final = f"{{{ns.CLIENT}}}status"


class SessionsApi:
    """The streams of accounts, and what they say of the people."""

    def __init__(self, people: People, router: Router, manager: SessionManager) -> None:
        self._people = people
        self._router = router
        self._manager = manager

    def list(self, account: str) -> tuple[Session, ...]:
        """Return the sessions of an account, or of all, oldest first."""
        bare = self._people.jid(account).bare if account else ""
        there = [
            stream
            for stream in self._manager.sessions
            if stream.link.account and bare in ("", stream.link.account)
        ]
        there.sort(key=lambda stream: stream.number)
        now = self._manager.clock()
        return tuple(_described(stream, now) for stream in there)

    def end(self, address: str, reason: str) -> int:
        """End the sessions of an account, or one by its address."""
        text_of(reason, "The reason", 200)
        text_of(address, "The address", MAX_ADDRESS, least=1)
        bare, slash, resource = address.partition("/")
        jid = self._people.jid(bare).full
        if slash:
            try:
                jid = JID(f"{jid}/{resource}").full
            except InvalidJID as error:
                raise InvalidError(f"{address[:100]!r} is no session: {error}.") from None
        manager = self._manager
        return manager.kick(jid, manager.clock(), reason or "ended by the site")

    async def presence(self, account: str) -> Presence:
        """Return whether somebody is there."""
        jid = await self._people.known(account, guests=True)
        best = self._router.best(jid.bare)
        there = self._router.available(jid.bare)
        # Those that messages come to are first; of them the one that came last.
        there.sort(key=lambda client: (client in best, client.best_since), reverse=True)
        resources = tuple(map(_resource, there))
        first = resources[0] if resources else None
        return Presence(
            account=jid.bare,
            available=first is not None,
            show=first.show if first else "",
            status=first.status if first else "",
            resources=resources,
        )


def _described(stream: Stream, now: float) -> Session:
    link, channel, management = stream.link, stream.channel, stream.management
    queue = None if management is None else management.queue
    left = stream.hibernates_until - now
    return Session(
        address=link.jid or link.account,
        account=link.account,
        resource=link.jid.partition("/")[2],
        transport=cast("Literal['websocket', 'bosh', 'in-process']", channel.kind),
        ip=channel.address,
        state=cast("Literal['negotiating', 'bound', 'detached']", stream.state.value),
        since=written(stream.wall(stream.since)),
        id=stream.id,
        managed=queue is not None,
        handled=stream.inbound.h,
        acknowledged=0 if queue is None else queue.acked,
        unacknowledged=0 if queue is None else len(queue),
        unacknowledged_bytes=0 if queue is None else queue.bytes,
        idle=round(stream.idle(now), 3),
        resumable_for=None if left == inf else round(max(0.0, left), 3),
    )


def _resource(client: Client) -> Resource:
    tree = parse_text(client.presence)
    show = (tree.findtext(_SHOW) or "").strip()
    return Resource(
        resource=client.jid.partition("/")[2],
        show=cast("_Show", show if show in _SHOWS else ""),
        status=tree.findtext(_STATUS) or "",
        priority=client.priority or 0,
    )
