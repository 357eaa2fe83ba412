"""What each request is told when a session ends."""

import pytest
from support.bosh import EMPTY, TERMINATE, terminal

from andiron.bosh.ending import Ending, ending_by
from andiron.xmpp.errors import BoshCondition, StreamCondition, StreamError

OTHER = terminal("other-request")
GONE = terminal("item-not-found")
LAST = "<message id='last'/>"


def words(ending, count):
    return list(ending.words(count))


def test_a_clients_own_end_is_confirmed_on_the_oldest():
    assert words(Ending(None), 3) == [TERMINATE, EMPTY, EMPTY]
    assert words(Ending(None), 0) == []


def test_a_condition_is_told_on_the_oldest_and_the_others_are_told_of_it():
    assert words(Ending(BoshCondition.ITEM_NOT_FOUND), 2) == [GONE, OTHER]


def test_who_broke_a_rule_was_told_itself():
    ending = Ending(BoshCondition.ITEM_NOT_FOUND, told=True)
    assert words(ending, 2) == [OTHER, OTHER]
    assert ending.late(heard=False) == GONE


def test_what_waits_goes_once_with_the_first_that_can_carry_it():
    ending = Ending(None, [LAST])
    carrying = TERMINATE.replace("/>", f">{LAST}</body>")
    assert words(ending, 2) == [carrying, EMPTY]
    assert ending.late(heard=False) == carrying
    assert ending.late(heard=True) == TERMINATE


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (None, 200),
        (BoshCondition.BAD_REQUEST, 400),
        (BoshCondition.POLICY_VIOLATION, 403),
        (BoshCondition.ITEM_NOT_FOUND, 404),
        (BoshCondition.SYSTEM_SHUTDOWN, 200),
    ],
)
def test_clients_of_old_are_told_by_the_status(condition, status):
    assert Ending(condition).status(legacy=True) == status
    assert Ending(condition).status(legacy=False) == 200


def test_stream_errors_have_a_condition_of_their_own_or_go_as_they_are():
    error = StreamError(StreamCondition.SYSTEM_SHUTDOWN)
    assert ending_by(error, [LAST]) == Ending(BoshCondition.SYSTEM_SHUTDOWN, [LAST])
    error = StreamError(StreamCondition.CONFLICT)
    assert ending_by(error, [LAST]) == Ending(
        BoshCondition.REMOTE_STREAM_ERROR, [LAST, error.to_xml()]
    )
    assert ending_by(None, [LAST]) == Ending(None, [LAST])
