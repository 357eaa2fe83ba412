"""Whoever has had his turn waits, and nobody else does."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.sm import payers as module
from andiron.sm.payers import Payer, Payers, Rounds, size_of
from andiron.sm.rates import Rate

SLICE = 0.002


class Flood:
    """A connection that always has work, each piece of ``cost`` seconds."""

    def __init__(self, house: "House", payer: Payer, cost: float) -> None:
        self.house, self.payer, self.cost = house, payer, cost
        self.done = 0
        self.waiting = False

    def take_turn(self) -> None:
        self.waiting = False
        turns = self.house.turns
        while True:
            began = self.house.now
            self.house.now += self.cost
            self.done += 1
            if turns.used(self.payer, began, self.house.now):
                self.waiting = True
                turns.wait(self.payer, self)
                return


class House:
    def __init__(self, share: float = 0.0) -> None:
        self.now = 1000.0
        self.turns = Rounds(SLICE, share)
        self.begun = 0
        self.turns.on_wait = self._count

    def _count(self, _delay: float) -> None:
        self.begun += 1


@pytest.mark.parametrize("connections", [1, 7, 31])
def test_a_payer_has_one_slice_a_round_however_many_connections_flood(connections):
    house = House()
    payer = Payer("mallory@localhost")
    floods = [Flood(house, payer, 0.0005) for _ in range(connections)]
    for flood in floods:
        flood.take_turn()
    # What they owe from the beginning is worked off first.
    for _ in range(2 * connections):
        house.turns.next_round()
    for _ in range(100):
        began = house.now
        house.turns.next_round()
        assert house.now - began <= SLICE + 0.0005
    assert max(f.done for f in floods) - min(f.done for f in floods) <= 10, "each its share of it"


@given(
    st.lists(st.integers(1, 20).map(lambda n: n / 10_000), min_size=2, max_size=6),
)
def test_each_payer_has_the_same_time(costs):
    house = House()
    payers = [Payer(str(n)) for n in range(len(costs))]
    floods = [
        Flood(house, payer, cost)
        for payer, cost in zip(payers, costs, strict=True)
        for _ in range(len(costs))
    ]
    for flood in floods:
        flood.take_turn()
    for _ in range(500):
        house.turns.next_round()
    used = [sum(f.done * f.cost for f in floods if f.payer is payer) for payer in payers]
    assert min(used) >= 0.8 * max(used) - 0.1


def test_a_costly_piece_is_worked_off_in_rounds():
    turns, payer, taken = Rounds(SLICE, 0.0), Payer("m"), []
    turns.on_wait = lambda _delay: None

    class Taker:
        def take_turn(self) -> None:
            taken.append(payer.owed)

    assert turns.used(payer, 0.0, 10 * SLICE)
    turns.wait(payer, Taker())
    for _ in range(9):
        turns.next_round()
        assert taken == []
    turns.next_round()
    assert len(taken) == 1
    assert len(turns) == 0


def test_what_was_waited_for_round_by_round_is_not_given_again_as_a_share_of_that_time():
    """Else whoever has costly pieces does two of them in a turn, one right after the other."""
    turns, payer, step = Rounds(SLICE, 0.2), Payer("m"), 3 * SLICE
    turns.on_wait = lambda _delay: None

    class Taker:
        def take_turn(self) -> None:
            return

    now = 50.0
    payer.at = now
    while not turns.used(payer, now, now + step):
        now += step
    for _ in range(100):
        turns.wait(payer, Taker())
        while len(turns):
            now += 10 * SLICE
            turns.next_round()
        assert turns.used(payer, now, now + step), "one piece, one turn"
        now += step


def test_who_left_the_line_has_his_share_of_all_that_time():
    turns, payer = Rounds(SLICE, 0.2), Payer("m")
    turns.on_wait = lambda _delay: None

    class Taker:
        def take_turn(self) -> None:
            return

    taker = Taker()
    payer.at = 50.0
    assert turns.used(payer, 50.0, 51.0)
    turns.wait(payer, taker)
    turns.next_round()
    turns.leave(payer, taker)
    assert not turns.used(payer, 60.0, 60.0)


def test_who_uses_no_more_than_his_share_never_waits():
    turns, payer = Rounds(SLICE, 0.2), Payer("juliet@localhost")
    now = 50.0
    for _ in range(1000):
        assert not turns.used(payer, now, now + 0.001)
        now += 0.005


def test_who_is_alone_waits_for_no_one():
    """Round follows round while something waits, and ends when nothing does."""
    house = House()
    flood = Flood(house, Payer("m"), 0.001)
    flood.take_turn()
    assert house.begun == 1
    house.turns.next_round()
    house.turns.next_round()
    assert house.begun > 1
    house.turns.leave(flood.payer, flood)
    before = house.begun
    house.turns.next_round()
    assert (len(house.turns), house.begun) == (0, before)


def test_who_leaves_is_not_called():
    turns, payer = Rounds(SLICE, 0.0), Payer("m")

    class Taker:
        def take_turn(self) -> None:
            raise AssertionError("it left")

    taker = Taker()
    turns.wait(payer, taker)
    turns.leave(payer, taker)
    turns.leave(payer, taker)
    turns.next_round()
    assert len(turns) == 0


def test_one_network_pays_for_all_its_strangers():
    payers = Payers()
    payer = payers.network("2001:db8::1")
    assert payers.network("2001:db8::ffff") is payer
    assert payers.network("192.0.2.1") is not payer


def test_who_hangs_up_has_sent_what_he_sent():
    payers, rate = Payers(), Rate(rate=1000, burst=10_000, patience=600)
    for _ in range(20):
        rate.charge(payers.network("192.0.2.1"), 0, 5.0)
        gc.collect()
    assert rate.charge(payers.network("192.0.2.1"), 0, 5.0) > 0


def test_payers_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    payers = Payers()
    first = payers.named("first")
    first.held = 5
    for name in ("second", "third", "fourth"):
        payers.named(name)
    assert payers.named("first") is first, "something is held for it still"
    del first
    for name in ("second", "third"):
        payers.named(name)
    gc.collect()
    assert payers.named("first").held == 0


def test_a_text_is_as_large_as_in_memory():
    assert size_of("\U0001f434" + "x" * 1000) > 4000 > 2 * size_of("x" * 1000)


def test_one_round_is_to_come_at_a_time_whoever_leaves_and_joins():
    rounds, payer, to_come = Rounds(SLICE, 0.0), Payer("m"), []
    rounds.on_wait = lambda _delay: to_come.append(rounds.next_round)

    class Taker:
        def take_turn(self) -> None:
            return

    payer.owed = 1.0
    taker = Taker()
    rounds.wait(payer, taker)
    for _ in range(5):
        rounds.leave(payer, taker)
        taker = Taker()
        rounds.wait(payer, taker)
        assert len(to_come) == 1
        to_come.pop()()


def test_nothing_waits_where_nobody_begins_the_rounds():
    rounds, payer = Rounds(SLICE, 0.0), Payer("m")
    assert not rounds.used(payer, 0.0, 100 * SLICE)
    rounds.on_wait = lambda _delay: None
    assert rounds.used(payer, 0.0, 100 * SLICE)


def test_rounds_are_apart_while_others_use_little_and_not_for_one_alone():
    rounds, busy, modest, delays = Rounds(SLICE, 0.0, 0.5), Payer("m"), Payer("j"), []
    rounds.on_wait = delays.append

    class Taker:
        def take_turn(self) -> None:
            return

    def over(now: float) -> float:
        assert rounds.used(busy, now - 2 * SLICE, now)
        rounds.wait(busy, Taker())
        (delay,) = delays
        delays.clear()
        while len(rounds):
            rounds.next_round()
        delays.clear()
        return delay

    assert over(100.0) == 0.0, "it is alone"
    assert not rounds.used(modest, 101.0, 101.0)
    assert over(101.5) == 0.5
    assert over(103.0) == 0.0, "the other is gone"
    assert rounds.used(modest, 103.0 - 2 * SLICE, 103.0), "who had more than a turn"
    modest.owed = 0.0
    assert not rounds.used(modest, 103.5, 103.5)
    assert over(103.6) == 0.0, "is not modest yet"
