"""What clients have of what was stored for them leaves the store."""

import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from andiron.domain.client import Client
from andiron.domain.messages.mailbox import Handed, Mailbox, stamps
from andiron.domain.messages.offline_store import OfflineStore
from andiron.domain.messages.owing import Owing
from andiron.domain.router import Router
from andiron.sm.frozen import Plain

__all__ = ["Removing"]

logger = logging.getLogger("andiron.domain")


class Removing:
    """Removes from the store what accounts have by now.

    ``spawn`` runs a coroutine to its end, also while the domain stops.
    """

    def __init__(
        self,
        router: Router,
        store: OfflineStore,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._router = router
        self._store = store
        self._spawn = spawn
        self._ended: Owing | None = None

    async def write_down(self, taken: Owing) -> None:
        """Have what ended sessions have written down until it is removed, from now on.

        What another process left so is removed first. Raises :class:`DatabaseError`.
        """
        for username, had in taken.left():
            await self._store.remove(username, {int(each): stamp for each, stamp in had.items()})
        taken.take_over()
        self._ended = taken

    def begin(self, box: Mailbox, account: str) -> None:
        """Remove what the account has by now, unless that is about to be done."""
        if not box.removing:
            box.removing = True
            self._spawn(self._remove(box, account))

    async def _remove(self, box: Mailbox, account: str) -> None:
        box.removing = False
        had, keys = box.take_had(), box.take_owed()
        if not had and not keys:
            return
        try:
            await self._store.remove(account.partition("@")[0], stamps(had))
        except Exception:
            logger.exception("%s: %d messages come once more, maybe", account, len(had))
            box.still_had(had, keys)
        else:
            self.done(box, had, keys)
            for client in self._router.best(account):
                client.session.changed()

    def note(self, box: Mailbox, client: Client) -> None:
        """Write down what the account has when a session ends that said so."""
        had = stamps({each.id: each for each in (*box.arrived, *box.out_to(client))})
        if had and self._ended is not None:
            named: Plain = {str(identity): stamp for identity, stamp in had.items()}
            box.owed.append(self._ended.owed([client.owner.username, named]))

    def done(self, box: Mailbox, had: dict[int, Handed], keys: Iterable[str]) -> None:
        """Note that what the account has is in the store no more."""
        box.gone(had)
        for key in keys:
            if self._ended is not None:
                self._ended.paid(key)
