"""Sessions, and the rooms they are in, written down for another process and taken up there."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from andiron.domain.archive.archive import Archive
from andiron.domain.client import Owner
from andiron.domain.freezing import Freezer, FrozenClient
from andiron.domain.messages import sharing
from andiron.domain.messages.handing import known_again
from andiron.domain.messages.offline import Offline
from andiron.domain.messages.owing import Owing
from andiron.domain.owners import Owners
from andiron.domain.rooms.notes import RoomNotes
from andiron.domain.rooms.rooms import Rooms
from andiron.domain.rooms.service import RoomService
from andiron.domain.router import Router
from andiron.sm.frozen import Frozen, Plain
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.ledger import Ledger
from andiron.sm.manager import SessionManager

__all__ = ["freeze_rooms", "note_rooms", "take_up", "write_down"]

logger = logging.getLogger("andiron.domain")


class Host(Protocol):
    """What this needs of its domain."""

    owners: Owners
    offline: Offline
    router: Router
    freezer: Freezer
    rooms: Rooms | None
    archive: Archive | None


def freeze_rooms(
    domain: Host, manager: SessionManager
) -> Iterable[tuple[str, Mapping[str, Plain]]]:
    """Return the rooms that somebody is in, by name, as plain data."""
    service = _service(domain)
    return [] if service is None else service.freeze(_offset(manager))


async def write_down(domain: Host, journal: Journal) -> None:
    """Have what is still to be stored written down until it is; store what was left so before.

    Raises :class:`DatabaseError`.
    """
    if domain.archive is not None:
        await domain.archive.write_down(Ledger(journal, "archive"), Ledger(journal, "rooms"))
    await domain.offline.write_down(Owing(journal, "offline"), Owing(journal, "taken"))


def note_rooms(
    domain: Host,
    manager: SessionManager,
    note: Callable[[str, Plain], object],
    written: Mapping[str, Plain],
) -> None:
    """Have rooms noted as they change; see :class:`RoomNotes`."""
    service = _service(domain)
    if service is not None:
        service.noted_by(RoomNotes(note, written, partial(_offset, manager)))


async def take_up(
    domain: Host,
    manager: SessionManager,
    frozen: Iterable[Frozen],
    rooms: Iterable[Any],
) -> list[Frozen]:
    """Go on with sessions and rooms that were frozen; return the sessions that are let go.

    For the start, while nobody is there: they hibernate, and nobody is told anything. Those
    are let go whose accounts were removed meanwhile, were others made by the same names or not,
    and what cannot be gone on with, which is logged. Raises :class:`DatabaseError`.
    """
    service = _service(domain)
    if service is not None:
        await service.revive(rooms, -_offset(manager))
    # Somebody must hold the owners until the sessions do.
    sessions, owners, gone = await _of_accounts(domain, frozen)
    known = [known_again(each, kept.handed if (kept := _kept(each)) else {}) for each in sessions]
    await asyncio.gather(
        *(
            domain.offline.forget(owners[each.head.account].username, had)
            for each, (_, had) in zip(sessions, known, strict=True)
            if had
        )
    )
    now = manager.clock()
    for each, (written, _) in zip(sessions, known, strict=True):
        owner = owners[each.head.account]
        try:
            queue = [(sharing.again(owner, text), since) for text, since in written]
            manager.thaw(replace(each, queue=queue), now)
        except Exception:
            logger.exception("A session of %s cannot be taken up", each.head.jid)
            gone.append(each)
    domain.freezer.finish(await domain.offline.waiting(owners), now)
    domain.offline.refuse_left()
    if service is not None:
        service.tidy()
    return gone


def _offset(manager: SessionManager) -> float:
    """Return what leads from the clock to Unix times."""
    now = manager.clock()
    return manager.wall(now) - now


def _service(domain: Host) -> RoomService | None:
    found = domain.router.services.get(domain.rooms.host) if domain.rooms is not None else None
    return found if isinstance(found, RoomService) else None


def _kept(session: Frozen) -> FrozenClient | None:
    try:
        return FrozenClient.of(session.head.backend)
    except ValueError:
        return None  # It will not be taken up.


async def _of_accounts(
    domain: Host, frozen: Iterable[Frozen]
) -> tuple[list[Frozen], dict[str, Owner], list[Frozen]]:
    """Return the sessions of accounts that there are still, the owners, and the others."""
    at = f"@{domain.router.domain}"
    sessions = list(frozen)
    foreign = [each for each in sessions if not each.head.account.endswith(at)]
    if foreign:
        logger.warning(
            "%d sessions are let go with what they were owed: they are of another domain, as %s",
            len(foreign),
            foreign[0].head.account,
        )
    accounts = {each.head.account for each in sessions if each.head.account.endswith(at)}
    owners = await domain.owners.load_all(sorted(accounts))
    there: list[Frozen] = []
    gone: list[Frozen] = []
    for each in sessions:
        owner, kept = owners.get(each.head.account), _kept(each)
        same = owner is not None and (kept is None or kept.born == owner.born)
        (there if same else gone).append(each)
    if gone:
        logger.warning(
            "%d sessions are let go with what they were owed: the database has not, or no longer,"
            " the accounts that they were of, as %s",
            len(gone),
            gone[0].head.account,
        )
    return there, {each.head.account: owners[each.head.account] for each in there}, gone
