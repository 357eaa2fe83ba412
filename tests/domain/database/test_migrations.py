import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from support.postgres import PostgresServer
from support.schema import uninstall

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.accounts.credentials import verify_password
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.migrations import MIGRATIONS, SchemaError, upgrade
from andiron.domain.messages.offline_store import OfflineFull, OfflineStore, Waiting
from andiron.domain.rooms.privileges import Affiliation
from andiron.domain.rooms.room import Place
from andiron.domain.rooms.store import RoomStore

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(autouse=True)
def migrations(monkeypatch):
    """Let the migrations make every database: how they come into being is what this is about."""
    uninstall(monkeypatch)


def load(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((SCHEMAS / f"version_{version}.sql").read_text())


def schema(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            " ".join(sql.split())
            for (sql,) in connection.execute("select sql from sqlite_master where sql is not null")
        }


def test_every_version_but_the_newest_has_a_fixture_or_is_the_first():
    kept = {path.name for path in SCHEMAS.glob("version_*.sql")}
    assert kept >= {f"version_{number}.sql" for number in range(1, max(2, len(MIGRATIONS)))}


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_migration_is_never_changed_once_released(tmp_path: Path, version: int):
    if not (SCHEMAS / f"version_{version}.sql").exists():
        pytest.skip("not released yet")
    load(tmp_path / "kept.db", version)
    engine = create_engine(f"sqlite:///{tmp_path}/made.db")
    more = True
    while more:
        with engine.begin() as connection:
            more = upgrade(connection, MIGRATIONS[:version])
    engine.dispose()
    assert schema(tmp_path / "made.db") == schema(tmp_path / "kept.db")


async def test_migrations_are_told_of_but_not_of_a_new_database(tmp_path: Path):
    load(tmp_path / "andiron.db", 3)
    told: list[tuple[int, int]] = []
    for name in ("andiron.db", "andiron.db", "new.db"):
        database = await Database.open(
            f"sqlite:///{tmp_path}/{name}", lambda version, last: told.append((version, last))
        )
        await database.close()
    last = len(MIGRATIONS)
    assert told == [(version, last) for version in range(4, last + 1)]


async def test_what_version_1_kept_is_there_after_an_upgrade(tmp_path: Path):
    load(tmp_path / "andiron.db", 1)
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    accounts = Accounts(database, "localhost")
    messages = (await OfflineStore(database).page("alice", 10, 10_000)).messages
    assert await accounts.names() == ["alice"]
    assert verify_password(await accounts.credentials("alice"), "pencil")
    assert [message.stamp for message in messages] == [1700000000.25, 1700000001.5]
    assert ["first" in messages[0].text, "second" in messages[1].text] == [True, True]
    assert await database.get_meta("schema_version") == str(len(MIGRATIONS))
    await database.close()


async def test_what_waited_in_version_3_is_counted_after_an_upgrade(tmp_path: Path):
    load(tmp_path / "andiron.db", 3)
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    store = OfflineStore(database, bytes_per_account=200)
    first, second = (await store.page("alice", 10, 10_000)).messages
    assert ["ü first" in first.text, "second" in second.text] == [True, True]
    size = len((first.text + second.text).encode())
    refused, kept = await store.add_all(
        "alice", [Waiting("x" * (201 - size), 0.0, "a@x"), Waiting("x" * (200 - size), 0.0, "b@x")]
    )
    await database.close()
    assert isinstance(refused, OfflineFull)
    assert kept is None


GARDEN = {
    "alice@localhost": Place(Affiliation.OWNER, "Alice"),
    "bob@localhost": Place(Affiliation.MEMBER, "Bob"),
    "mallory@localhost": Place(Affiliation.OUTCAST),
}


async def test_the_rooms_of_version_2_are_there_after_an_upgrade(tmp_path: Path):
    load(tmp_path / "andiron.db", 2)
    database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
    [room] = await RoomStore(database, "localhost").load()
    await database.close()
    assert (room.name, room.config.name, room.subject.text) == ("garden", "Garden", "Roses")
    assert room.places == GARDEN


async def test_so_they_are_on_postgresql(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    name = await postgres_server.create_database()
    url = postgres_server.url(name)
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "__defaults__", (MIGRATIONS[:2],))
        await (await Database.open(url)).close()
    kept = (SCHEMAS / "version_2.sql").read_text().splitlines()
    for table in ("accounts", "rooms", "room_affiliations"):
        for row in (line for line in kept if line.startswith(f'INSERT INTO "{table}"')):
            await postgres_server.execute(row.replace("X'", "'\\x"), name)
    database = await Database.open(url)
    [room] = await RoomStore(database, "localhost").load()
    await database.close()
    assert room.places == GARDEN


def _add_a_column(connection: Connection) -> None:
    connection.execute(text("alter table accounts add column note text"))


def _fail_halfway(connection: Connection) -> None:
    connection.execute(text("create table half (id integer)"))
    connection.execute(text("insert into nowhere values (1)"))


def test_migrations_are_applied_one_at_a_time_in_order():
    engine = create_engine("sqlite://")
    migrations = (*MIGRATIONS[:1], _add_a_column)
    applied = []
    for _ in range(3):
        with engine.begin() as connection:
            applied.append(upgrade(connection, migrations))
    with engine.begin() as connection:
        connection.execute(text("insert into accounts values ('alice', 'a note')"))
        version = connection.scalar(text("select value from andiron_meta"))
    engine.dispose()
    assert applied == [True, True, False]
    assert version == "2"


async def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path}/andiron.db"
    await (await Database.open(url)).close()
    before = schema(tmp_path / "andiron.db")
    monkeypatch.setattr(upgrade, "__defaults__", ((*MIGRATIONS, _fail_halfway),))
    with pytest.raises(DatabaseError):
        await Database.open(url)
    assert schema(tmp_path / "andiron.db") == before


async def test_a_database_newer_than_the_code_is_refused(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    database = await Database.open(url)
    await database.set_meta("schema_version", "999")
    await database.close()
    with pytest.raises(DatabaseError, match=r"newer Andiron .*999.*ANDIRON_DATABASE"):
        await Database.open(url)


async def test_so_it_is_on_postgresql(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    name = await postgres_server.create_database()
    url = postgres_server.url(name)
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "__defaults__", ((*MIGRATIONS[:1], _fail_halfway),))
        with pytest.raises(DatabaseError, match=r"nowhere.*ANDIRON_DATABASE"):
            await Database.open(url)
    [[before]] = await postgres_server.fetch(tables, name)
    opened = await asyncio.gather(*(Database.open(url) for _ in range(3)))
    for database in opened:
        await database.close()
    [[after]] = await postgres_server.fetch(tables, name)
    await postgres_server.execute("UPDATE andiron_meta SET value = '999'", name)
    with pytest.raises(DatabaseError, match=r"newer Andiron .*999.*ANDIRON_DATABASE"):
        await Database.open(url)
    assert before == 4  # version 1's
    assert after > before


async def test_on_postgresql_text_sorts_by_its_bytes_and_ids_do_not_run_out(
    postgres_server: PostgresServer,
):
    name = await postgres_server.create_database()
    await (await Database.open(postgres_server.url(name))).close()
    columns = await postgres_server.fetch(
        "SELECT table_name, column_name, data_type, collation_name, is_identity"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        name,
    )
    texts = [column for column in columns if column["data_type"] == "text"]
    identities = [column for column in columns if column["is_identity"] == "YES"]
    assert {column["collation_name"] for column in texts} == {"C"}
    assert {column["data_type"] for column in identities} == {"bigint"}
    assert "character varying" not in {column["data_type"] for column in columns}


@pytest.mark.parametrize(
    "statement",
    [
        "create table django_migrations (id integer)",
        "create table andiron_meta (key text, value text)",
    ],
)
def test_another_programs_database_is_refused(statement: str):
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text(statement))
        with pytest.raises(SchemaError, match="belongs to another program"):
            upgrade(connection)
    engine.dispose()
