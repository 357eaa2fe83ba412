"""The table of uploaded files: whose they are, how much they take, and when they expire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BigInteger,
    Double,
    Text,
    case,
    column,
    delete,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.account_rows import exists
from andiron.domain.database.database import Database
from andiron.domain.owners import NoSuchAccount

__all__ = ["QuotaExceeded", "Upload", "UploadTable", "charge"]

_BLOCK: Final = 4096
_CHUNK: Final = 500
"""Rows that one statement names, under every database's limit of parameters."""
_UPLOADS: Final = table(
    "uploads",
    column("id", Text),
    column("username", Text),
    column("name", Text),
    column("type", Text),
    column("size", BigInteger),
    column("stamp", Double),
)
_CHARGED: Final = func.sum(case((_UPLOADS.c.size < _BLOCK, _BLOCK), else_=_UPLOADS.c.size))


def charge(size: int) -> int:
    """Return what a file counts towards its owner's quota: a block of the disk at least.

    So a quota bounds the number of files, too.
    """
    return max(size, _BLOCK)


class QuotaExceeded(Exception):  # noqa: N818
    """The account's files would take more than they may."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was uploaded."""

    id: str
    """As of :func:`andiron.domain.uploads.slot.id_of`."""
    username: str
    name: str
    type: str
    size: int
    stamp: float
    """When it was uploaded, in Unix seconds."""


class UploadTable:
    """The files of all accounts. Every method raises :class:`DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, upload: Upload, quota: int) -> None:
        """Note a file; when this returns, that survives a crash.

        Raises :class:`QuotaExceeded` and :class:`NoSuchAccount`.
        """
        row = {name: getattr(upload, name) for name in Upload.__slots__}

        async def operation(connection: AsyncConnection) -> bool:
            if await _used(connection, upload.username) + charge(upload.size) > quota:
                return False
            await connection.execute(insert(_UPLOADS).values(row))
            return True

        try:
            added = await self._database.write(operation, upload.username)
        except IntegrityError:
            raise NoSuchAccount(f"There is no account {upload.username}.") from None
        if not added:
            raise QuotaExceeded(f"{quota} bytes are all that {upload.username} may store.")

    async def find(self, identity: str) -> Upload | None:
        """Return the file of an id."""

        async def operation(connection: AsyncConnection) -> Upload | None:
            rows = await connection.execute(select(_UPLOADS).where(_UPLOADS.c.id == identity))
            row = rows.first()
            return None if row is None else Upload(*row)

        return await self._database.read(operation)

    async def used(self, username: str) -> int:
        """Return how many bytes an account's files count."""

        async def operation(connection: AsyncConnection) -> int:
            return await _used(connection, username)

        return await self._database.read(operation)

    async def oldest(self, username: str) -> float | None:
        """Return when an account's oldest file was uploaded."""

        async def operation(connection: AsyncConnection) -> float | None:
            query = select(func.min(_UPLOADS.c.stamp)).where(_UPLOADS.c.username == username)
            stamp: float | None = await connection.scalar(query)
            return stamp

        return await self._database.read(operation)

    async def known(self, identities: Sequence[str]) -> set[str]:
        """Return which of some ids are of files that are here."""

        async def operation(connection: AsyncConnection) -> set[str]:
            found: set[str] = set()
            for first in range(0, len(identities), _CHUNK):
                chunk = identities[first : first + _CHUNK]
                found.update(
                    await connection.scalars(select(_UPLOADS.c.id).where(_UPLOADS.c.id.in_(chunk)))
                )
            return found

        return await self._database.read(operation)

    async def take_older(self, before: float) -> list[Upload]:
        """Forget some of the files uploaded before then and return them; none when none is left."""

        async def operation(connection: AsyncConnection) -> list[Upload]:
            query = select(_UPLOADS).where(_UPLOADS.c.stamp < before)
            return await _take(connection, await connection.execute(query.limit(_CHUNK)))

        return await self._database.write(operation)

    async def is_nobodys(self, username: str) -> bool:
        """Tell whether there is no account of a name: its files went with it."""
        return not await self._database.read(lambda connection: exists(connection, username))


async def _used(connection: AsyncConnection, username: str) -> int:
    return int(
        await connection.scalar(select(_CHARGED).where(_UPLOADS.c.username == username)) or 0
    )


async def _take(connection: AsyncConnection, rows: Iterable[Sequence[object]]) -> list[Upload]:
    uploads = [Upload(*row) for row in rows]  # type: ignore[arg-type]
    if uploads:
        await connection.execute(
            delete(_UPLOADS).where(_UPLOADS.c.id.in_([upload.id for upload in uploads]))
        )
    return uploads
