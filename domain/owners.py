"""What the domain knows in memory of an account, so that stanzas need no database.

An account's owner is loaded before its first resource binds, and stays while
it has one, and a while longer. What changes in the database is told to it
after the commit, by :meth:`Owners.change`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.database import Database
from andiron.sm.payers import Payers

__all__ = ["AccountError", "Effect", "Loader", "NoSuchAccount", "Owners"]

Effect = Callable[[Owner], None]
"""Changes what is known of an account, as its rows were changed before. Twice is as once."""
Loader = Callable[[AsyncConnection, Sequence[str]], Awaitable[Effect]]
"""Reads what one specification keeps of some usernames, for the owner of each; reads only."""

_KEPT: Final = 1000
"""Owners that are kept without a resource, so that messages to them need no reading."""
_AT_ONCE: Final = 100
"""Accounts that are read together, as when all come back after a restart."""


class AccountError(Exception):
    """An account cannot be made, changed or removed; the sentence says why."""


class NoSuchAccount(AccountError):  # noqa: N818
    """There is no account of that name."""


class Owners:
    """The owners in memory. Nothing but the loaders is waited for."""

    def __init__(self, database: Database, born: Callable[[str], Awaitable[str | None]]) -> None:
        """``born`` tells the account of a username from others before it; None: there is none."""
        self._database = database
        self._born = born
        self._loaders: list[Loader] = []
        self._known: WeakValueDictionary[str, Owner] = WeakValueDictionary()
        self._kept: OrderedDict[str, Owner] = OrderedDict()
        self._loading: dict[str, _Loading] = {}
        self._next: _Batch | None = None
        self._reading = asyncio.Lock()
        self._payers = Payers()

    def add_loader(self, loader: Loader) -> None:
        """Let ``loader`` read its part of every account that is loaded from now on."""
        self._loaders.append(loader)

    def get(self, jid: str) -> Owner | None:
        """Return an account by its bare JID if it is in memory; online ones always are."""
        return self._known.get(jid)

    async def load(self, jid: str) -> Owner:
        """Return an account by its bare JID, which must be of this domain.

        Raises :class:`NoSuchAccount`, and :class:`DatabaseError` when the database fails.
        """
        known = self._known.get(jid)
        if known is not None:
            self._keep(known)
            return known
        loading = self._loading.get(jid)
        if loading is None:
            loading = self._loading[jid] = _Loading()
            loading.task = asyncio.ensure_future(self._load(jid, loading))
        # One that stops waiting must not stop the others.
        return await asyncio.shield(loading.task)

    async def load_all(self, births: Mapping[str, str]) -> dict[str, Owner]:
        """Return many accounts, which exist, by bare JID; what each is born is by that, too.

        For the start, while nobody is there. Raises :class:`DatabaseError`.
        """
        found = {jid: self._new(jid, born) for jid, born in births.items()}
        owners = list(found.values())
        for first in range(0, len(owners), _AT_ONCE):
            some = owners[first : first + _AT_ONCE]
            effects = await self._read([owner.username for owner in some])
            for owner in some:
                for effect in effects:
                    effect(owner)
                self._known[owner.jid] = owner
        return found

    def add(self, owner: Owner) -> Owner:
        """Know an account that is in no database: an anonymous one."""
        return self._known.setdefault(owner.jid, owner)

    def change(self, jid: str, effect: Effect) -> None:
        """Let ``effect``, which the database has committed, be known where the account is."""
        owner = self._known.get(jid)
        if owner is not None:
            effect(owner)
        elif (loading := self._loading.get(jid)) is not None:
            loading.effects.append(effect)

    def registered(self) -> list[Owner]:
        """Return the accounts in memory, but for anonymous ones, which are in no database."""
        return [owner for owner in self._known.values() if owner.registered]

    def forget(self, jid: str) -> None:
        """Forget an account that was removed; its resources should have ended."""
        self._kept.pop(jid, None)
        self._known.pop(jid, None)

    async def _load(self, jid: str, loading: "_Loading") -> Owner:
        username = jid.partition("@")[0]
        try:
            born = await self._born(username)
            if born is None:
                raise NoSuchAccount(f"There is no account {username}.")
            owner = self._new(jid, born)
            for effect in await self._read_with_others(username):
                effect(owner)
            for effect in loading.effects:
                effect(owner)
            self._known[jid] = owner
            self._keep(owner)
        finally:
            del self._loading[jid]
        return owner

    def _new(self, jid: str, born: str) -> Owner:
        owner = Owner(jid)
        owner.born = born
        owner.payer = self._payers.named(jid)
        return owner

    async def _read_with_others(self, username: str) -> list[Effect]:
        """Read an account together with those that are asked for while others are read."""
        batch = self._next
        if batch is None or len(batch.usernames) == _AT_ONCE:
            batch = self._next = _Batch()
            batch.task = asyncio.ensure_future(self._read_in_turn(batch))
        batch.usernames.append(username)
        return await asyncio.shield(batch.task)

    async def _read_in_turn(self, batch: "_Batch") -> list[Effect]:
        async with self._reading:
            if self._next is batch:
                self._next = None
            return await self._read(batch.usernames)

    async def _read(self, usernames: Sequence[str]) -> list[Effect]:
        async def operation(connection: AsyncConnection) -> list[Effect]:
            return [await loader(connection, usernames) for loader in self._loaders]

        return await self._database.read(operation)

    def _keep(self, owner: Owner) -> None:
        self._kept[owner.jid] = owner
        self._kept.move_to_end(owner.jid)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class _Loading:
    """An account that is being read, and what is committed meanwhile."""

    __slots__ = ("effects", "task")

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.task: asyncio.Future[Owner]


class _Batch:
    """Accounts that are read together."""

    __slots__ = ("task", "usernames")

    def __init__(self) -> None:
        self.usernames: list[str] = []
        self.task: asyncio.Future[list[Effect]]
