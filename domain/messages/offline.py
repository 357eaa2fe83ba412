"""Messages that cannot be delivered now, and those that waited (RFC 6121 section 8.5.2.2).

A message is kept from when it was accepted until a client has it. What waits
for one account is worked on one after the other, so a later message never
overtakes an earlier one: neither on its way into the store nor out of it.

It is handed out a page at a time, the next when the client has the last, and to one
resource, though another goes on with it should that be lost. Where more waits than a
page, the account is *draining*: what comes meanwhile is stored behind it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from andiron.domain.client import Client, Owner
from andiron.domain.messages import carbons
from andiron.domain.messages.bouncing import Bouncer
from andiron.domain.messages.keeping import Archive, Revocable
from andiron.domain.messages.mailbox import Handed, Mailbox, is_there, page_bounds
from andiron.domain.messages.offline_store import (
    NOTHING,
    OfflineFull,
    OfflineStore,
    Page,
    Waiting,
)
from andiron.domain.owners import NoSuchAccount
from andiron.domain.router import Action, Router, Situation, message_row, refuse, worth_keeping
from andiron.sm.frozen import Plain
from andiron.sm.journal.ledger import Ledger
from andiron.sm.link import Undelivered
from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import tags
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamError
from andiron.xmpp.jid import parse_jid, prepared
from andiron.xmpp.stanza import with_child, with_delay
from andiron.xmpp.xml import Element, Guard

logger = logging.getLogger("andiron.domain")

Admission = Callable[[], Awaitable[str]]
"""Says what is added to a message that is stored; raises :class:`StanzaError` against it."""
Settlement = Callable[[StanzaError | None], None]
"""Told once that a message is stored, or why it is refused."""

_RESULT: Final = f"{{{ns.MAM}}}result"
_REQUESTS: Final = frozenset({"get", "set"})
_AGAIN: Final = 60.0
"""Seconds after which what could not be fetched is asked for again."""


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
        self._bouncer = Bouncer(router, archive)
        self._boxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()
        self._ledger: Ledger | None = None

    async def write_down(self, ledger: Ledger) -> None:
        """Have what ended sessions owed written down until it is stored, from now on.

        What another process left so is stored first. Raises :class:`DatabaseError`.
        """
        for account, text, stamp, sender, *born in ledger.left():
            waiting = Waiting(text, stamp, sender)
            if not await self._store.has(account.partition("@")[0], waiting):
                await self._put(account, [waiting], self._payer(waiting), *born)
        ledger.take_over()
        self._ledger = ledger

    # Into the store

    def keep(
        self,
        account: str,
        message: Waiting,
        settle: Settlement,
        admit: Admission | None = None,
        born: str | None = None,
    ) -> None:
        """Store a message.

        ``settle`` is called when it is, or is not: where the account is unknown, its store
        full, the database fails, or ``admit`` is against it. What is for one account of its
        name alone says by ``born`` for which.
        """
        box = self._box(account)
        box.coming += 1
        self._spawn(self._keep(box, account, message, settle, admit, born))

    async def _keep(
        self,
        box: Mailbox,
        account: str,
        message: Waiting,
        settle: Settlement,
        admit: Admission | None,
        born: str | None,
    ) -> None:
        try:
            try:
                async with box.lock:  # Hereafter the store keeps the order of each sender's.
                    if admit is not None and (mark := await admit()):
                        message = message._replace(text=with_child(message.text, mark))
            finally:
                box.coming -= 1
            (error,) = await self._put(account, [message], self._payer(message), born)
        except StanzaError as refusal:
            error = refusal
        except Exception:
            # Whatever failed, the sender must hear that the message is not kept.
            logger.exception("%s: an account could not be read", account)
            error = StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)
        settle(error)
        if error is None:
            self._wake(account)

    def _payer(self, message: Waiting) -> str:
        """Return who causes that a message is stored: its sender, so that his stay in order.

        What comes from services, such as rooms, is one's each, and what the server says its own.
        """
        name, at, host = message.sender.partition("@")
        return name if host == self._router.domain else at + host

    async def _put(
        self, account: str, messages: Sequence[Waiting], payer: str, born: str | None = None
    ) -> list[StanzaError | None]:
        """Store messages; return the error for the sender of each that is not stored."""
        username = account.partition("@")[0]
        try:
            refusals = await self._store.add_all(username, messages, payer, born)
        except NoSuchAccount:
            return [StanzaError(StanzaCondition.SERVICE_UNAVAILABLE) for _ in messages]
        except Exception:
            logger.exception("%s: %d messages could not be stored", account, len(messages))
            return [StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR) for _ in messages]
        return [None if full is None else _is_full(full) for full in refusals]

    def _wake(self, account: str) -> None:
        """Let what was just stored be fetched, if there is who takes it and nobody is about to."""
        best = self._router.best(account)
        if best and not best[0].owner.draining and all(each.held is None for each in best):
            self.load(_most_there(best))

    # Out of the store

    def load(self, client: Client) -> None:
        """Deliver what is stored to a resource that became reachable (XEP-0160).

        Messages that come meanwhile are held, or stored, and follow.
        """
        owner = client.owner
        box = owner.parts[Mailbox] = self._box(client.account)
        if owner.draining:
            self._go_on(owner, box)
            return
        if not is_there(box.taker):
            box.taker = client
        if client.hold(self._max_held):
            self._spawn(self._turn(box, client, holding=True))
        elif box.coming:
            # It was away meanwhile: what came then is to be stored behind what it held before.
            owner.draining = True

    def left(self, client: Client) -> None:
        """Note that a resource cannot be reached any more, maybe with messages held for it.

        Those go back to the store; another resource waits for them from now on.
        """
        box: Mailbox | None = client.owner.parts.get(Mailbox)
        if box is None:
            return
        if not client.bound:
            box.had_all(client)  # What did not arrive has come back before.
            self._remove_had(box, client.account)
        if box.taker is client:
            box.taker = None
        if client.owner.draining or client.held is not None:
            self._load_elsewhere(client.owner)

    def handed(self, client: Client) -> list[int]:
        """Return which stored messages a resource has, or its session answers for."""
        box: Mailbox | None = client.owner.parts.get(Mailbox)
        return [] if box is None else box.with_client(client)

    async def forget(self, username: str, handed: Sequence[int]) -> None:
        """Remove from the store what a session that was taken up answers for."""
        await self._store.remove(username, handed)

    async def waiting(self, accounts: Iterable[str]) -> set[str]:
        """Return those of some accounts for which something is stored."""
        named = {account.partition("@")[0]: account for account in accounts}
        return {named[each] for each in await self._store.among(sorted(named))}

    def shift(self, owner: Owner) -> None:
        """Note that the connection of one of the account's resources was lost, or is back.

        Call it while the account is draining: another one may have to go on.
        """
        self._go_on(owner, owner.parts[Mailbox])

    def _load_elsewhere(self, owner: Owner) -> None:
        best = self._router.best(owner.jid)
        if best:
            self.load(_most_there(best))
        else:
            owner.draining = False  # What comes is stored as long as nobody is there.

    def _go_on(self, owner: Owner, box: Mailbox) -> None:
        """Give the next page to who takes what waits, unless that has not all of the last."""
        taker = box.taker
        if not is_there(taker):
            best = self._router.best(owner.jid)
            if taker is None or not taker.reachable:
                taker = best[0] if best else None
            box.taker = taker = next(filter(is_there, best), taker)
        if taker is None:
            owner.draining = False
        elif not box.is_out(taker):
            self._spawn(self._turn(box, taker))

    async def _turn(self, box: Mailbox, client: Client, *, holding: bool = False) -> None:
        """Give a resource what waits, or a page of it; then what was held for it meanwhile.

        ``holding`` says that messages are held for it since this turn was asked for: what
        was to be stored earlier has its turn earlier. No other turn looks at them.
        """
        owner = client.owner
        async with box.lock:
            is_next = _may_take(box, client) and not (owner.draining and box.is_out(client))
            page = await self._page(box, client) if is_next else None
            marks = [] if page is None else self._hand_out(page, box, client)
            complete = (
                page is not None
                and page.complete
                and len(marks) == len(page.messages)
                and not box.coming
                and client.reachable
            )
            held = client.held if holding else None
            if complete:
                while client.reachable and held:
                    client.pass_on(*held.popleft())
            if client.reachable:
                owner.draining = not complete
                if not complete and not is_there(box.taker):
                    box.taker = client
            if held is not None:
                client.release()
            for mark, handed in marks:
                client.session.when_taken(mark, partial(self._taken, box, client, handed))
            if held:
                await self._put_back(client, held)
            if holding:
                carbons.passed_on(client)
        if owner.draining:
            self._go_on(owner, box)

    def _hand_out(self, page: Page, box: Mailbox, client: Client) -> list[tuple[int, Handed]]:
        """Give a page to a resource; return what it was given, with the session's marks.

        That is less than the page where its session ends meanwhile.
        """
        now, marks = client.session.clock(), list[tuple[int, Handed]]()
        for message in page.messages:
            if not _may_take(box, client):
                break
            text = with_delay(message.text, self._router.domain, message.stamp)
            handed = box.hand(client, message, text)
            client.pass_on(handed, now)
            client.session.changed()
            marks.append((client.session.mark, handed))
        return marks

    async def _page(self, box: Mailbox, client: Client) -> Page:
        """Read the next page for a resource, and remove what the account has by now."""
        had = box.take_had()
        most, size = page_bounds(client)
        try:
            return await self._store.page(client.owner.username, most, size, had=had, out=box.out)
        except Exception:
            # Whatever failed, the messages that are held must go on.
            logger.exception(
                "%s: stored messages could not be fetched",
                client.account,
                extra=client.session.logged,
            )
            box.still_had(had)
            if not box.asking_again:
                box.asking_again = True
                again = partial(self._ask_again, box, client.account)
                asyncio.get_running_loop().call_later(_AGAIN, again)
            return NOTHING

    def _ask_again(self, box: Mailbox, account: str) -> None:
        """Fetch what could not be fetched, for whoever is there by now."""
        box.asking_again = False
        self._wake(account)

    def _taken(self, box: Mailbox, client: Client, handed: Handed) -> None:
        """Go on: a resource has what it was handed."""
        box.had(handed)
        if client.owner.draining and box.taker is client and not box.is_out(client):
            self._go_on(client.owner, box)
        else:
            self._remove_had(box, client.account)

    def _remove_had(self, box: Mailbox, account: str) -> None:
        """Remove what the account has by now from the store, unless that is about to be done."""
        if not box.removing:
            box.removing = True
            self._spawn(self._remove(box, account))

    async def _remove(self, box: Mailbox, account: str) -> None:
        box.removing = False
        had = box.take_had()
        if not had:
            return
        try:
            await self._store.remove(account.partition("@")[0], had)
            for client in self._router.best(account):
                client.session.changed()
        except Exception:
            logger.exception("%s: %d messages come once more, maybe", account, len(had))
            box.still_had(had)

    async def _put_back(self, client: Client, held: Iterable[tuple[str, float]]) -> None:
        """Store what was held for a resource, behind what is stored; what cannot be, goes on."""
        elements, messages = list[Element](), list[Waiting]()
        for text, since in held:
            element = self._reader.read(text)
            if element.get("from") == client.account:
                # To who is there, it can go on as the copy that it is.
                inherited = "" if client.reachable else carbons.inheritance(client, text)
                element = self._reader.read(inherited) if inherited else element
            if element.get("from") != client.account and storable(element):
                elements.append(element)
                stamp = client.session.wall(since)
                messages.append(Waiting(element.text, stamp, _sender(element)))
            elif client.reachable:
                client.pass_on(text, since)
            else:
                self._bounce_if_refused(element)
        username = client.owner.username
        # What the same senders have stored meanwhile has been there before.
        await self._store.settled(username)
        errors = await self._put(client.account, messages, username, client.owner.born)
        for element, error in zip(elements, errors, strict=True):
            if error is not None:
                self._bouncer.bounce(element, error)

    # Another way

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
        undelivered = self._without_stored(undelivered, client, store=store)
        waiting: list[tuple[str, float]] = []
        for stanza in undelivered:
            if not stanza.text.startswith(("<message", "<iq")):
                continue
            try:
                element = self._reader.read(stanza.text)
            except StreamError:
                logger.exception(
                    "%s: cannot read a stanza of our own again",
                    client.jid,
                    extra=client.session.logged,
                )
                continue
            if element.name == "iq":
                if element.get("type") in _REQUESTS:
                    self._bouncer.bounce(element, StanzaError(StanzaCondition.SERVICE_UNAVAILABLE))
                continue
            lost: Element | None = element
            if not isinstance(stanza.text, Handed):  # Of what was stored nobody else has a copy.
                lost = self._lost(element, stanza.since, client, shared_since)
            if lost is None:
                continue
            stamp = client.session.wall(stanza.since)
            text = with_delay(lost.text, self._router.domain, stamp)
            text = Revocable.again(lost.text, text)
            if client.held is not None:
                waiting.append((text, stanza.since))
            else:
                self._reroute_message(lost, text, stamp, client.owner, now, store=store)
        if client.held is not None:
            client.held.extendleft(reversed(waiting))

    def _without_stored(
        self, undelivered: Sequence[Undelivered], client: Client, *, store: bool
    ) -> list[Undelivered]:
        """Return what is to be rerouted: not what is in the store, where it has to be."""
        box: Mailbox | None = client.owner.parts.get(Mailbox)
        if box is None:
            return list(undelivered)
        rest = [
            stanza
            for stanza in undelivered
            if not (isinstance(stanza.text, Handed) and box.back(stanza.text))
        ]
        if len(rest) < len(undelivered) and not store:
            # Before anything later goes to another resource.
            if box.taker is client:
                box.taker = None
            self._load_elsewhere(client.owner)
        return rest

    def _lost(
        self, element: Element, since: float, client: Client, shared_since: float
    ) -> Element | None:
        """Return the message for which another way must be found, if there is one."""
        if _is_from_archive(element):
            return None
        if element.get("from") == client.account:
            # The domain's own word to this resource alone, but for copies it answers for.
            text = carbons.inheritance(client, element.text)
            if not text:
                return None
            element = self._reader.read(text)
        elif since > shared_since and prepared(element.get("to")) != client.jid:
            return None
        return None if carbons.bequeath(client, element, since) else element

    def _reroute_message(
        self, element: Element, text: str, stamp: float, owner: Owner, now: float, *, store: bool
    ) -> None:
        try:
            if element.get("type") == "headline" or not worth_keeping(element):
                return
            jid = parse_jid(element.get("to"))
            best = self._router.best(jid.bare)
            if store or (best and best[0].owner.draining):
                account = jid.bare if _is_storable(element) else ""
            else:
                target = self._router.full.get(jid.full)
                got = best if target is None else (target,)
                account = self._router.message(element, text, jid, now)
                if not account and owner.carbons and carbons.eligible(element):
                    # Who has a copy by now answers for it: who came later is to have one, too.
                    carbons.copy(None, owner, got, element, text, now)
        except StanzaError as error:
            self._bouncer.bounce(element, error)
            return
        if account:
            message = Waiting(text, stamp, _sender(element))
            number = 0
            if self._ledger is not None:
                # A text may be more than that, by which it is known here.
                debt: Plain = [account, str(text), message.stamp, message.sender, owner.born]
                number = self._ledger.owed(debt)
            settle = partial(self._settled, element, number)
            self.keep(account, message, settle, born=owner.born)

    def _settled(self, element: Element, number: int, error: StanzaError | None) -> None:
        if self._ledger is not None:
            self._ledger.paid([number])
        if error is not None:
            self._bouncer.bounce(element, error)

    def _bounce_if_refused(self, element: Element) -> None:
        try:
            _is_storable(element)
        except StanzaError as error:
            self._bouncer.bounce(element, error)

    def _box(self, account: str) -> Mailbox:
        box = self._boxes.get(account)
        if box is None:
            box = self._boxes[account] = Mailbox()
        return box


def storable(element: Element) -> bool:
    """Tell whether a message may wait in the store, by the table."""
    return message_row(element)[Situation.OFFLINE] is Action.STORE and worth_keeping(element)


def _most_there(best: Sequence[Client]) -> Client:
    """Return the first that has a connection, or the first where none has."""
    return next(filter(is_there, best), best[0])


def _may_take(box: Mailbox, client: Client) -> bool:
    """Tell whether a resource may be given what waits now."""
    if not client.owner.draining:
        return client.reachable
    return client.reachable and box.taker is client


def _sender(element: Element) -> str:
    return element.get("from").partition("/")[0]


def _is_full(error: OfflineFull) -> StanzaError:
    """Return what XEP-0160 section 2 tells a sender for whose message there is no room.

    A store that is full looks like that of an account which does not exist, but to
    who has something in it anyway.
    """
    return StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, str(error))


def _is_storable(element: Element) -> bool:
    """Tell whether a message may wait in the store, by the table; raises what it answers."""
    action = message_row(element)[Situation.OFFLINE]
    refuse(action)
    return storable(element)


def _is_from_archive(element: Element) -> bool:
    """Tell whether a message answers this resource's own question (XEP-0313 section 4.2).

    Archives are accounts' and rooms': no resource speaks for one.
    """
    return ns.MAM in element.text and "/" not in element.get("from") and _RESULT in tags(element)
