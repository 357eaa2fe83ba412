"""The domain's database: one writer, readers beside it.

What is committed here survives a crash. That costs a disk flush, so writes
that arrive together share one commit. The writer's time is shared out among
those who cause what it does (:mod:`.lines`).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Select, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from andiron.domain.database.engines import FAILURES, SETTING, DatabaseError, Engines, Operation
from andiron.domain.database.holders import Tenure
from andiron.domain.database.lines import OWN, Lines
from andiron.domain.database.migrations import META, SchemaError, upgrade
from andiron.domain.database.urls import parse
from andiron.sm.tally import Distribution
from andiron.tracing.traces import Span, inner, shared

__all__ = ["Database", "DatabaseError"]

logger = logging.getLogger("andiron.domain")

T = TypeVar("T")

_TIMES: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
"""Seconds."""
_GROUP: Final = 256
"""Writes that share a commit at most."""
_TOGETHER: Final = 0.005
"""Seconds after which no other write joins those that share a commit, so that the first does not
wait long for the last; where commits take longer, as long as the last one took."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    payer: str
    done: asyncio.Future[Any]
    span: Span
    """What stands for it in a trace, from the wait for its turn on."""


_Outcome = tuple[_Write, Any]
"""A write, and what its operation returned or raised."""


class Database:
    """An open database. Make one with :meth:`open`, and :meth:`close` it."""

    def __init__(self, engines: Engines) -> None:
        """Take engines into a database whose schema is up to date."""
        self._engines = engines
        self._lines: Lines[_Write] = Lines()
        self._awaited = asyncio.Event()
        """Whether there is something to do, or nothing any more."""
        self._closed = False
        self._committing = 0.0
        """How many seconds the last commit took."""
        self.writes = Distribution(_TIMES)
        """How long who wrote waited for it, the others before included."""
        self.reads = Distribution(_TIMES)
        """How long who read waited for it."""
        self._task = asyncio.create_task(self._run(), name="database writer")

    @property
    def waiting(self) -> int:
        """How many writes wait for their turn."""
        return len(self._lines)

    @classmethod
    async def open(
        cls,
        url: str,
        migrating: Callable[[int, int], object] | None = None,
        tenure: Tenure | None = None,
    ) -> "Database":
        """Open a database and update its schema.

        That may take long: ``migrating`` is told to which version it is being led, and which is
        the last; so is the log. It is used for as long as the ``tenure`` lasts, where that
        can be seen to.

        ``sqlite:///file.db`` is a file, which is made where there is none,
        readable by its owner only; ``sqlite://`` is in memory;
        ``postgresql://user:password@host/name`` must exist.
        Raises :class:`DatabaseError`.
        """
        kind, parsed = parse(url)
        engines: Engines = kind.engines(parsed, tenure)
        new = False

        def begun(version: int, last: int) -> None:
            nonlocal new
            new = new or version == 1
            if new:
                return  # There is nothing in it to be migrated.
            logger.info("The database %s is led to schema %d of %d", engines.name, version, last)
            if migrating is not None:
                migrating(version, last)

        async with AsyncExitStack() as unless_opened:
            unless_opened.push_async_callback(engines.dispose)
            try:
                while await _upgrade(engines.migrating, begun):
                    pass
            except FAILURES as error:
                raise engines.failure(error) from error
            except SchemaError as error:
                raise DatabaseError(f"The database {engines.name} {error} ({SETTING}).") from None
            unless_opened.pop_all()
        return cls(engines)

    async def close(self) -> None:
        """Finish the writes that were begun, then let go of the database."""
        if self._closed:
            return
        self._closed = True
        self._awaited.set()
        # Where all tasks were cancelled it has ended so, and there is the more to let go of.
        await asyncio.wait([self._task])
        await self._engines.dispose()

    async def write(self, operation: Operation[T], payer: str = OWN) -> T:
        """Run ``operation`` in the writer's transaction; return its result once committed.

        ``payer`` is who causes it: an account by its username, or what else has a line of its
        own by a name that no account has; :data:`~.lines.OWN` is the process itself. Operations
        run one at a time, those of one payer in the order of these calls, those of others
        by turns; results come in the order in which they ran. One that
        raises is undone alone, and its exception comes out here. It must do
        nothing but SQL on the connection it is given, since it is undone and run
        again when a neighbour in its transaction fails. Where the caller is
        cancelled before the commit, the operation is not run, or undone; during
        the commit it stands, though its result is lost.
        Raises :class:`DatabaseError` when the database fails.
        """
        if self._closed:
            raise DatabaseError(f"The database {self._engines.name} is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        try:
            with inner("database write") as span:
                self._lines.add(payer, _Write(operation, payer, done, span))
                self._awaited.set()
                return await done
        except IntegrityError:
            raise
        except FAILURES as error:
            raise self._engines.failure(error) from error
        finally:
            self.writes.add(time.monotonic() - began)

    async def read(self, operation: Operation[T]) -> T:
        """Run ``operation``, which only reads, beside the writer.

        It sees what was committed; each of its statements may see more than
        the one before. It must wait for nothing but the connection, and may run
        in another thread, where its rows end with it.
        Raises :class:`DatabaseError` when the database fails.
        """
        readers = self._engines.readers
        if readers is None:
            return await self.write(operation)
        if self._closed:
            raise DatabaseError(f"The database {self._engines.name} is closed.")
        began = time.monotonic()
        try:
            with inner("database read"):
                return await readers.run(operation)
        except FAILURES as error:
            raise self._engines.failure(error) from error
        finally:
            self.reads.add(time.monotonic() - began)

    async def look_up(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows of a statement that finds few by their keys, as :meth:`read` would.

        It is made once for all, and ``values`` are those of its parameters by name. Where the
        rows can be had at once, nothing is waited for.
        """
        readers = self._engines.readers
        if readers is not None and not self._closed:
            began = time.monotonic()
            with inner("database read"):
                rows = readers.rows(statement, values)
            if rows is not None:
                self.reads.add(time.monotonic() - began)
                return rows

        async def operation(connection: AsyncConnection) -> Sequence[Any]:
            rows: Sequence[Any] = (await connection.execute(statement, values)).all()
            return rows

        return await self.read(operation)

    async def get_meta(self, key: str) -> str | None:
        """Return a fact that was kept with :meth:`set_meta`."""

        async def operation(connection: AsyncConnection) -> str | None:
            found: str | None = await connection.scalar(
                select(META.c.value).where(META.c.key == key)
            )
            return found

        return await self.read(operation)

    async def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about this database."""

        async def operation(connection: AsyncConnection) -> None:
            await connection.execute(delete(META).where(META.c.key == key))
            await connection.execute(insert(META).values(key=key, value=value))

        await self.write(operation)

    async def get_or_set_meta(self, key: str, value: str) -> str:
        """Return the fact that is kept, or keep ``value``: for a secret that is made only once."""

        async def operation(connection: AsyncConnection) -> str:
            kept: str | None = await connection.scalar(
                select(META.c.value).where(META.c.key == key)
            )
            if kept is not None:
                return kept
            await connection.execute(insert(META).values(key=key, value=value))
            return value

        return await self.write(operation)

    async def _run(self) -> None:
        while True:
            await self._awaited.wait()
            self._awaited.clear()
            while self._lines:
                await self._commit()
            if self._closed:
                return

    async def _commit(self) -> None:
        """Run what is next, and others that wait, in one transaction."""
        group = [self._lines.take()]
        outcomes: list[_Outcome] = []
        since, connected = time.time_ns(), False
        try:
            try:
                async with self._engines.writer.begin() as connection:
                    connected = True
                    await self._run_together(connection, group, outcomes)
                    ran = time.monotonic()
                self._committing = time.monotonic() - ran
            except _Spoiled:
                outcomes.clear()
                async with self._engines.writer.begin() as connection:
                    await self._run_apart(connection, group, outcomes)
        except Exception as error:  # noqa: BLE001 - the writer lives on, and who waits must hear
            while not connected and self._lines and len(group) < _GROUP:
                group.append(self._lines.take())  # They would wait as long, and for nothing.
            outcomes = [(write, error) for write in group]
        for write, outcome in outcomes:
            if write.done.done():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)
        span = shared("database transaction", (write.span for write in group), since)
        span.note("andiron.writes", len(group))
        span.end()

    async def _run_together(
        self, connection: AsyncConnection, group: list[_Write], outcomes: list[_Outcome]
    ) -> None:
        """Run writes that are all expected to succeed: savepoints would triple their cost.

        The ``group`` has the first; those that join it are added.
        """
        lines, write = self._lines, group[0]
        together = max(_TOGETHER, self._committing)
        began = now = time.monotonic()
        while True:
            if not write.done.cancelled():
                try:
                    outcomes.append((write, await write.operation(connection)))
                except Exception as error:
                    raise _Spoiled from error
                finally:
                    since, now = now, time.monotonic()
                    lines.charge(write.payer, now - since)
                if write.done.cancelled():
                    raise _Spoiled
            if not lines or len(group) == _GROUP or now - began > together:
                return
            write = lines.take()
            group.append(write)

    async def _run_apart(
        self, connection: AsyncConnection, group: Sequence[_Write], outcomes: list[_Outcome]
    ) -> None:
        """Run writes again, so that the failure of the last undoes nothing of its neighbours.

        They have paid for what was undone; the last pays for this.
        """
        began = time.monotonic()
        for write in group:
            if write.done.cancelled():
                continue
            savepoint = await connection.begin_nested()
            outcome: Any
            try:
                outcome = await write.operation(connection)
            except Exception as error:
                if connection.invalidated:
                    raise  # the transaction is lost with all that was done in it
                outcome = error
            if isinstance(outcome, Exception) or write.done.cancelled():
                await savepoint.rollback()
            else:
                await savepoint.commit()
            outcomes.append((write, outcome))
        self._lines.charge(group[-1].payer, time.monotonic() - began)


class _Spoiled(Exception):  # noqa: N818
    """An operation of the group failed or was withdrawn; the transaction must not be committed."""


async def _upgrade(engine: AsyncEngine, begun: Callable[[int, int], object]) -> bool:
    async with engine.begin() as connection:
        return await connection.run_sync(lambda each: upgrade(each, begun=begun))
