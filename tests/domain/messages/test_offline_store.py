import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.database.database import Database
from andiron.domain.messages.keeping import Revocable
from andiron.domain.messages.offline_store import (
    OfflineFull,
    OfflineStore,
    Page,
    StoredMessage,
    Waiting,
)


@pytest.fixture
async def store(database: Database) -> OfflineStore:
    await Accounts(database, "localhost", 4096).create_many([("alice", "x"), ("bob", "y")])
    return OfflineStore(database, limit_per_account=8, bytes_per_account=1000)


def texts(page: Page) -> list[str]:
    return [message.text for message in page.messages]


def ids(page: Page) -> dict[int, float]:
    return {message.id: message.stamp for message in page.messages}


def first(had: dict[int, float]) -> dict[int, float]:
    return dict(list(had.items())[:1])


async def fill(store: OfflineStore, *words: str, sender: str = "") -> Sequence[OfflineFull | None]:
    return await store.add_all("alice", [Waiting(word, 0.0, sender or word) for word in words])


async def test_messages_stay_in_order_with_their_time_until_they_are_removed(store: OfflineStore):
    messages = [StoredMessage(f"<message>{n} ü \U0001f525</message>", 1e9 + n / 8) for n in (3, 1)]
    for number, message in enumerate(messages):
        await store.add("alice", Waiting(message.text, message.stamp, f"{number}@x"))
    await store.add("bob", Waiting("<message/>", 0.0))
    page = await store.page("alice", 10, 1000)
    assert (page.messages, page.complete) == (messages, True)
    assert await store.page("alice", 10, 1000) == page
    await store.remove("alice", first(ids(page)))
    assert texts(await store.page("alice", 10, 1000)) == [messages[1].text]
    rest = await store.page("alice", 10, 1000, had=ids(page))
    assert (rest.messages, rest.complete) == ([], True)
    assert (await store.count("alice"), await store.count("bob")) == (0, 1)


async def test_nobody_removes_what_waits_for_another(store: OfflineStore):
    await fill(store, "a")
    await store.remove("bob", ids(await store.page("alice", 1, 1)))
    assert await store.count("alice") == 1


async def test_a_page_is_bounded_by_number_and_bytes(store: OfflineStore):
    await fill(store, "1", "üü", "3", "4")
    assert texts(await store.page("alice", 2, 100)) == ["1", "üü"]
    assert texts(await store.page("alice", 4, 4)) == ["1"], "in bytes of UTF-8"
    assert texts(await store.page("alice", 4, 5)) == ["1", "üü"]
    page = await store.page("alice", 4, 0)
    assert (texts(page), page.complete) == (["1"], False)
    page = await store.page("alice", 4, 7)
    assert (texts(page), page.complete) == (["1", "üü", "3", "4"], True)


async def test_what_is_out_is_passed_over(store: OfflineStore):
    await fill(store, "1", "2", "3")
    page = await store.page("alice", 1, 100)
    rest = await store.page("alice", 10, 100, out=ids(page))
    assert (texts(rest), rest.complete) == (["2", "3"], True)
    assert texts(await store.page("alice", 10, 100, had=ids(rest))) == ["1"]


async def test_a_page_waits_for_nothing_that_is_about_to_be_added(lasting_url: str):
    database = await Database.open(lasting_url)
    await Accounts(database, "localhost", 4096).create("alice", "x")
    store, begun, gate = OfflineStore(database), asyncio.Event(), asyncio.Event()
    await fill(store, "first")

    async def long(_connection: AsyncConnection) -> None:
        begun.set()
        await gate.wait()

    others = asyncio.create_task(database.write(long, "bob"))
    await begun.wait()
    adding = asyncio.create_task(fill(store, "second"))
    page = await store.page("alice", 10, 100)
    gate.set()
    await asyncio.gather(others, adding)
    assert texts(page) == ["first"]
    assert texts(await store.page("alice", 10, 100)) == ["first", "second"]
    await database.close()


async def test_a_page_lacks_what_was_to_be_removed_before(store: OfflineStore):
    await fill(store, "1", "2")
    gone = ids(await store.page("alice", 1, 100))
    _, page = await asyncio.gather(store.remove("alice", gone), store.page("alice", 10, 100))
    assert texts(page) == ["2"]


async def test_what_has_the_place_of_a_former_one_is_not_removed_for_it(store: OfflineStore):
    await store.add("alice", Waiting("former", 1.0))
    had = ids(await store.page("alice", 1, 100))
    await store.remove("alice", had)
    await store.add("alice", Waiting("later", 2.0))
    (later,) = ids(await store.page("alice", 1, 100))
    await store.remove("alice", {later: 1.0})
    assert texts(await store.page("alice", 10, 100, had=had)) == ["later"]


async def test_what_one_adds_is_kept_in_the_order_of_the_calls(store: OfflineStore):
    await asyncio.gather(
        *(store.add_all("alice", [Waiting(str(n), 0.0, f"{n}@x")], "carol") for n in range(8))
    )
    assert texts(await store.page("alice", 8, 100)) == [str(n) for n in range(8)]


async def test_no_more_than_the_limit_wait(store: OfflineStore):
    outcomes = await asyncio.gather(
        *(store.add("alice", Waiting(str(n), 0.0, f"{n}@x")) for n in range(10)),
        store.add("bob", Waiting("x", 0.0)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, OfflineFull) for outcome in outcomes] == [False] * 8 + [
        True,
        True,
        False,
    ]
    page = await store.page("alice", 10, 100)
    assert texts(page) == [str(n) for n in range(8)]
    await store.remove("alice", first(ids(page)))
    await store.add("alice", Waiting("room again", 0.0))
    assert await store.count("alice") == 8


async def test_no_more_bytes_than_may_wait(store: OfflineStore):
    first, second, third = await fill(store, "ü" * 300, "x" * 401, "x" * 400)
    assert (first, third) == (None, None)
    assert str(second) == "", "as of an account that is not there"
    assert [isinstance(each, OfflineFull) for each in await fill(store, "a")] == [True]


async def test_one_sender_leaves_room_for_others(store: OfflineStore):
    """A first fills half, a second half of the rest; who has nothing there finds room."""
    flood = [await fill(store, *["x"] * 5, sender="mallory@x") for _ in range(2)]
    assert [sum(each is None for each in refusals) for refusals in flood] == [4, 0]
    assert "too much of yours" in str(flood[1][0])
    other = await fill(store, *["y"] * 5, sender="eve@x")
    assert sum(each is None for each in other) == 2
    assert await fill(store, "honest", "too") == [None, None]
    assert await store.count("alice") == 8


async def test_one_senders_bytes_leave_room_for_others(store: OfflineStore):
    big = "x" * 200
    assert [each is None for each in await fill(store, big, big, big, sender="m@x")] == [
        True,
        True,
        False,
    ]
    assert await fill(store, "y" * 600, sender="romeo@x") == [None]


async def test_a_text_that_knows_more_of_itself_is_kept(store: OfflineStore):
    await store.add("alice", Waiting(Revocable("text", "1f"), 0.0))
    assert texts(await store.page("alice", 1, 100)) == ["text"]


async def test_nothing_is_kept_for_nobody(store: OfflineStore):
    with pytest.raises(NoSuchAccount, match="nobody"):
        await store.add("nobody", Waiting("<message/>", 0.0))
    assert await store.count("nobody") == 0


async def test_messages_outlive_the_process(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    database = await Database.open(url)
    await Accounts(database, "localhost", 4096).create("alice", "x")
    await OfflineStore(database).add("alice", Waiting("kept", 12.5))
    await database.close()
    database = await Database.open(url)
    page = await OfflineStore(database).page("alice", 10, 100)
    assert page.messages == [StoredMessage("kept", 12.5)]
    await database.close()


async def test_what_is_for_one_account_of_a_name_is_not_stored_for_another(
    store: OfflineStore, database: Database
):
    accounts = Accounts(database, "localhost", 4096)
    born = (await accounts.births(["alice"]))["alice"]
    messages = [Waiting("<message/>", 1.0)]
    assert await store.add_all("alice", messages, born=born) == [None]
    await accounts.remove("alice")
    await accounts.provide("alice")
    with pytest.raises(NoSuchAccount):
        await store.add_all("alice", messages, born=born)
    assert await store.count("alice") == 0
