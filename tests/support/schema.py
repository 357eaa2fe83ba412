"""New SQLite databases for tests, made from what the migrations made of the first one.

There are thousands, and all migrations take longer than most tests. Those of
``tests/domain/database/test_migrations.py`` get the migrations themselves, as every server in a
process of its own does.
"""

import functools
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.util import await_only

from andiron.domain.database import database
from andiron.domain.database.migrations import MIGRATIONS, upgrade


@functools.cache
def script() -> str:
    """Return the SQL that makes of an empty database what the migrations make."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        while upgrade(connection):
            pass
        raw = connection.connection.driver_connection
        assert raw is not None
        dump = "\n".join(raw.iterdump())
    engine.dispose()
    return dump


def upgrade_at_once(
    connection: Connection, *, begun: Callable[[int, int], object] = lambda _to, _of: None
) -> bool:
    """Do what :func:`~andiron.domain.database.migrations.upgrade` does, an empty file at once."""
    if connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
        return upgrade(connection, begun=begun)
    begun(1, len(MIGRATIONS))
    driver = connection.connection.driver_connection
    assert driver is not None
    await_only(driver.executescript(script()))
    return True


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every database of this process be made so."""
    monkeypatch.setattr(database, "upgrade", upgrade_at_once)


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the migrations make them."""
    monkeypatch.setattr(database, "upgrade", upgrade)
