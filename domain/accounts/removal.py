"""Accounts that are removed or disabled, here or by another process, and what ends with them."""

import asyncio
import logging
from collections.abc import Sequence
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

    async def remove(self, name: str) -> None:
        """Remove an account, what is stored for it, and its sessions.

        Raises what :meth:`Accounts.remove` raises.
        """
        await self.finish(await self._accounts.remove(name))

    async def finish(self, username: str) -> None:
        """End the sessions of an account that was removed, and tell whom it concerns."""
        account = f"{username}@{self._router.domain}"
        self._accounts.forget(username)
        self.end(account, "the account was removed")
        self._owners.forget(account)
        for tell in self._events.removed:
            await tell(username)

    async def run(self) -> None:
        """Look now and then for what another process removed or disabled, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await self.look()
            except DatabaseError as error:
                logger.warning("removed and disabled accounts could not be looked for: %s", error)

    async def look(self) -> None:
        """Finish those accounts in memory that are in the database no more, or disabled."""
        for owner in await self._removed(self._owners.registered()):
            logger.info("%s was removed", owner.jid)
            await self.finish(owner.username)
        router = self._router
        here = [client.owner.username for client in (*router.full.values(), *router.unbound)]
        for username in await self._accounts.disabled.among(sorted(set(here))):
            self.end(f"{username}@{self._router.domain}", DISABLED)

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

    async def _removed(self, owners: Sequence[Owner]) -> list[Owner]:
        """Return those whose accounts are gone, or which others of their names have replaced."""
        births = await self._accounts.births([owner.username for owner in owners])
        return [
            owner
            for owner in owners
            if births.get(owner.username) != owner.born and self._owners.get(owner.jid) is owner
        ]
