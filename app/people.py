"""The accounts as the site sees them, for its own code in whichever thread."""

import asyncio
from collections.abc import Callable

from andiron.domain.domain import Domain
from andiron.xmpp.jid import account_jid

__all__ = ["People"]


class People:
    """What the site's own code may do about its people; :attr:`Andiron.people`.

    Names are those that the site has for accounts; ValueError for one that none can have.
    """

    def __init__(
        self, domain: str, serving: tuple[Domain, asyncio.AbstractEventLoop] | None
    ) -> None:
        """Take what serves them, and on which loop; None while nothing does."""
        self._name = domain
        self._serving = serving

    def contacts_changed(self, *names: str) -> None:
        """Let the site be asked anew who may contact these people, or anybody where none is named.

        May be called from any thread. What is being asked may still be answered as before.
        """
        usernames = [self._username(name) for name in names]
        if self._serving is not None and self._serving[0].permissions is not None:
            permissions = self._serving[0].permissions
            self._on_loop(lambda: permissions.forget(*usernames))

    def _username(self, name: str) -> str:
        username: str = account_jid(name, self._name).node
        return username

    def _on_loop(self, call: Callable[[], object]) -> None:
        """Call on the loop: at once where that runs here, else soon."""
        assert self._serving is not None
        loop = self._serving[1]
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            call()
        else:
            loop.call_soon_threadsafe(call)
