"""Where the processes of one chat meet, by the settings, and what they need there."""

import contextlib
import importlib.util
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, cast

from andiron.cluster.place import Place, PlaceError
from andiron.cluster.redis.address import RedisError, parse
from andiron.cluster.redis.belief import Timing
from andiron.cluster.unix_place import UnixPlace
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.holders import Tenure
from andiron.domain.database.urls import beside, name_of
from andiron.settings import Settings
from andiron.sm.journal.lines import JournalError
from andiron.sm.timers import Timers

if TYPE_CHECKING:
    from andiron.cluster.redis.journal import RedisJournal
    from andiron.cluster.redis.place import RedisPlace

__all__ = ["check", "failed", "files_of", "journal_of", "place_of", "tenure_of"]

Lost = Callable[[], object]

_KEPT: Final = 7 * 86_400
"""Seconds for which Redis keeps a journal that nobody uses, besides those in which to resume: what
it has of messages that are not stored yet outlives their senders' sessions."""
_DRIVER: Final = "redis"
_TIMING: Final = Timing()


def place_of(settings: Settings, lost: Lost) -> Place:
    """Return where the processes of a chat meet that the settings say to be of several.

    ``lost`` is called where this process must be home no longer, at once.
    Raises :class:`DatabaseError` where what it needs is not installed.
    """
    if not settings.by_redis:
        return UnixPlace(settings.cluster.partition(":")[2])
    _require_driver()
    from andiron.cluster.redis.place import RedisPlace  # noqa: PLC0415 - an extra

    address, listen_on = parse(settings.cluster), settings.cluster_address()
    try:
        return RedisPlace(address, settings.domain, lost, listen_on=listen_on, timing=_TIMING)
    except RedisError as error:
        raise DatabaseError(str(error)) from None


def tenure_of(place: Place) -> Tenure | None:
    """Return this home's turn at the database; None where its claim alone decides."""
    if isinstance(place, UnixPlace):
        return None
    found = cast("RedisPlace", place)
    turns = [f"{group} {found.domain}" for group in found.lease.groups]
    return Tenure(turns[0], lambda: found.lease.held, turns[1:])


def journal_of(
    place: Place, settings: Settings, timers: Timers, clock: Callable[[], float], lost: Lost
) -> "AbstractAsyncContextManager[RedisJournal] | None":
    """Return the journal of the home at a place; None where it is a file."""
    if isinstance(place, UnixPlace):
        return None
    return _journal(cast("RedisPlace", place), settings, timers, clock, lost)


@contextlib.asynccontextmanager
async def _journal(
    place: "RedisPlace",
    settings: Settings,
    timers: Timers,
    clock: Callable[[], float],
    lost: Lost,
) -> "AsyncIterator[RedisJournal]":
    from andiron.cluster.redis.journaling import journaling  # noqa: PLC0415 - an extra

    journal = journaling(
        place.address,
        settings.domain,
        place.lease,
        timers,
        clock,
        keep=_KEPT + settings.stream_management_max,
        config=settings.journal_config(),
    )
    async with contextlib.AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(journal)
        except JournalError as error:
            raise DatabaseError(str(error)) from None
        opened.on_lost = lost
        yield opened


def check(settings: Settings) -> None:
    """Raise :class:`DatabaseError` where a look tells that processes cannot meet."""
    if settings.by_redis:
        _require_driver()
    elif settings.cluster:
        try:
            UnixPlace(settings.cluster.partition(":")[2]).check()
        except PlaceError as error:
            raise failed(error) from None


def files_of(settings: Settings) -> dict[str, str]:
    """Return what stands for the files that whoever is home needs, and the database.

    On several machines one file has several numbers, so there it is for the operator to see to it,
    and so it is that databases of one name are one.
    """
    named = {}
    in_server = name_of(settings.database)
    if not in_server:
        named["ANDIRON_DATABASE"] = beside(settings.database, "")
    if not settings.by_redis:
        named["ANDIRON_DURABILITY_FILE"] = settings.journal_path()
        named["ANDIRON_UPLOAD_DIR"] = settings.upload_dir
    found = {setting: _identity(path) for setting, path in named.items()}
    return found | {"ANDIRON_DATABASE": in_server} if in_server else found


def failed(error: Exception) -> DatabaseError:
    """Return what a start says of an error."""
    if isinstance(error, DatabaseError):
        return error
    return DatabaseError(f"{error} (ANDIRON_CLUSTER).")


def _require_driver() -> None:
    if importlib.util.find_spec(_DRIVER) is None:
        raise DatabaseError(
            "ANDIRON_CLUSTER names a Redis, whose client is not installed: run pip install"
            " 'andiron[cluster]'."
        )


def _identity(path: str) -> str:
    """Return what is the same of a file whatever it is called, also before it is made."""
    folder, name = os.path.split(os.path.realpath(path))
    with contextlib.suppress(OSError):
        found = os.stat(folder)
        return f"{found.st_dev}:{found.st_ino}/{name}"
    return os.path.join(folder, name)
