"""The hooks of a site, at work in a domain."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from andiron.domain.client import Client
from andiron.domain.domain import Domain
from andiron.domain.rooms.occupant import Occupant
from andiron.domain.rooms.room import Room
from andiron.domain.rooms.rooms import Rooms
from andiron.hooks.deciding import Deciding
from andiron.hooks.hooks import Hooks
from andiron.hooks.values import RoomEvent, RoomMessage, SignIn, SignOff, Started
from andiron.hooks.watching import Watcher
from andiron.sm.link import CloseReason
from andiron.sm.payers import Payer
from andiron.xmpp.content import BODY, SUBJECT
from andiron.xmpp.jid import prepared
from andiron.xmpp.tree import parse_text

__all__ = ["attached"]

_Tell = Callable[[object], None]


@asynccontextmanager
async def attached(
    hooks: Hooks, domain: Domain, limit: float, most: int
) -> AsyncIterator[Callable[[], None]]:
    """Have the hooks asked and told while the block runs; the domain has started.

    The block is given what tells that the whole application has.

    Events that nobody wants to know of are not made, and messages are only looked at
    where somebody decides about them. A hook may
    take ``limit`` seconds, and ``most`` events wait for each that is told of them.
    """
    watchers: list[Watcher] = []

    def tell(kind: str) -> _Tell | None:
        there = [Watcher(kind, each, limit, most) for each in hooks.observers.get(kind, ())]
        watchers.extend(there)

        def tell_all(event: object) -> None:
            for watcher in there:
                watcher.tell(event)

        return tell_all if there else None

    hooks.running += 1
    try:
        if hooks.messages:
            domain.screen(_deciding(hooks, domain, limit))
        _watch_sessions(domain, tell)
        if domain.rooms is not None:
            _watch_rooms(domain.rooms, tell)
        begun = tell("started")
        yield lambda: None if begun is None else begun(Started(domain=domain.name))
    finally:
        hooks.running -= 1
        if watchers:
            await asyncio.gather(*(watcher.close() for watcher in watchers))


def _deciding(hooks: Hooks, domain: Domain, timeout: float) -> Deciding:
    services = domain.router.services

    def is_room(to: str) -> bool:
        return prepared(to).partition("/")[0].rpartition("@")[2] in services

    clock = asyncio.get_running_loop().time
    return Deciding(hooks.messages, timeout, is_room, domain.reader.read, clock)


def _watch_sessions(domain: Domain, tell: Callable[[str], _Tell | None]) -> None:
    came, gone = tell("sign_in"), tell("sign_off")
    if came is not None:

        def bound(client: Client) -> None:
            channel = client.session.channel
            came(
                SignIn(
                    account=client.account,
                    address=client.jid,
                    transport=channel.kind,
                    ip=channel.address,
                )
            )

        domain.events.bound.append(bound)
    if gone is not None:

        def ended(client: Client, reason: CloseReason) -> None:
            gone(
                SignOff(
                    account=client.account,
                    address=client.jid,
                    transport=client.session.channel.kind,
                    reason=reason.value,
                )
            )

        domain.events.ended.append(ended)


def _watch_rooms(rooms: Rooms, tell: Callable[[str], _Tell | None]) -> None:
    events = rooms.events
    for kind, about in (("room_created", events.created), ("room_destroyed", events.destroyed)):
        if (told := tell(kind)) is not None:
            about.append(_of_room(told))
    for kind, who in (("room_joined", events.joined), ("room_left", events.left)):
        if (told := tell(kind)) is not None:
            who.append(_of_occupant(told))
    if (told := tell("room_message")) is not None:
        _watch_what_is_said(rooms, told)


def _of_room(told: _Tell) -> Callable[[Room], None]:
    return lambda room: told(RoomEvent(room=room.jid, account=room.created_by))


def _of_occupant(told: _Tell) -> Callable[[Room, Occupant], None]:
    return lambda room, occupant: told(
        RoomEvent(room=room.jid, account=occupant.bare, nick=occupant.nick)
    )


def _watch_what_is_said(rooms: Rooms, told: _Tell) -> None:
    kept = rooms.keep

    def keep(room: Room, occupant: Occupant, text: str, wall: float, cause: Payer) -> str:
        identity = kept(room, occupant, text, wall, cause)
        tree = parse_text(text)
        told(
            RoomMessage(
                room=room.jid,
                account=occupant.bare,
                nick=occupant.nick,
                body=tree.findtext(BODY) or "",
                subject=tree.findtext(SUBJECT) or "",
                archive_id=identity,
            )
        )
        return identity

    rooms.keep = keep
