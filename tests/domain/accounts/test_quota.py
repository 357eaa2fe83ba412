"""How often something may happen."""

from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.accounts.quota import Quota

EVENTS = st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.booleans()), max_size=60)


def test_each_has_his_own():
    quota = Quota(2, 100, 60)
    assert [quota.take("a", now) for now in (0, 1, 2)] == [True, True, False]
    assert quota.take("b", 2)


def test_all_together_have_a_bound():
    quota = Quota(2, 3, 60)
    assert [quota.take(key, 0) for key in "abcd"] == [True, True, True, False]


def test_time_makes_room():
    quota = Quota(2, 3, 60)
    assert [quota.take("a", now) for now in (0, 30, 59, 60, 89, 90)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_what_came_to_nothing_is_given_back():
    quota = Quota(1, 2, 60)
    assert quota.take("a", 0)
    quota.give_back("a")
    quota.give_back("b")
    assert len(quota) == 0
    assert [quota.take(key, 1) for key in "aab"] == [True, False, True]


@given(EVENTS)
def test_it_counts_as_one_would(events):
    quota = Quota(3, 6, 10)
    now = 0.0
    taken: list[tuple[float, str]] = []
    for step, key, kept in events:
        now += step
        taken = [(when, whose) for when, whose in taken if when > now - 10]
        room = len(taken) < 6 and sum(whose == key for _, whose in taken) < 3
        assert quota.take(key, now) is room
        if room and kept:
            taken.append((now, key))
        elif room:
            quota.give_back(key)
        assert len(quota) == len(taken)
