"""Work in tasks is charged to who asked for it, and waits while his turn is over."""

import asyncio
import itertools

import pytest

from andiron.sm.errands import Errand
from andiron.sm.payers import Payer, Rounds

SLICE = 0.002


class House:
    """Rounds whose clock moves only by work, and whose rounds begin when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rounds = Rounds(SLICE, 0.0)
        self.rounds.on_wait = lambda _delay: None
        self.payer = Payer("mallory@localhost")
        self.steps = 0

    async def work(self, steps: int) -> str:
        for _ in range(steps):
            self.steps += 1
            self.now += SLICE
            await asyncio.sleep(0)
        return "done"

    def errand(self, work):
        return Errand(work, self.payer, self.rounds, lambda: self.now)


@pytest.fixture
async def house():
    return House()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_step_takes_a_turn(house):
    task = asyncio.create_task(house.errand(house.work(5)))
    await turns()
    done = []
    while not task.done():
        done.append(house.steps)
        assert len(done) < 100, "it waits for a turn that does not come"
        house.rounds.next_round()
        await turns()
    assert await task == "done"
    assert done == sorted(done)
    assert {after - before for before, after in itertools.pairwise(done)} <= {0, 1}
    assert len(done) >= 4


async def test_all_errands_of_a_payer_share_its_turns(house):
    tasks = [asyncio.create_task(house.errand(house.work(3))) for _ in range(4)]
    await turns()
    for _ in range(5):
        before = house.steps
        house.rounds.next_round()
        await turns()
        assert house.steps - before <= 1
    house.rounds.stop()
    assert await asyncio.gather(*tasks) == ["done"] * 4


async def test_who_owes_nothing_waits_for_no_round(house):
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await asyncio.create_task(house.errand(work())) == 7
    assert len(house.rounds) == 0


async def test_an_error_is_the_works_own(house):
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("as it happens")

    with pytest.raises(ValueError, match="as it happens"):
        await asyncio.create_task(house.errand(work()))


async def test_it_can_be_a_part_of_another_coroutine(house):
    async def outer() -> str:
        return await house.errand(house.work(1))

    assert await outer() == "done"


@pytest.mark.parametrize("waited", [0, 3])
async def test_a_cancelled_errand_leaves_the_line(house, waited):
    ended = []

    async def work() -> None:
        try:
            await house.work(100)
        finally:
            ended.append(house.steps)

    task = asyncio.create_task(house.errand(work()))
    await turns(waited)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ([house.steps] if waited else [])
    assert len(house.rounds) == 0


async def test_what_is_given_up_leaves_the_line(house):
    errand = house.errand(house.work(100))
    waits = [errand.send(None) for _ in range(3)]
    assert waits[:2] == [None, None]
    assert isinstance(waits[2], asyncio.Future)
    assert len(house.rounds) == 1
    errand.close()
    assert len(house.rounds) == 0


async def test_nothing_waits_after_the_last_round(house):
    task = asyncio.create_task(house.errand(house.work(50)))
    await turns()
    assert house.steps < 50
    house.rounds.stop()
    await turns(100)
    assert await task == "done"
