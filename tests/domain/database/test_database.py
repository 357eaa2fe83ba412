import asyncio
import secrets
import sys
import threading
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.database.database import Database, DatabaseError


def insert(username: str) -> Callable[[AsyncConnection], Awaitable[str]]:
    async def operation(connection: AsyncConnection) -> str:
        await connection.execute(
            text("insert into accounts (username) values (:name)"), {"name": username}
        )
        return username

    return operation


def insert_and_raise(username: str) -> Callable[[AsyncConnection], Awaitable[str]]:
    async def operation(connection: AsyncConnection) -> str:
        await insert(username)(connection)
        raise LookupError(username)

    return operation


async def usernames(connection: AsyncConnection) -> list[str]:
    return list(await connection.scalars(text("select username from accounts order by username")))


async def test_writes_take_effect_in_the_order_of_their_calls(database: Database):
    def note(number: int) -> Callable[[AsyncConnection], Awaitable[int]]:
        async def operation(connection: AsyncConnection) -> int:
            await connection.execute(
                text("insert into offline_messages (username, stamp, text) values ('a', :n, '')"),
                {"n": number},
            )
            return number

        return operation

    async def notes(connection: AsyncConnection) -> list[int]:
        return list(
            await connection.scalars(text("select stamp from offline_messages order by id"))
        )

    await database.write(insert("a"))
    numbers = list(range(600))
    assert await asyncio.gather(*(database.write(note(number)) for number in numbers)) == numbers
    assert await database.read(notes) == numbers


async def test_who_has_much_to_write_holds_others_up_by_one_turn_at_a_time(database: Database):
    order: list[str] = []

    def noting(who: str) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def operation(_connection: AsyncConnection) -> None:
            order.append(who)
            await asyncio.sleep(0.001)

        return operation

    writes = [database.write(noting("alice"), "alice") for _ in range(100)]
    writes += [database.write(noting("bob"), "bob") for _ in range(2)]
    writes.append(database.write(noting("own")))
    await asyncio.gather(*writes)
    assert Counter(order) == {"alice": 100, "bob": 2, "own": 1}
    assert order.index("own") == 0
    assert order.index("bob") <= 2
    assert "bob" in order[order.index("bob") + 1 :][:8]


async def test_who_comes_while_others_are_written_need_not_wait_for_all(lasting_url: str):
    """A transaction takes in who comes, and ends after a while, however many wait for more."""
    database = await Database.open(lasting_url)
    first, done = asyncio.Event(), list[str]()

    async def slow(_connection: AsyncConnection) -> None:
        first.set()
        await asyncio.sleep(0.002)

    async def alice() -> None:
        await database.write(slow, "alice")
        done.append("alice")

    async def bob() -> None:
        await first.wait()
        await database.write(insert("bob"), "bob")
        done.append("bob")

    await asyncio.gather(bob(), *(alice() for _ in range(200)))
    assert done.index("bob") < 50
    await database.close()


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


async def test_closing_finishes_what_was_begun_and_refuses_the_rest(lasting_url: str):
    database = await Database.open(lasting_url)
    writes = [asyncio.create_task(database.write(insert(f"user{n}"))) for n in range(300)]
    await asyncio.sleep(0)
    await database.close()
    assert [await write for write in writes] == [f"user{n}" for n in range(300)]
    with pytest.raises(DatabaseError, match="closed"):
        await database.write(insert("late"))
    with pytest.raises(DatabaseError, match="closed"):
        await database.read(usernames)
    await database.close()

    again = await Database.open(lasting_url)
    assert len(await again.read(usernames)) == 300
    await again.close()


async def test_a_reader_does_not_wait_for_the_writer(lasting_url: str):
    database = await Database.open(lasting_url)
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


async def test_writes_that_wait_share_a_commit(lasting_url: str, monkeypatch):
    """As many as come within a time, however slow the machine."""
    monkeypatch.setattr("andiron.domain.database.database._TOGETHER", 60.0)
    database = await Database.open(lasting_url)
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


async def test_two_openings_of_a_new_file_agree(lasting_url: str):
    first, second = await asyncio.gather(Database.open(lasting_url), Database.open(lasting_url))
    await asyncio.gather(first.write(insert("a")), second.write(insert("b")))
    assert sorted(await first.read(usernames)) == ["a", "b"]
    await first.close()
    await second.close()


async def test_foreign_keys_hold_for_the_writer(database: Database):
    async def orphan(connection: AsyncConnection) -> None:
        await connection.execute(
            text("insert into offline_messages (username, stamp, text) values ('nobody', 0, '')")
        )

    with pytest.raises(IntegrityError):
        await database.write(orphan)


async def test_a_connection_that_reads_answers_like_one_that_writes(database: Database):
    async def ask(connection: AsyncConnection) -> list[object]:
        query = text("select username, 17 as number from accounts where username < :end")
        rows = await connection.execute(query, {"end": "c"})
        return [
            rows.keys(),
            [(row.username, row.number) for row in rows],
            await connection.scalar(query, {"end": "b"}),
            (await connection.scalars(query, {"end": "a"})).all(),
            await connection.run_sync(lambda held, end: held.scalar(query, {"end": end}), "b"),
            connection.dialect.name in {"sqlite", "postgresql"},
        ]

    for name in "abc":
        await database.write(insert(name))
    answers = [await database.read(ask), await database.write(ask)]
    assert answers == [[["username", "number"], [("a", 17), ("b", 17)], "a", [], "a", True]] * 2


async def test_an_sql_failure_names_the_setting(database: Database):
    async def nonsense(connection: AsyncConnection) -> None:
        await connection.execute(text("select * from nowhere"))

    for way in (database.read, database.write):
        with pytest.raises(DatabaseError, match=r"nowhere.*ANDIRON_DATABASE"):
            await way(nonsense)


class Unreachable:
    """A writer's engine whose database is out of reach."""

    def __init__(self) -> None:
        self.attempts = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        self.attempts += 1
        raise OSError("out of reach")
        yield


async def test_where_nothing_can_be_begun_nobody_waits_for_the_others_to_fail(database: Database):
    engines, unreachable = database._engines, Unreachable()
    database._engines = replace(engines, writer=unreachable)
    outcomes = await asyncio.gather(
        *(database.write(insert(f"user{n}"), f"user{n % 3}") for n in range(100)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {DatabaseError}
    assert unreachable.attempts == 1
    database._engines = engines
    assert await database.write(insert("a")) == "a"


async def test_a_failure_shows_no_value_that_was_to_be_stored(database: Database):
    body = secrets.token_hex()

    async def nonsense(connection: AsyncConnection) -> None:
        await connection.execute(text("insert into nowhere values (:body)"), {"body": body})

    with pytest.raises(DatabaseError) as caught:
        await database.write(nonsense)
    assert body not in "".join(traceback.format_exception(caught.value))


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
        ("sqlite:////nonexistent/folder/file.db", "No such file or directory"),
        ("sqlite:////dev/null/file.db", "Not a directory"),
        ("sqlite:////dev", "not a file"),
    ],
)
async def test_a_file_that_cannot_be_made_says_what_to_do(url: str, sentence: str):
    with pytest.raises(DatabaseError, match=rf"{sentence}.*ANDIRON_DATABASE") as caught:
        await Database.open(url)
    assert "\n" not in str(caught.value)


COUNT_AND_INSERT = """
import asyncio, sys
from sqlalchemy import text
from andiron.domain.database.database import Database

async def operation(connection):
    count = await connection.scalar(text("select count(*) from accounts"))
    if count < 60:
        statement = text("insert into accounts (username) values (:n)")
        await connection.execute(statement, {"n": f"user{count}"})
    return count

async def main():
    database = await Database.open(sys.argv[1])
    for _ in range(50):
        await database.write(operation)
    await database.close()

asyncio.run(main())
"""


async def test_writers_in_two_processes_take_turns(lasting_url: str):
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", COUNT_AND_INSERT, lasting_url)
        for _ in range(2)
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    database = await Database.open(lasting_url)
    assert len(await database.read(usernames)) == 60
    await database.close()


def test_all_is_let_go_of_where_every_task_was_cancelled(tmp_path):
    """As a loop does that ends early: it must find no thread that still calls it."""

    async def serve(serves: asyncio.Event) -> None:
        database = await Database.open(f"sqlite:///{tmp_path}/andiron.db")
        await database.get_or_set_meta("a", "b")
        serves.set()
        try:
            await asyncio.Event().wait()
        finally:
            await database.close()

    async def main() -> asyncio.Task[None]:
        serves = asyncio.Event()
        serving = asyncio.create_task(serve(serves))
        await serves.wait()
        return serving

    before = set(threading.enumerate())
    assert asyncio.run(main()).cancelled()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)  # It has heard that it is to end.
        assert not thread.is_alive()


async def test_who_spoils_a_transaction_pays_for_what_is_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    """His neighbours pay for their operations once, however often those are run."""
    monkeypatch.setattr("andiron.domain.database.database._TOGETHER", 60.0)
    charged: dict[str, list[float]] = {}
    charge = database._lines.charge

    def note(payer: str, seconds: float) -> None:
        charged.setdefault(payer, []).append(seconds)
        charge(payer, seconds)

    monkeypatch.setattr(database._lines, "charge", note)
    runs = 0

    async def slow(_connection: AsyncConnection) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)

    async def fail(_connection: AsyncConnection) -> None:
        raise LookupError

    outcomes = await asyncio.gather(
        database.write(slow, "alice"),
        database.write(slow, "bob"),
        database.write(fail, "mallory"),
        database.write(slow, "carol"),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LookupError]
    assert runs == 5
    assert [len(charged[payer]) for payer in ("alice", "bob", "carol")] == [1, 1, 1]
    assert sum(charged["mallory"]) > max(*charged["alice"], *charged["bob"])
