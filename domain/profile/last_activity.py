"""Last Activity, XEP-0012: how long the domain has been up, and an account away."""

import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from sqlalchemy import Double, Text, column, delete, insert, literal, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.client import Client
from andiron.domain.contacts.roster import sees
from andiron.domain.database.database import Database
from andiron.domain.database.engines import DatabaseError
from andiron.domain.events import Events
from andiron.domain.owners import Owners
from andiron.domain.registry import IqRequest, Registry, Target
from andiron.domain.router import Router
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = ["LastActivity"]

logger = logging.getLogger("andiron.domain")

_ACCOUNTS: Final = table("accounts", column("username", Text))
_SEEN: Final = table("last_seen", column("username", Text), column("stamp", Double))


class LastActivity:
    """Knows since when accounts are away; the database is told of that by the way."""

    def __init__(
        self,
        database: Database,
        owners: Owners,
        router: Router,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``spawn`` runs a coroutine that must come to its end before the database closes."""
        self._database = database
        self._owners = owners
        self._router = router
        self._spawn = spawn
        self._clock = clock
        self._started = clock()
        self._waiting: dict[str, float] = {}
        """What is not yet written: usernames and Unix times."""
        self._writing = False

    def register(self, registry: Registry, events: Events) -> None:
        """Answer for the domain and for accounts, and note who leaves."""
        registry.add(Target.DOMAIN, "get", ns.LAST, "query", self._uptime)
        registry.add(Target.ACCOUNT, "get", ns.LAST, "query", _now)
        registry.add(Target.CONTACT, "get", ns.LAST, "query", self._contacts)
        registry.refusals[f"{{{ns.LAST}}}query"] = StanzaCondition.FORBIDDEN
        for target in Target:
            registry.add_feature(target, ns.LAST)
        events.unavailable.append(self.left)

    def left(self, client: Client, now: float) -> None:
        """Note that a resource became unavailable; the last one makes its account away."""
        if not client.owner.registered or self._router.available(client.account):
            return
        self._waiting[client.owner.username] = client.session.wall(now)
        if not self._writing:
            self._writing = True
            self._spawn(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting:
                await self._store(self._waiting)
        except (DatabaseError, IntegrityError) as error:
            # It is a courtesy to contacts, and not worth another try.
            logger.warning("when accounts left could not be written: %s", error)
            self._waiting.clear()
        finally:
            self._writing = False

    async def _store(self, waiting: dict[str, float]) -> None:
        seen = dict(waiting)

        async def operation(connection: AsyncConnection) -> None:
            await _replace(connection, seen)

        await self._database.write(operation)
        for username, stamp in seen.items():
            if waiting.get(username) == stamp:
                del waiting[username]

    def _uptime(self, request: IqRequest) -> str:  # noqa: ARG002
        """Answer how long the domain has been up (section 5)."""
        return _query(self._clock() - self._started)

    async def _contacts(self, request: IqRequest) -> str:
        """Answer who may see the account's presence how long it is away (section 3)."""
        owner = await self._owners.load(request.to)
        if not sees(owner, request.account):
            raise StanzaError(StanzaCondition.FORBIDDEN)
        if self._router.available(request.to):
            return _query(0)
        stamp = self._waiting.get(owner.username)
        if stamp is None:
            stamp = await self._read(owner.username)
        if stamp is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "it was never there")
        return _query(request.wall - stamp)

    async def _read(self, username: str) -> float | None:
        async def operation(connection: AsyncConnection) -> float | None:
            stamp: float | None = await connection.scalar(
                select(_SEEN.c.stamp).where(_SEEN.c.username == username)
            )
            return stamp

        return await self._database.read(operation)


async def _replace(connection: AsyncConnection, seen: Mapping[str, float]) -> None:
    for username, stamp in seen.items():
        await connection.execute(delete(_SEEN).where(_SEEN.c.username == username))
        # An account that was removed meanwhile gets no row.
        known = select(_ACCOUNTS.c.username, literal(stamp)).where(_ACCOUNTS.c.username == username)
        await connection.execute(insert(_SEEN).from_select(["username", "stamp"], known))


def _now(_request: IqRequest) -> str:
    """Answer about one's own account: who asks is here (section 3)."""
    return _query(0)


def _query(seconds: float) -> str:
    return f"<query xmlns='{ns.LAST}' seconds='{max(0, int(seconds))}'/>"
