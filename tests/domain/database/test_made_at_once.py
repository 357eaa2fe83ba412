"""What tests use in place of migrations makes the same database."""

import sqlite3
from contextlib import closing

from support import schema

from andiron.domain.database.database import Database


async def made(path):
    await (await Database.open(f"sqlite:///{path}")).close()
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        return tables.fetchall(), sorted(database.iterdump())


async def test_it_is_the_same_as_by_the_migrations(tmp_path, monkeypatch):
    schema.uninstall(monkeypatch)
    by_migrations = await made(tmp_path / "a.db")
    assert "CREATE TABLE accounts" in str(by_migrations)
    schema.install(monkeypatch)
    assert await made(tmp_path / "b.db") == by_migrations
