import json

from andiron.domain.messages.owing import Owing
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State


def again(journal: Journal, written: list) -> Journal:
    """Return the journal as the next process finds it."""
    written += journal.take()
    state = State()
    for record in json.loads(json.dumps(written)):
        apply(state, record)
    return Journal(state)


def test_what_is_not_paid_is_left_in_any_order():
    written: list = []
    journal = Journal(State())
    owing = Owing(journal, "offline")
    keys = [owing.owed([name]) for name in ("one", "two", "three")]
    owing.paid(keys[1])
    journal = again(journal, written)
    assert Owing(journal, "offline").left() == [["one"], ["three"]]


def test_what_was_left_is_taken_over_once_and_keys_are_not_confused():
    written: list = []
    journal = Journal(State())
    Owing(journal, "offline").owed(["former"])
    journal.note("room/hall", {"name": "hall"})
    journal = again(journal, written)
    owing = Owing(journal, "offline")
    assert owing.left() == [["former"]]
    owing.take_over()
    owing.owed(["later"])
    journal = again(journal, written)
    assert Owing(journal, "offline").left() == [["later"]]
    assert "room/hall" in journal.state.notes


def test_debts_of_earlier_versions_are_left_first():
    written: list = []
    journal = Journal(State())
    journal.owed("offline", ["earlier"])
    Owing(journal, "offline").owed(["later"])
    journal = again(journal, written)
    owing = Owing(journal, "offline")
    assert owing.left() == [["earlier"], ["later"]]
    owing.take_over()
    assert Owing(again(journal, written), "offline").left() == []
