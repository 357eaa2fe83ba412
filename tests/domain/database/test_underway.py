"""What is under way: known by its name until the last of it is over, however that ends."""

import asyncio

import pytest
from support.domains import settle

from andiron.domain.database.underway import UnderWay


async def test_a_name_is_known_until_the_last_is_over():
    under_way = UnderWay()
    with under_way.one("alice"):
        with under_way.one("alice"):
            assert "alice" in under_way
            assert "bob" not in under_way
            assert len(under_way) == 1
        assert "alice" in under_way
    assert "alice" not in under_way


async def test_what_fails_is_over():
    under_way = UnderWay()
    with pytest.raises(ZeroDivisionError), under_way.one("alice"):
        raise ZeroDivisionError
    assert "alice" not in under_way


async def test_who_waits_waits_for_what_was_there_and_for_nothing_later():
    under_way, ends = UnderWay(), [asyncio.Event() for _ in range(3)]

    async def work(end):
        with under_way.one("alice"):
            await end.wait()

    await under_way.settled("alice")
    tasks = [asyncio.create_task(work(end)) for end in ends[:2]]
    await settle()
    waiting = asyncio.create_task(under_way.settled("alice"))
    await settle()
    tasks.append(asyncio.create_task(work(ends[2])))
    ends[0].set()
    await settle()
    assert not waiting.done()
    ends[1].set()
    await waiting
    assert "alice" in under_way
    ends[2].set()
    await asyncio.gather(*tasks)


async def test_one_of_several_is_enough():
    under_way = UnderWay()
    alice, bob, later = (under_way.begin(name) for name in ("alice", "bob", "alice"))
    assert list(under_way) == ["alice", "bob"]
    waiting = asyncio.create_task(under_way.one_settled(["alice", "bob"]))
    await settle()
    alice()
    await settle()
    assert not waiting.done(), "something of Alice's is under way yet"
    bob()
    await waiting
    await under_way.one_settled(["alice", "bob"])
    later()
    await under_way.one_settled([])
