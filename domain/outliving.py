"""Sessions, and the rooms they are in, written down for another process and taken up there."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.freezing import Freezer, FrozenClient
from andiron.domain.messages.offline import Offline
from andiron.domain.owners import Owners
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.service import RoomService
from andiron.domain.router import Router
from andiron.sm.frozen import Frozen, Plain
from andiron.sm.manager import SessionManager

__all__ = ["freeze_rooms", "take_up"]


class Host(Protocol):
    """What this needs of its domain."""

    accounts: Accounts
    owners: Owners
    offline: Offline
    router: Router
    freezer: Freezer
    rooms: Rooms | None


def freeze_rooms(domain: Host, manager: SessionManager) -> list[Mapping[str, Plain]]:
    """Return the rooms that somebody is in as plain data; before their sessions are frozen."""
    now = manager.clock()
    service = _service(domain)
    return [] if service is None else service.freeze(manager.wall(now) - now)


async def take_up(
    domain: Host,
    manager: SessionManager,
    frozen: Iterable[Frozen],
    rooms: Iterable[Mapping[str, Any]],
) -> int:
    """Go on with sessions and rooms that were frozen; return how many sessions those are.

    For the start, while nobody is there: they hibernate, and nobody is told anything. Those
    of accounts that were removed meanwhile are let go.
    Raises :class:`DatabaseError`, and ValueError for what cannot be gone on with.
    """
    sessions = await _of_accounts(domain, frozen)
    # Somebody must hold the owners until the sessions do.
    owners = await domain.owners.load_all(each.head.account for each in sessions)
    for each in sessions:
        handed = FrozenClient.of(each.head.backend).handed
        if handed:
            await domain.offline.forget(owners[each.head.account].username, handed)
    service = _service(domain)
    if service is not None:
        now = manager.clock()
        await service.revive(rooms, now - manager.wall(now))
    now = manager.clock()
    for each in sessions:
        manager.thaw(each, now)
    domain.freezer.finish(now)
    if service is not None:
        service.tidy()
    return len(sessions)


def _service(domain: Host) -> RoomService | None:
    found = domain.router.services.get(domain.rooms.host) if domain.rooms is not None else None
    return found if isinstance(found, RoomService) else None


async def _of_accounts(domain: Host, frozen: Iterable[Frozen]) -> list[Frozen]:
    """Return the sessions of accounts that there are still."""
    at = f"@{domain.router.domain}"
    sessions = [each for each in frozen if each.head.account.endswith(at)]
    named = {each.head.account: each.head.account.removesuffix(at) for each in sessions}
    there = await domain.accounts.existing(sorted(named.values()))
    return [each for each in sessions if named[each.head.account] in there]
