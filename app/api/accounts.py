"""Accounts that nobody may sign in to for the time being."""

from andiron.api.people import People
from andiron.domain.accounts.removal import DISABLED
from andiron.domain.domain import Domain
from andiron.sm.manager import SessionManager

__all__ = ["AccountsApi"]


class AccountsApi:
    """Disables accounts, and enables them."""

    def __init__(self, domain: Domain, people: People, manager: SessionManager) -> None:
        self._disabled = domain.accounts.disabled
        self._people = people
        self._manager = manager

    async def disabled(self) -> tuple[str, ...]:
        """Return the names of those that are."""
        return tuple(await self._disabled.names())

    async def disable(self, account: str) -> int:
        """Disable one and end its sessions; return how many those were."""
        jid = self._people.jid(account)
        await self._disabled.disable(jid.node)
        return self._manager.kick(jid.bare, self._manager.clock(), DISABLED)

    async def enable(self, account: str) -> None:
        """Let its owner sign in again."""
        await self._disabled.enable(self._people.jid(account).node)
