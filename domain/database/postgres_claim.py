"""The right to serve a database of PostgreSQL: an advisory lock on a connection of its own.

The server releases the lock with the connection, however that ends: with the
process, too, since no child that is forked has it. So the
connection has a pulse, and where it is lost the lock is taken again on a new
one, unless another server was quicker.

Where processes take turns (:class:`~andiron.domain.database.holders.Tenure`), the former may hang,
or be cut off, and have the lock and connections still. So whose turn it is has the server end
all that are left of former turns before it takes the lock. A connection counts only if the turn
lasted when it was there: one that was made too late is not used, and all others are known.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from andiron.domain.database.engines import DatabaseError
from andiron.domain.database.holders import Holder, Tenure
from andiron.sm.owned import disown, own

__all__ = ["ConnectionClaim"]

logger = logging.getLogger("andiron.domain")

_SERVERS: Final = 0x616E6473
"""The upper half of the lock's number; the lower is the schema, since there may be several."""
_SCHEMA: Final = """
SELECT coalesce((SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema()), 0)
"""
_HOLDER: Final = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND classid::bigint = $1 AND objid::bigint = $2
"""
_OUST: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database()
AND application_name LIKE ANY ($1::text[]) AND application_name <> $2
"""
_OUSTING: Final = 10.0
"""Seconds in which connections of former turns end."""
_STEP: Final = 0.02
_PULSE: Final = 20.0
"""Seconds between two looks at a connection on which nothing happens."""
_PAUSE: Final = 0.5
"""Seconds between two attempts to get a lost connection back."""
_FAREWELL: Final = 2.0
"""Seconds in which the server may confirm that a connection ends."""


class ConnectionClaim:
    """A connection that holds the lock, and is looked after."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], Awaitable[Any]],
        failure: Callable[[Exception], DatabaseError],
        lost: Callable[[str], object],
        tenure: Tenure | None = None,
    ) -> None:
        """``connect`` returns a connection of asyncpg, or raises :class:`DatabaseError`."""
        self.name = name
        self._connect = connect
        self._failure = failure
        self._lost = lost
        self._tenure = tenure
        self._connection: Any = None
        self._let_go: Callable[[], None] = _nothing
        self._gone = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @staticmethod
    def settings(tenure: Tenure | None) -> dict[str, str]:
        """Return what the server is told of the connection."""
        return {
            "application_name": Holder.own().text() if tenure is None else tenure.name,
            # A machine that lost its power, or its network, shall not hold the lock for hours.
            "tcp_keepalives_idle": "20",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "4",
        }

    async def take(self) -> Holder | None:
        """Take it; return who has it, if somebody has. Raises :class:`DatabaseError`."""
        if self._connection is None:
            self._connection = connection = await self._connect()
            self._gone = gone = asyncio.Event()
            self._let_go = let_go = _owned(connection)

            def ended(_connection: object) -> None:
                let_go()
                gone.set()

            connection.add_termination_listener(ended)
        try:
            if self._tenure is not None:
                await self._oust(self._tenure)
            holder = await self._lock()
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - the driver's kinds are not at hand here
            raise self._failure(error) from None
        if holder is None and self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="database claim")
        return holder

    async def release(self) -> None:
        """Let go of it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        await self._hang_up()

    async def _lock(self) -> Holder | None:
        schema = await self._connection.fetchval(_SCHEMA)
        number = (_SERVERS << 32) + schema
        while not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", number):
            found = await self._connection.fetchrow(_HOLDER, _SERVERS, schema)
            if found is not None:  # else it was let go of between the two questions
                return Holder.read(found["application_name"])
        return None

    async def _oust(self, tenure: Tenure) -> None:
        """End what is left of former turns."""
        told = False
        async with asyncio.timeout(_OUSTING):
            while found := await self._connection.fetch(_OUST, tenure.names, tenure.name):
                if not told:
                    told = True
                    logger.warning(
                        "%d connections to the database %s are left of the process that was home"
                        " before: they are ended",
                        len(found),
                        self.name,
                    )
                await asyncio.sleep(_STEP)
        if not tenure.held():
            raise DatabaseError(f"The database {self.name} is another process's to serve")

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._let_go()
            # The server lets go of the lock at once, not when it has noticed the end.
            with contextlib.suppress(Exception):
                await connection.execute("SELECT pg_advisory_unlock_all()", timeout=_FAREWELL)
            with contextlib.suppress(Exception):
                await connection.close(timeout=_FAREWELL)

    async def _keep(self) -> None:
        holder: Holder | None = None
        while holder is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PULSE):
                    await self._gone.wait()
            if not await self._alive():
                if self._tenure is not None and not self._tenure.held():
                    return
                logger.warning("The way to the database %s was lost", self.name)
                holder = await self._take_again()
        await self._hang_up()
        self._lost(
            f"The database {self.name} was out of reach for a while, and {holder.refusal()}."
        )

    async def _alive(self) -> bool:
        if self._gone.is_set():
            return False
        try:
            await self._connection.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - whatever it is, the lock may be gone
            return False
        return True

    async def _take_again(self) -> Holder | None:
        while True:
            await self._hang_up()
            try:
                holder = await self.take()
            except DatabaseError as error:
                logger.debug("%s", error)
            else:
                # The server may not have noticed yet that our former connection is gone.
                if holder is None:
                    logger.warning("The way to the database %s is there again", self.name)
                if holder != Holder.own():
                    return holder
            await asyncio.sleep(_PAUSE)


def _nothing() -> None:
    """Have no connection to let go of."""


def _owned(connection: Any) -> Callable[[], None]:
    """Have no child keep a connection; return what is to be called before it is closed, or after.

    Asyncpg shows its socket to nobody.
    """
    transport = getattr(connection, "_transport", None)
    if transport is None:
        return _nothing
    files = [transport.get_extra_info("socket").fileno()]
    own(files[0])

    def let_go() -> None:
        while files:
            disown(files.pop())

    return let_go
