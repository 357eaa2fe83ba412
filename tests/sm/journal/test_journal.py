"""What is recorded is true at once, and taken in batches."""

import json
from collections.abc import Callable

import pytest
from support.journal import head, plain, session

from andiron.sm.frozen import Noted, Plain
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.lines import body
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State


def test_its_records_come_to_its_state() -> None:
    journal, state = Journal(State()), State()
    journal.began(session("a", 7, [("<iq/>", 1.0)]))
    journal.began(session("b"))
    journal.queued("a", "<message/>", 2.0)
    journal.acknowledged("a", 8)
    journal.handled("a", 12)
    journal.changed(head("a", lost_at=3.0, backend={"rooms": [["verona", "romeo"]]}))
    journal.ended("b")
    journal.note("room", {"subject": "Verona"})
    assert [journal.owed("archive", each) for each in ("x", "y")] == [1, 2]
    journal.paid("archive", 1)
    assert journal.owed("other", None) == 1
    for record in json.loads(body(journal.take())):
        apply(state, record)
    assert plain(state) == plain(journal.state)
    assert journal.last("archive") == 2
    assert journal.last("unknown") == 0


def test_what_is_known_of_a_stanza_may_be_filled_until_the_turn_ends() -> None:
    journal, state = Journal(State()), State()
    journal.began(session("a"))
    note: list[Plain] = [1]
    journal.queued("a", Noted.of("<message/>", note), 2.0)
    note.append("b")
    for record in json.loads(body(journal.take())):
        apply(state, record)
    ((text, _),) = state.sessions["a"].queue
    assert isinstance(text, Noted)
    assert text.note == [1, "b"]


def test_a_turn_is_told_of_once() -> None:
    journal = Journal(State())
    told: list[bool] = []
    journal.on_pending = lambda: told.append(journal.pending)
    assert not journal.pending
    assert journal.take() == []
    journal.note("a", 1)
    journal.note("b", 1)
    assert told == [True]
    assert journal.take() == [("note", "a", 1), ("note", "b", 1)]
    journal.note("a", None)
    assert told == [True, True]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda journal: journal.queued("b", "", 1.0),
        lambda journal: journal.acknowledged("a", 1),
        lambda journal: journal.handled("b", 1),
        lambda journal: journal.ended("b"),
        lambda journal: journal.changed(head("b")),
        lambda journal: journal.changed(head("a", backend={"presence": b""})),
        lambda journal: journal.began(session("b").__class__(head("b", backend={1: 2}), 0, 0)),
        lambda journal: journal.note("a", {"b": b""}),
        lambda journal: journal.owed("a", object()),
        lambda journal: journal.paid("a", 1),
    ],
)
def test_what_cannot_be_is_not_recorded(attempt: Callable[[Journal], object]) -> None:
    journal = Journal(State())
    journal.began(session("a"))
    journal.take()
    before = plain(journal.state)
    with pytest.raises((KeyError, ValueError)):
        attempt(journal)
    assert not journal.pending
    assert plain(journal.state) == before
