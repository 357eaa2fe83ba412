"""Messages that cannot be delivered now, and those that waited (RFC 6121 section 8.5.2.2).

A message is kept from when it was accepted until a session has it. What waits
for one account is worked on one after the other, so a later message never
overtakes an earlier one: neither on its way into the store nor out of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from andiron.domain.client import Client
from andiron.domain.messages import carbons
from andiron.domain.messages.keeping import Archive, Revocable
from andiron.domain.messages.offline_store import OfflineFull, OfflineStore, StoredMessage
from andiron.domain.owners import NoSuchAccount
from andiron.domain.router import Action, Router, Situation, message_row, refuse, worth_keeping
from andiron.sm.link import Undelivered
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import tags
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamError
from andiron.xmpp.jid import parse_jid, prepared
from andiron.xmpp.stanza import error_reply, with_child, with_delay
from andiron.xmpp.tree import children
from andiron.xmpp.xml import Element, Guard

logger = logging.getLogger("andiron.domain")

Admission = Callable[[], Awaitable[str]]
"""Says what is added to a message that is stored; raises :class:`StanzaError` against it."""
Settlement = Callable[[StanzaError | None], None]
"""Told once that a message is stored, or why it is refused."""

_RESULT: Final = f"{{{ns.MAM}}}result"
_STANZA_ID: Final = f"{{{ns.STANZA_ID}}}stanza-id"
_REQUESTS: Final = frozenset({"get", "set"})


class Offline:
    """Stores messages, hands them out again, and finds another way for undelivered stanzas.

    ``spawn`` runs a coroutine to its end, also while the domain stops. ``reader``
    reads texts of our own sessions again; it must allow what delivery added.
    """

    def __init__(
        self,
        router: Router,
        store: OfflineStore,
        reader: Guard,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        max_held: int,
        archive: Archive | None,
    ) -> None:
        """``max_held`` is how many messages wait for one resource while stored ones are read."""
        self._router = router
        self._store = store
        self._reader = reader
        self._spawn = spawn
        self._max_held = max_held
        self._archive = archive
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def keep(
        self,
        account: str,
        text: str,
        stamp: float,
        settle: Settlement,
        admit: Admission | None = None,
    ) -> None:
        """Store a message of Unix time ``stamp``.

        ``settle`` is called when it is, or is not: where the account is unknown, its store
        full, the database fails, or ``admit`` is against it.
        """
        self._spawn(self._keep(self._lock(account), account, text, stamp, settle, admit))

    def load(self, client: Client) -> None:
        """Deliver what is stored to a resource that became reachable (XEP-0160).

        Messages that come meanwhile are held, and follow.
        """
        if client.hold(self._max_held):
            self._spawn(self._load(self._lock(client.account), client))

    def left(self, client: Client) -> None:
        """Note that a resource cannot be reached any more, maybe with messages held for it.

        They go back to the store; another resource waits for them from now on.
        """
        if client.held is not None:
            self._load_elsewhere(client)

    def reroute(
        self,
        undelivered: Sequence[Undelivered],
        client: Client,
        now: float,
        *,
        shared_since: float,
        store: bool,
    ) -> None:
        """Find another way for what a session that ended could not deliver (design rule 12).

        The client is out of the router. What came after ``shared_since`` and was
        not for its very JID, another resource has, too. ``store`` says not to
        try other resources, for they are about to go.
        """
        waiting: list[tuple[str, float]] = []
        for stanza in undelivered:
            if not stanza.text.startswith(("<message", "<iq")):
                continue
            try:
                element = self._reader.read(stanza.text)
            except StreamError:
                logger.exception("%s: cannot read a stanza of our own again", client.jid)
                continue
            if element.name == "iq":
                if element.get("type") in _REQUESTS:
                    self._bounce(element, StanzaError(StanzaCondition.SERVICE_UNAVAILABLE))
                continue
            lost = self._lost(element, stanza.since, client, shared_since)
            if lost is None:
                continue
            stamp = client.session.wall(stanza.since)
            text = with_delay(lost.text, self._router.domain, stamp)
            text = Revocable.again(lost.text, text)
            if client.held is not None:
                waiting.append((text, stamp))
            else:
                self._reroute_message(lost, text, stamp, now, store=store)
        if client.held is not None:
            client.held.extendleft(reversed(waiting))

    def _lost(
        self, element: Element, since: float, client: Client, shared_since: float
    ) -> Element | None:
        """Return the message for which another way must be found, if there is one."""
        if _is_from_archive(element):
            return None
        if element.get("from") == client.account:
            # The domain's own word to this resource alone, but for copies it answers for.
            text = carbons.inheritance(client, element.text)
            return self._reader.read(text) if text else None
        if since > shared_since and prepared(element.get("to")) != client.jid:
            return None
        return None if carbons.bequeath(client, element, since) else element

    def _reroute_message(
        self, element: Element, text: str, stamp: float, now: float, *, store: bool
    ) -> None:
        try:
            if element.get("type") == "headline" or not worth_keeping(element):
                return
            jid = parse_jid(element.get("to"))
            if store:
                account = jid.bare if _is_storable(element) else ""
            else:
                account = self._router.message(element, text, jid, now)
        except StanzaError as error:
            self._bounce(element, error)
            return
        if account:
            self.keep(account, text, stamp, partial(self._settled, element))

    def _settled(self, element: Element, error: StanzaError | None) -> None:
        if error is not None:
            self._bounce(element, error)

    async def _keep(
        self,
        lock: asyncio.Lock,
        account: str,
        text: str,
        stamp: float,
        settle: Settlement,
        admit: Admission | None,
    ) -> None:
        try:
            async with lock:  # A fetch is over; hereafter the store keeps the order of the calls.
                if admit is not None and (mark := await admit()):
                    text = with_child(text, mark)
            await self._put(account, text, stamp)
        except StanzaError as error:
            settle(error)
        except Exception:
            # Whatever failed, the sender must hear that the message is not kept.
            logger.exception("%s: an account could not be read", account)
            settle(StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR))
        else:
            settle(None)

    async def _put(self, account: str, text: str, stamp: float) -> None:
        """Store a message; raises the :class:`StanzaError` for its sender."""
        username = account.partition("@")[0]
        try:
            await self._store.add(username, text, stamp)
        except (OfflineFull, NoSuchAccount):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE) from None
        except Exception:
            logger.exception("%s: a message could not be stored", account)
            raise StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) from None

    async def _load(self, lock: asyncio.Lock, client: Client) -> None:
        account, domain = client.account, self._router.domain
        async with lock:
            stored: list[StoredMessage] = []
            try:
                stored = await self._store.take(account.partition("@")[0])
            except Exception:
                # Whatever failed, the messages that are held must go on.
                logger.exception("%s: stored messages could not be fetched", account)
            held = client.held
            assert held is not None
            held.extendleft((with_delay(m.text, domain, m.stamp), m.stamp) for m in stored[::-1])
            now = client.session.clock()
            while client.reachable and held:
                client.pass_on(held.popleft()[0], now)
            left_over = bool(held)
            while held:
                await self._put_back(account, *held.popleft())
            client.release()
        if left_over and client.reachable:
            self.load(client)
        elif left_over:
            self._load_elsewhere(client)

    async def _put_back(self, account: str, text: str, stamp: float) -> None:
        element = self._reader.read(text)
        try:
            if _is_storable(element):
                await self._put(account, text, stamp)
        except StanzaError as error:
            self._bounce(element, error)

    def _load_elsewhere(self, client: Client) -> None:
        for other in self._router.best(client.account)[:1]:
            self.load(other)

    def _bounce(self, element: Element, error: StanzaError) -> None:
        """Answer a stanza with an error, if its sender is still there to hear it.

        A message that is in its recipient's archive is not refused: there it is found.
        One that is only in its sender's is taken out of it when it is refused.
        """
        if element.get("type") == "error" or _is_archived(element):
            return
        address = element.get("from")
        resources = self._router.accounts.get(address.partition("/")[0])
        if resources is None:
            return
        sender = resources.clients.get(address)
        reply = error_reply(element, error, to=address)
        client = next(iter(resources.clients.values()))
        owner, now = client.owner, client.session.clock()
        if sender is not None:
            sender.forward(reply, now)
        told = element.name == "message" and carbons.copy_error(
            owner, sender, element.get("id"), reply, now
        )
        text = element.text
        if isinstance(text, Revocable) and self._archive is not None and (told or sender):
            self._archive.withdraw(owner.username, text.identity)

    def _lock(self, account: str) -> asyncio.Lock:
        # asyncio.Lock serves in the order of asking, and tasks begin in the order they are made.
        lock = self._locks.get(account)
        if lock is None:
            lock = self._locks[account] = asyncio.Lock()
        return lock


def _is_storable(element: Element) -> bool:
    """Tell whether a message may wait in the store, by the table; raises what it answers."""
    action = message_row(element)[Situation.OFFLINE]
    refuse(action)
    return action is Action.STORE and worth_keeping(element)


def _is_archived(element: Element) -> bool:
    """Tell whether a message has its recipient's id, which none but we give it (XEP-0359)."""
    if ns.STANZA_ID not in element.text:
        return False
    bare = prepared(element.get("to")).partition("/")[0]
    return any(child.tag == _STANZA_ID and child.get("by") == bare for child in children(element))


def _is_from_archive(element: Element) -> bool:
    """Tell whether a message answers this resource's own question (XEP-0313 section 4.2).

    Archives are accounts' and rooms': no resource speaks for one.
    """
    return ns.MAM in element.text and "/" not in element.get("from") and _RESULT in tags(element)
