"""Several strings of bytes as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.cluster.frames import FrameError
from andiron.cluster.parts import joined, parted


@given(st.lists(st.binary(max_size=50), max_size=20), st.binary(max_size=50))
def test_what_was_joined_is_parted(parts, rest):
    data = joined(parts)
    assert parted(data + rest) == (parts, len(data))
    assert len(data) == 4 + sum(4 + len(part) for part in parts)


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_parts_or_a_refusal(data):
    try:
        parts, end = parted(data)
    except FrameError:
        return
    assert joined(parts) == data[:end]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\x01",
        joined([b"abc"])[:-1],
        joined([b"", b"x"])[:9],
    ],
)
def test_what_has_not_come_whole_is_refused(data):
    with pytest.raises(FrameError):
        parted(data)
