"""What follows when a shared group has other members: everybody there is told, a few at a time.

It is known at once to all of the domain; then each member who is there gets roster pushes
(RFC 6121 section 2.1.6), and sees who came and no more who left.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from andiron.domain.client import Client, Owner
from andiron.domain.contacts import visibility
from andiron.domain.contacts.pushing import push
from andiron.domain.contacts.roster import Item, Roster, roster_of
from andiron.domain.contacts.roster_store import RosterStore
from andiron.domain.contacts.shared_group import SharedGroup
from andiron.domain.events import Events
from andiron.domain.owners import Effect, Owners
from andiron.domain.router import Router

__all__ = ["GroupChanges"]

logger = logging.getLogger("andiron.domain")

_AT_ONCE: Final = 20
"""Contacts of which is told before others have their turns."""


@dataclass(frozen=True, slots=True)
class _Change:
    group: SharedGroup
    before: AbstractSet[str]
    after: AbstractSet[str]
    joined: AbstractSet[str]
    left: AbstractSet[str]
    renamed: AbstractSet[str]


class GroupChanges:
    """Changes groups, and tells of it in the order of the changes."""

    def __init__(
        self,
        store: RosterStore,
        router: Router,
        owners: Owners,
        events: Events,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self._store = store
        self._router = router
        self._owners = owners
        self._events = events
        self._spawn = spawn
        self._line: deque[_Change] = deque()
        self._telling = False

    def present(self) -> list[str]:
        """Return the accounts that are there."""
        return list(self._router.accounts)

    def replace(self, group: SharedGroup, members: Mapping[str, str]) -> None:
        """Let a group have these members, bare JIDs and what they are called, from now on."""
        before = group.members
        both = before.keys() & members.keys()
        change = _Change(
            group,
            before.keys(),
            members.keys(),
            joined=members.keys() - before.keys(),
            left=before.keys() - members.keys(),
            renamed={jid for jid in both if before[jid] != members[jid]},
        )
        group.replace(members)
        for jid in change.joined:
            self._owners.change(jid, joining(group))
        for jid in change.left:
            self._owners.change(jid, _leaving(group))
        self._line.append(change)
        if not self._telling:
            self._telling = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._line:
                change = self._line.popleft()
                try:
                    await self._tell(change)
                except Exception:
                    # The others in line are still to be told of.
                    logger.exception("the members of %s could not be told", change.group.name)
        finally:
            self._telling = False

    async def _tell(self, change: _Change) -> None:
        some = change.joined | change.left | change.renamed
        for one in [jid for jid in change.before | change.after if jid in self._router.accounts]:
            if one in change.joined:
                others = change.after
            elif one in change.left:
                others = change.before
            else:
                others = some
            await self._tell_one(change, one, sorted(jid for jid in others if jid != one))

    async def _tell_one(self, change: _Change, one: str, others: list[str]) -> None:
        owner = self._owners.get(one)
        if owner is None:
            return
        own = {}
        listed = [jid for jid in others if jid in roster_of(owner).contacts]
        if listed and self._interested(one):
            own = {item.jid: item for item in await self._store.own(owner.username, listed)}
        for number, other in enumerate(others, 1):
            clients = self._interested(one)
            if clients:
                roster = roster_of(owner)
                more = len(others) - number
                ver = roster.ver + (f"+{more}" if more else "")  # Of a roster that is not whole.
                item = roster.shown(own.get(other) or Item(other))
                push(clients, other, item, ver, clients[0].session.clock())
            self._show(change, owner, other)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _show(self, change: _Change, owner: Owner, other: str) -> None:
        """Let an account see another that it came to see, and no more one that it does not."""
        one = owner.jid
        there = self._router.available(one)
        roster = roster_of(owner)
        own = roster.contacts.get(other)
        if not there or (own is not None and own.state.sees):
            return
        now = there[0].session.clock()
        here = other in change.group.members and one in change.group.members
        pair = {one, other}
        if not pair.isdisjoint(change.joined):
            # What it came to see by a change that is told of later, it does not see yet.
            later = [each.group for each in self._line if not pair.isdisjoint(each.joined)]
            if here and not roster.shares(other, but=(change.group, *later)):
                visibility.appear(self._router, other, one, now)
                for tell in self._events.subscribed:
                    tell(other, one, now)
        elif not pair.isdisjoint(change.left) and not roster.shares(other):
            visibility.vanish(self._router, other, one, now)

    def _interested(self, account: str) -> list[Client]:
        resources = self._router.accounts.get(account)
        clients = resources.clients.values() if resources is not None else ()
        return [client for client in clients if client.interested]


def joining(group: SharedGroup) -> Effect:
    """Return what lets an account know a group that it is in."""

    def effect(owner: Owner) -> None:
        roster: Roster = owner.parts.setdefault(Roster, Roster())
        if owner.jid in group.members and group not in roster.groups:
            roster.groups, roster.own = (*roster.groups, group), owner.jid

    return effect


def _leaving(group: SharedGroup) -> Effect:
    def effect(owner: Owner) -> None:
        roster = roster_of(owner)
        if owner.jid not in group.members and group in roster.groups:
            roster.groups = tuple(each for each in roster.groups if each is not group)

    return effect
