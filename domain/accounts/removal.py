"""Accounts that are removed or disabled, here or by another process, and what ends with them.

Who is removed leaves a mark in the database, in the write that removes him, by whatever
process. It is there until all that others have of him by his name is forgotten, and as long
nobody else of that name comes into memory.
"""

import asyncio
import logging
from typing import Final

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.client import Owner
from andiron.domain.database.engines import DatabaseError
from andiron.domain.events import Events
from andiron.domain.owners import Owners
from andiron.domain.router import Router
from andiron.sm.link import CloseReason
from andiron.xmpp.errors import StreamCondition, StreamError

__all__ = ["DISABLED", "Removal"]

logger = logging.getLogger("andiron.domain")

DISABLED: Final = "the account is disabled"
_INTERVAL: Final = 30.0
"""Seconds between two looks for accounts that another process removed or disabled."""


class Removal:
    """Ends what an account has in memory when it is no more in the database."""

    def __init__(self, accounts: Accounts, owners: Owners, router: Router, events: Events) -> None:
        self._accounts = accounts
        self._owners = owners
        self._router = router
        self._events = events
        self._settling: dict[str, asyncio.Task[bool]] = {}
        owners.settle = self._must_settle

    async def remove(self, name: str) -> None:
        """Remove an account, what is stored for it, and its sessions.

        Raises what :meth:`Accounts.remove` raises.
        """
        username = await self._accounts.remove(name)
        await self.finish(username, self._owners.get(self._jid(username)))

    async def finish(self, username: str, owner: Owner | None) -> None:
        """End what an account that was removed has in memory, and tell whom it concerns.

        ``owner`` is what is there of it. What fails is logged, and tried again by :meth:`look`.
        """
        self._put_out(username, owner)
        await self._settle(username)

    async def run(self) -> None:
        """Look now and then for what another process removed or disabled, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await self.look()
            except DatabaseError as error:
                logger.warning("removed and disabled accounts could not be looked for: %s", error)

    async def look(self) -> None:
        """Finish those accounts that are in the database no more, and end those disabled."""
        owners = self._owners.registered()
        births = await self._accounts.births([owner.username for owner in owners])
        gone = [owner for owner in owners if births.get(owner.username) != owner.born]
        marks = await self._accounts.former.marks()
        # Another version, or another program, leaves none. Where it has made another account
        # of the name, that is not to lose anything for it.
        unmarked = {each.username for each in gone if each.username not in births} - marks.keys()
        if unmarked:
            await self._accounts.former.note(unmarked)
        for owner in gone:
            logger.info("%s was removed", owner.jid)
            try:
                self._put_out(owner.username, owner)
            except Exception:
                # The others are no less gone.
                logger.exception("the sessions of %s could not be ended", owner.jid)
        for username in (*marks, *unmarked):
            await self._settle(username)
        router = self._router
        here = [client.owner.username for client in (*router.full.values(), *router.unbound)]
        for username in await self._accounts.disabled.among(sorted(set(here))):
            self.end(self._jid(username), DISABLED)

    async def check(self, owner: Owner) -> None:
        """Put an account out if it is not the one in the database. Raises DatabaseError."""
        if not await self._is_there(owner):
            self._put_out(owner.username, owner)

    def end(self, jid: str, why: str) -> int:
        """End the sessions of an account, or the one of a full JID; return how many those were."""
        account = jid.partition("/")[0]
        resources = self._router.accounts.get(account)
        there = list(resources.clients.values()) if resources else []
        ended = [client for client in there if jid in (account, client.jid)]
        if jid == account:
            ended += [client for client in self._router.unbound if client.account == account]
        for client in ended:
            error = StreamError(StreamCondition.NOT_AUTHORIZED, why)
            client.session.close(CloseReason.KICKED, client.session.clock(), error)
        return len(ended)

    def _put_out(self, username: str, owner: Owner | None) -> None:
        """Have in memory no more of an account that was removed; another of its name stays."""
        account = self._jid(username)
        self._accounts.forget(username)
        if self._owners.get(account) is not owner:
            return
        self.end(account, "the account was removed")
        self._owners.forget(account)
        for let_go in self._events.let_go:
            let_go(username)

    async def _must_settle(self, username: str) -> None:
        if not await self._settle(username):
            raise DatabaseError(f"Something of a former account {username} is left.")

    async def _settle(self, username: str) -> bool:
        """Forget what others have of a removed account by its name; False where that failed."""
        task = self._settling.get(username)
        if task is None:
            task = self._settling[username] = asyncio.create_task(self._forget(username))
            task.add_done_callback(lambda _task: self._settling.pop(username))
        return await asyncio.shield(task)

    async def _forget(self, username: str) -> bool:
        try:
            while mark := await self._accounts.former.mark(username):
                owner = self._owners.get(self._jid(username))
                if owner is None or not await self._is_there(owner):
                    self._put_out(username, owner)
                if not await self._tell(username):
                    return False
                await self._accounts.former.settle(username, mark)
        except Exception:
            # Others wait to be forgotten, too.
            logger.exception("%s, removed, could not be forgotten", self._jid(username))
            return False
        return True

    async def _tell(self, username: str) -> bool:
        done = True
        for forget in self._events.removed:
            try:
                await forget(username)
            except Exception:
                # The others are to forget it all the same.
                logger.exception("something of %s, removed, is left", self._jid(username))
                done = False
        return done

    async def _is_there(self, owner: Owner) -> bool:
        births = await self._accounts.births([owner.username])
        return births.get(owner.username) == owner.born

    def _jid(self, username: str) -> str:
        return f"{username}@{self._router.domain}"
