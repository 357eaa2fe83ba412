"""Messages that wait for their account to come online (RFC 6121 section 8.5.2.2, XEP-0160)."""

from dataclasses import dataclass

from andiron.domain.database import Database

__all__ = ["OfflineFull", "OfflineStore", "StoredMessage"]


class OfflineFull(Exception):  # noqa: N818
    """The account has as many messages waiting as it may; answer ``service-unavailable``."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it was accepted, and when, in Unix seconds."""

    text: str
    stamp: float


class OfflineStore:
    def __init__(self, database: Database, limit_per_account: int = 1000) -> None:
        self._database = database
        self._limit = limit_per_account

    async def add(self, username: str, text: str, stamp: float) -> None:
        """Raises OfflineFull, or NoSuchAccount where the account is gone; returns after commit."""
        raise NotImplementedError

    async def take(self, username: str) -> list[StoredMessage]:
        raise NotImplementedError

    async def count(self, username: str) -> int:
        raise NotImplementedError
