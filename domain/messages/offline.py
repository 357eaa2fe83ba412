"""Messages that waited, and those that cannot be delivered now (RFC 6121 section 8.5.2.2).

A message is kept from when it was accepted until a client has it. Of one sender a later
message never overtakes an earlier one: neither on its way into the store nor out of it. One that
another resource was given as well goes into no store, and so waits for none that are there.

It is handed out a page at a time, the next when the client has the last, and to one
resource, though another goes on with it should that be lost. Where more waits than a
page, the account is *draining*: what comes meanwhile is stored behind it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from andiron.domain.client import Client, Held, Owner
from andiron.domain.messages.bouncing import Bouncer
from andiron.domain.messages.delivering import deliver, give
from andiron.domain.messages.handing import Place, places
from andiron.domain.messages.keeping import Archive
from andiron.domain.messages.mailbox import Handed, Mailbox, is_there, page_bounds, stamps
from andiron.domain.messages.offline_store import NOTHING, OfflineStore, Page, Waiting
from andiron.domain.messages.owing import Owing
from andiron.domain.messages.removing import Removing
from andiron.domain.messages.rerouting import Rerouting, read_again
from andiron.domain.messages.returning import Returning
from andiron.domain.messages.storing import Admission, Settlement, Storing, sender_of
from andiron.domain.router import Router
from andiron.sm.link import Undelivered
from andiron.xmpp.jid import JID
from andiron.xmpp.stanza import with_delay
from andiron.xmpp.xml import Element, Guard

logger = logging.getLogger("andiron.domain")

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
        bouncer = Bouncer(router, archive)
        self._boxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()
        self._returning = Returning(partial(read_again, reader), bouncer)
        self._storing = Storing(router.domain, store, bouncer, spawn, self._wake)
        self._removing = Removing(router, store, spawn)
        self._rerouting = Rerouting(router, reader, bouncer, self._keep_again, max_held)

    async def write_down(self, owing: Owing, taken: Owing) -> None:
        """Have what is to be stored written down until it is; see :meth:`Storing.write_down`.

        So is what ended sessions have ``taken``, until it is removed. Raises
        :class:`DatabaseError`.
        """
        await self._storing.write_down(owing)
        await self._removing.write_down(taken)

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
        self._storing.keep(self._box(account), account, message, settle, admit, born)

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
        self._hold(box, client)

    def load_again(self, client: Client, held: Iterable[tuple[str, float]]) -> None:
        """Go on with a resource for which messages were held in the process before, since when."""
        box = client.owner.parts[Mailbox] = self._box(client.account)
        self._hold(box, client, held)

    def _hold(self, box: Mailbox, client: Client, former: Iterable[tuple[str, float]] = ()) -> None:
        held = client.hold(self._max_held, former)
        if held is not None:
            self._spawn(self._turn(box, client, held))

    def left(self, client: Client) -> None:
        """Note that a resource cannot be reached any more, maybe with messages held for it.

        Those go back to the store; another resource waits for them from now on.
        """
        box: Mailbox | None = client.owner.parts.get(Mailbox)
        if box is None:
            return
        held = client.held is not None
        if held:
            # What other resources wait for may have come before.
            self._put_back(box, client.owner, [client, *self._router.available(client.account)])
        if not client.bound:
            box.had_all(client)  # What did not arrive has come back before.
            self._removing.note(box, client)
            self._removing.begin(box, client.account)
        if box.taker is client:
            box.taker = None
        if client.owner.draining or held:
            self._load_elsewhere(client.owner)

    def handed(self, client: Client) -> Mapping[str, Place]:
        """Return which stored messages a resource has, or its session answers for."""
        box: Mailbox | None = client.owner.parts.get(Mailbox)
        if box is None:
            return {}
        return places(box.out_to(client), box.arrived, client.session.management)

    def take_up(self, client: Client) -> None:
        """Note which stored messages are in the queue of a resource that was taken up."""
        management = client.session.management
        if management is None:
            return
        for mark, (text, *_) in enumerate(management.queue, management.confirmed + 1):
            if isinstance(text, Handed):
                box = client.owner.parts[Mailbox] = self._box(client.account)
                text.mark = mark
                box.hand(client, text)
                client.session.when_taken(mark, partial(self._taken, box, client, text))

    def refuse_left(self) -> None:
        """Tell senders of what the process before left and nobody takes; the sessions are there."""
        self._storing.refuse_left(self._reader.read)

    async def forget(self, username: str, had: Mapping[int, float]) -> None:
        """Remove from the store what the client of a session that was taken up has."""
        await self._store.remove(username, had)

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

    async def _turn(self, box: Mailbox, client: Client, held: Held | None = None) -> None:
        """Give a resource what waits, or a page of it; then what was held for it meanwhile.

        ``held`` is that, and of nobody else's concern. Of whom something is on its way into
        the store yet, his is held until that is there.
        """
        try:
            while True:
                async with box.lock:
                    held, waits = await self._step(box, client, held)
                if not waits:
                    break
                await box.adding.one_settled(box.unread)
                if client.held is not held:
                    break  # It was put back: whoever did that saw to the rest.
        except Exception:
            if held is not None and client.held is held:
                client.release()  # Whatever failed, what is held must go on.
            raise
        if client.owner.draining:
            self._go_on(client.owner, box)

    async def _step(
        self, box: Mailbox, client: Client, held: Held | None
    ) -> tuple[Held | None, bool]:
        """Look into the store once; return what is held now, and whether to look again."""
        owner = client.owner
        is_next = _may_take(box, client) and not (owner.draining and box.is_out(client))
        page = await self._page(box, client) if is_next else None
        given = [] if page is None else self._hand_out(page, box, client)
        complete = (
            page is not None
            and page.complete
            and len(given) == len(page.messages)
            and client.reachable
        )
        if complete and held is None and box.unread:
            held = client.hold(self._max_held)
        mine = held is not None and client.held is held
        waits = complete and mine and bool(box.unread)
        if complete:
            owner.draining = False
        elif client.reachable:
            self._drain(box, owner)
            if not is_there(box.taker):
                box.taker = client
        if waits:
            client.hold_only(partial(self._waits_for, box, frozenset(box.unread)))
        elif mine and complete:
            client.release()
        for handed in given:
            client.session.when_taken(handed.mark, partial(self._taken, box, client, handed))
        return held, waits

    def _drain(self, box: Mailbox, owner: Owner) -> None:
        """Have what comes stored from now on, behind what is held for any resource."""
        self._put_back(box, owner, self._router.available(owner.jid))
        owner.draining = True

    def _waits_for(self, box: Mailbox, payers: frozenset[str], text: str) -> bool:
        """Tell whether a message is of one who has something on its way, or is of ``payers``."""
        payer = self._storing.payer(sender_of(self._reader.read(text)))
        return payer in payers or payer in box.unread

    def _hand_out(self, page: Page, box: Mailbox, client: Client) -> list[Handed]:
        """Give a page to a resource; return what it was given.

        That is less than the page where its session ends meanwhile.
        """
        now, given = client.session.clock(), list[Handed]()
        for message in page.messages:
            if not _may_take(box, client):
                break
            text = with_delay(message.text, self._router.domain, message.stamp)
            handed = Handed.of(text, message.id, message.stamp)
            box.hand(client, handed)
            client.pass_on(handed, now)
            client.session.changed()
            handed.mark = client.session.mark
            given.append(handed)
        return given

    async def _page(self, box: Mailbox, client: Client) -> Page:
        """Read the next page for a resource, and remove what the account has by now."""
        had = box.take_had()
        keys = box.take_owed() if had else []
        most, size = page_bounds(client)
        box.look()
        username = client.owner.username
        try:
            page = await self._store.page(username, most, size, had=stamps(had), out=box.out)
        except Exception:
            # Whatever failed, the messages that are held must go on.
            logger.exception(
                "%s: stored messages could not be fetched",
                client.account,
                extra=client.session.logged,
            )
            box.still_had(had, keys)
            if not box.asking_again:
                box.asking_again = True
                again = partial(self._ask_again, box, client.account)
                asyncio.get_running_loop().call_later(_AGAIN, again)
            return NOTHING
        self._removing.done(box, had, keys)
        return page

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
            self._removing.begin(box, client.account)

    def _put_back(self, box: Mailbox, owner: Owner, clients: Iterable[Client]) -> None:
        """Store what is held for resources: behind what is stored, in the order in which it came.

        What is not to be stored goes on, to who is still there.
        """
        holding = [client for client in clients if client.held is not None]
        debts = [(each.element, each.waiting) for each in self._returning.take(holding)]
        self._storing.put_back(box, owner.jid, debts, owner.born)
        for client in holding:
            if client.bound:
                client.release()
            else:
                client.let_go()

    # To who is there

    def deliver(self, element: Element, text: str, jid: JID, now: float) -> str:
        """Deliver a message by the table; see :func:`delivering.deliver`."""
        return deliver(self._router, element, text, jid, now)

    def bring(
        self,
        got: Sequence[Client],
        element: Element,
        text: str,
        now: float,
        but: Client | None = None,
    ) -> None:
        """Give a message to resources, and copies to others; see :func:`delivering.give`.

        One that ends the sessions of all goes another way.
        """
        if not give(got, element, text, now, but):
            client = got[0]
            lost = read_again(self._reader, text, client)
            if lost is not None:
                stamp = client.session.wall(now)
                self._rerouting.message(lost, text, stamp, client.owner, now, store=False)

    # Another way

    def reroute(
        self,
        undelivered: Sequence[Undelivered],
        client: Client,
        now: float,
        *,
        store: bool,
    ) -> None:
        """Find another way for what a session that ended could not deliver (design rule 12).

        The client is out of the router, and what it shared with others is known
        (:func:`sharing.left`). ``store`` says not to try other resources, for they are about to go.
        """
        rest = self._without_stored(undelivered, client, store=store)
        self._rerouting.reroute(rest, client, now, store=store)

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

    def _keep_again(self, account: str, message: Waiting, element: Element, born: str) -> None:
        self._storing.keep_again(self._box(account), account, message, element, born)

    def _box(self, account: str) -> Mailbox:
        box = self._boxes.get(account)
        if box is None:
            box = self._boxes[account] = Mailbox()
        return box


def _most_there(best: Sequence[Client]) -> Client:
    """Return the first that has a connection, or the first where none has."""
    return next(filter(is_there, best), best[0])


def _may_take(box: Mailbox, client: Client) -> bool:
    """Tell whether a resource may be given what waits now."""
    if not client.owner.draining:
        return client.reachable
    return client.reachable and box.taker is client
