import asyncio

import asyncpg
import pytest
from support.postgres import PostgresServer
from support.waiting import until

from andiron.domain.database import postgres_claim
from andiron.domain.database.claims import ServedAlready, claim_database
from andiron.domain.database.database import Database
from andiron.domain.database.engines import DatabaseError
from andiron.domain.database.holders import Holder, Tenure
from andiron.domain.database.postgres_claim import ConnectionClaim

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'andiron %/%'
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_claim, "_PAUSE", 0.01)


class Mute:
    """A connection whose network swallows every statement."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def execute(self, _statement: str, **_options: float) -> None:
        raise TimeoutError

    async def close(self, **_options: float) -> None:
        await self._connection.close()


async def held(server: PostgresServer, former: list[int]) -> list[int]:
    """Return the connection that holds the lock once it is another than ``former``."""
    watching = await server.connect(await server.shared_database())
    try:
        async with asyncio.timeout(60):
            while True:
                rows = await watching.fetch(
                    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                )
                if rows and [row["pid"] for row in rows] != former:
                    return [row["pid"] for row in rows]
                await asyncio.sleep(0.01)
    finally:
        await watching.close()


async def test_each_schema_has_its_own(postgres_server: PostgresServer):
    name = await postgres_server.create_database()
    await postgres_server.execute(
        "CREATE ROLE one LOGIN; CREATE SCHEMA one AUTHORIZATION one;"
        "CREATE ROLE two LOGIN; CREATE SCHEMA two AUTHORIZATION two;",
        name,
    )
    claims = [await claim_database(postgres_server.url(name, user)) for user in ("one", "two")]
    with pytest.raises(ServedAlready):
        await claim_database(postgres_server.url(name, "two"))
    for claim in claims:
        await claim.release()


async def test_each_database_has_its_own(postgres_server: PostgresServer):
    names = [await postgres_server.create_database() for _ in range(2)]
    claims = [await claim_database(postgres_server.url(name)) for name in names]
    for claim in claims:
        await claim.release()


async def test_a_connection_that_is_lost_is_replaced(
    postgres_server: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture
):
    sentences: list[str] = []
    claim = await claim_database(postgres_url, 0, sentences.append)
    former = await held(postgres_server, [])
    await postgres_server.execute(TERMINATE)
    await held(postgres_server, former)
    with pytest.raises(ServedAlready):
        await claim_database(postgres_url)
    await claim.release()
    assert sentences == []
    assert "The way to the database" in caplog.text


async def test_a_connection_that_answers_no_more_is_replaced(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres_claim, "_PULSE", 0.01)
    claim = await claim_database(postgres_url)
    former = await held(postgres_server, [])

    claim._connection = Mute(claim._connection)  # type: ignore[attr-defined]
    await held(postgres_server, former)
    await claim.release()


async def test_a_server_that_is_restarted(postgres_server: PostgresServer, postgres_url: str):
    sentences: list[str] = []
    claim = await claim_database(postgres_url, 0, sentences.append)
    postgres_server.stop()
    postgres_server.start()
    await held(postgres_server, [])
    await claim.release()
    assert sentences == []


async def test_whoever_was_quicker_has_it(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    first = await claim_database(postgres_url, 0, lost.set_result)
    former = await held(postgres_server, [])
    elsewhere = Holder(7, 1, "web2")
    monkeypatch.setattr(postgres_claim, "_PAUSE", 1.0)
    connect = first._connect  # type: ignore[attr-defined]
    quicker = asyncio.Event()

    async def later() -> object:
        await quicker.wait()
        return await connect()

    monkeypatch.setattr(first, "_connect", later)
    await postgres_server.execute(TERMINATE)
    with monkeypatch.context() as there:
        there.setattr(Holder, "own", lambda: elsewhere)
        second = await claim_database(postgres_url, 60)
    assert await held(postgres_server, []) != former
    quicker.set()
    async with asyncio.timeout(60):
        sentence = await lost
    assert "was out of reach for a while, and process 7 on web2 serves it already" in sentence
    await first.release()
    with pytest.raises(ServedAlready):
        await claim_database(postgres_url)
    await second.release()


async def test_a_former_connection_that_the_server_still_holds_is_waited_for(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    """As when the network failed in one direction only."""
    sentences: list[str] = []
    claim = await claim_database(postgres_url, 0, sentences.append)
    former = await held(postgres_server, [])
    connection = claim._connection  # type: ignore[attr-defined]
    claim._connection = None  # type: ignore[attr-defined]
    claim._gone.set()  # type: ignore[attr-defined]
    await until(lambda: claim._connection is not None)  # type: ignore[attr-defined]
    assert await held(postgres_server, []) == former
    await connection.close()
    await held(postgres_server, former)
    await claim.release()
    assert sentences == []


class LetGo:
    """A connection to a server whose lock is let go of just after it was refused."""

    def __init__(self) -> None:
        self.refusals = 1

    async def fetchval(self, query: str, *_arguments: int) -> int | bool:
        if "pg_try_advisory_lock" not in query:
            return 2200
        self.refusals -= 1
        return self.refusals < 0

    async def fetchrow(self, _query: str, *_arguments: int) -> None:
        """Return who holds the lock: nobody."""

    def add_termination_listener(self, _call: object) -> None:
        pass

    async def execute(self, _query: str, **_options: float) -> None:
        pass

    async def close(self, **_options: float) -> None:
        pass


async def test_a_lock_that_was_let_go_of_between_two_questions_is_taken():
    connection = LetGo()

    async def connect() -> LetGo:
        return connection

    claim = ConnectionClaim("it", connect, lambda _error: DatabaseError(), lambda _sentence: None)
    assert await claim.take() is None
    assert connection.refusals == -1
    await claim.release()


# Turns


async def test_whose_turn_it_is_ends_all_that_is_left_of_the_former(
    postgres_server: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture
):
    turns: list[Tenure] = []

    def turn() -> Tenure:
        made = Tenure("redis://one", lambda: turns[-1] is made)
        turns.append(made)
        return made

    one = turn()
    first = await claim_database(postgres_url, tenure=one)
    former = await Database.open(postgres_url, tenure=one)
    await former.set_meta("a", "mine")
    assert await former.get_meta("a") == "mine"

    two = turn()
    second = await claim_database(postgres_url, tenure=two)
    database = await Database.open(postgres_url, tenure=two)
    assert "are left of the process that was home before" in caplog.text
    for _ in range(3):
        with pytest.raises(DatabaseError):
            await former.set_meta("a", "too late")
        with pytest.raises(DatabaseError):
            await former.get_meta("a")
    with pytest.raises(DatabaseError, match="is another process's to serve"):
        await claim_database(postgres_url, tenure=one)
    assert await database.get_meta("a") == "mine"
    assert Holder.read(two.name) == Holder.own()

    with pytest.raises(ServedAlready, match="this process serves it already"):
        await claim_database(postgres_url)
    with pytest.raises(ServedAlready):
        await claim_database(postgres_url, tenure=Tenure("redis://other", lambda: True))
    await database.set_meta("a", "still")
    await database.close()
    await second.release()
    await former.close()
    await first.release()


async def test_whose_turn_it_is_ends_what_was_called_otherwise(postgres_url: str):
    first = await claim_database(postgres_url, tenure=Tenure("lost", lambda: True))
    with pytest.raises(ServedAlready):
        await claim_database(postgres_url, tenure=Tenure("new", lambda: True))
    second = await claim_database(postgres_url, tenure=Tenure("new", lambda: True, ["lost"]))
    await second.release()
    await first.release()


async def test_a_turn_that_ends_while_the_former_is_ended(postgres_url: str):
    lasting = iter([True, False])
    with pytest.raises(DatabaseError, match="is another process's to serve"):
        await claim_database(postgres_url, tenure=Tenure("redis://one", lambda: next(lasting)))


async def test_what_does_not_end_is_said(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    one = await claim_database(postgres_url, tenure=Tenure("redis://one", lambda: True))
    monkeypatch.setattr(postgres_claim, "_OUSTING", 0.01)
    monkeypatch.setattr(postgres_claim, "_OUST", "SELECT 1 WHERE $2::text <> ALL ($1::text[])")
    with pytest.raises(DatabaseError, match="cannot be used"):
        await claim_database(postgres_url, tenure=Tenure("redis://one", lambda: True))
    await one.release()
