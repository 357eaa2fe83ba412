"""What strangers can cause in a log is bounded."""

from andiron.sm.notices import MOST, PERIOD, Notices


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
