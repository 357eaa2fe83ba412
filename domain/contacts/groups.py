"""Shared rosters: the members of a group are in each other's contact lists.

Who is in a group stands in a table, or the site is asked at each sign-in. Both lists show
the other as a contact with a subscription in both directions (RFC 6121 section 2.1.2), of
which nothing is stored; presence, and what accounts publish, goes by that.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.contacts.group_changes import GroupChanges, joining
from andiron.domain.contacts.group_store import GroupStore, Members
from andiron.domain.contacts.shared_group import SharedGroup, Source
from andiron.domain.database.database import DatabaseError
from andiron.domain.owners import Effect, Owners
from andiron.domain.patience import TimeLimit, within
from andiron.domain.person import MAX_GROUPS, shown_name
from andiron.sm.notices import Complaints
from andiron.xmpp.jid import InvalidJID, account_jid

__all__ = ["AskGroups", "GroupConfig", "SharedGroups"]

logger = logging.getLogger("andiron.domain")

AskGroups = Callable[[str], Awaitable[Iterable[tuple[str, Iterable[str]]]]]
"""Returns the groups that the account of a username is in: their names, and who is in them."""

_INTERVAL: Final = 30.0
"""Seconds between two looks for what another process changed in the table."""
_PAUSE: Final = 100
"""Names that are prepared before others have their turns."""
_KNOWN: Final = 10_000
"""Accounts of which is remembered when the site was asked."""


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """Whether the site is asked for groups, and the bounds."""

    ask: AskGroups | None = None
    timeout: float = 10.0
    """Seconds that the site may take to answer."""
    lifetime: float = 60.0
    """Seconds for which its word on one account holds."""
    most: int = 10_000
    """How many members a group may have; what exceeds them is left out."""


class SharedGroups:
    """The groups that somebody in memory is in; changes are made one after the other."""

    def __init__(
        self,
        store: GroupStore,
        owners: Owners,
        changes: GroupChanges,
        domain: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        config: GroupConfig,
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self.store = store
        self._owners = owners
        self._changes = changes
        self._domain = domain
        self._spawn = spawn
        self._config = config
        self._groups: WeakValueDictionary[tuple[Source, str], SharedGroup] = WeakValueDictionary()
        self._turn = asyncio.Lock()
        self._count = 0
        """Of which change of the table everything is known."""
        self._reads = 0
        """Changes with each reading of the table, when it begins and when it ends."""
        self._asked: OrderedDict[str, float] = OrderedDict()
        self._complain = Complaints(logger)
        owners.add_loader(self._load)

    # The table

    async def add(self, name: str, usernames: Collection[str]) -> None:
        """Put accounts into a group, and let those see it who are there.

        Raises :class:`NoSuchAccount` and :class:`DatabaseError`, as the following do.
        """
        await self._changed([name], await self.store.add(name, usernames))

    async def remove(self, name: str, usernames: Collection[str]) -> None:
        """Take accounts out of a group."""
        await self._changed([name], await self.store.remove(name, usernames))

    async def delete(self, name: str) -> None:
        """Take everybody out of a group."""
        await self._changed([name], await self.store.delete(name))

    async def set_said(self, owner: Owner, names: Collection[str]) -> None:
        """Let an account be in the groups that the site names with it, and in no others of it."""
        known = sorted(set(filter(None, map(shown_name, names))))
        if len(known) > MAX_GROUPS:
            logger.warning("%s is in more than %d groups", owner.jid, MAX_GROUPS)
        changed, count = await self.store.set_said(owner.username, known[:MAX_GROUPS])
        if changed:
            await self._changed(changed, count)

    async def run(self) -> None:
        """Look now and then for what another process changed in the table, until cancelled."""
        known = False  # What was changed before is read with the accounts that it concerns.
        while True:
            try:
                if not known:
                    self._count, known = await self.store.changes(), True
                await self.look()
            except DatabaseError as error:
                logger.warning("changes of shared groups could not be looked for: %s", error)
            await asyncio.sleep(_INTERVAL)

    async def look(self) -> None:
        """Take in what another process changed."""
        count = await self.store.changes()
        if count != self._count:
            here = [name for source, name in self._groups if source is Source.TABLE]
            await self._read({*here, *(name for name, _ in await self.store.names())})
            self._count = count

    async def _changed(self, names: Collection[str], count: int) -> None:
        await self._read(names)
        if count == self._count + 1:  # Nobody else has changed anything meanwhile.
            self._count = count

    async def _read(self, names: Collection[str]) -> None:
        async with self._turn:
            for name in names:
                self._reads += 1
                members = (await self.store.members([name]))[name]
                self._set(Source.TABLE, name, members)
                self._reads += 1

    # Who signs in

    async def ask(self, owner: Owner) -> None:
        """Ask the site which groups an account is in, unless it has said so lately.

        What it fails to say stays as it was.
        """
        now = asyncio.get_running_loop().time()
        if self._config.ask is None or self._asked.get(owner.jid, 0.0) > now:
            return
        try:
            said = await within(self._config.timeout, "groups", self._config.ask(owner.username))
            named = _read_answer(said)
        except TimeLimit:
            self._complain("groups= took longer than %g s (site_timeout)", self._config.timeout)
        except Exception:  # noqa: BLE001 - whatever went wrong in the site's own code
            self._complain("groups= failed", exc_info=True)
        else:
            self._asked[owner.jid] = now + self._config.lifetime
            if len(self._asked) > _KNOWN:
                self._asked.popitem(last=False)
            async with self._turn:
                await self._said(owner, named)

    async def _said(self, owner: Owner, named: Mapping[str, frozenset[str]]) -> None:
        """Take in what groups an account is in; of each the whole is said."""
        if len(named) > MAX_GROUPS:
            self._complain("groups= returned more than %d groups for one account", MAX_GROUPS)
        for name in list(named)[:MAX_GROUPS]:
            group = self._groups.get((Source.SITE, name))
            if group is None or group.asked != named[name] or owner.jid not in group.members:
                members = await self._accounts(named[name] | {owner.username})
                self._set(Source.SITE, name, members, named[name])
        for group in self._of(owner.jid):
            if group.source is Source.SITE and group.name not in named:
                left = {jid: called for jid, called in group.members.items() if jid != owner.jid}
                group.asked = frozenset()
                self._changes.replace(group, left)

    async def _accounts(self, names: Iterable[str]) -> Members:
        """Return those of some names that are accounts, in as small steps as there are many."""
        usernames = set()
        for number, name in enumerate(names):
            if number % _PAUSE == _PAUSE - 1:
                await asyncio.sleep(0)
            try:
                usernames.add(account_jid(name, self._domain).node)
            except InvalidJID as error:
                self._complain("groups= named somebody who can have no account: %s", error)
        return await self.store.called(sorted(usernames))

    def forget(self, *usernames: str) -> None:
        """Let the site be asked anew about some accounts, or all; those who are there, now."""
        accounts = [f"{username}@{self._domain}" for username in usernames]
        for account in accounts or list(self._asked):
            self._asked.pop(account, None)
        self._spawn(self._ask_again(accounts or self._changes.present()))

    async def _ask_again(self, accounts: Iterable[str]) -> None:
        for account in accounts:
            owner = self._owners.get(account)
            if owner is not None and owner.registered:
                await self.ask(owner)

    # What is known of groups

    async def renamed(self, owner: Owner, called: str) -> None:
        """Let the others see what an account is called from now on."""
        async with self._turn:
            for group in self._of(owner.jid):
                if group.members.get(owner.jid) != called:
                    members = {**group.members, owner.jid: called}
                    self._changes.replace(group, members)

    async def forget_account(self, username: str) -> None:
        """Take an account that was removed out of the groups in memory.

        Another of its name by now may be in some of them, as the table has it.
        """
        account = f"{username}@{self._domain}"
        self._asked.pop(account, None)
        async with self._turn:
            groups = self._of(account)
            for group in groups:
                left = {jid: called for jid, called in group.members.items() if jid != account}
                self._changes.replace(group, left)
        await self._read([group.name for group in groups if group.source is Source.TABLE])

    def _set(
        self, source: Source, name: str, members: Members, asked: frozenset[str] = frozenset()
    ) -> None:
        """Let a group have these members, and tell those who are there."""
        if len(members) > self._config.most:
            self._complain("the group %s has more than %d members", name, self._config.most)
            members = {key: members[key] for key in sorted(members)[: self._config.most]}
        group = self._groups.get((source, name)) or SharedGroup(source, name)
        self._groups[source, name] = group
        group.asked = asked
        addressed = {f"{key}@{self._domain}": called for key, called in members.items()}
        if addressed != group.members:
            self._changes.replace(group, addressed)

    def _of(self, jid: str) -> list[SharedGroup]:
        return [group for group in self._groups.values() if jid in group.members]

    async def _load(self, connection: AsyncConnection, usernames: Sequence[str]) -> Effect:
        reads = self._reads
        names = await self.store.groups_of(connection, usernames)
        read: dict[str, Members] = {}
        for name in {name for those in names.values() for name in those}:
            known = (Source.TABLE, name) in self._groups
            read[name] = {} if known else await self.store.members_of(connection, name)

        def effect(owner: Owner) -> None:
            missed = []
            for name in names.get(owner.username, ()):
                if (Source.TABLE, name) in self._groups:
                    continue
                members = read[name]
                if not members or reads != self._reads or len(members) > self._config.most:
                    missed.append(name)
                    continue
                group = self._groups[Source.TABLE, name] = SharedGroup(Source.TABLE, name)
                group.replace({f"{key}@{self._domain}": members[key] for key in members})
                joining(group)(owner)
            for group in self._of(owner.jid):
                joining(group)(owner)
            if missed:
                self._spawn(self._read(missed))

        return effect


def _read_answer(said: Iterable[tuple[str, Iterable[str]]]) -> dict[str, frozenset[str]]:
    """Return an answer of the site's. Raises TypeError or ValueError for what is none."""
    named: dict[str, frozenset[str]] = {}
    for called, members in said:
        if not isinstance(called, str) or isinstance(members, str):
            raise TypeError("groups= returns pairs of a group's name and a list of its members")
        everybody = frozenset(members)
        if not all(isinstance(member, str) for member in everybody):
            raise TypeError("the members of a group are names")
        name = shown_name(called)
        if name:
            named[name] = named.get(name, frozenset()) | everybody
    return named
