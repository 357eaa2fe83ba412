"""Threads that read an SQLite file: a whole operation in each exchange with one.

An asynchronous driver exchanges a cursor, a statement and its rows with a
thread one by one, which costs far more than a short query does.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.engines import Operation
from andiron.domain.database.sqlite_lookups import Lookups

__all__ = ["AtOnce", "ThreadReaders"]

T = TypeVar("T")


class ThreadReaders:
    """Connections of a synchronous engine, each used by one thread at a time."""

    def __init__(self, engine: Engine, count: int, lookups: Lookups) -> None:
        """``engine`` commits by itself, and lets its connections go from thread to thread."""
        self._engine = engine
        self._lookups = lookups
        self.rows = lookups.rows
        self._threads = ThreadPoolExecutor(count, "database reader")
        self._free: list[Connection] = []

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation that waits for nothing but its connection; its rows end with it."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._run, operation)

    async def dispose(self) -> None:
        """Finish what runs, and close every connection."""
        self._lookups.close()
        await asyncio.to_thread(self._close)

    def _run(self, operation: Operation[T]) -> T:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            return _finish(operation, connection)
        finally:
            connection.rollback()
            self._free.append(connection)

    def _close(self) -> None:
        self._threads.shutdown()
        for connection in self._free:
            connection.close()
        self._engine.dispose()


class AtOnce:
    """What an operation sees of an AsyncConnection, over a synchronous one."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Any:
        """What the database speaks."""
        return self._connection.dialect

    async def execute(self, *arguments: Any) -> Any:
        """Execute a statement."""
        return self._connection.execute(*arguments)

    async def scalar(self, *arguments: Any) -> Any:
        """Return the first column of a statement's first row."""
        return self._connection.scalar(*arguments)

    async def scalars(self, *arguments: Any) -> Any:
        """Return the first column of a statement's rows."""
        return self._connection.scalars(*arguments)

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the connection."""
        return function(self._connection, *arguments)


def _finish(operation: Operation[T], connection: Connection) -> T:
    steps = operation(cast("AsyncConnection", AtOnce(connection))).__await__()
    try:
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("An operation that reads may wait for its connection only.")
