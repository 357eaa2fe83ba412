"""The live state written anew beside records that come: both journals say the same."""

import json
from itertools import chain
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.journal import head, plain, session

from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import Record, apply
from andiron.sm.journal.rewriting import Rewriting
from andiron.sm.journal.state import State


def replayed(records: list[Record]) -> State:
    """Return what records come to."""
    state = State()
    for record in json.loads(json.dumps(records)):
        apply(state, record)
    return state


def full() -> Journal:
    journal = Journal(State())
    for number in range(6):
        journal.began(session(f"s{number}", number, [("<message/>", 1.0)] * number))
        journal.note(f"n{number}", number)
    for number in range(20):
        journal.owed(f"d{number % 3}", "x" * 50)
    journal.paid("d0", 2)
    journal.paid("d1", 7)
    journal.take()
    return journal


def test_alone_it_is_everything() -> None:
    journal = full()
    rewriting = Rewriting(journal.state)
    slices = []
    while slice_ := rewriting.next(300):
        slices.append(slice_)
    assert len(slices) > 5
    assert plain(replayed(list(chain(*slices)))) == plain(journal.state)
    assert rewriting.next(300) == []


def test_nothing_is_nothing() -> None:
    assert Rewriting(State()).next(100) == []


def test_one_thing_is_as_large_as_it_is() -> None:
    journal = Journal(State())
    journal.began(session("a", 0, [("x" * 1000, 1.0)] * 10))
    journal.began(session("b"))
    rewriting = Rewriting(journal.state)
    assert [len(rewriting.next(10)) for _ in range(3)] == [1, 1, 0]


@given(st.data())
def test_with_whatever_comes_meanwhile(data: st.DataObject) -> None:
    journal = full()
    rewriting = Rewriting(journal.state)
    written: list[Record] = []
    sessions = st.sampled_from([f"s{number}" for number in range(8)])
    notes = st.sampled_from([f"n{number}" for number in range(8)])
    debts = st.sampled_from([f"d{number}" for number in range(4)])
    while slice_ := rewriting.next(data.draw(st.integers(1, 1000))):
        written += slice_
        for _ in range(data.draw(st.integers(0, 4))):
            change(journal, data, data.draw(sessions), data.draw(notes), data.draw(debts))
        written += rewriting.besides(journal.take())
    assert plain(replayed(written)) == plain(journal.state)
    change(journal, data, "s1", "n1", "d1")
    records = journal.take()
    assert rewriting.besides(records) == records, "from then on they are the same"


def change(journal: Journal, data: st.DataObject, sm_id: str, key: str, kind: str) -> None:
    known: Any = journal.state.sessions.get(sm_id)
    which = data.draw(st.integers(0, 7))
    if which == 0:
        journal.note(key, data.draw(st.none() | st.integers()))
    elif which == 1:
        journal.owed(kind, "later")
    elif which == 2:
        journal.paid(kind, data.draw(st.integers(0, journal.last(kind))))
    elif which == 3 or known is None:
        journal.began(session(sm_id, 7))
    elif which == 4:
        journal.ended(sm_id)
    elif which == 5:
        journal.queued(sm_id, "<iq/>", 2.0)
        journal.handled(sm_id, 99)
    elif which == 6:
        journal.changed(head(sm_id, lost_at=5.0))
    else:
        journal.acknowledged(sm_id, known.acked + data.draw(st.integers(0, len(known.queue))))
