"""The domain's database."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Database", "DatabaseError"]

T = TypeVar("T")


class DatabaseError(Exception):
    """The database cannot be used; the sentence names the setting and the remedy."""


class Database:
    @classmethod
    async def open(cls, url: str) -> "Database":
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def write(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        raise NotImplementedError

    async def read(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        raise NotImplementedError

    async def get_meta(self, key: str) -> str | None:
        raise NotImplementedError

    async def set_meta(self, key: str, value: str) -> None:
        raise NotImplementedError
