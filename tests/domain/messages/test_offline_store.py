import asyncio
from pathlib import Path

import pytest

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.database.database import Database
from andiron.domain.messages.offline_store import OfflineFull, OfflineStore, StoredMessage


@pytest.fixture
async def store(database: Database) -> OfflineStore:
    await Accounts(database, "localhost", 4096).create_many([("alice", "x"), ("bob", "y")])
    return OfflineStore(database, limit_per_account=5)


async def test_messages_come_back_once_in_order_with_their_time(store: OfflineStore):
    messages = [StoredMessage(f"<message>{n} ü \U0001f525</message>", 1e9 + n / 8) for n in (3, 1)]
    for message in messages:
        await store.add("alice", message.text, message.stamp)
    await store.add("bob", "<message/>", 0.0)
    assert await store.count("alice") == 2
    assert await store.take("alice") == messages
    assert await store.take("alice") == []
    assert await store.count("bob") == 1


async def test_adding_and_taking_take_effect_in_the_order_of_the_calls(store: OfflineStore):
    async def add(text: str) -> None:
        await store.add("alice", text, 0.0)

    _, _, early, _, late, none = await asyncio.gather(
        add("1"), add("2"), store.take("alice"), add("3"), store.take("alice"), store.take("alice")
    )
    assert [[message.text for message in taken] for taken in (early, late, none)] == [
        ["1", "2"],
        ["3"],
        [],
    ]


async def test_one_takes_what_two_ask_for(store: OfflineStore):
    await store.add("alice", "only once", 0.0)
    first, second = await asyncio.gather(store.take("alice"), store.take("alice"))
    assert [len(first), len(second)] == [1, 0]


async def test_no_more_than_the_limit_wait(store: OfflineStore):
    outcomes = await asyncio.gather(
        *(store.add("alice", str(number), 0.0) for number in range(7)),
        store.add("bob", "x", 0.0),
        return_exceptions=True,
    )
    assert [isinstance(outcome, OfflineFull) for outcome in outcomes] == [False] * 5 + [
        True,
        True,
        False,
    ]
    assert [message.text for message in await store.take("alice")] == ["0", "1", "2", "3", "4"]
    await store.add("alice", "room again", 0.0)
    assert await store.count("alice") == 1


async def test_nothing_is_kept_for_nobody(store: OfflineStore):
    with pytest.raises(NoSuchAccount, match="nobody"):
        await store.add("nobody", "<message/>", 0.0)
    assert await store.count("nobody") == 0


async def test_a_cancelled_take_loses_nothing(store: OfflineStore):
    await store.add("alice", "still there", 0.0)
    taking = asyncio.create_task(store.take("alice"))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await store.count("alice") == 1


async def test_messages_outlive_the_process(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/andiron.db"
    database = await Database.open(url)
    await Accounts(database, "localhost", 4096).create("alice", "x")
    await OfflineStore(database).add("alice", "kept", 12.5)
    await database.close()
    database = await Database.open(url)
    assert await OfflineStore(database).take("alice") == [StoredMessage("kept", 12.5)]
    await database.close()
