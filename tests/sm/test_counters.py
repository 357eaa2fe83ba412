"""Counting modulo 2**32, held against plain integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.sm.counters import MODULUS, Inbound, add, distance, parse_count

LAST = MODULUS - 1
COUNTS = st.integers(0, LAST)
STEPS = st.integers(0, LAST)


@pytest.mark.parametrize(
    ("count", "steps", "later"),
    [
        (0, 0, 0),
        (0, 1, 1),
        (LAST, 0, LAST),
        (LAST, 1, 0),
        (LAST, 2, 1),
        (LAST - 1, 1, LAST),
        (0, LAST, LAST),
        (1, LAST, 0),
        (2**31, 2**31, 0),
    ],
)
def test_steps_around_the_wrap(count, steps, later):
    assert add(count, steps) == later
    assert distance(count, later) == steps


@given(COUNTS, STEPS)
def test_distance_undoes_add(count, steps):
    assert 0 <= add(count, steps) < MODULUS
    assert distance(count, add(count, steps)) == steps


@given(st.integers(0, 2**40), STEPS)
def test_counts_are_the_low_bits_of_plain_integers(total, steps):
    assert add(total % MODULUS, steps) == (total + steps) % MODULUS
    assert distance(total % MODULUS, (total + steps) % MODULUS) == steps


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("7", 7),
        ("007", 7),
        ("+7", 7),
        ("4294967295", LAST),
        (" 7", 7),
        ("7\n", 7),
        ("\t 7\r\n", 7),
        ("0" * 31 + "1", 1),
    ],
)
def test_xs_unsigned_int_is_read(text, count):
    assert parse_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "+",
        "-1",
        "-0",
        "++7",
        "+ 7",
        "7 7",
        "7.0",
        "1e3",
        "0x10",
        "1_000",
        "NaN",
        "seven",
        "٣",  # an Arabic digit, which int() would take
        "²",  # a digit to isdigit(), not to int()
        "\u00a07",  # white space to strip(), not to XML Schema
        "4294967296",
        "18446744073709551616",
        "9" * 5000,  # int() refuses so many digits, after some work
    ],
)
def test_what_is_not_xs_unsigned_int_is_none(text):
    assert parse_count(text) is None


@given(st.text())
def test_any_text_is_a_count_or_none(text):
    count = parse_count(text)
    assert count is None or 0 <= count < MODULUS


@given(COUNTS)
def test_counts_are_read_back(count):
    assert parse_count(str(count)) == count


def test_a_ticket_is_handled_once():
    inbound = Inbound()
    first, second = inbound.arrive(), inbound.arrive()
    inbound.handle(second)
    inbound.handle(first)
    for ticket in (first, second, 0, -1):
        with pytest.raises(ValueError, match="not pending"):
            inbound.handle(ticket)
    assert (inbound.received, inbound.settled, inbound.pending) == (2, 2, 0)


def test_what_came_before_the_beginning_does_not_count():
    inbound = Inbound()
    early = inbound.arrive()
    inbound.begin(LAST)
    late = inbound.arrive()
    assert inbound.h == LAST
    inbound.handle(early)
    assert inbound.h == LAST
    inbound.handle(late)
    assert inbound.h == 0


@given(st.data(), COUNTS | st.integers(LAST - 5, LAST), st.integers(0, 5), st.integers(0, 12))
def test_h_counts_the_unbroken_run_of_handled_stanzas(data, base, before, after):
    inbound = Inbound()
    tickets = [inbound.arrive() for _ in range(before)]
    inbound.begin(base)
    tickets += [inbound.arrive() for _ in range(after)]
    assert tickets == list(range(1, before + after + 1))
    handled: set[int] = set()
    for ticket in data.draw(st.permutations(tickets)):
        inbound.handle(ticket)
        handled.add(ticket)
        run = next(n for n in range(len(tickets) + 1) if n + 1 not in handled)
        assert inbound.settled == run
        assert inbound.pending == len(tickets) - run
        assert inbound.h == (base + max(0, run - before)) % MODULUS
    assert inbound.h == add(base, after)
