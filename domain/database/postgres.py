"""PostgreSQL: a database that several processes, and its own tools, may use beside the server."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from sqlalchemy import URL, Connection, NullPool, Select, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from andiron.domain.database.cut_off import SERVER_SETTINGS, watch
from andiron.domain.database.engines import SETTING, DatabaseError, Engines, Operation
from andiron.domain.database.holders import Tenure
from andiron.domain.database.postgres_claim import ConnectionClaim

__all__ = ["DRIVERS", "check", "claim", "engines", "missing", "problem"]

T = TypeVar("T")

DRIVERS: Final = frozenset({"postgresql", "postgresql+asyncpg"})
"""What a URL begins with that means this kind of database."""

_READERS: Final = 3
_OPTIONS: Final = frozenset({"host", "port"})
_TLS_OPTIONS: Final = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey"})
_WRITERS: Final = 0x616E6469726F6E
"""The advisory lock of whoever writes."""
_CONNECT_TIMEOUT: Final = 10.0
_LOCK_TIMEOUT: Final = "10s"
"""How long to wait for another process's write, such as ``andiron user add --from-file``."""
_STATEMENT_TIMEOUT: Final = 60.0
"""Seconds without an answer after which the server or the way to it counts as lost."""
_IDLE_TIMEOUT: Final = "60s"
"""How long a process that stopped within a transaction, or was cut off, keeps others waiting."""


def missing(_url: URL) -> str:
    """Return nothing: a database of PostgreSQL's is never made by opening it."""
    return ""


def problem(url: URL) -> str:
    """Return what is wrong with a URL, without the secrets in it; empty where nothing is."""
    for name, value in url.query.items():
        if name not in _OPTIONS | _TLS_OPTIONS:
            known = ", ".join(sorted(_OPTIONS | _TLS_OPTIONS))
            return f"what follows the ? may be {known}, nothing else"
        if not isinstance(value, str):
            return f"it says {name} twice"
    if "@" in (url.host or ""):
        return "an @ in the user or the password is written %40"
    if not str(url.query.get("port", "0")).isdecimal():
        return "the port after the ? is not a number"
    if not url.database:
        return "it names no database, which stands behind the host and a slash"
    return ""


def check(url: URL) -> None:
    """Look whether a connection could be tried; none is. Raises :class:`DatabaseError`."""
    _arguments(url)
    _driver()


def engines(url: URL, tenure: Tenure | None = None) -> Engines:
    """Return the ways into a database; nothing is connected yet. Raises :class:`DatabaseError`."""
    arguments, name = _arguments(url), _name(url)
    writing = {"idle_in_transaction_session_timeout": _IDLE_TIMEOUT}
    migrating = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=_connector(name, arguments, writing, None, tenure),
        isolation_level="READ COMMITTED",
        poolclass=NullPool,
        hide_parameters=True,
    )
    waiting = writing | {"lock_timeout": _LOCK_TIMEOUT}
    writer = _pooled(
        _connector(name, arguments, waiting, _STATEMENT_TIMEOUT, tenure),
        isolation_level="READ COMMITTED",
        pool_size=1,
    )
    readers = _pooled(
        _connector(name, arguments, {}, _STATEMENT_TIMEOUT, tenure),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=_READERS,
    )
    for engine in (migrating, writer):
        event.listen(engine.sync_engine, "begin", _begin_alone)
    return Engines(name, migrating, writer, _Readers(readers), _explain)


def claim(url: URL, lost: Callable[[str], object], tenure: Tenure | None = None) -> ConnectionClaim:
    """Return what a server holds while it serves a database. Raises :class:`DatabaseError`."""
    name, settings = _name(url), ConnectionClaim.settings(tenure)
    connect = _connector(name, _arguments(url), settings, _CONNECT_TIMEOUT, tenure)
    return ConnectionClaim(name, connect, functools.partial(_failure, name), lost, tenure)


def _name(url: URL) -> str:
    return " on ".join(filter(None, (url.database, url.host or str(url.query.get("host", "")))))


def _driver() -> Any:
    """Import asyncpg, an extra that SQLite's users lack. Raises :class:`DatabaseError`."""
    try:
        import asyncpg  # noqa: PLC0415
    except ImportError:
        raise DatabaseError(
            f"{SETTING} names PostgreSQL, whose driver is not installed:"
            " run pip install 'andiron[postgres]'."
        ) from None
    return asyncpg


def _arguments(url: URL) -> dict[str, Any]:
    query = {key: value for key, value in url.query.items() if key in _TLS_OPTIONS}
    for key in query.keys() - {"sslmode"}:
        if not Path(str(query[key])).is_file():
            raise DatabaseError(f"What {SETTING} names as {key} is not a file that can be read.")
    port = url.port or url.query.get("port")
    return {
        "dsn": "postgresql://?" + urlencode(query) if query else None,
        "host": url.host or url.query.get("host"),
        "port": int(str(port)) if port else None,
        "user": url.username,
        "password": url.password,
        "database": url.database,
    }


def _connector(
    name: str,
    arguments: Mapping[str, Any],
    settings: Mapping[str, str],
    timeout: float | None,
    tenure: Tenure | None,
) -> Callable[[], Awaitable[Any]]:
    """Return what makes a connection; the password stays in here, out of the engine's sight."""
    asyncpg = _driver()
    called = "andiron" if tenure is None else tenure.name

    def over() -> bool:
        return tenure is not None and not tenure.held()

    async def connect() -> Any:
        if over():
            raise DatabaseError(f"The database {name} is another process's to serve.")
        try:
            connection = await asyncpg.connect(
                **arguments,
                timeout=_CONNECT_TIMEOUT,
                command_timeout=timeout,
                server_settings={**SERVER_SETTINGS, "application_name": called, **settings},
            )
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise _failure(name, error) from None
        watch(connection)
        if tenure is not None:
            tenure.ends(connection)
        # Whose turn it is next ends what was there by then, and knows of nothing that comes later.
        if over():
            connection.terminate()
            raise DatabaseError(f"The database {name} is another process's to serve.")
        encoding = connection.get_settings().server_encoding
        if encoding != "UTF8":
            await connection.close()
            raise DatabaseError(
                f"The database {name} keeps text as {encoding}; let {SETTING} name one that was"
                " made with ENCODING 'UTF8'."
            )
        return connection

    return connect


def _pooled(connect: Callable[[], Awaitable[Any]], **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        max_overflow=0,
        hide_parameters=True,
        **options,
    )
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


def _replace_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool connect anew where the server was restarted meanwhile."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _begin_alone(connection: Connection) -> None:
    # At READ COMMITTED, what follows sees all that the lock's last holder committed: such
    # a transaction can count and then insert, as in SQLite's immediate ones.
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})").close()


class _Readers:
    """A pool of connections that read."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, operation: Operation[T]) -> T:
        try:
            return await self._run(operation)
        except DBAPIError as error:
            if not _is_passing(error):
                raise
        return await self._run(operation)

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> None:
        """Have no rows at once: they come by the network."""

    async def dispose(self) -> None:
        await self._engine.dispose()

    async def _run(self, operation: Operation[T]) -> T:
        async with self._engine.connect() as connection:
            return await operation(connection)


def _is_passing(error: DBAPIError) -> bool:
    """Tell a connection that was lost, and statements prepared for tables that were changed."""
    cause = getattr(error.orig, "__cause__", None)
    return error.connection_invalidated or isinstance(cause, _driver().InvalidCachedStatementError)


def _failure(name: str, error: BaseException) -> DatabaseError:
    return DatabaseError(f"The database {name} cannot be used {_explain(error)}.")


def _explain(error: BaseException) -> str:
    """Say why and what to do, in one line and without the values of a statement."""
    asyncpg = _driver()
    cause = getattr(error, "orig", None) or error
    reason = (str(cause) or type(cause).__name__).partition("\n")[0]
    if isinstance(cause, asyncpg.DataError):
        reason = f"a value that it cannot keep, {type(cause).__name__}"
    match cause:
        case asyncpg.InvalidAuthorizationSpecificationError():
            remedy = f"check the user and the password in {SETTING}"
        case asyncpg.InvalidCatalogNameError():
            remedy = f"make it, as with createdb, or let {SETTING} name another"
        case asyncpg.InsufficientPrivilegeError():
            remedy = f"let the user in {SETTING} own the database"
        case OSError() | asyncpg.PostgresConnectionError() | asyncpg.OperatorInterventionError():
            remedy = f"see that PostgreSQL runs where {SETTING} says"
        case _:
            remedy = f"see PostgreSQL's log, and that {SETTING} is right"
    return f"({reason}); {remedy}"
