"""Frames as a server reads and writes them, beside the library that makes handshakes."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.taken import BINARY, CLOSE, PING, PONG, TEXT, masked
from support.thorough import examples
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from andiron.serving.frames import (
    BrokenFrame,
    Closed,
    FrameReader,
    Ping,
    Pong,
    close_frame,
    control_frame,
    text_frame,
)

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 262_144)
CONTINUATION = 0
ROOMY = 1 << 20


def read(reader, data):
    """Return the events of what comes, ending with a code where it breaks the protocol."""
    events = []
    reader.feed(data)
    try:
        while (event := reader.next()) is not None:
            events.append(event)
    except BrokenFrame as broken:
        events.append(broken.code)
    return events


def read_by(data, sizes, **limits):
    """The same, of pieces of these sizes in turn."""
    reader, events, at = FrameReader(**({"max_size": ROOMY} | limits)), [], 0
    for size in sizes:
        events += read(reader, data[at : at + size])
        at += size
        if events and isinstance(events[-1], int):
            return events
    return events + read(reader, data[at:])


def head(first, length, mask=True):
    """Return a head whose length is in eight bytes."""
    return bytes([first, (0x80 if mask else 0) | 127]) + length.to_bytes(8)


# Writing


@pytest.mark.parametrize("size", SIZES)
def test_a_text_is_framed_as_the_library_does(size: int) -> None:
    text = "x" * size

    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@pytest.mark.parametrize("text", ["é" * 63, "\N{FIRE}" * 32, "a\N{FIRE}"])
def test_the_length_is_that_of_the_bytes(text: str) -> None:
    assert text_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_what_utf_8_cannot_say_is_no_frame() -> None:
    with pytest.raises(UnicodeEncodeError):
        text_frame("\ud800")


def test_control_frames() -> None:
    assert control_frame(PONG, b"abc") == b"\x8a\x03abc"
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(1009, "too large") == b"\x88\x0b\x03\xf1too large"
    assert close_frame(1005) == b"\x88\x00"


# Reading


@pytest.mark.parametrize("size", SIZES)
def test_a_text_is_read(size: int) -> None:
    assert read_by(masked(b"x" * size), []) == ["x" * size]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (masked(b"", PING), [Ping(b"")]),
        (masked(b"x" * 125, PONG), [Pong(b"x" * 125)]),
        (masked(b"\xff\0", BINARY), [b"\xff\0"]),
        (masked(b"", CLOSE), [Closed(1005)]),
        (masked(b"\x03\xe8", CLOSE), [Closed(1000)]),
        (masked(b"\x03\xe9away", CLOSE), [Closed(1001)]),
        (masked(b"\x0b\xb8", CLOSE), [Closed(3000)]),
        (masked(b"\x13\x87", CLOSE), [Closed(4999)]),
        (masked(b"\x03\xf6", CLOSE), [Closed(1014)]),
        (masked(b"a", fin=False) + masked(b"b", CONTINUATION), ["ab"]),
        (masked(b"a", BINARY, fin=False) + masked(b"b", CONTINUATION), [b"ab"]),
        (masked(b"", fin=False) + masked(b"", CONTINUATION), [""]),
        (
            masked(b"a", fin=False) + masked(b"p", PING) + masked(b"b", CONTINUATION),
            [Ping(b"p"), "ab"],
        ),
        # A character in two frames (section 5.6).
        (masked("é".encode()[:1], fin=False) + masked("é".encode()[1:], CONTINUATION), ["é"]),
    ],
)
def test_what_a_client_may_send(data, events) -> None:
    assert read_by(data, []) == events
    assert read_by(data, [1] * len(data)) == events


@pytest.mark.parametrize(
    ("data", "code"),
    [
        # Reserved bits (section 5.2)
        (masked(b"a", bits=0x40), 1002),
        (masked(b"a", bits=0x20), 1002),
        (masked(b"a", bits=0x10), 1002),
        (masked(b"a", PING, bits=0x40), 1002),
        # Opcodes
        *[(masked(b"", opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        # Masking (section 5.1)
        (b"\x81\x00", 1002),
        (b"\x89\x00", 1002),
        (b"\x88\x02\x03\xe8", 1002),
        # Control frames (section 5.5)
        (masked(b"x" * 126, PING), 1002),
        (masked(b"x" * 126, PONG), 1002),
        (masked(b"x" * 126, CLOSE), 1002),
        (masked(b"", PING, fin=False), 1002),
        (masked(b"", CLOSE, fin=False), 1002),
        # Fragments (section 5.4)
        (masked(b"a", CONTINUATION), 1002),
        (masked(b"a", CONTINUATION, fin=False), 1002),
        (masked(b"a", fin=False) + masked(b"b"), 1002),
        (masked(b"a", fin=False) + masked(b"b", fin=False), 1002),
        (masked(b"a", fin=False) + masked(b"b", BINARY), 1002),
        # Lengths are the shortest, of 63 bits (section 5.2)
        (b"\x81\xfe\x00\x7d" + bytes(4 + 125), 1002),
        (head(0x81, 0xFFFF), 1002),
        (head(0x81, 1 << 63), 1002),
        # Codes (section 7.4)
        (masked(b"\x03", CLOSE), 1002),
        *[
            (masked(code.to_bytes(2), CLOSE), 1002)
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
        ],
        (masked(b"\x03\xe8\xff", CLOSE), 1007),
        # Texts are UTF-8 (section 8.1)
        (masked(b"\xff"), 1007),
        (masked(b"\xc3"), 1007),
        (masked(b"\xed\xa0\x80"), 1007),
        (masked(b"\xc0\xaf"), 1007),
        (masked(b"\xc3", fin=False) + masked(b"x", CONTINUATION), 1007),
        # Limits, known from the head
        (head(0x81, ROOMY + 1), 1009),
        (head(0x82, 1 << 62), 1009),
        (masked(b"x" * 10, fin=False) + head(0x80, ROOMY - 9), 1009),
        (masked(b"", fin=False) + masked(b"", CONTINUATION, fin=False) * 1024, 1009),
    ],
)
def test_what_a_client_must_not_send(data, code) -> None:
    data += bytes(4)  # No more than a mask is needed to tell.
    assert read_by(data, [])[-1] == code
    assert read_by(data, [1] * len(data))[-1] == code


def test_the_largest_message() -> None:
    whole = masked(b"x" * 100)
    halves = masked(b"x" * 50, fin=False) + masked(b"x" * 50, CONTINUATION)
    for data in (whole, halves):
        assert read_by(data, [], max_size=100) == ["x" * 100]
        assert read_by(data, [], max_size=99) == [1009]
    # Control frames within it do not count.
    between = masked(b"x" * 100, fin=False) + masked(b"p" * 9, PING) + masked(b"", CONTINUATION)
    assert read_by(between, [], max_size=100) == [Ping(b"p" * 9), "x" * 100]


def test_a_wide_message_has_a_bound_of_its_own() -> None:
    assert read_by(masked(b"x" * 100), [], max_wide=10) == ["x" * 100]
    assert read_by(masked("éééé".encode()), [], max_wide=8) == ["éééé"]
    assert read_by(masked("éééé".encode()), [], max_wide=7) == [1009]


def test_nothing_is_kept_of_what_was_read() -> None:
    reader = FrameReader(ROOMY)
    read(reader, masked(b"x" * 8000) + b"\x81")
    assert reader._data == b"\x81"
    assert not reader._message


# Compression (RFC 7692)


def deflated(*texts, more=b""):
    """Return a client's texts as one compressor folds them."""
    folding, frames = zlib.compressobj(wbits=-12), b""
    for text in texts:
        data = folding.compress(text.encode()) + folding.flush(zlib.Z_SYNC_FLUSH)
        frames += masked(data[:-4] + more, bits=0x40)
    return frames


def inflating():
    return PerMessageDeflate(False, False, 12, 12)


def test_compressed_messages_are_read_one_after_the_other() -> None:
    data = deflated("hello", "hello" * 100, "") + masked(b"as it is")
    expected = ["hello", "hello" * 100, "", "as it is"]
    assert read_by(data, [], extension=inflating()) == expected
    assert read_by(data, [1] * len(data), extension=inflating()) == expected


def test_a_compressed_message_in_fragments() -> None:
    folding = zlib.compressobj(wbits=-12)
    folded = (folding.compress(b"hello" * 9) + folding.flush(zlib.Z_SYNC_FLUSH))[:-4]
    data = masked(folded[:3], bits=0x40, fin=False) + masked(folded[3:], CONTINUATION)
    assert read_by(data, [], extension=inflating()) == ["hello" * 9]
    # The bit stands on the first only (section 6.1).
    wrong = masked(folded[:3], bits=0x40, fin=False) + masked(folded[3:], CONTINUATION, bits=0x40)
    assert read_by(wrong, [], extension=inflating()) == [1002]


def test_a_small_frame_unfolds_to_no_more_than_a_message_may_have() -> None:
    data = deflated("x" * 100_000)
    assert len(data) < 300
    assert read_by(data, [], extension=inflating(), max_size=100_000) == ["x" * 100_000]
    assert read_by(data, [], extension=inflating(), max_size=99_999) == [1009]


def test_a_fragment_that_fills_the_bound_lets_nothing_unfold_behind_it() -> None:
    folding = zlib.compressobj(wbits=-12)
    first = folding.compress(b"x" * 500) + folding.flush(zlib.Z_SYNC_FLUSH)
    bomb = folding.compress(b"y" * 1_000_000) + folding.flush(zlib.Z_SYNC_FLUSH)
    data = masked(first, bits=0x40, fin=False) + masked(bomb[:400], CONTINUATION, fin=False)
    assert read_by(data, [], extension=inflating(), max_size=500) == [1009]


def test_what_does_not_unfold_is_broken() -> None:
    assert read_by(masked(b"\xff\xff\xff", bits=0x40), [], extension=inflating()) == [1002]


# Any split of any bytes

_FRAMES = st.lists(
    st.one_of(
        st.builds(masked, st.text(max_size=300).map(str.encode)),
        st.builds(masked, st.binary(max_size=125), st.sampled_from([PING, PONG, BINARY])),
        st.builds(
            lambda parts: (
                masked(parts[0], TEXT, fin=False)
                + b"".join(masked(part, CONTINUATION, fin=False) for part in parts[1:])
                + masked(b"", CONTINUATION)
            ),
            st.lists(st.binary(max_size=9), min_size=1, max_size=5),
        ),
        st.binary(max_size=20),
    ),
    max_size=6,
).map(b"".join)


@settings(deadline=None)
@given(data=_FRAMES, sizes=st.lists(st.integers(0, 50), max_size=40))
def test_any_split_gives_the_same(data, sizes) -> None:
    assert read_by(data, sizes, max_size=1000) == read_by(data, [], max_size=1000)


def as_the_library(data):
    """Return what :mod:`websockets` reads, in the same words."""
    server = ServerProtocol(state=State.OPEN, max_size=1000)
    server.receive_data(data)
    events, parts, kind = [], [], None
    for frame in server.events_received():
        if frame.opcode is Opcode.CLOSE:
            return [*events, Closed(server.close_rcvd.code)]
        if frame.opcode is Opcode.PING:
            events.append(Ping(bytes(frame.data)))
        elif frame.opcode is Opcode.PONG:
            events.append(Pong(bytes(frame.data)))
        else:
            kind, parts = (kind, parts) if frame.opcode is Opcode.CONT else (frame.opcode, [])
            parts.append(bytes(frame.data))
            if frame.fin:
                whole = b"".join(parts)
                try:
                    events.append(whole.decode() if kind is Opcode.TEXT else whole)
                except UnicodeDecodeError:
                    return [*events, 1007]
    if server.parser_exc is not None:
        events.append(int(server.close_sent.code))
    return events


@settings(deadline=None)
@given(data=_FRAMES)
def test_the_library_reads_the_same(data) -> None:
    ours, theirs = read_by(data, [], max_size=1000), as_the_library(data)
    for at, event in enumerate(ours):
        if isinstance(event, Closed):
            ours = ours[: at + 1]  # Nothing counts that comes behind it.
            break
    if ours and ours[-1] == 1002 and ours != theirs:
        # It lets lengths pass that are not the shortest, or too large before they are unmasked.
        assert ours[:-1] == theirs[: len(ours) - 1]
    else:
        assert ours == theirs


@settings(deadline=None, max_examples=examples(300))
@given(data=st.binary(max_size=200))
def test_no_bytes_break_the_reader(data) -> None:
    for event in read_by(data, [7] * 30, max_size=100):
        assert isinstance(event, str | bytes | Ping | Pong | Closed | int)
