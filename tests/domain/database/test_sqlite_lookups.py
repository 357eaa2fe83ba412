import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import bindparam, column, literal, select, table

from andiron.domain.database import sqlite_lookups
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.migrations import META
from andiron.domain.database.sqlite_lookups import Lookups

OF_KEY = select(META.c.value, literal(7)).where(META.c.key == bindparam("key"))


@pytest.fixture
async def database(tmp_path: Path):
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    yield database
    await database.close()


@pytest.fixture
def lookups(database: Database, tmp_path: Path):
    lookups = Lookups(f"{tmp_path}/andiron.db")
    yield lookups
    lookups.close()


async def test_rows_are_what_was_committed(database: Database, lookups: Lookups):
    assert lookups.rows(OF_KEY, {"key": "colour"}) == []
    for colour in ("red", "blue"):
        await database.set_meta("colour", colour)
        assert lookups.rows(OF_KEY, {"key": "colour"}) == [(colour, 7)]


async def test_another_process_is_seen_at_once(database: Database, tmp_path: Path):
    """As that of ``andiron user password``, run beside the server."""
    await database.set_meta("colour", "red")
    assert await database.look_up(OF_KEY, {"key": "colour"}) == [("red", 7)]
    other = sqlite3.connect(tmp_path / "andiron.db")
    with other:
        other.execute("UPDATE andiron_meta SET value = 'blue'")
    other.close()
    assert await database.look_up(OF_KEY, {"key": "colour"}) == [("blue", 7)]


async def test_nothing_is_waited_for(database: Database):
    looking = database.look_up(OF_KEY, {"key": "colour"})
    with pytest.raises(StopIteration) as done:
        looking.send(None)
    assert done.value.value == []


async def test_where_it_takes_long_threads_read_for_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    await database.set_meta("colour", "red")
    lookups = Lookups(f"{tmp_path}/andiron.db")
    moments = iter([0.0, 1.0, 20.9, 21.1, 21.11])
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr(sqlite_lookups, "time", clock)
    assert lookups.rows(OF_KEY, {"key": "colour"}) == [("red", 7)]
    assert lookups.rows(OF_KEY, {"key": "colour"}) is None
    assert lookups.rows(OF_KEY, {"key": "colour"}) == [("red", 7)]
    lookups.close()


async def test_nothing_is_written(lookups: Lookups):
    assert lookups.rows(select(META.c.key), {}) is not None
    connection = lookups._connection
    assert connection is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM andiron_meta")


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_the_answers_are_the_same_in_memory(kind: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/other.db" if kind == "file" else "sqlite://"
    database = await Database.open(url)
    await database.set_meta("colour", "red")
    rows = await database.look_up(OF_KEY, {"key": "colour"})
    assert [tuple(row) for row in rows] == [("red", 7)]
    assert await database.look_up(OF_KEY, {"key": "size"}) == []
    await database.close()
    with pytest.raises(DatabaseError, match="is closed"):
        await database.look_up(OF_KEY, {"key": "colour"})


async def test_what_fails_is_told_as_of_any_read(database: Database):
    nowhere = select(table("nowhere", column("a")).c.a)
    with pytest.raises(DatabaseError, match="no such table"):
        await database.look_up(nowhere, {})
