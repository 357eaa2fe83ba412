"""A database that answers before its caller has to wait, for tests that turn the clock."""

import sqlite3
import weakref
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Engine, StaticPool, create_engine

from andiron.domain.database.migrations import upgrade
from andiron.domain.database.sqlite_readers import AtOnce

T = TypeVar("T")


class InstantDatabase:
    """A ``Database`` in memory; ``error`` is what it fails with."""

    def __init__(self) -> None:
        self.engine = _engine(_copy)
        weakref.finalize(self, self.engine.dispose)
        self.error: Exception | None = None
        self.writes = 0
        self._meta: dict[str, str] = {}

    async def read(self, operation: Callable[[Any], Awaitable[T]]) -> T:
        if self.error is not None:
            raise self.error
        with self.engine.begin() as connection:
            return await operation(AtOnce(connection))

    async def look_up(self, statement: Any, values: dict[str, Any]) -> Any:
        async def operation(connection: Any) -> Any:
            return (await connection.execute(statement, values)).all()

        return await self.read(operation)

    async def write(self, operation: Callable[[Any], Awaitable[T]], _payer: str = "") -> T:
        self.writes += 1
        return await self.read(operation)

    async def get_meta(self, key: str) -> str | None:
        return self._meta.get(key)

    async def set_meta(self, key: str, value: str) -> None:
        self._meta[key] = value

    async def get_or_set_meta(self, key: str, value: str) -> str:
        return self._meta.setdefault(key, value)

    async def close(self) -> None:
        self.engine.dispose()


def _copy() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _template().backup(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@cache
def _template() -> sqlite3.Connection:
    template = sqlite3.connect(":memory:")
    engine = _engine(lambda: template)
    more = True
    while more:
        with engine.begin() as connection:
            more = upgrade(connection)
    return template


def _engine(connect: Callable[[], sqlite3.Connection]) -> Engine:
    """Return an engine on one connection, which knows the statements that others compiled."""
    first, statements = _first()
    engine = Engine(StaticPool(connect), first.dialect, first.url)
    return engine.execution_options(compiled_cache=statements)


@cache
def _first() -> tuple[Engine, dict[Any, Any]]:
    engine = create_engine("sqlite://")
    with engine.connect():
        pass  # The dialect looks at the first connection to know what SQLite can.
    engine.dispose()
    return engine, {}
