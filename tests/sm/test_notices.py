"""What strangers can cause in a log is bounded."""

import logging

from andiron.sm.notices import MOST, PERIOD, Complaints, Notices


def test_each_is_told_once():
    notices = Notices()
    assert [notices.first(key, 5.0) for key in "abab"] == [True, True, False, False]


def test_not_many_are_told_in_a_period():
    notices = Notices()
    assert sum(notices.first(number, 0.0) for number in range(1000)) == MOST
    assert not notices.first("one more", PERIOD - 0.001)


def test_the_next_period_begins_anew():
    notices = Notices()
    assert notices.first("a", 100.0)
    assert not notices.first("a", 100.0 + PERIOD - 0.001)
    assert notices.first("a", 100.0 + PERIOD)
    assert not notices.first("a", 100.0 + PERIOD)


def test_a_complaint_that_comes_again_is_logged_for_information_only(caplog):
    caplog.set_level(logging.INFO)
    now = 0.0
    complain = Complaints(logging.getLogger("andiron"), lambda: now)
    for name in ("one", "two"):
        complain("%s failed", name)
    complain("it was slow")
    now = PERIOD
    complain("%s failed", "three")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "one failed"),
        ("INFO", "two failed"),
        ("ERROR", "it was slow"),
        ("ERROR", "three failed"),
    ]
