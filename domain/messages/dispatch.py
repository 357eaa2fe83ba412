"""Messages of the site's own code, which come from no session: as the site, or as an account.

They go the way of a client's (RFC 6121 section 8.5.2): blocking (XEP-0191), the archives
(XEP-0313), copies (XEP-0280), the store for who is away. Instead of a ticket the caller waits.
"""

import asyncio
import time
from collections.abc import Callable

from andiron.domain.client import Owner, no_room
from andiron.domain.contacts.blocking import blocks
from andiron.domain.messages import carbons
from andiron.domain.messages.announcing import tell
from andiron.domain.messages.keeping import (
    Archive,
    Posting,
    Spoken,
    archivable,
    archived,
    stanza_id,
)
from andiron.domain.messages.offline import Offline
from andiron.domain.messages.offline_store import Waiting
from andiron.domain.messages.storing import storable
from andiron.domain.owners import Owners
from andiron.domain.router import Router
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.jid import JID
from andiron.xmpp.stanza import with_child
from andiron.xmpp.xml import Element

__all__ = ["Dispatch"]


class Dispatch:
    """Sends whole messages, complete with their addresses, to accounts."""

    def __init__(
        self,
        router: Router,
        owners: Owners,
        offline: Offline,
        archive: Archive | None,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` gives the sessions' ``now``."""
        self._router = router
        self._owners = owners
        self._offline = offline
        self._archive = archive
        self._clock = clock
        self._wall = wall

    async def send(self, element: Element, sender: Owner, jid: JID) -> str:
        """Send a message of type normal or chat; return its id in the recipient's archive.

        That is empty where it is in none. When this returns the message is taken over:
        in the archives, in the store, or, where neither keeps it, with the recipient's sessions.
        Raises :class:`StanzaError`, :class:`NoSuchAccount` for a recipient that is none, and
        :class:`DatabaseError`.
        """
        recipient = await self._admitted(sender, jid)
        spoken = Spoken(sender, element.get("from"), element.text, self._wall())
        archive = self._archive if archivable(element) else None
        if self._router.best(jid.bare) and not (recipient.draining and storable(element)):
            identity = self._deliver(element, spoken, recipient, archive)
        else:
            identity = await self._store(element, spoken, recipient, archive)
        if archive is not None:
            await archive.caught_up()
        return identity

    async def inform(self, element: Element, sender: Owner, jid: JID) -> int:
        """Send a headline to the sessions that are there, and nowhere else; return to how many.

        Raises as :meth:`send`.
        """
        await self._admitted(sender, jid)
        return tell(self._router, jid.bare, element.text, self._clock())

    async def _admitted(self, sender: Owner, jid: JID) -> Owner:
        recipient = await self._owners.load(jid.bare)
        if blocks(sender, jid.full):
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "the sender has blocked the recipient")
        if blocks(recipient, sender.jid):
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "the recipient has blocked the sender")
        return recipient

    def _deliver(
        self, element: Element, spoken: Spoken, recipient: Owner, archive: Archive | None
    ) -> str:
        jid, now = JID(recipient.jid), self._clock()
        best = self._router.best(recipient.jid)
        if best[0].held is not None and not any(each.takes(spoken.text) for each in best):
            raise no_room()
        text = sent = spoken.text
        identity = ""
        if archive is not None:
            text, sent, identity = archived(archive, spoken, recipient, jid.full)
        self._offline.bring(best, element, text, now)
        if spoken.sender is not recipient and carbons.eligible(element):
            carbons.copy_sent(spoken.sender.carbons, element, sent, now)
        return identity

    async def _store(
        self, element: Element, spoken: Spoken, recipient: Owner, archive: Archive | None
    ) -> str:
        if not storable(element):
            return ""
        if not recipient.registered:
            raise StanzaError(
                StanzaCondition.RECIPIENT_UNAVAILABLE,
                "the guest is not available, and nothing is kept for guests",
            )
        sender, account = spoken.sender, recipient.jid
        posting = Posting(archive, self._owners, spoken, account, account)
        settled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def settle(error: StanzaError | None) -> None:
            mine = posting.settle(stored=error is None)
            if error is None and sender is not recipient and carbons.eligible(element):
                mark = stanza_id(mine, sender.jid)
                text = with_child(spoken.text, mark) if mark else spoken.text
                carbons.copy_sent(sender.carbons, element, text, self._clock())
            if settled.done():
                return  # Whoever asked waits no more.
            if error is not None:
                settled.set_exception(error)
            else:
                settled.set_result(posting.received)

        waiting = Waiting(spoken.text, spoken.stamp, sender.jid)
        self._offline.keep(account, waiting, settle, posting.admit)
        return await settled
