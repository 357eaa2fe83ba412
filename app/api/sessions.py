"""Who is there, by which sessions, and their end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from heapq import merge
from itertools import islice
from math import inf
from typing import Any, Final, Literal, cast

from andiron.api.checks import MAX_ADDRESS, MAX_PAGE, count_of, text_of, written
from andiron.api.errors import InvalidError, NotFoundError
from andiron.api.people import People
from andiron.api.values import Presence, Resource, Session, SessionColumn, SessionPage
from andiron.domain.client import Client
from andiron.domain.router import Router
from andiron.processes import Processes
from andiron.sm.link import CloseReason
from andiron.sm.manager import SessionManager
from andiron.sm.queue import UnackedQueue
from andiron.sm.session import Session as Stream
from andiron.sm.session import State
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.jid import JID, InvalidJID
from andiron.xmpp.tree import parse_text

__all__ = ["SessionsApi"]

_Show = Literal["", "away", "chat", "dnd", "xa"]
_SHOWS: Final = frozenset({"away", "chat", "dnd", "xa"})
_SHOW: Final = f"{{{ns.CLIENT}}}show"
_STATUS: Final = f"{{{ns.CLIENT}}}status"
_MAX_REASON: Final = 200
_ENDED: Final = "ended by the site"
MAX_START: Final = 100_000
"""How far into the sessions a page may begin."""
_SLICE: Final = 250
"""Sessions that are looked at, or described, before others have their turn: a millisecond."""
_Place = tuple[Any, int, Stream]
"""By what a session is sorted; no two have the same number."""


class SessionsApi:
    """The streams of accounts, and what they say of the people."""

    def __init__(
        self, people: People, router: Router, manager: SessionManager, processes: Processes
    ) -> None:
        self._people = people
        self._router = router
        self._manager = manager
        self._processes = processes

    async def list(self, account: str) -> tuple[Session, ...]:
        """Return the sessions of an account, or of all, oldest first."""
        bare = self._people.jid(account).bare if account else ""
        runs = []
        async for part in _sliced(self._manager):
            run = [each for each in part if bare in ("", each.link.account)]
            run.sort(key=_number)
            runs.append(run)
        merged = merge(*runs, key=_number)
        found: list[Session] = []
        while some := list(islice(merged, _SLICE)):
            now = self._manager.clock()
            found += [self._described(each, now) for each in some if _is_there(each)]
            await asyncio.sleep(0)
        return tuple(found)

    async def page(
        self, text: str, sort: SessionColumn, *, descending: bool, start: int, size: int
    ) -> SessionPage:
        """Return some sessions, sorted, and what all amount to."""
        text_of(text, "The text to look for", MAX_ADDRESS)
        count_of(start, "The start of a page", 0, MAX_START)
        count_of(size, "The size of a page", 1, MAX_PAGE)
        key = self._by_process if sort == "process" else _KEYS.get(sort)
        if key is None:
            raise InvalidError(f"Sessions can be sorted by {', '.join((*_KEYS, 'process'))}.")
        wanted = text.casefold()
        overview, runs = _Overview(self._processes), list[list[_Place]]()
        async for part in _sliced(self._manager):
            now = self._manager.clock()
            for each in part:
                overview.add(each)
            found = [
                (key(each, now), each.number, each) for each in part if self._has(each, wanted)
            ]
            found.sort(reverse=descending)
            runs.append(found)
        shown: list[Stream] = []
        merged = islice(merge(*runs, reverse=descending), start + size)
        while some := list(islice(merged, _SLICE)):
            shown += [stream for _, _, stream in some]
            await asyncio.sleep(0)
        now = self._manager.clock()
        sessions = [self._described(each, now) for each in shown[start:] if _is_there(each)]
        return overview.page(sessions, sum(map(len, runs)))

    def one(self, session: str) -> Session:
        """Return a session by its id."""
        return self._described(self.find(session), self._manager.clock())

    def find(self, session: str) -> Stream:
        """Return the stream of a session by its id."""
        found = self._manager.find(text_of(session, "The id", MAX_ADDRESS))
        if found is None or not found.link.account:
            raise NotFoundError("There is no such session any more.")
        return found

    def end_one(self, session: str, reason: str) -> None:
        """End a session by its id."""
        text_of(reason, "The reason", _MAX_REASON)
        error = StreamError(StreamCondition.NOT_AUTHORIZED, reason or _ENDED)
        self.find(session).close(CloseReason.KICKED, self._manager.clock(), error)

    def end(self, address: str, reason: str) -> int:
        """End the sessions of an account, or one by its address."""
        text_of(reason, "The reason", _MAX_REASON)
        text_of(address, "The address", MAX_ADDRESS, least=1)
        bare, slash, resource = address.partition("/")
        jid = self._people.jid(bare).full
        if slash:
            try:
                jid = JID(f"{jid}/{resource}").full
            except InvalidJID as error:
                raise InvalidError(f"{address[:100]!r} is no session: {error}.") from None
        manager = self._manager
        return manager.kick(jid, manager.clock(), reason or _ENDED)

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

    def _by_process(self, stream: Stream, _now: float) -> str:
        return self._processes.of(stream.via)

    def _has(self, stream: Stream, text: str) -> bool:
        """Tell whether a text is in what is shown of a session."""
        if not text:
            return True
        link, channel = stream.link, stream.channel
        shown = f"{link.jid or link.account} {channel.address} {channel.kind} {stream.state}"
        if self._processes.several:
            shown = f"{shown} {self._processes.of(stream.via)}"
        return text in shown.casefold() or text in stream.id

    def _described(self, stream: Stream, now: float) -> Session:
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
            process=self._processes.of(stream.via),
            home=self._processes.home,
        )


class _Overview:
    """What all sessions amount to."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._by: Counter[str] = Counter()
        self._transports: Counter[str] = Counter()
        self._detached = self._stanzas = self._bytes = 0

    def add(self, stream: Stream) -> None:
        """Count one more."""
        self._transports[stream.channel.kind] += 1
        if stream.transport is not None:
            self._by[self._processes.of(stream.via)] += 1
        self._detached += stream.state is State.DETACHED
        if stream.management is not None:
            self._stanzas += len(stream.management.queue)
            self._bytes += stream.management.queue.bytes

    def page(self, sessions: Sequence[Session], found: int) -> SessionPage:
        """Return it with some sessions of those that were found."""
        return SessionPage(
            sessions=tuple(sessions),
            found=found,
            total=self._transports.total(),
            transports=dict(sorted(self._transports.items())),
            detached=self._detached,
            unacknowledged=self._stanzas,
            unacknowledged_bytes=self._bytes,
            processes={each.name: self._by[each.name] for each in self._processes.all()},
        )


def _number(stream: Stream) -> int:
    return stream.number


def _queue(stream: Stream, read: Callable[[UnackedQueue], int]) -> int:
    """Return a number of the queue, and less than any where there is none."""
    return -1 if stream.management is None else read(stream.management.queue)


_KEYS: Final[Mapping[str, Callable[[Stream, float], Any]]] = {
    "address": lambda stream, _: stream.link.jid or stream.link.account,
    "transport": lambda stream, _: stream.channel.kind,
    "ip": lambda stream, _: stream.channel.address,
    "state": lambda stream, _: stream.state.value,
    "since": lambda stream, _: stream.since,
    "handled": lambda stream, _: stream.inbound.h,
    "acknowledged": lambda stream, _: _queue(stream, lambda queue: queue.acked),
    "unacknowledged": lambda stream, _: _queue(stream, len),
    "unacknowledged_bytes": lambda stream, _: _queue(stream, lambda queue: queue.bytes),
    "idle": lambda stream, now: stream.idle(now),
    "resumable_for": lambda stream, _: stream.hibernates_until,
}


async def _sliced(manager: SessionManager) -> AsyncIterator[list[Stream]]:
    """Give the sessions that are signed in in slices, between which others have their turns."""
    there = list(manager.sessions)
    for at in range(0, len(there), _SLICE):
        if at:
            await asyncio.sleep(0)
        yield [each for each in there[at : at + _SLICE] if each.link.account]


def _is_there(stream: Stream) -> bool:
    return stream.state is not State.CLOSED


def _resource(client: Client) -> Resource:
    tree = parse_text(client.presence)
    show = (tree.findtext(_SHOW) or "").strip()
    return Resource(
        resource=client.jid.partition("/")[2],
        show=cast("_Show", show if show in _SHOWS else ""),
        status=tree.findtext(_STATUS) or "",
        priority=client.priority or 0,
    )
