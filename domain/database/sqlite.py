"""SQLite: a file of the server's own, or a database in memory that ends with the process.

What it commits survives a crash of the process and of the machine: the journal
is a write-ahead log, synchronised at every commit.
"""

import errno
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

from andiron.domain.database.engines import SETTING, DatabaseError, Engines
from andiron.domain.database.holders import Tenure
from andiron.domain.database.sqlite_claim import FileClaim, NoClaim
from andiron.domain.database.sqlite_lookups import Lookups
from andiron.domain.database.sqlite_readers import ThreadReaders

__all__ = ["DRIVERS", "check", "claim", "engines", "missing", "problem"]

DRIVERS: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
"""What a URL begins with that means this kind of database."""

_READERS: Final = 2
_BUSY_TIMEOUT: Final = 10_000
"""Milliseconds to wait for another process's write, such as ``andiron user add --from-file``."""
_CACHE: Final = 16_384
"""KiB of pages that the writer keeps: those that it fills are written to again soon."""
_CHECKPOINT: Final = 4096
"""Pages in the write-ahead log (16 MiB) before they go into the database, in which one that was
written often is written once."""
_BUSY_PAUSE: Final = 0.01
"""Seconds between two attempts where SQLite itself does not wait."""

_REMEDIES: Final = {
    sqlite3.SQLITE_BUSY: "let the other program end that writes to the file {} names",
    sqlite3.SQLITE_FULL: "make room on the disk of the file that {} names",
    sqlite3.SQLITE_CORRUPT: "put a backup in place of the file that {} names",
    sqlite3.SQLITE_NOTADB: "let {} name an SQLite file, or put a backup in its place",
    sqlite3.SQLITE_IOERR: "see to the disk of the file that {} names, and what it says of it",
}


def problem(url: URL) -> str:
    """Return what is wrong with a URL that has more than a path, empty where nothing is."""
    if url.query:
        return "sqlite:// takes no options after a ?"
    if url.username or url.password:
        return "sqlite:// takes no user"
    if url.host:
        return (
            "after sqlite:// there is no host, but a third slash and a path: sqlite:///andiron.db"
            " is a file beside the server, sqlite:////var/lib/andiron.db one anywhere"
        )
    return ""


def missing(url: URL) -> str:
    """Return the file where the database would be and is not, empty where it is."""
    path = path_of(url)
    return str(Path(path).absolute()) if path and not Path(path).exists() else ""


def check(url: URL) -> None:
    """Look whether the file can be written, or made; nothing is. Raises :class:`DatabaseError`."""
    if path := path_of(url):
        _check_writable(Path(path))


def engines(url: URL, _tenure: Tenure | None = None) -> Engines:
    """Return the ways into a database; its file is made where there is none.

    Raises :class:`DatabaseError`.
    """
    path = path_of(url)
    if path:
        _create_private(Path(path))
    target = URL.create("sqlite+aiosqlite", database=path)
    writer = create_async_engine(target, pool_reset_on_return=None, hide_parameters=True)
    event.listen(writer.sync_engine, "connect", _prepare_connection)
    event.listen(writer.sync_engine, "connect", _prepare_writer)
    event.listen(writer.sync_engine, "begin", _begin_immediate)
    readers = _readers(path) if path else None
    return Engines(path or "in memory", writer, writer, readers, _explain)


def claim(
    url: URL, lost: Callable[[str], object], _tenure: Tenure | None = None
) -> FileClaim | NoClaim:
    """Return what a server holds while it serves a database. Raises :class:`DatabaseError`.

    Whose turn it is waits: the kernel lets nobody have what a process that hangs holds.
    """
    path = path_of(url)
    if not path:
        return NoClaim()
    _create_private(Path(path))
    return FileClaim(path, lost)


def path_of(url: URL) -> str | None:
    """Return the path of the file; None for a database in memory."""
    return None if url.database in {None, "", ":memory:"} else url.database


def _create_private(path: Path) -> None:
    """Make the file where there is none; what the database holds is nobody else's to read.

    One that exists is not opened: closing it would release the locks that SQLite
    may hold on it elsewhere in this process.
    """
    _check_writable(path)
    if not path.exists():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as error:
            raise _unwritable(path, str(error.strerror)) from None


def _check_writable(path: Path) -> None:
    folder = Path(os.path.realpath(path)).parent
    try:
        found = path.exists()
        if found and not path.is_file():
            raise _unwritable(path, "it is not a file")
        if found and (names := path.stat().st_nlink) > 1:
            raise _ambiguous(path, names)
        if not found and not folder.is_dir():
            folder.stat()
            raise _unwritable(path, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None
    # Beside the file SQLite makes others, so its folder counts even where it is there.
    if not os.access(folder, os.W_OK | os.X_OK) or (found and not os.access(path, os.W_OK)):
        raise _unwritable(path, os.strerror(errno.EACCES))


def _unwritable(path: Path, reason: str) -> DatabaseError:
    return DatabaseError(
        f"The database {path} cannot be written ({reason}); let {SETTING} name a file"
        f" in a folder that exists and that the server may write to{_hint(path)}."
    )


def _ambiguous(path: Path, names: int) -> DatabaseError:
    # Each name has a write-ahead log of its own (sqlite.org/howtocorrupt.html section 2.5).
    return DatabaseError(
        f"The database {path} has {names} names (hard links), and what SQLite writes by one of"
        " them would destroy what it wrote by another; remove all but the one that"
        f" {SETTING} names, and make copies by 'sqlite3 FILE .backup'."
    )


def _hint(path: Path) -> str:
    absolute = "/" / path
    if path.is_absolute() or not absolute.parent.is_dir() or absolute.parent == Path("/"):
        return ""
    return f" (three slashes begin a path in {Path.cwd()}, four one anywhere: sqlite:///{absolute})"


def _readers(path: str) -> ThreadReaders:
    engine = create_engine(
        URL.create("sqlite", database=path),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=_READERS,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_connection)
    return ThreadReaders(engine, _READERS, Lookups(path))


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


def _prepare_writer(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA cache_size = -{_CACHE}")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        # What undoes a statement of many rows would go into a file, which costs more than the
        # rows; it is a few pages.
        cursor.execute("PRAGMA temp_store = MEMORY")
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


def _explain(error: BaseException) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    remedy = _REMEDIES.get(code, "let {} name an SQLite file that the server may write to")
    return f"({error}); {remedy.format(SETTING)}"
