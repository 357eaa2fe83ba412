"""The domain's database: one writer, readers beside it.

What SQLite commits here survives a crash of the process and of the machine:
the journal is a write-ahead log, synchronised at every commit. That costs a
disk flush, so writes that arrive together share one commit.
"""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, delete, event, insert, make_url, select
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from andiron.domain.migrations import META, SchemaError, upgrade

__all__ = ["Database", "DatabaseError"]

T = TypeVar("T")
Operation = Callable[[AsyncConnection], Awaitable[T]]

_GROUP: Final = 256
"""Writes that share a commit at most, so that the first never waits long for the last."""
_READERS: Final = 2
_BUSY_TIMEOUT: Final = 10_000
"""Milliseconds to wait for another process's write, such as ``andiron user add --from-file``."""
_BUSY_PAUSE: Final = 0.01
"""Seconds between two attempts where SQLite itself does not wait."""
_SETTING: Final = "ANDIRON_DATABASE"


class DatabaseError(Exception):
    """The database cannot be used; the sentence names the setting and the remedy."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    done: asyncio.Future[Any]


_Outcome = tuple[_Write, Any]
"""A write, and what its operation returned or raised."""


class Database:
    """An open database. Make one with :meth:`open`, and :meth:`close` it."""

    def __init__(self, name: str, writer: AsyncEngine, readers: AsyncEngine | None) -> None:
        """Take engines that are ready for use; without ``readers``, reads queue with the writes."""
        self._name = name
        self._writer = writer
        self._readers = readers
        self._queue: asyncio.Queue[_Write | None] = asyncio.Queue()
        self._closed = False
        self._task = asyncio.create_task(self._run(), name="database writer")

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Open ``sqlite:///file.db``, or ``sqlite://`` for one in memory, and update its schema.

        A file is made where there is none, readable by its owner only. Raises
        :class:`DatabaseError`.
        """
        target = _sqlite_url(url)
        path = target.database
        name = path or "in memory"
        if path:
            _create_private(Path(path))
        writer = create_async_engine(target, pool_reset_on_return=None)
        event.listen(writer.sync_engine, "connect", _prepare_connection)
        event.listen(writer.sync_engine, "begin", _begin_immediate)
        try:
            while await _upgrade(writer):
                pass
        except SQLAlchemyError as error:
            await writer.dispose()
            raise _unusable(name, error) from error
        except SchemaError as error:
            await writer.dispose()
            raise DatabaseError(f"The database {name} {error} ({_SETTING}).") from None
        return cls(name, writer, _reading_engine(target) if path else None)

    async def close(self) -> None:
        """Finish the writes that were begun, then let go of the database."""
        if self._closed:
            return
        self._closed = True
        self._queue.put_nowait(None)
        await self._task
        await self._writer.dispose()
        if self._readers is not None:
            await self._readers.dispose()

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
            raise DatabaseError(f"The database {self._name} is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Write(operation, done))
        try:
            return await done
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise _unusable(self._name, error) from error

    async def read(self, operation: Operation[T]) -> T:
        """Run ``operation``, which only reads, beside the writer.

        It sees what was committed; each of its statements may see more than
        the one before. Raises :class:`DatabaseError` when the database fails.
        """
        if self._readers is None:
            return await self.write(operation)
        if self._closed:
            raise DatabaseError(f"The database {self._name} is closed.")
        try:
            async with self._readers.connect() as connection:
                return await operation(connection)
        except SQLAlchemyError as error:
            raise _unusable(self._name, error) from error

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
                await self._commit(group)

    async def _commit(self, group: Sequence[_Write]) -> None:
        try:
            try:
                async with self._writer.begin() as connection:
                    outcomes = await _run_together(connection, group)
            except _Spoiled:
                async with self._writer.begin() as connection:
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
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            outcome = error
        if isinstance(outcome, Exception) or write.done.cancelled():
            await savepoint.rollback()
        else:
            await savepoint.commit()
        outcomes.append((write, outcome))
    return outcomes


def _sqlite_url(url: str) -> URL:
    example = "sqlite:///andiron.db is a file beside the server, sqlite:////var/lib/andiron.db"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(f"{_SETTING} is not a database URL; {example} one anywhere.") from None
    if parsed.drivername not in {"sqlite", "sqlite+aiosqlite"}:
        raise DatabaseError(
            f"{_SETTING} names {parsed.drivername}, which is not supported; {example} one anywhere."
        )
    if parsed.host or parsed.username or parsed.query:
        raise DatabaseError(
            f"{_SETTING} must be sqlite:/// and a path, without host or options;"
            f" {example} one anywhere."
        )
    path = None if parsed.database in {None, "", ":memory:"} else parsed.database
    return URL.create("sqlite+aiosqlite", database=path)


def _create_private(path: Path) -> None:
    """Make the file where there is none; what the database holds is nobody else's to read.

    One that exists is not opened: closing it would release the locks that SQLite
    may hold on it elsewhere in this process.
    """
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        elif not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "it is not a file")
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "permission denied")
    except OSError as error:
        raise DatabaseError(
            f"The database {path} cannot be written ({error.strerror}); let {_SETTING} name a file"
            " in a folder that exists and that the server may write to."
        ) from None


def _reading_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=_READERS,
        max_overflow=0,
    )
    event.listen(engine.sync_engine, "connect", _prepare_connection)
    return engine


def _prepare_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT}")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _write_ahead(cursor: Any) -> None:
    # Here alone SQLite does not wait for another connection, which may be making
    # the same new file a write-ahead one at this moment.
    patience = time.monotonic() + _BUSY_TIMEOUT / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > patience:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that begins by reading cannot wait for another process's
    # write: it fails at once with SQLITE_BUSY when it comes to write itself.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _upgrade(engine: AsyncEngine) -> bool:
    async with engine.begin() as connection:
        return await connection.run_sync(upgrade)


def _unusable(name: str, error: SQLAlchemyError) -> DatabaseError:
    reason = str(getattr(error, "orig", None) or error)
    return DatabaseError(
        f"The database {name} cannot be used ({reason}); let {_SETTING} name an SQLite file"
        " that the server may write to, on a disk with room."
    )
