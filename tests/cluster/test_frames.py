"""Frames of a stream of bytes, however it is cut."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.cluster.frames import HEAD, FrameError, Frames, Kind, head

FRAMES = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300))
)


def written(kind, call, payload):
    return head(kind, call, len(payload)) + payload


@given(FRAMES, st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3))))
def test_what_was_written_is_read_however_it_is_cut_and_taken(frames, cuts):
    stream = b"".join(written(*frame) for frame in frames)
    reader = Frames(300)
    read = []
    for cut, most in cuts:
        reader.feed(stream[:cut])
        stream = stream[cut:]
        read += islice(reader, most)
    reader.feed(stream)
    assert read + list(reader) == frames


def test_one_is_read_when_it_is_whole():
    reader = Frames(10)
    for byte in written(Kind.TEXT, 7, b"0123456789")[:-1]:
        reader.feed(bytes([byte]))
        assert not list(reader)
    reader.feed(b"9")
    assert list(reader) == [(Kind.TEXT, 7, b"0123456789")]


def test_small_ones_are_read_behind_a_large_one_of_which_nobody_waits():
    reader = Frames(1000)
    large, small = written(Kind.TEXT, 1, b"x" * 1000), written(Kind.TEXT, 2, b"")
    reader.feed(large[:500])
    assert not list(reader)
    reader.feed(large[500:] + small)
    assert next(iter(reader))[1] == 1
    reader.feed(small)
    assert [call for _, call, _ in reader] == [2, 2]


def test_one_that_is_too_large_is_refused_by_its_head():
    reader = Frames(10)
    reader.feed(written(Kind.TEXT, 7, b"1") + head(Kind.TEXT, 7, 11))
    frames = iter(reader)
    assert next(frames) == (Kind.TEXT, 7, b"1")
    with pytest.raises(FrameError, match="11 bytes, where 10 are the most"):
        next(frames)


@pytest.mark.parametrize("number", [0, 9, 255])
def test_one_of_no_kind_is_refused(number):
    reader = Frames(10)
    data = bytearray(head(Kind.PULSE, 0, 0))
    data[4] = number
    reader.feed(bytes(data))
    with pytest.raises(FrameError, match="no frame of kind"):
        next(iter(reader))


def test_a_head_has_the_bytes_that_it_says():
    assert len(head(Kind.HELLO, 1, 5)) == HEAD
