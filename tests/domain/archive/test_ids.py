"""Ids of archived messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.archive.ids import (
    HIGHEST,
    Ids,
    first_at,
    last_at,
    parse_id,
    time_of,
    write_id,
)

NOW = 1_790_000_000.25


@given(st.lists(st.floats(0, 8e9), min_size=1))
def test_ids_grow_whatever_the_clock_does(stamps: list[float]):
    ids = Ids()
    given_out = [ids.next(stamp) for stamp in stamps]
    assert given_out == sorted(set(given_out))
    assert given_out[-1] <= HIGHEST
    assert [len(write_id(identity)) for identity in given_out] == [16] * len(stamps)
    assert [parse_id(write_id(identity)) for identity in given_out] == given_out


def test_an_id_tells_the_time():
    assert time_of(Ids().next(NOW)) == NOW


def test_many_at_once_have_the_same_time():
    ids = Ids()
    assert {time_of(ids.next(NOW)) for _ in range(1000)} <= {NOW, NOW + 0.001}


def test_they_go_on_after_the_last_one_where_the_clock_was_set_back():
    ids = Ids()
    ids.last = last = Ids().next(NOW)
    assert last < ids.next(NOW - 3600) < last + 256


def test_they_cannot_be_guessed():
    assert len({Ids().next(NOW) for _ in range(100)}) > 90


@given(st.floats(0, 8e9))
def test_a_span_of_time_is_a_range_of_ids(stamp: float):
    identity = Ids().next(stamp)
    milliseconds = identity >> 20
    assert first_at(milliseconds) <= identity <= last_at(milliseconds)
    assert last_at(milliseconds - 1) < identity < first_at(milliseconds + 1)


@pytest.mark.parametrize("year_one_or_last", [-62_135_596_800_000, 253_402_300_799_999])
def test_times_without_ids(year_one_or_last: int):
    assert 0 <= first_at(year_one_or_last) <= HIGHEST
    assert -1 <= last_at(year_one_or_last) <= HIGHEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "8000000000000000",
        "f" * 16,
        "0" * 17,
        "+00000000000001a",
        "1234_67890123456",
        "ABCDEFABCDEF0123",
        "\u0661" * 16,
        "0000000000000001\n",
    ],
)
def test_what_is_no_id(text: str):
    assert parse_id(text) is None
