import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain import database as module
from andiron.domain.database import Database, DatabaseError


def insert(username: str) -> Callable[[AsyncConnection], Awaitable[str]]:
    async def operation(connection: AsyncConnection) -> str:
        await connection.execute(text("insert into accounts values (:name)"), {"name": username})
        return username

    return operation


def insert_and_raise(username: str) -> Callable[[AsyncConnection], Awaitable[str]]:
    async def operation(connection: AsyncConnection) -> str:
        await insert(username)(connection)
        raise LookupError(username)

    return operation


async def usernames(connection: AsyncConnection) -> list[str]:
    return list(await connection.scalars(text("select username from accounts order by rowid")))


async def test_writes_take_effect_in_the_order_of_their_calls(database: Database):
    names = [f"user{number}" for number in range(600)]
    results = await asyncio.gather(*(database.write(insert(name)) for name in names))
    assert results == names
    assert await database.read(usernames) == names


async def test_a_failing_write_fails_alone(database: Database):
    outcomes = await asyncio.gather(
        database.write(insert("a")),
        database.write(insert_and_raise("b")),
        database.write(insert("a")),
        database.write(insert("c")),
        return_exceptions=True,
    )
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], LookupError)
    assert isinstance(outcomes[2], IntegrityError)
    assert outcomes[3] == "c"
    assert await database.read(usernames) == ["a", "c"]


async def test_a_write_whose_caller_is_cancelled_is_not_done(database: Database):
    running, proceed = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await insert("withdrawn while running")(connection)
        running.set()
        await proceed.wait()

    first = asyncio.create_task(database.write(slow))
    second = asyncio.create_task(database.write(insert("withdrawn while queued")))
    third = asyncio.create_task(database.write(insert("kept")))
    await running.wait()
    first.cancel()
    second.cancel()
    await asyncio.wait([first, second])
    proceed.set()
    assert await third == "kept"
    assert await database.read(usernames) == ["kept"]


async def test_closing_finishes_what_was_begun_and_refuses_the_rest(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    database = await Database.open(url)
    writes = [asyncio.create_task(database.write(insert(f"user{n}"))) for n in range(300)]
    await asyncio.sleep(0)
    await database.close()
    assert [await write for write in writes] == [f"user{n}" for n in range(300)]
    with pytest.raises(DatabaseError, match="closed"):
        await database.write(insert("late"))
    with pytest.raises(DatabaseError, match="closed"):
        await database.read(usernames)
    await database.close()

    again = await Database.open(url)
    assert len(await again.read(usernames)) == 300
    await again.close()


async def test_a_reader_does_not_wait_for_the_writer(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    running, proceed = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await insert("alice")(connection)
        running.set()
        await proceed.wait()

    write = asyncio.create_task(database.write(slow))
    await running.wait()
    assert await database.read(usernames) == []
    proceed.set()
    await write
    assert await database.read(usernames) == ["alice"]
    await database.close()


async def test_writes_that_wait_share_a_commit(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    seen: list[int] = []

    def watching(name: str) -> Callable[[AsyncConnection], Awaitable[str]]:
        async def operation(connection: AsyncConnection) -> str:
            seen.append(len(await database.read(usernames)))
            return await insert(name)(connection)

        return operation

    await asyncio.gather(*(database.write(watching(f"user{n}")) for n in range(50)))
    assert len(set(seen)) <= 2
    assert len(await database.read(usernames)) == 50
    await database.close()


async def test_two_openings_of_a_new_file_agree(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    first, second = await asyncio.gather(Database.open(url), Database.open(url))
    await asyncio.gather(first.write(insert("a")), second.write(insert("b")))
    assert sorted(await first.read(usernames)) == ["a", "b"]
    await first.close()
    await second.close()


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
    module._write_ahead(cursor)
    assert cursor.done == ["PRAGMA journal_mode = WAL"]


def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_BUSY_TIMEOUT", -1)
    cursor = Contended(refusals=1000)
    with pytest.raises(sqlite3.OperationalError):
        module._write_ahead(cursor)
    assert cursor.refusals == 999


async def test_foreign_keys_hold_for_the_writer(database: Database):
    async def orphan(connection: AsyncConnection) -> None:
        await connection.execute(
            text("insert into offline_messages (username, stamp, text) values ('nobody', 0, '')")
        )

    with pytest.raises(IntegrityError):
        await database.write(orphan)


async def test_an_sql_failure_names_the_setting(database: Database):
    async def nonsense(connection: AsyncConnection) -> None:
        await connection.execute(text("select * from nowhere"))

    for way in (database.read, database.write):
        with pytest.raises(DatabaseError, match=r"no such table.*ANDIRON_DATABASE"):
            await way(nonsense)


async def test_meta_is_kept_and_a_secret_is_made_once(database: Database):
    assert await database.get_meta("colour") is None
    await database.set_meta("colour", "red")
    await database.set_meta("colour", "blue")
    assert await database.get_meta("colour") == "blue"
    made = await asyncio.gather(*(database.get_or_set_meta("secret", str(n)) for n in range(5)))
    assert made == ["0"] * 5


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("andiron.db", "not a database URL"),
        ("", "not a database URL"),
        ("oracle://x/y", "oracle, which is not supported"),
        ("sqlite://host/file.db", "without host or options"),
        ("sqlite:///file.db?mode=ro", "without host or options"),
        ("sqlite:////nonexistent/folder/file.db", "No such file or directory"),
        ("sqlite:////dev/null/file.db", "Not a directory"),
        ("sqlite:////dev", "not a file"),
    ],
)
async def test_an_unusable_url_says_what_to_do(url: str, sentence: str):
    with pytest.raises(DatabaseError, match=sentence) as caught:
        await Database.open(url)
    assert "ANDIRON_DATABASE" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("to do: buy firewood " * 100)
    with pytest.raises(DatabaseError, match=r"file is not a database.*ANDIRON_DATABASE"):
        await Database.open(f"sqlite:///{path}")
    assert path.read_text() == "to do: buy firewood " * 100


async def test_the_file_is_its_owners_alone(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    await database.write(insert("alice"))
    files = [tmp_path / f"andiron.db{suffix}" for suffix in ("", "-wal", "-shm")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    await database.close()
    assert set(modes.values()) == {0o600}


WRITE_FOREVER = """
import asyncio, sys
from sqlalchemy import text
from andiron.domain.database import Database

async def one(database, number):
    async def operation(connection):
        await connection.execute(text("insert into accounts values (:n)"), {"n": str(number)})
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
