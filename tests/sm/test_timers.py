"""One heap of times wakes everyone when it should, and stays small."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.thorough import examples

from andiron.sm.timers import Timers


class Sleeper:
    """Notes when it was woken."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.wake_at = inf
        self.woken: list[float] = []
        self.next = inf

    def on_timer(self, now: float) -> None:
        assert self.wake_at == inf
        self.woken.append(now)
        if self.next != inf:
            self.timers.schedule(self, self.next)
            self.next = inf


@pytest.fixture
def timers():
    return Timers()


def test_who_is_due_is_woken_once_in_the_order_of_time(timers):
    order = []
    for name, at in (("c", 3.0), ("a", 1.0), ("later", 4.0), ("b", 1.0)):
        sleeper = Sleeper(timers)
        sleeper.on_timer = lambda now, name=name: order.append((name, now))
        timers.schedule(sleeper, at)
    timers.run(0.9)
    assert order == []
    timers.run(3.5)
    timers.run(3.6)
    assert order == [("a", 3.5), ("b", 3.5), ("c", 3.5)]
    assert timers.next_deadline() == 4.0


@pytest.mark.parametrize(("first", "second"), [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0)])
def test_a_later_time_replaces_the_former(timers, first, second):
    sleeper = Sleeper(timers)
    timers.schedule(sleeper, first)
    timers.schedule(sleeper, second)
    for now in (1.0, 2.0, 3.0):
        timers.run(now)
    assert sleeper.woken == [second]


def test_who_is_cancelled_is_not_woken_until_scheduled_again(timers):
    sleeper = Sleeper(timers)
    timers.cancel(sleeper)
    timers.schedule(sleeper, 1.0)
    timers.cancel(sleeper)
    assert sleeper.wake_at == inf
    timers.run(1.0)
    assert sleeper.woken == []
    assert timers.next_deadline() == inf
    timers.schedule(sleeper, 2.0)
    timers.run(2.0)
    assert sleeper.woken == [2.0]


def test_one_may_be_scheduled_anew_while_it_is_woken(timers):
    sleeper = Sleeper(timers)
    sleeper.next = 1.5
    timers.schedule(sleeper, 1.0)
    timers.run(1.0)
    assert sleeper.wake_at == timers.next_deadline() == 1.5
    timers.run(1.5)
    assert sleeper.woken == [1.0, 1.5]


def test_one_that_fails_does_not_keep_the_others_from_being_woken(timers):
    failing, other = Sleeper(timers), Sleeper(timers)
    failing.woken = None
    for sleeper in (failing, other):
        timers.schedule(sleeper, 1.0)
    with pytest.raises(AttributeError):
        timers.run(1.0)
    timers.run(1.0)
    assert other.woken == [1.0]
    assert timers.next_deadline() == inf


def test_the_driver_hears_of_nearer_times_only(timers):
    heard: list[float] = []
    timers.on_schedule = heard.append
    for at in (3.0, 4.0, 2.0, 2.0, 2.5, 1.0):
        timers.schedule(Sleeper(timers), at)
    assert heard == [3.0, 2.0, 1.0]


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["schedule", "cancel", "run"]), st.integers()),
        max_size=400,
    )
)
@settings(max_examples=examples(100), deadline=None)
def test_whatever_is_scheduled_everyone_is_woken_in_time_and_the_heap_is_bounded(steps):
    timers, now = Timers(), 0.0
    sleepers = [Sleeper(timers) for _ in range(10)]
    expected: dict[Sleeper, float] = {}
    for who, what, number in steps * 3:
        sleeper, at = sleepers[who], now + abs(number) % 50
        if what == "schedule":
            timers.schedule(sleeper, at)
            expected[sleeper] = at
        elif what == "cancel":
            timers.cancel(sleeper)
            expected.pop(sleeper, None)
        else:
            now = at
            due = {one for one, time in expected.items() if time <= now}
            before = {one: len(one.woken) for one in sleepers}
            timers.run(now)
            assert {one for one in sleepers if len(one.woken) > before[one]} == due
            assert all(len(one.woken) <= before[one] + 1 for one in sleepers)
            for one in due:
                del expected[one]
        assert timers.next_deadline() <= min(expected.values(), default=inf)
        assert len(timers) <= 4 * 10 + 65
