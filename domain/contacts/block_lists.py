"""Blocking Command, XEP-0191: the block lists of accounts, asked for and changed.

Politely (section 4): subscriptions stay as they are, and to who is blocked the
account looks like one that is offline.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final
from weakref import WeakSet

from sqlalchemy import Text, column, delete, func, insert, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Client, Owner
from andiron.domain.contacts import visibility
from andiron.domain.database.database import Database
from andiron.domain.database.key_sizes import MAX_ADDRESS, fits
from andiron.domain.events import Service
from andiron.domain.owners import Effect, Owners
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.domain.router import Router
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError
from andiron.xmpp.escape import escape
from andiron.xmpp.jid import parse_jid

__all__ = ["BlockLists"]

_BLOCKED: Final = table("blocked", column("username", Text), column("jid", Text))
_ITEM: Final = f"{{{ns.BLOCKING}}}item"


class BlockLists:
    """The block lists of all accounts."""

    def __init__(self, database: Database, owners: Owners, router: Router, limit: int) -> None:
        """Take how many addresses one account may block."""
        self._database = database
        self._owners = owners
        self._router = router
        self._limit = limit
        self._pushes = count(1)
        owners.add_loader(_load)

    def register(self, registry: Registry) -> None:
        """Answer an account about its own list."""
        registry.add(Target.ACCOUNT, "get", ns.BLOCKING, "blocklist", self._list)
        registry.add(Target.ACCOUNT, "set", ns.BLOCKING, "block", self._block)
        registry.add(Target.ACCOUNT, "set", ns.BLOCKING, "unblock", self._unblock)
        registry.add_feature(Target.DOMAIN, ns.BLOCKING)

    def _list(self, request: IqRequest) -> str:
        """Answer with the list, and tell of its changes from now on (section 3.2)."""
        owner = request.client.owner
        owner.parts.setdefault(BlockLists, WeakSet()).add(request.client)
        return _element("blocklist", sorted(owner.blocked))

    async def _block(self, request: IqRequest) -> str:
        username, jids = request.username(), self._read_items(request)
        if not jids:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "whom?")

        async def operation(connection: AsyncConnection) -> None:
            own = _BLOCKED.c.username == username
            await connection.execute(delete(_BLOCKED).where(own, _BLOCKED.c.jid.in_(jids)))
            others = await connection.scalar(select(func.count()).select_from(_BLOCKED).where(own))
            if (others or 0) + len(jids) > self._limit:
                raise StanzaError(
                    StanzaCondition.RESOURCE_CONSTRAINT, f"at most {self._limit} addresses"
                )
            rows = [{"username": username, "jid": jid} for jid in jids]
            await connection.execute(insert(_BLOCKED), rows)

        await self._database.write(operation, username)
        self._hide(request.client, jids)
        self._push(request.client, "block", jids)
        return ""

    async def _unblock(self, request: IqRequest) -> str:
        username, jids = request.username(), self._read_items(request)

        async def operation(connection: AsyncConnection) -> None:
            query = delete(_BLOCKED).where(_BLOCKED.c.username == username)
            await connection.execute(query.where(_BLOCKED.c.jid.in_(jids)) if jids else query)

        await self._database.write(operation, username)
        self._show(request.client, jids or sorted(request.client.owner.blocked))
        self._push(request.client, "unblock", jids)
        return ""

    def _hide(self, client: Client, jids: Iterable[str]) -> None:
        """Let the account and who is blocked look gone to each other (section 3.3)."""
        for jid in jids:
            now = client.session.clock()
            if client.account in self._router.accounts:
                visibility.hide(self._router, client, jid, now)
            for service, resource in self._visits(client, jid):
                service.hide(resource, jid, now)
            self._owners.change(client.account, _adding((jid,)))

    def _show(self, client: Client, jids: Iterable[str]) -> None:
        """Let them see each other again (section 3.4)."""
        for jid in jids:
            was_blocked = jid in client.owner.blocked
            self._owners.change(client.account, _removing(jid))
            if not was_blocked:
                continue
            now = client.session.clock()
            if client.account in self._router.accounts:
                visibility.show(self._router, client, jid, now)
            for service, resource in self._visits(client, jid):
                service.show(resource, jid, now)

    def _visits(self, client: Client, jid: str) -> list[tuple[Service, Client]]:
        """Return the service that an address belongs to, with each resource of an account."""
        service = self._router.services.get(jid.partition("/")[0].rpartition("@")[2])
        resources = self._router.accounts.get(client.account)
        if service is None or resources is None:
            return []
        return [(service, own) for own in resources.clients.values()]

    def _push(self, client: Client, name: str, jids: Iterable[str]) -> None:
        """Tell the resources that asked for the list (sections 3.3 to 3.5)."""
        payload = _element(name, jids)
        watching: Iterable[Client] = client.owner.parts.get(BlockLists, ())
        for other in list(watching):
            if self._router.full.get(other.jid) is other:
                other.forward(
                    f"<iq xmlns='{ns.CLIENT}' type='set' id='blocking-{next(self._pushes)}'"
                    f" to='{escape(other.jid)}'>{payload}</iq>",
                    other.session.clock(),
                )

    def _read_items(self, request: IqRequest) -> list[str]:
        jids = {parse_jid(item.get("jid", "")).full for item in request.payload.findall(_ITEM)}
        if len(jids) > self._limit:
            raise StanzaError(
                StanzaCondition.RESOURCE_CONSTRAINT, f"at most {self._limit} addresses"
            )
        if not all(fits(jid, MAX_ADDRESS) for jid in jids):
            raise StanzaError(
                StanzaCondition.NOT_ACCEPTABLE, f"an address has at most {MAX_ADDRESS} bytes here"
            )
        return sorted(jids)


async def _load(connection: AsyncConnection, usernames: Sequence[str]) -> Effect:
    query = select(_BLOCKED.c.username, _BLOCKED.c.jid).where(_BLOCKED.c.username.in_(usernames))
    blocked: dict[str, set[str]] = {}
    for username, jid in await connection.execute(query):
        blocked.setdefault(username, set()).add(jid)

    def effect(owner: Owner) -> None:
        owner.blocked.update(blocked.get(owner.username, ()))

    return effect


def _adding(jids: Iterable[str]) -> Effect:
    def effect(owner: Owner) -> None:
        owner.blocked.update(jids)

    return effect


def _removing(jid: str) -> Effect:
    def effect(owner: Owner) -> None:
        owner.blocked.discard(jid)

    return effect


def _element(name: str, jids: Iterable[str]) -> str:
    items = "".join(f"<item jid='{escape(jid)}'/>" for jid in jids)
    head = f"<{name} xmlns='{ns.BLOCKING}'"
    return f"{head}>{items}</{name}>" if items else f"{head}/>"
