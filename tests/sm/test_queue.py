"""The queue of unacknowledged stanzas, held against a plain list."""

import sqlite3
from contextlib import closing
from sys import getsizeof
from xml.parsers.expat import ParserCreate

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.thorough import examples

from andiron.sm.counters import MODULUS
from andiron.sm.payers import Payer, size_of
from andiron.sm.queue import CountTooHighError, UnackedQueue

LAST = MODULUS - 1
SIZE = size_of("s0")


def filled(start: int, stanzas: int, unsent: int = 0) -> UnackedQueue:
    queue = UnackedQueue(start, Payer("juliet@localhost"))
    for number in range(stanzas):
        queue.push(f"s{number}", float(number))
    queue.unsent = unsent
    return queue


@pytest.mark.parametrize(
    ("start", "stanzas", "unsent", "h", "confirmed"),
    [
        (0, 3, 0, 0, 0),
        (0, 3, 0, 2, 2),
        (0, 3, 0, 3, 3),
        (0, 3, 1, 2, 2),
        (0, 0, 0, 0, 0),
        (7, 3, 0, 10, 3),
        (LAST, 3, 0, LAST, 0),
        (LAST, 3, 0, 0, 1),
        (LAST, 3, 0, 2, 3),
        (LAST - 2, 2, 0, LAST, 2),
    ],
)
def test_a_count_confirms_the_oldest(start, stanzas, unsent, h, confirmed):
    queue = filled(start, stanzas, unsent)
    assert queue.check(h) == confirmed
    assert len(queue) == stanzas, "a check changes nothing"
    assert queue.ack(h) == confirmed
    assert [text for text, _, _ in queue] == [f"s{n}" for n in range(confirmed, stanzas)]
    assert queue.bytes == SIZE * (stanzas - confirmed)
    assert queue.acked == h


@pytest.mark.parametrize(
    ("start", "stanzas", "unsent", "h", "sent"),
    [
        (0, 3, 0, 4, 3),
        (0, 0, 0, 1, 0),
        (0, 3, 0, LAST, 3),
        (7, 3, 0, 6, 10),
        (7, 3, 0, 11, 10),
        (LAST, 3, 0, 3, 2),
        (LAST, 3, 0, LAST - 1, 2),
        (0, 3, 1, 3, 2),
        (0, 3, 3, 1, 0),
        (LAST, 3, 2, 1, 0),
    ],
)
def test_a_count_beyond_what_was_sent_or_below_the_last_changes_nothing(
    start, stanzas, unsent, h, sent
):
    queue = filled(start, stanzas, unsent)
    with pytest.raises(CountTooHighError, match=f"{h} acknowledged, {sent} sent"):
        queue.ack(h)
    assert (len(queue), queue.bytes, queue.acked, queue.sent) == (
        stanzas,
        SIZE * stanzas,
        start,
        sent,
    )


def test_drain_takes_everything_in_order():
    queue = filled(5, 3, unsent=2)
    assert queue.drain() == [("s0", 0.0, SIZE), ("s1", 1.0, SIZE), ("s2", 2.0, SIZE)]
    assert (len(queue), queue.bytes, queue.unsent, queue.acked) == (0, 0, 0, 5)
    assert queue.drain() == []


@pytest.mark.parametrize("steps", [[1] * 3000, [7, 0, 1200, 1, 1, 900, 5], [2999], [3000]])
def test_a_long_queue_lets_go_the_oldest_and_what_they_take(steps):
    queue = filled(LAST, 3000, unsent=0)
    left = [f"s{number}" for number in range(3000)]
    for step in steps:
        assert queue.ack((queue.acked + step) % MODULUS) == step
        del left[:step]
        if len(left) % 100 < 2:
            assert [text for text, _, _ in queue] == left
            assert queue.bytes == sum(map(size_of, left))
        assert len(queue) == len(left)
        assert queue.sent == 2999
    with pytest.raises(CountTooHighError):
        queue.ack((queue.acked + len(left) + 1) % MODULUS)
    queue.push("late", 1.0)
    assert [text for text, _, _ in queue.drain()] == [*left, "late"]
    assert (len(queue), queue.bytes, list(queue)) == (0, 0, [])


class QueueAgainstIntegers(RuleBasedStateMachine):
    """Pushes, sends and acks in any order; the model counts from zero without an end."""

    start = LAST - 4

    def __init__(self) -> None:
        super().__init__()
        self.queue = UnackedQueue(self.start, Payer("juliet@localhost"))
        self.texts: list[str] = []
        self.acked = self.sent = 0

    @rule(size=st.integers(1, 99), at_once=st.booleans())
    def push(self, size: int, at_once: bool) -> None:
        self.queue.push("x" * size, 0.0)
        self.texts.append("x" * size)
        if at_once and self.sent == len(self.texts) - 1:
            self.sent += 1
        else:
            self.queue.unsent += 1

    @rule()
    def send_the_rest(self) -> None:
        self.queue.unsent = 0
        self.sent = len(self.texts)

    @rule(step=st.integers(-3, 8))
    def ack(self, step: int) -> None:
        h = (self.start + self.acked + step) % MODULUS
        if 0 <= step <= self.sent - self.acked:
            assert self.queue.ack(h) == step
            self.acked += step
        else:
            with pytest.raises(CountTooHighError):
                self.queue.ack(h)

    @invariant()
    def agrees(self) -> None:
        waiting = self.texts[self.acked :]
        assert [text for text, _, _ in self.queue] == waiting
        assert self.queue.bytes == sum(map(size_of, waiting))
        assert self.queue.sent == (self.start + self.sent) % MODULUS


def test_the_queue_agrees_with_plain_integers():
    case = QueueAgainstIntegers.TestCase
    case.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
    case("runTest").runTest()


def test_what_is_charged_for_a_text_is_given_back_though_the_text_grows_in_memory():
    """Whoever hands a text to expat or SQLite has its UTF-8 kept in the same object."""
    payer = Payer("juliet@localhost")
    queue = UnackedQueue(0, payer)
    text = "".join(["é"] * 1000)
    queue.push(text, 0.0)
    charged = payer.held
    ParserCreate().Parse(f"<a>{text}</a>", True)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("select ?", (text,)).fetchone()
    assert getsizeof(text) <= charged
    queue.ack(1)
    assert (queue.bytes, payer.held) == (0, 0)
