"""What the domain knows in memory of an account, so that stanzas need no database.

An account's owner is loaded before its first resource binds, and stays while
it has one, and a while longer. What changes in the database is told to it
after the commit, by :meth:`Owners.change`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Owner
from andiron.domain.database.database import Database, DatabaseError
from andiron.sm.payers import Payers

__all__ = ["AccountError", "Birth", "Births", "Effect", "Loader", "NoSuchAccount", "Owners"]

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


class Birth(NamedTuple):
    """Which account of its name one is."""

    born: str
    """What tells it from others before it."""
    follows: bool = False
    """Whether something of one before it may be left, which it must not come into."""


Births = Callable[[AsyncConnection, Sequence[str]], Awaitable[Mapping[str, Birth]]]
"""Reads of some usernames those that have an account, for :class:`Owners`."""


async def _nothing(_username: str) -> None:
    return


class Owners:
    """The owners in memory. Nothing but the loaders is waited for."""

    def __init__(self, database: Database, births: Births) -> None:
        self._database = database
        self._births = births
        self.settle: Callable[[str], Awaitable[None]] = _nothing
        """Sees to it that nothing is left of a former account of a username, before another
        comes into memory. Raises :class:`DatabaseError`."""
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

    async def load_all(self, jids: Iterable[str]) -> dict[str, Owner]:
        """Return many accounts by bare JID, of those that there are.

        For the start, while nobody is there. One is left out of whose former account something
        is left. Raises :class:`DatabaseError`.
        """
        found: dict[str, Owner] = {}
        named = {jid.partition("@")[0]: jid for jid in jids}
        usernames = list(named)
        for first in range(0, len(usernames), _AT_ONCE):
            some = usernames[first : first + _AT_ONCE]
            read = await self._read(some)
            following = [name for name, birth in read.births.items() if birth.follows]
            if following:
                for username in following:
                    with suppress(DatabaseError):
                        await self.settle(username)
                read = await self._read(some)
            for username, birth in read.births.items():
                if not birth.follows:
                    owner = self._owner(named[username], read)
                    found[owner.jid] = self._known[owner.jid] = owner
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
        """Forget an account that was removed; its resources should have ended.

        What is being read of it is not taken for what there is.
        """
        self._kept.pop(jid, None)
        self._known.pop(jid, None)
        loading = self._loading.get(jid)
        if loading is not None:
            loading.is_stale = True

    async def _load(self, jid: str, loading: "_Loading") -> Owner:
        username = jid.partition("@")[0]
        try:
            while True:
                loading.begin()
                read = await self._read_with_others(username)
                birth = read.births.get(username)
                if birth is not None and birth.follows:
                    await self.settle(username)
                elif not loading.is_stale:
                    break
            if birth is None:
                raise NoSuchAccount(f"There is no account {username}.")
            owner = self._owner(jid, read)
            for effect in loading.effects:
                effect(owner)
            self._known[jid] = owner
            self._keep(owner)
        finally:
            del self._loading[jid]
        return owner

    def _owner(self, jid: str, read: "_Read") -> Owner:
        owner = Owner(jid)
        owner.born = read.births[owner.username].born
        owner.payer = self._payers.named(jid)
        for effect in read.effects:
            effect(owner)
        return owner

    async def _read_with_others(self, username: str) -> "_Read":
        """Read an account together with those that are asked for while others are read."""
        batch = self._next
        if batch is None or len(batch.usernames) == _AT_ONCE:
            batch = self._next = _Batch()
            batch.task = asyncio.ensure_future(self._read_in_turn(batch))
        batch.usernames.append(username)
        return await asyncio.shield(batch.task)

    async def _read_in_turn(self, batch: "_Batch") -> "_Read":
        async with self._reading:
            if self._next is batch:
                self._next = None
            return await self._read(batch.usernames)

    async def _read(self, usernames: Sequence[str]) -> "_Read":
        async def operation(connection: AsyncConnection) -> _Read:
            # First: one who is made anew meanwhile is then taken for who is gone, and not
            # who is gone for the new one.
            births = await self._births(connection, usernames)
            loaders = self._loaders if births else ()
            return _Read(births, [await loader(connection, usernames) for loader in loaders])

        return await self._database.read(operation)

    def _keep(self, owner: Owner) -> None:
        self._kept[owner.jid] = owner
        self._kept.move_to_end(owner.jid)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class _Read(NamedTuple):
    """What was read of some accounts."""

    births: Mapping[str, Birth]
    effects: Sequence[Effect]


class _Loading:
    """An account that is being read, and what is committed meanwhile."""

    __slots__ = ("effects", "is_stale", "task")

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.is_stale = False
        """Whether what is read may be of an account that was removed since that began."""
        self.task: asyncio.Future[Owner]

    def begin(self) -> None:
        """Begin to read: what was committed before is among what is read."""
        self.effects.clear()
        self.is_stale = False


class _Batch:
    """Accounts that are read together."""

    __slots__ = ("task", "usernames")

    def __init__(self) -> None:
        self.usernames: list[str] = []
        self.task: asyncio.Future[_Read]
