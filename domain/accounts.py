"""Accounts of the embedded domain."""

from collections.abc import Iterable

from andiron.domain.credentials import Credentials
from andiron.domain.database import Database

__all__ = [
    "AccountError",
    "AccountExists",
    "Accounts",
    "InvalidName",
    "InvalidPassword",
    "NoSuchAccount",
]


class AccountError(Exception):
    """An account cannot be made, changed or removed; the sentence says why."""


class AccountExists(AccountError):  # noqa: N818
    pass


class NoSuchAccount(AccountError):  # noqa: N818
    pass


class InvalidName(AccountError):  # noqa: N818
    pass


class InvalidPassword(AccountError):  # noqa: N818
    pass


class Accounts:
    def __init__(self, database: Database, domain: str, iterations: int = 10_000) -> None:
        self._database = database

    async def create(self, name: str, password: str) -> None:
        raise NotImplementedError

    async def create_many(self, accounts: Iterable[tuple[str, str]]) -> int:
        raise NotImplementedError

    async def set_password(self, name: str, password: str) -> None:
        raise NotImplementedError

    async def remove(self, name: str) -> None:
        raise NotImplementedError

    async def exists(self, username: str) -> bool:
        raise NotImplementedError

    async def names(self) -> list[str]:
        raise NotImplementedError

    async def credentials(self, username: str) -> Credentials:
        raise NotImplementedError
