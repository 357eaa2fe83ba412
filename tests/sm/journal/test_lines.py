"""A journal's text, cut, bent and exchanged: what is read is the batches up to there."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.journal import plain

from andiron.sm.frozen import VERSION
from andiron.sm.journal.lines import JournalError, NewerError, Reading, begin, body, line, read
from andiron.sm.journal.records import Record

BATCHES: list[list[Record]] = [
    [("note", "a", 1)],
    [("note", "b", "x\ny\u2028ж\ud800"), ("owed", "archive", 1, {"text": "<message/>"})],
    [("note", "a", None), ("paid", "archive", 1)],
    [("note", "c", [1, 2.5, None, True])],
]


def written(batches: list[list[Record]], random: str = "0123456789abcdef") -> list[bytes]:
    first, check = begin(random)
    lines = [first]
    for records in batches:
        text, check = line(body(records), check)
        lines.append(text)
    return lines


def of(text: bytes) -> Reading:
    return read(lambda: io.BytesIO(text))


LINES = written(BATCHES)
TEXT = b"".join(LINES)
ENDS = [sum(map(len, LINES[: count + 1])) for count in range(len(LINES))]
STATES = [plain(of(TEXT[:end]).state) for end in ENDS]


def test_all_of_it() -> None:
    reading = of(TEXT)
    assert (reading.size, reading.batches) == (len(TEXT), 4)
    assert not reading.torn
    assert not reading.damaged
    assert reading.state.notes == {"b": "x\ny\u2028ж\ud800", "c": [1, 2.5, None, True]}
    assert reading.state.debts["archive"].last == 1
    text, _ = line(body([("note", "d", 1)]), reading.check)
    assert of(TEXT + text).state.notes["d"] == 1, "one goes on from there"


def test_cut_at_every_byte() -> None:
    for cut in range(len(TEXT)):
        reading = of(TEXT[:cut])
        whole = [end for end in ENDS if end <= cut]
        assert reading.size == (whole[-1] if whole else 0)
        assert reading.torn == (bool(whole) and cut not in ENDS)
        assert not reading.damaged
        assert plain(reading.state) == STATES[max(0, len(whole) - 1)]


def test_bent_at_every_byte() -> None:
    for place in range(ENDS[0], len(TEXT)):
        bent = bytearray(TEXT)
        bent[place] ^= 1
        reading = of(bytes(bent))
        good = max(end for end in ENDS if end <= place)
        assert reading.size == good
        assert plain(reading.state) == STATES[ENDS.index(good)]
        assert (reading.damaged, reading.torn) == (bent[-1:] == b"\n", bent[-1:] != b"\n")


@given(st.data())
def test_whatever_is_there(data: st.DataObject) -> None:
    place = data.draw(st.integers(ENDS[0], len(TEXT)))
    reading = of(TEXT[:place] + data.draw(st.binary(max_size=40)) + TEXT[place:])
    assert plain(reading.state) in STATES
    assert reading.size in ENDS


def test_behind_zeros_nothing_is_read() -> None:
    reading = of(TEXT[: ENDS[1]] + bytes(4096))
    assert (reading.size, reading.torn, reading.damaged) == (ENDS[1], True, False)


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4], [0, 1, 3, 4], [0, 1, 1, 2], [0, 2]])
def test_a_line_is_right_in_its_place_only(order: list[int]) -> None:
    reading = of(b"".join(LINES[number] for number in order))
    good = next(number for number, line in enumerate(order) if number != line)
    assert reading.batches == good - 1
    assert reading.damaged


def test_a_line_of_another_file_is_not_right() -> None:
    assert of(written(BATCHES, "f" * 16)[0] + b"".join(LINES[1:])).batches == 0


@pytest.mark.parametrize(
    "json",
    [b'["a"]', b"1", b'"note"', b'{"note":1}', b"[", b"[" * 10**5, b'[["ended","a"]]', b"\xff"],
)
def test_a_batch_that_cannot_be_is_damage(json: bytes) -> None:
    first, check = begin("0" * 16)
    good, check = line(b'[["note","a",1]]', check)
    bad, check = line(json, check)
    reading = of(first + good + bad)
    assert (reading.batches, reading.damaged, reading.torn) == (1, True, False)
    assert reading.state.notes == {"a": 1}


def test_a_batch_that_fails_in_its_middle_leaves_nothing() -> None:
    lines = written([[("note", "a", 1)], [("note", "a", 2), ("ended", "a")], [("note", "b", 1)]])
    reading = of(b"".join(lines))
    assert reading.damaged
    assert reading.state.notes == {"a": 1}
    assert reading.size == len(lines[0]) + len(lines[1])


@pytest.mark.parametrize("rest", [b"\n", b" 0123456789abcdef\n", b" and more\nand more"])
def test_what_is_newer_is_left_alone(rest: bytes) -> None:
    with pytest.raises(NewerError, match=rf"newer Andiron \(version {VERSION + 1}"):
        of(b"andiron journal %d" % (VERSION + 1) + rest)


@pytest.mark.parametrize(
    "text",
    [
        b"SQLite format 3\0",
        b"\n",
        b"andiron journal\n",
        b"andiron journal one\n",
        b"andiron journal 0 0123456789abcdef\n",
        b"andiron journal 1\n",
        b"andiron journal 01 0123456789abcdef\n",
        b"andiron journal 1 0123456789abcdef \n",
        b"andiron journal 1" + b"x" * 100,
        bytes(4096),
    ],
)
def test_what_is_none_is_left_alone(text: bytes) -> None:
    with pytest.raises(JournalError, match="move that file away"):
        of(text)


def test_the_checksum_is_that_of_zlib() -> None:
    assert LINES[1][:8] == b"%08x" % zlib.crc32(LINES[0] + LINES[1][8:-1])
