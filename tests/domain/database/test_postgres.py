import asyncio
import contextlib
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.postgres import PostgresServer

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database import postgres
from andiron.domain.database.claims import claim_database
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.database.engines import RefusedError
from andiron.domain.database.holders import Tenure


class Wire:
    """A way to the server by TCP that can be cut or blocked."""

    def __init__(self, socket_path: str) -> None:
        self.port = 0
        self.open = asyncio.Event()
        self.open.set()
        self._socket_path = socket_path
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        self._writers += [writer, server_writer]
        self._tasks += [
            asyncio.create_task(self._copy(reader, server_writer)),
            asyncio.create_task(self._copy(server_reader, writer)),
        ]

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def finish(self) -> None:
        self.cut()
        self.open.set()
        await asyncio.gather(*self._tasks)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.open.wait()
                writer.write(data)
        writer.close()


@pytest.fixture
async def wire(postgres_server: PostgresServer) -> AsyncIterator[Wire]:
    made = Wire(f"{postgres_server.folder}/.s.PGSQL.5432")
    listener = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()
    await made.finish()


@pytest.fixture
async def wired(wire: Wire, postgres_server: PostgresServer) -> AsyncIterator[Database]:
    name = await postgres_server.shared_database()
    database = await Database.open(f"postgresql+asyncpg://root@127.0.0.1:{wire.port}/{name}")
    await database.set_meta("colour", "red")
    await database.get_meta("colour")
    yield database
    await database.close()
    await postgres_server.clean()


@pytest.mark.parametrize(
    "lose",
    [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'andiron'",
        "",
    ],
    ids=["server", "network"],
)
async def test_a_connection_lost_while_idle_is_replaced(
    wired: Database, wire: Wire, postgres_server: PostgresServer, lose: str
):
    if lose:
        await postgres_server.execute(lose)
    else:
        wire.cut()
    assert await wired.get_meta("colour") == "red"
    with contextlib.suppress(DatabaseError):  # the writer may notice it only now
        await wired.set_meta("shape", "round")
    await wired.set_meta("shape", "square")
    assert await wired.get_meta("shape") == "square"


async def test_a_connection_lost_within_an_operation_is_told(wired: Database):
    async def lose(connection: AsyncConnection) -> None:
        await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    for way in (wired.read, wired.write):
        with pytest.raises(DatabaseError, match="see that PostgreSQL runs where ANDIRON_DATABASE"):
            await way(lose)
        await wired.set_meta("shape", "round")
        assert await wired.get_meta("shape") == "round"


async def test_a_write_that_lost_its_connection_before_the_commit_is_done_again(wired: Database):
    runs = 0

    async def lose_once(connection: AsyncConnection) -> None:
        nonlocal runs
        runs += 1
        await connection.execute(text("INSERT INTO accounts (username) VALUES ('alice')"))
        if runs == 1:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    await wired.write(lose_once)
    assert runs == 2
    assert await Accounts(wired, "localhost").names() == ["alice"]


async def test_a_server_that_is_restarted(postgres_server: PostgresServer, postgres_url: str):
    database = await Database.open(postgres_url)
    await database.set_meta("colour", "red")
    postgres_server.stop()
    for attempt in (database.get_meta("colour"), database.set_meta("colour", "blue")):
        with pytest.raises(DatabaseError, match="see that PostgreSQL runs where ANDIRON_DATABASE"):
            await attempt
    postgres_server.start()
    assert await database.get_meta("colour") == "red"
    await database.set_meta("colour", "blue")
    assert await database.get_meta("colour") == "blue"
    await database.close()


async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(
    wire: Wire, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "_CONNECT_TIMEOUT", 0.5)
    monkeypatch.setattr(postgres, "_STATEMENT_TIMEOUT", 0.5)
    name = await postgres_server.shared_database()
    database = await Database.open(f"postgresql://root@127.0.0.1:{wire.port}/{name}")
    await database.set_meta("colour", "red")
    wire.open.clear()
    for attempt in (database.get_meta("colour"), database.set_meta("colour", "blue")):
        with pytest.raises(DatabaseError, match="see that PostgreSQL runs where ANDIRON_DATABASE"):
            await attempt
    wire.open.set()
    await database.set_meta("shape", "round")
    assert await database.get_meta("shape") == "round"
    await database.close()
    await postgres_server.clean()


async def test_a_turn_that_is_over_waits_for_nothing(
    wire: Wire, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "_STATEMENT_TIMEOUT", 3600.0)
    turn = Tenure("redis://one", lambda: True)
    name = await postgres_server.shared_database()
    url = f"postgresql://root@127.0.0.1:{wire.port}/{name}"
    claim = await claim_database(url, tenure=turn)
    database = await Database.open(url, tenure=turn)
    await database.set_meta("colour", "red")
    assert await database.get_meta("colour") == "red"
    # As where the way to the server is cut off, with all that waits there.
    wire.open.clear()
    waiting = asyncio.gather(
        database.get_meta("colour"),
        database.set_meta("colour", "blue"),
        database.set_meta("colour", "green"),
        return_exceptions=True,
    )
    await asyncio.sleep(0.05)
    assert not waiting.done()
    turn.end()
    assert [type(each) for each in await waiting] == [DatabaseError] * 3
    with pytest.raises(DatabaseError, match="is another process's to serve"):
        await database.set_meta("colour", "black")
    await database.close()
    await claim.release()
    wire.open.set()
    await postgres_server.clean()


async def test_both_kernels_look_after_a_connection(wire: Wire, postgres_server: PostgresServer):
    name = await postgres_server.shared_database()
    engines = postgres.engines(make_url(f"postgresql://root@127.0.0.1:{wire.port}/{name}"))
    async with engines.writer.connect() as connection:
        way = (await connection.get_raw_connection()).driver_connection._transport  # type: ignore[union-attr]
        end = way.get_extra_info("socket")
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if sys.platform == "linux":
            options = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT
            found = [end.getsockopt(socket.IPPROTO_TCP, option) for option in options]
            assert found == [5, 2, 3]
            assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        told = await connection.scalars(
            text("SELECT reset_val FROM pg_settings WHERE name LIKE 'tcp_keepalives%' ORDER BY 1")
        )
        assert told.all() == ["2", "3", "5"]
    await engines.dispose()


async def test_another_writer_is_not_waited_for_for_ever(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres, "_LOCK_TIMEOUT", "100ms")
    first, second = await Database.open(postgres_url), await Database.open(postgres_url)
    running, proceed = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        running.set()
        await proceed.wait()

    writing = asyncio.create_task(first.write(slow))
    await running.wait()
    with pytest.raises(DatabaseError, match=r"lock timeout.*ANDIRON_DATABASE"):
        await second.set_meta("colour", "red")
    assert await second.get_meta("colour") is None
    proceed.set()
    await writing
    await second.set_meta("colour", "blue")
    assert await first.get_meta("colour") == "blue"
    await first.close()
    await second.close()


async def test_tables_may_change_under_statements_that_are_prepared(
    postgres_server: PostgresServer,
):
    name = await postgres_server.create_database()
    database = await Database.open(postgres_server.url(name))
    await database.set_meta("colour", "red")
    assert await database.get_meta("colour") == "red"
    assert await database.get_or_set_meta("colour", "blue") == "red"
    await postgres_server.execute("ALTER TABLE andiron_meta ALTER value TYPE varchar(50)", name)
    assert await database.get_or_set_meta("colour", "blue") == "red"
    assert await database.get_meta("colour") == "red"
    await postgres_server.execute("ALTER TABLE andiron_meta ALTER value TYPE varchar(60)", name)
    assert await database.get_meta("colour") == "red"
    await database.close()


@pytest.mark.parametrize("value", ["a\0b", 1_234_567_890])
async def test_what_postgresql_cannot_keep_harms_no_neighbour(postgres_url: str, value: Any):
    database = await Database.open(postgres_url)
    outcomes = await asyncio.gather(
        database.set_meta("before", "1"),
        database.set_meta("wrong", value),
        database.set_meta("after", "2"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), RefusedError, type(None)]
    assert "1234567890" not in str(outcomes[1])
    assert "\n" not in str(outcomes[1])
    assert [await database.get_meta(key) for key in ("before", "wrong", "after")] == [
        "1",
        None,
        "2",
    ]
    await database.close()


def without_database(server: PostgresServer) -> str:
    return server.url("nowhere")


def without_server(server: PostgresServer) -> str:
    return "postgresql://root:secret@127.0.0.1:1/andiron"


def without_socket(server: PostgresServer) -> str:
    return "postgresql://root:secret@/andiron?host=/nonexistent"


def with_a_wrong_password(server: PostgresServer) -> str:
    return server.url("postgres", "stranger:secret")


def without_a_password(server: PostgresServer) -> str:
    return server.url("postgres", "stranger")


def without_rights(server: PostgresServer) -> str:
    return server.url("postgres", "guest:secret")


def with_an_unknown_mode(server: PostgresServer) -> str:
    return "postgresql://root:secret@127.0.0.1/andiron?sslmode=maybe"


def without_a_certificate(server: PostgresServer) -> str:
    options = {"sslmode": "verify-full", "sslrootcert": "/nonexistent"}
    return f"postgresql://root:secret@127.0.0.1/andiron?{urlencode(options)}"


@pytest.mark.parametrize(
    ("make", "reason", "remedy"),
    [
        (without_database, 'database "nowhere" does not exist', "make it"),
        (without_server, "Connect call failed", "see that PostgreSQL runs"),
        (without_socket, "No such file or directory", "see that PostgreSQL runs"),
        (with_a_wrong_password, "password authentication failed", "check the user and the"),
        (without_a_password, "password", "check the user and the"),
        (without_rights, "permission denied for schema public", "let the user"),
        (with_an_unknown_mode, "sslmode", "is right"),
        (without_a_certificate, "ANDIRON_DATABASE names as sslrootcert", "not a file"),
    ],
)
async def test_a_server_that_cannot_be_used_says_what_to_do(
    postgres_server: PostgresServer,
    make: Callable[[PostgresServer], str],
    reason: str,
    remedy: str,
):
    with pytest.raises(DatabaseError, match=rf"{reason}.*{remedy}") as caught:
        await Database.open(make(postgres_server))
    sentence = str(caught.value)
    assert "ANDIRON_DATABASE" in sentence
    assert "\n" not in sentence
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_an_encoding_that_lacks_letters_is_refused(postgres_server: PostgresServer):
    name = await postgres_server.create_database(
        "ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    )
    with pytest.raises(DatabaseError, match=r"LATIN1; let ANDIRON_DATABASE .* ENCODING 'UTF8'"):
        await Database.open(postgres_server.url(name))


async def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(
        DatabaseError, match=r"ANDIRON_DATABASE .*pip install 'andiron\[postgres\]'"
    ):
        await Database.open("postgresql://root:secret@host/name")


async def test_a_schema_beside_another_programs_tables(postgres_server: PostgresServer):
    name = await postgres_server.create_database()
    await postgres_server.execute("CREATE TABLE django_migrations (id integer)", name)
    with pytest.raises(DatabaseError, match="belongs to another program"):
        await Database.open(postgres_server.url(name))
    await postgres_server.execute(
        "CREATE ROLE chat LOGIN; CREATE SCHEMA andiron AUTHORIZATION chat;"
        "ALTER ROLE chat SET search_path = andiron",
        name,
    )
    for _ in range(2):
        database = await Database.open(postgres_server.url(name, "chat"))
        await database.set_meta("colour", "red")
        await database.close()
