"""What records come to, one at a time."""

from collections import deque

import pytest
from support.journal import head, plain, session

from andiron.sm.counters import MODULUS
from andiron.sm.journal.state import State

LAST = MODULUS - 1


def with_queue(acked: int, stanzas: int) -> State:
    state = State()
    state.began(session("a", acked))
    for number in range(stanzas):
        state.queued("a", f"s{number}", float(number))
    return state


@pytest.mark.parametrize(
    ("acked", "stanzas", "h", "left"),
    [
        (0, 3, 0, 3),
        (0, 3, 2, 1),
        (0, 3, 3, 0),
        (LAST, 3, LAST, 3),
        (LAST, 3, 0, 2),
        (LAST - 1, 3, 1, 0),
        (7, 1500, 8, 1499),
        (LAST, 1500, 1399, 100),
    ],
)
def test_a_count_lets_go_the_oldest(acked: int, stanzas: int, h: int, left: int) -> None:
    state = with_queue(acked, stanzas)
    state.acknowledged("a", h)
    found = state.sessions["a"].frozen()
    assert found.acked == h
    expected = [(f"s{number}", float(number)) for number in range(stanzas - left, stanzas)]
    assert list(found.queue) == expected


def test_a_long_queue_goes_on() -> None:
    state = with_queue(LAST, 1500)
    for h in range(1200):
        state.acknowledged("a", h)
    assert isinstance(state.sessions["a"].queue, deque)
    state.queued("a", "last", 1.5)
    assert [text for text, _ in state.sessions["a"].queue][-2:] == ["s1499", "last"]
    assert len(state.sessions["a"].queue) == 301


@pytest.mark.parametrize(("acked", "stanzas", "h"), [(0, 3, 4), (0, 0, LAST), (7, 3, 6)])
def test_what_was_not_queued_is_not_acknowledged(acked: int, stanzas: int, h: int) -> None:
    state = with_queue(acked, stanzas)
    before = plain(state)
    with pytest.raises(ValueError, match="acknowledged"):
        state.acknowledged("a", h)
    assert plain(state) == before


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("queued", ("<message/>", 1.0)),
        ("acknowledged", (0,)),
        ("handled", (1,)),
        ("ended", ()),
    ],
)
def test_a_session_that_is_not_there_cannot_change(method: str, arguments: tuple) -> None:
    state = with_queue(0, 1)
    before = plain(state)
    with pytest.raises(KeyError):
        getattr(state, method)("b", *arguments)
    with pytest.raises(KeyError):
        state.changed(head("b"))
    assert plain(state) == before


def test_a_session_that_changes_keeps_its_queue() -> None:
    state = with_queue(5, 2)
    state.handled("a", 9)
    state.changed(head("a", lost_at=2.5))
    found = state.sessions["a"].frozen()
    assert (found.head.lost_at, found.handled, found.acked, len(found.queue)) == (2.5, 9, 5, 2)
    state.ended("a")
    assert not state.sessions


def test_notes_are_replaced_and_go() -> None:
    state = State()
    state.note("room", {"subject": ""})
    state.note("room", 0)
    state.note("other", False)
    assert state.notes == {"room": 0, "other": False}
    state.note("room", None)
    state.note("unknown", None)
    assert state.notes == {"other": False}


def test_debts_are_paid_in_order() -> None:
    state = State()
    for number in (3, 4, 7):
        state.owed("archive", number, f"s{number}")
    state.paid("archive", 4)
    state.paid("archive", 2)
    assert plain(state)["debts"] == {"archive": (7, [(7, "s7")])}
    with pytest.raises(ValueError, match="after 7"):
        state.owed("archive", 7, "")
    state.paid("archive", 7)
    assert plain(state)["debts"] == {"archive": (7, [])}, "the number is not used again"
