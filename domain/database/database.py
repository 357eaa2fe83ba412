"""The domain's database: one writer, readers beside it.

What is committed here survives a crash. That costs a disk flush, so writes
that arrive together share one commit.
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
"""Writes that share a commit at most, so that the first never waits long for the last."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
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
        self._queue: asyncio.Queue[_Write | None] = asyncio.Queue()
        self._closed = False
        self.writes = Distribution(_TIMES)
        """How long who wrote waited for it, the others before included."""
        self.reads = Distribution(_TIMES)
        """How long who read waited for it."""
        self._task = asyncio.create_task(self._run(), name="database writer")

    @property
    def waiting(self) -> int:
        """How many writes wait for their turn."""
        return self._queue.qsize()

    @classmethod
    async def open(
        cls, url: str, migrating: Callable[[int, int], object] | None = None
    ) -> "Database":
        """Open a database and update its schema.

        That may take long: ``migrating`` is told to which version it is being led, and which is
        the last; so is the log.

        ``sqlite:///file.db`` is a file, which is made where there is none,
        readable by its owner only; ``sqlite://`` is in memory;
        ``postgresql://user:password@host/name`` must exist.
        Raises :class:`DatabaseError`.
        """
        kind, parsed = parse(url)
        engines: Engines = kind.engines(parsed)
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
        self._queue.put_nowait(None)
        # Where all tasks were cancelled it has ended so, and there is the more to let go of.
        await asyncio.wait([self._task])
        await self._engines.dispose()

    async def write(self, operation: Operation[T]) -> T:
        """Run ``operation`` in the writer's transaction; return its result once committed.

        Operations run one at a time in the order of these calls. One that
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
                self._queue.put_nowait(_Write(operation, done, span))
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
        last = False
        while not last:
            group: list[_Write] = []
            following = await self._queue.get()
            while following is not None:
                group.append(following)
                if len(group) == _GROUP or self._queue.empty():
                    break
                following = self._queue.get_nowait()
            else:
                last = True
            if group:
                with shared("database transaction", (write.span for write in group)) as span:
                    span.note("andiron.writes", len(group))
                    await self._commit(group)

    async def _commit(self, group: Sequence[_Write]) -> None:
        try:
            try:
                async with self._engines.writer.begin() as connection:
                    outcomes = await _run_together(connection, group)
            except _Spoiled:
                async with self._engines.writer.begin() as connection:
                    outcomes = await _run_apart(connection, group)
        except Exception as error:  # noqa: BLE001 - the writer lives on, and who waits must hear
            outcomes = [(write, error) for write in group]
        for write, outcome in outcomes:
            if write.done.done():
                continue
            if isinstance(outcome, Exception):
                write.done.set_exception(outcome)
            else:
                write.done.set_result(outcome)


class _Spoiled(Exception):  # noqa: N818
    """An operation of the group failed or was withdrawn; the transaction must not be committed."""


async def _run_together(connection: AsyncConnection, group: Sequence[_Write]) -> list[_Outcome]:
    """Run writes that are all expected to succeed: savepoints would triple their cost."""
    outcomes: list[_Outcome] = []
    for write in group:
        try:
            outcomes.append((write, await write.operation(connection)))
        except Exception as error:
            raise _Spoiled from error
        if write.done.cancelled():
            raise _Spoiled
    return outcomes


async def _run_apart(connection: AsyncConnection, group: Sequence[_Write]) -> list[_Outcome]:
    """Run writes so that the failure of one undoes nothing of its neighbours."""
    outcomes: list[_Outcome] = []
    for write in group:
        if write.done.cancelled():
            continue
        savepoint = await connection.begin_nested()
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
    return outcomes


async def _upgrade(engine: AsyncEngine, begun: Callable[[int, int], object]) -> bool:
    async with engine.begin() as connection:
        return await connection.run_sync(lambda each: upgrade(each, begun=begun))
