import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database import sqlite
from andiron.domain.database.claims import claim_database
from andiron.domain.database.database import Database, DatabaseError


class Contended:
    """A cursor whose database another connection holds for a while."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.done: list[str] = []

    def execute(self, statement: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        self.done.append(statement)


def test_the_switch_to_a_write_ahead_log_waits_for_its_turn():
    cursor = Contended(refusals=3)
    sqlite._write_ahead(cursor)
    assert cursor.done == ["PRAGMA journal_mode = WAL"]


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT", -1)
    cursor = Contended(refusals=1000)
    with pytest.raises(sqlite3.OperationalError):
        sqlite._write_ahead(cursor)
    assert cursor.refusals == 999


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("to do: buy firewood " * 100)
    with pytest.raises(DatabaseError, match=r"file is not a database.*ANDIRON_DATABASE"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_text() == "to do: buy firewood " * 100


@pytest.mark.parametrize("open_it", [Database.open, claim_database])
async def test_a_file_of_several_names_is_not_opened(tmp_path: Path, open_it):
    await (await Database.open(f"sqlite:///{tmp_path}/andiron.db")).close()
    (tmp_path / "other.db").hardlink_to(tmp_path / "andiron.db")
    for name in ("andiron.db", "other.db"):
        with pytest.raises(DatabaseError, match=rf"{name} has 2 names .*ANDIRON_DATABASE names"):
            await open_it(f"sqlite:///{tmp_path}/{name}")


async def test_the_file_is_its_owners_alone(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    await database.set_meta("colour", "red")
    files = [tmp_path / f"andiron.db{suffix}" for suffix in ("", "-wal", "-shm")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    await database.close()
    assert set(modes.values()) == {0o600}


async def test_a_path_that_was_meant_to_be_absolute_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseError) as caught:
        await Database.open("sqlite:///var/lib/andiron.db")
    assert str(caught.value).endswith(
        f" (three slashes begin a path in {tmp_path}, four one anywhere:"
        " sqlite:////var/lib/andiron.db)."
    )
    for url in ("sqlite:///nowhere/andiron.db", "sqlite:////nowhere/andiron.db"):
        with pytest.raises(DatabaseError, match=r"write to\.$"):
            await Database.open(url)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (sqlite3.SQLITE_BUSY, "let the other program end that writes to the file ANDIRON_DATABASE"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "let the other program end"),
        (sqlite3.SQLITE_FULL, "make room on the disk"),
        (sqlite3.SQLITE_CORRUPT, "put a backup in place"),
        (sqlite3.SQLITE_IOERR_WRITE, "see to the disk"),
        (sqlite3.SQLITE_READONLY, "let ANDIRON_DATABASE name an SQLite file that the server may"),
    ],
)
def test_the_remedy_is_one_for_the_reason(code: int, remedy: str):
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    assert sqlite._explain(error).startswith(f"(it failed); {remedy}")
    assert "ANDIRON_DATABASE" in sqlite._explain(error)


WRITE_FOREVER = """
import asyncio, sys
from sqlalchemy import text
from andiron.domain.database.database import Database

async def one(database, number):
    async def operation(connection):
        statement = text("insert into accounts (username) values (:n)")
        await connection.execute(statement, {"n": str(number)})
    await database.write(operation)
    print(number, flush=True)

async def main():
    database = await Database.open(sys.argv[1])
    number = 0
    while True:
        await asyncio.gather(*(one(database, number + more) for more in range(20)))
        number += 20

asyncio.run(main())
"""


def test_what_was_committed_survives_a_kill(tmp_path: Path):
    path = tmp_path / "andiron.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, f"sqlite:///{path}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(205)]
    os.kill(writer.pid, signal.SIGKILL)
    told += writer.stdout.readlines()
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as connection:
        kept = {name for (name,) in connection.execute("select username from accounts")}
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    assert kept >= {line.strip() for line in told if line.endswith("\n")}
    assert len(kept) >= 205


async def test_the_writer_alone_keeps_many_pages_and_undoes_statements_in_memory(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    names = ("cache_size", "wal_autocheckpoint", "temp_store")

    async def ask(connection: AsyncConnection) -> list[int]:
        return [await connection.scalar(text(f"PRAGMA {name}")) for name in names]

    in_memory = 2
    assert await database.write(ask) == [-16_384, 4096, in_memory]
    assert await database.read(ask) != [-16_384, 4096, in_memory]
    await database.close()
