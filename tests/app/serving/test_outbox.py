"""How few writes what is sent in a turn of the loop takes, and what may wait for them."""

import asyncio
import itertools

import pytest
from support.waiting import until

from andiron.serving.frames import text_frame
from andiron.serving.outbox import Outbox, Turn


class Network(asyncio.Transport):
    """Notes what is written."""

    def __init__(self):
        super().__init__()
        self.writes = []
        self.closing = False

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.writes.append(bytes(data))


class Case:
    """Connections of one server."""

    def __init__(self):
        self.turn = Turn()
        self.failures = []

    def outbox(self, limit=1000):
        network = Network()
        return Outbox(network, text_frame, limit, self.failures.append, self.turn), network.writes

    def read(self):
        """Begin to read a piece from somebody; return what he was sent."""
        self.turn.reading, writes = self.outbox()
        return writes

    async def end(self):
        """Let the turn of the loop end."""
        number = self.turn.number
        await until(lambda: self.turn.number > number)


@pytest.fixture
def case(monkeypatch):
    monkeypatch.setattr("andiron.serving.outbox.monotonic", lambda: 0.0)
    return Case()


def frames(*texts):
    return b"".join(text_frame(text) for text in texts)


async def test_what_goes_back_to_who_is_read_from_is_one_write(case):
    writes = case.read()
    for text in "abc":
        case.turn.reading.send(text)
    assert not writes
    case.turn.has_read()
    assert writes == [frames("a", "b", "c")]
    await case.end()
    assert len(writes) == 1


async def test_others_do_not_wait_until_a_piece_is_read(case):
    answers = case.read()
    asker = case.turn.reading
    box, writes = case.outbox()
    for text in "abc":
        box.send(text)
        asker.send(text)
    assert not answers
    assert writes == [frames("a")]
    case.turn.has_read()
    assert answers == [frames("a", "b", "c")]
    await case.end()
    assert writes == [frames("a"), frames("b", "c")]


async def test_without_a_piece_that_is_read_the_first_of_a_turn_is_written_at_once(case):
    box, writes = case.outbox()
    for _ in range(2):
        writes.clear()
        for text in "abc":
            box.send(text)
        assert writes == [frames("a")]
        await case.end()
        assert writes == [frames("a"), frames("b", "c")]


async def test_what_is_sent_together_is_one_write_at_once(case):
    box, writes = case.outbox()
    box.send_all(["a", "b"])
    assert writes == [frames("a", "b")]
    box.send("c")
    box.send_all(["d", "e"])
    assert writes[1:] == [frames("c", "d", "e")]
    await case.end()
    assert len(writes) == 2


async def test_much_that_is_sent_together_is_more_than_one_write(case):
    box, writes = case.outbox()
    texts = ["x" * 5_000] * 10
    box.send_all(texts)
    await case.end()
    assert b"".join(writes) == frames(*texts)
    assert len(writes) == 3


async def test_of_what_is_sent_together_what_the_network_does_not_take_waits(case):
    box, writes = case.outbox(limit=8)
    box.writable = False
    box.send_all(["a", "b"])
    assert box.take_back() == ["a", "b"]
    box.send_all(["1234", "5678", "9"])
    await case.end()
    assert case.failures == [None]
    assert not writes


async def test_the_last_frame_goes_behind_those_that_wait_and_none_after_it(case):
    box, writes = case.outbox()
    case.read()
    for text in "abc":
        box.send(text)
    box.end(text_frame("bye"))
    assert writes == [frames("a"), frames("b", "c", "bye")]
    box.send("d")
    case.turn.has_read()
    await case.end()
    assert len(writes) == 2


async def test_a_network_that_fails_fails_nobody_else(case):
    box, _ = case.outbox()
    other, others = case.outbox()

    def refuse(_data):
        raise OSError("gone")

    box._transport.write = refuse
    case.read()
    box.send("a")
    other.send("b")
    case.turn.has_read()
    await case.end()
    assert others == [frames("b")]
    assert [str(error) for error in case.failures] == ["gone"]


async def test_in_a_long_turn_nothing_waits_for_its_end(case, monkeypatch):
    times = itertools.count()
    monkeypatch.setattr("andiron.serving.outbox.monotonic", lambda: next(times))
    box, writes = case.outbox()
    for text in "abc":
        box.send(text)
    assert writes == [frames("a"), frames("b"), frames("c")]
