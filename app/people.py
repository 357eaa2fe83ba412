"""The accounts as the site sees them, for its own code in whichever thread."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from andiron.domain.accounts.removal import DISABLED
from andiron.domain.domain import Domain
from andiron.domain.person import is_shown
from andiron.sm.manager import SessionManager
from andiron.xmpp.jid import account_jid

__all__ = ["People", "runs_here"]

T = TypeVar("T")


class People:
    """What the site's own code may do about its people; :attr:`Andiron.people`.

    Names are those that the site has for accounts; ValueError for one that none can have.
    What is to be awaited belongs on the loop on which the application runs. Elsewhere, in a
    sync view or a thread: ``people.wait(people.add_to_group("staff", "juliet"))``.

    While the application does not run RuntimeError is raised. Besides that,
    :class:`~andiron.domain.database.engines.DatabaseError` and
    :class:`~andiron.domain.owners.NoSuchAccount`.
    """

    def __init__(
        self,
        domain: str,
        serving: tuple[Domain, SessionManager, asyncio.AbstractEventLoop] | None,
    ) -> None:
        """Take what serves them, their sessions, and on which loop; None while nothing does."""
        self._name = domain
        self._serving = serving

    # Who may sign in

    async def disable(self, name: str) -> int:
        """Let nobody sign in to an account, and end its streams; return how many those were.

        All that it has stays, and messages to it wait. Who proves to be its owner is told
        ``account-disabled``, whichever way he signs in; the site's own clients are, too.
        """
        username = self._username(name)
        domain, manager, _ = self._served()
        await domain.accounts.disabled.disable(username)
        return manager.kick(f"{username}@{domain.name}", manager.clock(), DISABLED)

    async def enable(self, name: str) -> None:
        """Let the owner of an account sign in again."""
        await self._domain().accounts.disabled.enable(self._username(name))

    async def disabled(self) -> list[str]:
        """Return the names of the accounts that are disabled."""
        return await self._domain().accounts.disabled.names()

    # Groups

    async def groups(self) -> dict[str, int]:
        """Return the shared groups in the database, with the number of their members."""
        return dict(await self._domain().groups.store.names())

    async def members(self, group: str) -> list[str]:
        """Return the names of those in a group."""
        return sorted((await self._domain().groups.store.members([group]))[group])

    async def add_to_group(self, group: str, *names: str) -> None:
        """Put accounts into a shared group, whose members are in each other's contact lists.

        It is made where there is none. Those who are there see the change.
        """
        if not is_shown(group):
            raise ValueError(f"a group cannot be called {group!r}")
        await self._domain().groups.add(group, [self._username(name) for name in names])

    async def remove_from_group(self, group: str, *names: str) -> None:
        """Take accounts out of a shared group."""
        await self._domain().groups.remove(group, [self._username(name) for name in names])

    async def delete_group(self, group: str) -> None:
        """Take everybody out of a shared group."""
        await self._domain().groups.delete(group)

    # Contacts

    def contacts_changed(self, *names: str) -> None:
        """Let the site be asked anew about these people, or about all where none is named.

        Who may contact them (``may_contact=``) when that is needed, in which groups they
        are (``groups=``) at once, for those who are there. May be called from any thread; what
        is being asked may still be answered as before.
        """
        usernames = [self._username(name) for name in names]
        if self._serving is None:
            return
        domain, _, loop = self._serving

        def forget() -> None:
            if domain.permissions is not None:
                domain.permissions.forget(*usernames)
            domain.groups.forget(*usernames)

        if runs_here(loop):
            forget()
        else:
            loop.call_soon_threadsafe(forget)

    # From elsewhere

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what one of these coroutines returns, in a thread that has no event loop."""
        try:
            loop = self._loop()
        except BaseException:
            work.close()
            raise
        if runs_here(loop):
            work.close()
            raise RuntimeError("await it: this thread runs the application")
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def _loop(self) -> asyncio.AbstractEventLoop:
        return self._served()[2]

    def _served(self) -> tuple[Domain, SessionManager, asyncio.AbstractEventLoop]:
        if self._serving is None:
            raise _not_running()
        return self._serving

    def _domain(self) -> Domain:
        return self._served()[0]

    def _username(self, name: str) -> str:
        username: str = account_jid(name, self._name).node
        return username


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether an event loop is the one that runs in this thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _not_running() -> RuntimeError:
    return RuntimeError("the application does not run")
