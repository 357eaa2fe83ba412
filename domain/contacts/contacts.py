"""Whom accounts know, and who sees whom: roster requests, pushes and subscriptions.

RFC 6121 sections 2 and 3. What changes is written first, at both accounts in
one write. Then, in the order of the writes, it becomes known in memory, and
is told to whom it concerns.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final
from weakref import WeakValueDictionary

from andiron.domain.client import Client, Owner
from andiron.domain.config import RosterConfig
from andiron.domain.contacts import visibility
from andiron.domain.contacts.blocking import blocks
from andiron.domain.contacts.pushing import push
from andiron.domain.contacts.roster import Item, Roster, read_request, roster_of, write_query
from andiron.domain.contacts.roster_rows import write_items
from andiron.domain.contacts.roster_store import Change, NoSuchContact, RosterFull, RosterStore
from andiron.domain.contacts.subscriptions import Kind
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.underway import UnderWay
from andiron.domain.events import Events
from andiron.domain.owners import Effect, NoSuchAccount, Owners
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.domain.router import Router
from andiron.sm.byhand import continued
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.stanza import with_addresses
from andiron.xmpp.xml import Element

__all__ = ["FEATURES", "Contacts"]

logger = logging.getLogger("andiron.domain")

FEATURES = f"<ver xmlns='{ns.ROSTER_VERSIONS}'/>", f"<sub xmlns='{ns.PRE_APPROVAL}'/>"
"""What is told after sign-in; neither is negotiated (sections 2.6.1 and 3.4)."""


_READERS: Final = 4
"""Rosters that are read at a time: a large one takes megabytes until it is sent."""
_MANY: Final = 200
"""Contacts of which the XML is better written beside the loop."""


class Contacts:
    """Changes rosters and subscriptions, and lets everyone know."""

    def __init__(
        self,
        store: RosterStore,
        router: Router,
        owners: Owners,
        events: Events,
        config: RosterConfig,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """``spawn`` runs a coroutine beside the sessions."""
        self._store = store
        self._router = router
        self._owners = owners
        self._events = events
        self._config = config
        self._spawn = spawn
        self._reading = asyncio.Semaphore(_READERS)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of each account, whose roster is read once at a time, so that none takes all places."""
        self._changing = UnderWay()
        owners.add_loader(store.load)

    def register(self, registry: Registry) -> None:
        """Answer roster requests; others' rosters are nobody's business (section 2.1.3)."""
        registry.add(Target.ACCOUNT, "get", ns.ROSTER, "query", self._get)
        registry.add(Target.ACCOUNT, "set", ns.ROSTER, "query", self._set)
        for kind in ("get", "set"):
            registry.add(Target.CONTACT, kind, ns.ROSTER, "query", _refuse)
        registry.refusals[f"{{{ns.ROSTER}}}query"] = StanzaCondition.FORBIDDEN
        registry.add_feature(Target.ACCOUNT, ns.ROSTER)
        self._events.removed.append(self.forget_account)

    # Roster requests

    def _get(self, request: IqRequest) -> str | Awaitable[str]:
        client = request.client
        if len(request.payload):
            raise StanzaError(StanzaCondition.BAD_REQUEST, "a roster get is empty")
        client.interested = True
        client.session.changed()
        if not client.owner.registered:
            return write_query("0", "")
        if request.payload.get("ver") == roster_of(client.owner).ver:
            return ""
        return self._read(client.owner)

    async def _read(self, owner: Owner) -> str:
        turn = self._turns.setdefault(owner.jid, asyncio.Lock())
        async with turn, self._reading:
            with _Failures():
                if owner.jid in self._changing:
                    await self._store.catch_up(owner.username)
                while True:
                    version, rows = await self._store.rows(owner.username)
                    shared = roster_of(owner).as_it_is()
                    size = len(rows) + sum(len(group.members) for group in shared.groups)
                    if size > _MANY:
                        items = await asyncio.to_thread(write_items, rows, shared)
                    else:
                        items = write_items(rows, shared)
                    # What was pushed while it was read must not be undone by the answer.
                    roster = roster_of(owner)
                    if version >= roster.version and shared.digest == roster.digest:
                        return write_query(f"{version}{shared.digest}", items)

    def _set(self, request: IqRequest) -> Awaitable[str]:
        wish = read_request(request.payload, request.account, self._config)
        username = request.username()
        roster = roster_of(request.client.owner)
        if wish.jid != request.account and roster.shares(wish.jid):
            if wish.remove:
                raise _not_yours()
            # A client that changes a name sends all groups, as it was told them.
            wish = replace(wish, groups=roster.own_groups(wish.jid, wish.groups))
        if wish.remove:
            return self._change(request.client, self._store.remove(username, wish.jid))
        changes = self._store.put(username, wish.jid, wish.name, wish.groups)
        return self._change(request.client, changes)

    async def _change(self, client: Client, changes: Awaitable[list[Change]]) -> str:
        with _Failures():
            work = self._make_known(client, changes)
            try:
                # At once, so that what is read behind it finds it.
                waits_for = work.send(None)
            except StopIteration:
                return ""
            # In no turn of the client's: what was written later must not be known earlier.
            await asyncio.shield(asyncio.ensure_future(continued(work, waits_for)))
        return ""

    async def _make_known(self, client: Client, changes: Awaitable[list[Change]]) -> None:
        with self._changing.one(client.account):
            self._apply(await changes, client.session.clock())

    # Subscriptions

    def manage(
        self, client: Client, kind: Kind, element: Element, contact: str, ticket: int
    ) -> bool:
        """Take a subscription stanza for a bare JID; the result is that of :meth:`Link.receive`.

        Raises :class:`StanzaError` for it.
        """
        if not client.owner.registered:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "without an account there is no roster")
        if contact == client.account:
            return True
        if roster_of(client.owner).shares(contact):
            if kind in (Kind.UNSUBSCRIBE, Kind.UNSUBSCRIBED):
                raise _not_yours()
            return True  # Both see each other already.
        text = with_addresses(element, client.account, contact)
        if kind is Kind.SUBSCRIBE and len(text) > self._config.max_request:
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, "the request is too long")
        work = self._manage(client, kind, element, contact, text, ticket)
        self._spawn(client.session.errand(work))
        return False

    async def _manage(
        self, client: Client, kind: Kind, element: Element, contact: str, text: str, ticket: int
    ) -> None:
        try:
            await self._change(
                client, self._store.exchange(client.owner.username, contact, kind, text)
            )
        except StanzaError as error:
            client.refuse(element, error, client.session.clock())
        finally:
            client.session.handled(ticket, client.session.clock())

    def remind(self, client: Client) -> None:
        """Deliver the requests that wait to a resource that became available (section 3.1.3)."""
        requests = roster_of(client.owner).requests
        if requests:
            self._spawn(client.session.errand(self._remind(client, requests)))

    async def _remind(self, client: Client, requests: frozenset[str]) -> None:
        stored = await self._store.requests(client.owner.username)
        now = client.session.clock()
        for jid, text in stored:
            # Later ones came by themselves; some may have been answered meanwhile.
            waits = jid in requests and jid in roster_of(client.owner).requests
            if waits and client.priority is not None and not blocks(client.owner, jid):
                client.inform(text, now)

    async def forget_account(self, username: str) -> None:
        """Take an account that was removed out of everybody's roster, and tell them."""
        account = self._jid(username)
        known = {
            owner.username: contact
            for owner in self._owners.registered()
            if (contact := roster_of(owner).contacts.get(account)) is not None
        }
        changes = await self._store.forget(username, known)
        somebody = next(iter(self._router.full.values()), None)
        now = somebody.session.clock() if somebody is not None else 0.0
        for change in changes:
            if change.before.state.sees and not change.after.state.sees:
                visibility.vanish(self._router, account, self._jid(change.username), now)
        self._apply(changes, now)

    async def sweep(self) -> None:
        """Finish for accounts that another program removed while the domain did not run."""
        for username in await self._store.strays():
            await self.forget_account(username)

    # What follows a commit

    def _apply(self, changes: Sequence[Change], now: float) -> None:
        appeared: list[tuple[str, str]] = []
        for change in changes:
            account = self._jid(change.username)
            owner = self._owners.get(account)
            shared = owner is not None and roster_of(owner).shares(change.jid)
            was_seen = shared or change.before.state.is_seen
            is_seen = shared or change.after.state.is_seen
            if was_seen and not is_seen:
                visibility.vanish(self._router, account, change.jid, now)
            self._owners.change(account, _keeping(change))
            if change.text:
                self._deliver(account, change, now)
            if change.version:
                self._push(account, change, now)
            if is_seen and not was_seen:
                appeared.append((account, change.jid))
            elif was_seen and not is_seen:
                for tell in self._events.unsubscribed:
                    tell(account, change.jid, now)
        for account, jid in appeared:
            visibility.appear(self._router, account, jid, now)
            for tell in self._events.subscribed:
                tell(account, jid, now)

    def _deliver(self, account: str, change: Change, now: float) -> None:
        resources = self._router.accounts.get(account)
        for client in list(resources.clients.values()) if resources else ():
            wants = (
                client.priority is not None if change.kind is Kind.SUBSCRIBE else client.interested
            )
            if wants:
                client.inform(change.text, now)

    def _push(self, account: str, change: Change, now: float) -> None:
        """Tell the interested resources of a change (section 2.1.6)."""
        resources = self._router.accounts.get(account)
        interested = (
            [client for client in resources.clients.values() if client.interested]
            if resources
            else []
        )
        if not interested:
            return
        roster = roster_of(interested[0].owner)
        item = roster.shown(change.item or Item(change.jid))
        push(interested, change.jid, item, roster.ver, now)

    def _jid(self, username: str) -> str:
        return f"{username}@{self._router.domain}"


class _Failures:
    """Turns the store's failures into what a client is told."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        match error:
            case RosterFull():
                raise StanzaError(
                    StanzaCondition.RESOURCE_CONSTRAINT, "too many contacts, or too much of them"
                )
            case NoSuchContact():
                raise StanzaError(StanzaCondition.ITEM_NOT_FOUND)
            case NoSuchAccount():
                raise StanzaError(StanzaCondition.NOT_ALLOWED, "the account was removed")
            case DatabaseError():
                logger.error("a roster could not be read or written", exc_info=error)
                raise StanzaError(StanzaCondition.INTERNAL_SERVER_ERROR)


def _refuse(_request: IqRequest) -> str:
    raise StanzaError(StanzaCondition.FORBIDDEN)


def _not_yours() -> StanzaError:
    """Return the error for a contact of a shared group, which only the site takes away."""
    return StanzaError(StanzaCondition.NOT_ALLOWED, "this contact is in a group of yours")


def _keeping(change: Change) -> Effect:
    def effect(owner: Owner) -> None:
        roster: Roster = owner.parts.setdefault(Roster, Roster())
        roster.keep(change.jid, change.after, change.version)

    return effect
