"""Frames of a stream of bytes, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.cluster.frames import HEAD, Frame, FrameError, Frames, Kind, head

FRAMES = st.lists(
    st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300))
)


def written(frame):
    return head(frame.kind, frame.call, len(frame.payload)) + frame.payload


@given(FRAMES, st.lists(st.integers(1, 50)))
def test_what_was_written_is_read_however_it_is_cut(frames, cuts):
    stream = b"".join(map(written, frames))
    reader = Frames(300)
    read = []
    for cut in cuts:
        reader.feed(stream[:cut])
        stream = stream[cut:]
        read += list(reader)
    reader.feed(stream)
    assert read + list(reader) == frames


def test_one_is_read_when_it_is_whole():
    reader = Frames(10)
    for byte in written(Frame(Kind.TEXT, 7, b"0123456789"))[:-1]:
        reader.feed(bytes([byte]))
        assert not list(reader)
    reader.feed(b"9")
    assert list(reader) == [Frame(Kind.TEXT, 7, b"0123456789")]


def test_one_that_is_too_large_is_refused_by_its_head():
    reader = Frames(10)
    reader.feed(written(Frame(Kind.TEXT, 7, b"1")) + head(Kind.TEXT, 7, 11))
    assert next(reader).payload == b"1"
    with pytest.raises(FrameError, match="11 bytes, where 10 are the most"):
        next(reader)


@pytest.mark.parametrize("number", [0, 9, 255])
def test_one_of_no_kind_is_refused(number):
    reader = Frames(10)
    data = bytearray(head(Kind.PULSE, 0, 0))
    data[4] = number
    reader.feed(bytes(data))
    with pytest.raises(FrameError, match="no frame of kind"):
        next(reader)


def test_a_head_has_the_bytes_that_it_says():
    assert len(head(Kind.HELLO, 1, 5)) == HEAD
