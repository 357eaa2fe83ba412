"""Whose turn it is at the database's writer."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.database.lines import OWN, Lines

FAST, SLOW = 0.0005, 0.01


def run(lines: Lines[tuple[str, int]], costs: dict[str, float] | None = None) -> str:
    """Do all that waits; return whose it was."""
    served = ""
    while lines:
        payer, _ = lines.take()
        lines.charge(payer, (costs or {}).get(payer, FAST))
        served += payer or "."
    return served


def waiting(text: str) -> Lines[tuple[str, int]]:
    lines: Lines[tuple[str, int]] = Lines()
    for number, sign in enumerate(text):
        payer = OWN if sign == "." else sign
        lines.add(payer, (payer, number))
    return lines


@pytest.mark.parametrize(
    ("arriving", "served"),
    [
        ("", ""),
        ("aaa", "aaa"),
        ("aaaab", "abaaa"),
        ("aaabbbc", "abcabab"),
        ("aab.", ".aba"),
        ("...", "..."),
        ("aa..", ".a.a"),
    ],
)
def test_who_had_a_turn_waits_until_the_others_had_one(arriving, served):
    assert run(waiting(arriving)) == served


def test_what_takes_long_waits_for_longer():
    served = run(waiting("a" * 5 + "b" * 45), {"a": SLOW, "b": 0.001})
    gaps = [len(gap) for gap in served.split("a")[1:-1]]
    assert served.startswith("ab")
    assert all(9 <= gap <= 11 for gap in gaps), served


def test_the_process_itself_goes_first_and_has_half_of_the_time():
    served = run(waiting("." * 4 + "a" * 80), {OWN: SLOW, "a": 0.001})
    assert served.startswith(".")
    gaps = [len(gap) for gap in served.rstrip("a").split(".")[1:-1]]
    assert gaps
    assert all(9 <= gap <= 11 for gap in gaps), served


def test_nothing_is_remembered_of_who_held_nobody_up():
    lines = waiting("a")
    assert run(lines, {"a": 10.0}) == "a"
    lines.add("a", ("a", 0))
    lines.add("b", ("b", 0))
    assert run(lines) == "ab"


def test_a_stall_is_nobodys_fault():
    lines = waiting("a" + "b" * 600 + "a")
    lines.charge(lines.take()[0], 60.0)
    assert run(lines, {"b": 0.001}).index("a") < 300


STEPS = st.lists(
    st.one_of(
        st.sampled_from([OWN, *"abcdef"]),
        st.floats(0.0, 0.1).map(lambda seconds: seconds),
    ),
    max_size=200,
)


@given(STEPS)
def test_each_is_done_once_in_the_order_of_its_line_and_nobody_is_left(steps):
    """What is a name arrives; what is a number is how long the next took."""
    lines: Lines[tuple[str, int]] = Lines()
    added: dict[str, list[int]] = {}
    done: dict[str, list[int]] = {}

    def serve(seconds: float) -> None:
        payer, number = lines.take()
        lines.charge(payer, seconds)
        done.setdefault(payer, []).append(number)

    for number, step in enumerate(steps):
        if isinstance(step, str):
            lines.add(step, (step, number))
            added.setdefault(step, []).append(number)
        elif lines:
            serve(step)
        assert len(lines) == sum(map(len, added.values())) - sum(map(len, done.values()))
    while lines:
        serve(FAST)
    assert done == added


@given(st.lists(st.sampled_from("bcdefghij"), min_size=1, max_size=9, unique=True), st.data())
def test_no_line_starves(others, data):
    """While the others always have more, one waits for a turn of each, and for what he owes."""
    costs = {payer: data.draw(st.floats(0.0, 0.003)) for payer in ["a", *others]}
    lines = waiting("a" * 3 + "".join(others) * 2)
    between: Counter[str] = Counter()
    turns = 0
    while turns < 3:
        payer, number = lines.take()
        lines.charge(payer, costs[payer])
        if payer == "a":
            turns += 1
            between.clear()
            continue
        between[payer] += 1
        assert max(between.values()) <= 4
        lines.add(payer, (payer, number))
