"""A database that answers before its caller has to wait, for tests that turn the clock."""

import sqlite3
import weakref
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, StaticPool, create_engine, event

from andiron.domain.migrations import upgrade

T = TypeVar("T")


class InstantConnection:
    """What an operation sees of an AsyncConnection, done at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, *arguments: Any) -> Any:
        return self._connection.execute(*arguments)

    async def scalar(self, *arguments: Any) -> Any:
        return self._connection.scalar(*arguments)

    async def scalars(self, *arguments: Any) -> Any:
        return self._connection.scalars(*arguments)

    async def run_sync(self, function: Callable[..., T], *arguments: Any) -> T:
        return function(self._connection, *arguments)

    @property
    def dialect(self) -> Any:
        return self._connection.dialect


class InstantDatabase:
    """A :class:`andiron.domain.database.Database` in memory; ``error`` is what it fails with."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)

        @event.listens_for(self.engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            _template().backup(connection)
            connection.execute("PRAGMA foreign_keys = ON")

        weakref.finalize(self, self.engine.dispose)
        self.error: Exception | None = None
        self.writes = 0
        self._meta: dict[str, str] = {}

    async def read(self, operation: Callable[[Any], Awaitable[T]]) -> T:
        if self.error is not None:
            raise self.error
        with self.engine.begin() as connection:
            return await operation(InstantConnection(connection))

    async def write(self, operation: Callable[[Any], Awaitable[T]]) -> T:
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


@cache
def _template() -> sqlite3.Connection:
    template = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: template, poolclass=StaticPool)
    more = True
    while more:
        with engine.begin() as connection:
            more = upgrade(connection)
    return template
