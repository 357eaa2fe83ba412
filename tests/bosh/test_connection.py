"""One BOSH session: what is held, when it is answered, and what becomes of what was sent."""

import pytest
from support.bosh import (
    EMPTY,
    RECOVERABLE,
    TERMINATE,
    BoshWorld,
    children,
    ids,
    message,
    terminal,
)

from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.session import State
from andiron.xmpp.errors import StreamCondition, StreamError

HAVE = "<a xmlns='urn:xmpp:sm:3' h='{}'/>"


@pytest.fixture
def world():
    return BoshWorld()


# Holding


def test_a_request_is_held_until_there_is_something_to_send(world):
    client = world.bound()
    held = client.send()
    world.pass_time(20)
    assert held.waits
    world.deliver("1")
    assert ids(held.children()) == ["1"]


def test_a_held_request_is_answered_empty_after_wait(world):
    client = world.bound(wait=10)
    held = client.send()
    world.pass_time(9.9)
    assert held.waits
    world.pass_time(0.1)
    assert held.text == EMPTY


def test_one_more_than_hold_is_answered_at_once_in_order(world):
    client = world.bound(hold=2)
    first, second = client.send(message("a")), client.send(message("b"))
    assert first.waits
    assert second.waits
    third = client.send(message("c"))
    assert (first.text, second.waits, third.waits) == (EMPTY, True, True)


@pytest.mark.parametrize("tells", ["nothing", "the next request"])
def test_stanzas_do_not_overtake_those_in_an_answer_before(tells, world):
    """Answers may arrive in another order, and some clients read them as they come."""
    client = world.bound(hold=2, ack=1)
    first, second = client.send(), client.send()
    world.deliver("a")
    world.deliver("b")
    assert ids(first.children()) == ["a"]
    assert second.waits
    if tells == "nothing":
        world.pass_time(0.09)
        assert second.waits
        world.pass_time(0.02)
    else:
        client.send(ack=client.rid - 1)
    assert ids(second.children()) == ["b"]


def test_stanzas_do_not_overtake_an_answer_that_crosses_their_request(world):
    """The client says in it that it has not had the one before."""
    client = world.bound(ack=1)
    first = client.send()
    world.deliver("a")
    assert ids(first.children()) == ["a"]
    crossing = client.send(message("up"), ack=client.rid - 1)
    world.deliver("b")
    assert crossing.waits
    world.pass_time(0.1)
    assert ids(crossing.children()) == ["b"]
    later = client.send(message("up"))
    world.deliver("c")
    assert ids(later.children()) == ["c"]


def test_stanzas_need_not_wait_for_an_answer_that_carried_none(world):
    """What was there to say was that a request has come, or how much arrived."""
    client = world.bound(hold=1, sm=True)
    first = client.send()
    second = client.send(message("up"), "<r xmlns='urn:xmpp:sm:3'/>")
    assert first.children() == ["<a xmlns='urn:xmpp:sm:3' h='1'/>"]
    world.deliver("a")
    assert ids(second.children()) == ["a"]


def test_what_comes_in_one_turn_shares_an_answer(world):
    client = world.bound()
    held = client.send()
    world.deliver("1", "2", "3")
    assert ids(held.children()) == ["1", "2", "3"]


def test_what_comes_while_nothing_is_held_waits_for_the_next_request(world):
    client = world.bound()
    world.deliver("1")
    world.deliver("2")
    assert ids(client.send().children()) == ["1", "2"]


def test_each_answer_carries_so_much():
    world = BoshWorld(answer_bytes=100)
    client = world.bound(hold=1)
    world.deliver("1", "2", "3", "4")
    assert ids(client.send().children()) == ["1", "2"]
    assert ids(client.send().children()) == ["3", "4"]
    assert client.send().waits


def test_one_element_larger_than_an_answer_goes_alone():
    world = BoshWorld(answer_bytes=10)
    client = world.bound()
    world.deliver("1", "2")
    assert ids(client.send().children()) == ["1"]
    assert ids(client.send().children()) == ["2"]


# Order


def test_requests_are_processed_in_order_of_rid(world):
    juliet, romeo = world.bound(hold=3), world.bound("romeo")
    to = "romeo@localhost"
    bodies = [juliet.body(message(id_, to)) for id_ in "abc"]
    for body in (bodies[2], bodies[1], bodies[0]):
        world.post(body)
    assert ids(romeo.send().children()) == ["a", "b", "c"]


def test_a_gap_that_is_not_filled_asks_for_a_repetition(world):
    client = world.bound(hold=2)
    client.rid += 1
    early = client.send(message("b"))
    world.pass_time(29)
    assert early.waits
    world.pass_time(1)
    assert early.text == RECOVERABLE
    first = client.send(message("a"), rid=client.rid - 1)
    again = client.repeat(message("b"))
    assert first.waits
    assert again.waits
    assert ids(world.undelivered("nobody")) == ["a", "b"]


@pytest.mark.parametrize(("hold", "ahead"), [(0, 2), (1, 3), (2, 4), (3, 5)])
def test_a_rid_beyond_the_window_ends_the_session(hold, ahead):
    world = BoshWorld()
    client = world.bound(hold=hold)
    assert client.send(rid=client.rid + ahead).text == terminal("item-not-found")
    assert client.send(rid=client.rid + 1).text == terminal("item-not-found")
    world.pass_time(41)
    assert len(world.registry) == 0


@pytest.mark.parametrize(("hold", "ahead"), [(1, 2), (2, 3), (3, 4)])
def test_the_last_rid_of_the_window_waits(hold, ahead):
    world = BoshWorld()
    client = world.bound(hold=hold)
    assert client.send(rid=client.rid + ahead).waits


# Repetition


def test_an_answered_request_gets_the_same_answer_again(world):
    client = world.bound()
    held = client.send()
    world.deliver("1")
    assert client.repeat().text == held.text
    client.send()
    assert client.send(rid=client.rid - 1).text == held.text
    assert world.undelivered() == []


def test_a_request_too_old_to_be_remembered_ends_the_session(world):
    client = world.bound(hold=1)
    for _ in range(4):
        client.send(message("x"))
    assert client.send(rid=client.rid - 3).text == terminal("item-not-found")


def test_a_repeated_request_takes_the_place_of_the_one_that_is_held(world):
    client = world.bound(wait=60)
    older = client.send(message("a"))
    world.pass_time(50)
    newer = client.repeat(message("a"))
    assert older.text == RECOVERABLE
    world.pass_time(59)
    assert newer.waits
    world.deliver("1")
    assert ids(newer.children()) == ["1"]
    assert ids(world.undelivered("nobody")) == ["a"], "processed once"


def test_repeating_for_ever_is_a_violation():
    world = BoshWorld(max_repeats=3)
    client = world.bound()
    client.send()
    for _ in range(3):
        assert client.repeat().waits
    assert client.repeat().text == terminal("policy-violation")


def test_the_answer_to_the_creation_is_kept_as_well(world):
    client = world.client()
    again = world.post(client.body(rid=client.rid))
    assert again.text == client.created.text


# Connections that are gone


def test_nothing_is_sent_into_a_connection_that_is_gone(world):
    client = world.bound()
    client.lose(client.send())
    world.deliver("1")
    assert ids(client.repeat().children()) == ["1"]


def test_inactivity_counts_from_the_loss_of_the_last_held_request(world):
    client = world.bound()
    held = client.send()
    world.pass_time(40)
    client.lose(held)
    world.pass_time(29)
    assert len(world.registry) == 1
    world.pass_time(1)
    assert len(world.registry) == 0


def test_a_reloaded_page_goes_on_with_the_next_rid(world):
    client = world.bound()
    client.lose(client.send())
    world.deliver("1")
    assert ids(client.send().children()) == ["1"], "not overactive, though two are unanswered"
    assert client.send().waits


# Activity


def test_inactivity_ends_the_session_without_a_word(world):
    client = world.bound()
    world.deliver("1")
    world.pass_time(30)
    assert len(world.registry) == 0
    assert client.send().text == terminal("item-not-found")
    assert ids(world.undelivered()) == ["1"]
    assert world.manager.closed[CloseReason.CONNECTION_LOST] == 1


def test_nothing_is_inactive_while_something_is_held(world):
    client = world.bound(wait=60)
    client.send()
    world.pass_time(60)
    assert len(world.registry) == 1
    world.pass_time(29)
    assert client.send().waits


@pytest.mark.parametrize("hold", [1, 2, 3])
def test_empty_requests_that_keep_coming_too_fast_are_a_violation(hold):
    world = BoshWorld(polling=5)
    client = world.bound(hold=hold)
    calls = [client.send() for _ in range(hold + 4)]
    assert [call.text for call in calls[:4]] == [EMPTY] * 4
    assert all(call.waits for call in calls[4:])
    assert client.send().text == terminal("policy-violation")
    assert [call.text for call in calls[4:]] == [terminal("other-request")] * hold


@pytest.mark.parametrize("rest", ["a while", "something to say", "another answer"])
def test_who_rests_between_may_be_hasty_again(rest, world):
    client = world.bound(hold=1)
    for _ in range(3):
        for _ in range(5):
            held = client.send()
        if rest == "a while":
            world.pass_time(5)
        elif rest == "something to say":
            client.send(message("a"))
        else:
            world.deliver("1")
            assert ids(held.children()) == ["1"]
            held = client.send()
            world.pass_time(5)
    assert client.send().waits


def test_a_page_that_is_reloaded_goes_on_though_the_loss_of_the_former_was_not_noticed(world):
    client = world.bound(hold=1)
    before = client.send()
    after = client.send()
    assert before.text == EMPTY
    world.deliver("1")
    assert ids(after.children()) == ["1"]
    client.send()
    world.pass_time(1)
    assert client.send().waits, "and once more"


def test_empty_requests_may_come_after_a_while(world):
    client = world.bound()
    first = client.send()
    world.pass_time(5)
    second = client.send()
    assert first.text == EMPTY
    assert second.waits


def test_an_empty_request_may_come_with_one_that_carries_something(world):
    client = world.bound()
    first, second = client.send(message("a")), client.send()
    assert first.text == EMPTY
    assert second.waits


@pytest.mark.parametrize("wishes", [{"hold": 0}, {"wait": 0}])
def test_polling(wishes):
    world = BoshWorld()
    client = world.bound(**wishes)
    assert client.send().text == EMPTY
    world.deliver("1")
    world.pass_time(5)
    assert ids(client.send().children()) == ["1"]
    assert client.send().text == EMPTY, "what came before was not empty"
    assert [client.send().text for _ in range(4)] == [EMPTY] * 4
    assert client.send().text == terminal("policy-violation")


def test_a_polling_client_may_be_away_for_longer():
    world = BoshWorld(inactivity=30, polling=5)
    client = world.bound(hold=0)
    assert client.created.attribute("inactivity") == "40"
    world.pass_time(39)
    assert client.send().text == EMPTY


def test_too_many_requests_at_a_time_are_a_violation():
    world = BoshWorld(SmConfig(pending=1))
    client = world.bound(hold=1)
    world.backend.deferring = True
    client.send(message("a"))  # The session reads no more.
    client.send(message("b"))
    assert client.send(message("c")).text == terminal("policy-violation")


# Pause


def test_a_pause_releases_all_that_is_held_and_extends_inactivity(world):
    client = world.bound(hold=2)
    first, second = client.send(message("a")), client.send(message("b"))
    pause = client.send(pause=100)
    assert [first.text, second.text, pause.text] == [EMPTY] * 3
    world.deliver("1")
    world.pass_time(99)
    assert ids(client.send().children()) == ["1"]
    world.pass_time(30)
    assert len(world.registry) == 0


def test_the_answer_to_a_pause_carries_nothing(world):
    client = world.bound()
    world.deliver("1")
    assert client.send(pause=10).text == EMPTY
    assert client.repeat(pause=10).text == EMPTY
    assert ids(client.send().children()) == ["1"]


def test_a_pause_may_make_inactivity_shorter(world):
    client = world.bound()
    client.send(pause=5)
    world.pass_time(5)
    assert len(world.registry) == 0


def test_a_pause_that_is_too_long_is_a_violation():
    world = BoshWorld(maxpause=120)
    client = world.bound()
    assert client.created.attribute("maxpause") == "120"
    assert client.send(pause=121).text == terminal("policy-violation")


def test_whoever_pauses_again_and_again_has_few_answers_kept(world):
    client = world.bound(hold=1)
    for _ in range(50):
        assert client.send(pause=0).text == EMPTY
        assert client.repeat(pause=0).text == EMPTY
    (connection,) = world.registry._connections.values()
    assert len(connection._window._answers) <= 4
    world.deliver("1")
    assert ids(client.send().children()) == ["1"]


def test_a_pause_is_allowed_as_one_request_more():
    world = BoshWorld(SmConfig(pending=1))
    client = world.bound(hold=1)
    world.backend.deferring = True
    client.send(message("a"))
    client.send(message("b"))
    assert client.send(pause=10).waits
    world.backend.deferring = False
    world.backend.settle_all()
    world.settle()
    assert len(world.registry) == 1


@pytest.mark.parametrize("sm", [False, True])
def test_a_client_that_paused_is_not_taken_for_dead(sm):
    world = BoshWorld(SmConfig(idle_probe=10, idle_timeout=10, request_timeout=10))
    client = world.bound(sm=sm)
    world.deliver("1")
    world.pass_time(2)
    client.send(pause=120)
    world.pass_time(119)
    assert ids(client.send().children()) == ["1"]


# Acknowledgements


def test_the_server_acknowledges_requests_where_the_client_does_answers(world):
    client = world.bound(ack=1)
    assert client.created.attribute("ack") == "1000"
    first = client.send(message("a"), ack=client.rid)
    client.send(message("b"), ack=client.rid - 2)
    assert first.attribute("ack") == str(client.rid)


def test_no_acknowledgement_for_the_request_that_is_answered(world):
    client = world.bound(ack=1)
    held = client.send()
    world.deliver("1")
    assert held.attribute("ack") == ""


def test_no_acknowledgements_for_clients_that_send_none(world):
    client = world.bound(ack=0)
    assert client.created.attribute("ack") == ""
    first = client.send(message("a"))
    client.send(message("b"))
    assert first.text == EMPTY


def test_an_answer_that_is_missing_is_reported(world):
    client = world.bound(ack=1)
    held = client.send()
    world.deliver("1")
    lost = client.rid
    world.pass_time(1.852)
    report = client.send(ack=lost - 1)
    assert report.attribute("report") == str(lost)
    assert report.attribute("time") == "1852"
    assert client.send(rid=lost).text == held.text


def test_an_answer_that_may_be_under_way_is_not_reported(world):
    client = world.bound(ack=1)
    client.send()
    world.deliver("1")
    world.pass_time(0.2)
    assert client.send(ack=client.rid - 2).waits


# What was not confirmed


def lost(world, client):
    """Let a client go without a word, and return the ids of what it is not known to have."""
    world.pass_time(200)
    assert len(world.registry) == 0
    return ids(world.undelivered())


def test_an_answer_that_nothing_confirms_was_not_delivered(world):
    client = world.bound()
    client.send()
    world.deliver("1")
    world.deliver("2")
    assert lost(world, client) == ["1", "2"]


def test_an_empty_request_confirms_what_was_answered_before(world):
    client = world.bound()
    client.send()
    world.deliver("1")
    client.send()
    assert lost(world, client) == []


def test_a_request_with_something_may_have_crossed_the_last_answer(world):
    client = world.bound()
    client.send()
    world.deliver("1")
    client.send(message("a"))
    assert lost(world, client) == ["1"]


def test_a_client_that_keeps_two_empty_requests_is_not_trusted_with_one(world):
    client = world.bound(hold=2)
    client.send()
    client.send()
    world.deliver("1")
    client.send()
    world.deliver("2")
    assert lost(world, client) == ["1", "2"]


def test_a_later_rid_confirms_what_is_beyond_the_window(world):
    client = world.bound()
    client.send()
    world.deliver("1")
    client.send(message("a"))
    client.send(message("b"))
    assert lost(world, client) == []


@pytest.mark.parametrize(("behind", "left"), [(1, []), (2, ["2"])])
def test_acknowledgements_confirm(behind, left, world):
    client = world.bound(ack=1, hold=2)
    client.send()
    world.deliver("1")
    client.send()
    world.deliver("2")
    client.send(message("a"), ack=client.rid + 1 - behind)
    assert lost(world, client) == left


def test_no_acknowledgement_says_that_all_was_received(world):
    client = world.bound(ack=1, hold=2)
    client.send()
    world.deliver("1")
    client.send(message("a"))
    assert lost(world, client) == []


@pytest.mark.parametrize("wishes", [{}, {"hold": 2}, {"hold": 0}, {"ack": 1}])
def test_what_was_answered_before_a_clean_end_was_delivered(wishes, world):
    client = world.bound(**wishes)
    for id_ in "123":
        world.deliver(id_)
        client.send(message("a"))
    client.terminate()
    assert world.manager.closed[CloseReason.CLIENT_CLOSED] == 1
    assert world.undelivered() == []


def test_what_waited_at_a_clean_end_was_not(world):
    client = world.bound()
    client.send()
    world.deliver("1")
    world.deliver("2")
    client.terminate()
    assert ids(world.undelivered()) == ["2"]


def test_a_clean_end_that_acknowledges_less_is_believed(world):
    client = world.bound(ack=1, hold=2)
    client.send()
    world.deliver("1")
    client.send(ack=client.rid)
    world.deliver("2")
    client.send(type="terminate", ack=client.rid - 1)
    assert ids(world.undelivered()) == ["2"]


@pytest.mark.parametrize("ended", ["kicked", "silent", "broke a rule"])
def test_an_end_that_is_not_the_clients_leaves_what_nothing_confirms(ended, world):
    client = world.bound()
    client.send()
    world.deliver("1")
    if ended == "kicked":
        world.manager.kick("juliet@localhost", world.now)
    elif ended == "broke a rule":
        client.send(rid=client.rid + 9)
    world.pass_time(200)
    assert ids(world.undelivered()) == ["1"]


def test_no_nonza_is_given_back(world):
    client = world.bound()
    client.connection.session.send("<nonza xmlns='x'/>")
    client.send()
    world.deliver("1")
    client.connection.session.send("<nonza xmlns='x'/>")
    assert lost(world, client) == ["1"]
    assert len(world.undelivered()) == 1


def test_with_stream_management_it_is_replayed(world):
    client = world.bound(sm=True)
    session = world.link().session
    client.send()
    world.deliver("1", "2")
    world.pass_time(31)
    assert session.state is State.DETACHED
    assert world.undelivered() == []
    again = world.client()
    again.sign_in()
    answer = again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{client.sm_id}' h='1'/>")
    assert answer.children()[0].startswith("<resumed ")
    assert ids(answer.children()) == ["2"]
    assert session.transport.sid == again.sid


def test_a_resumption_takes_the_session_from_a_bosh_session_that_lives(world):
    client = world.bound(sm=True)
    held = client.send()
    again = world.client()
    again.sign_in()
    again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{client.sm_id}' h='0'/>")
    assert held.attribute("condition") == "remote-stream-error"
    assert "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in held.text
    assert client.send().attribute("condition") == "remote-stream-error"
    world.deliver("1")
    assert ids(again.send().children()) == ["1"]


# The end


def test_the_client_ends_the_session(world):
    client = world.bound()
    held = client.send()
    done = client.terminate(message("bye"))
    assert held.text == TERMINATE
    assert done.text == EMPTY
    assert ids(world.undelivered("nobody")) == ["bye"]
    assert world.manager.closed[CloseReason.CLIENT_CLOSED] == 1


def test_a_terminate_that_is_alone_is_answered_with_it(world):
    client = world.bound()
    assert client.terminate().text == TERMINATE
    assert client.repeat(type="terminate").text == TERMINATE
    world.pass_time(30)
    assert len(world.registry) == 0


def test_a_terminate_waits_for_what_comes_before_it(world):
    client = world.bound(hold=2)
    before = client.body(message("a"))
    done = client.terminate(message("b"))
    assert done.waits
    world.post(before)
    assert done.text == EMPTY
    assert ids(world.undelivered("nobody")) == ["a", "b"]


def test_a_stream_error_is_told_on_the_oldest_request(world):
    client = world.bound(hold=2)
    first, second = client.send(message("a")), client.send(message("b"))
    world.manager.kick("juliet@localhost", world.now)
    assert first.attribute("type") == "terminate"
    assert first.attribute("condition") == "remote-stream-error"
    assert "xmlns:stream='http://etherx.jabber.org/streams'" in first.text.partition(">")[0]
    assert first.children()[0].startswith("<stream:error")
    assert second.text == terminal("other-request")


def test_a_stream_error_waits_for_the_next_request(world):
    client = world.bound()
    world.manager.kick("juliet@localhost", world.now)
    assert client.send().children()[0].startswith("<stream:error")
    world.pass_time(30)
    assert client.send().text == terminal("item-not-found")


def test_what_is_no_stanza_goes_before_the_error(world):
    client = world.bound(sm=True)
    held = client.send()
    session = world.link().session
    world.link().session.deliver(message("1"), world.now)
    session.close(
        CloseReason.STREAM_ERROR, world.now, StreamError(StreamCondition.POLICY_VIOLATION)
    )
    names = [text[1:].split(" ")[0] for text in held.children()]
    assert names == ["a", "stream:error"]
    assert ids(world.undelivered()) == ["1"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (StreamCondition.SYSTEM_SHUTDOWN, "system-shutdown"),
        (StreamCondition.CONFLICT, "remote-stream-error"),
        (StreamCondition.POLICY_VIOLATION, "remote-stream-error"),
    ],
)
def test_conditions(condition, said, world):
    client = world.bound()
    held = client.send()
    world.link().session.close(CloseReason.STREAM_ERROR, world.now, StreamError(condition))
    assert held.attribute("condition") == said


def test_shutdown_answers_everyone(world):
    calls = [world.bound(name).send() for name in ("juliet", "romeo")]
    world.manager.shutdown(world.now)
    assert [call.attribute("condition") for call in calls] == ["system-shutdown"] * 2
    late = world.client()
    assert late.created.attribute("condition") == "system-shutdown"
    assert late.sid == ""


def test_a_rule_broken_leaves_a_resumable_session_to_be_resumed(world):
    client = world.bound(sm=True)
    session = world.link().session
    client.send(rid=client.rid + 9)
    assert session.state is State.DETACHED
    assert session.transport is None


def test_a_client_that_reads_nothing_is_a_slow_reader():
    world = BoshWorld(buffer_bytes=400)
    client = world.bound()
    world.deliver(*"12345678")
    assert client.connection is not None
    world.deliver(*"9abc")
    assert client.connection is None
    assert world.manager.closed[CloseReason.SLOW_READER] == 1
    assert ids(world.undelivered()) == list("123456789abc")


def test_a_dropped_connection_answers_what_it_held():
    world = BoshWorld(SmConfig(request_quiet=1, request_timeout=5))
    client = world.bound(sm=True)
    client.send()
    world.deliver("1")
    session = world.link().session
    held = client.send()
    for _ in range(40):
        world.pass_time(10)
        if not held.waits:
            held = client.send()
    assert session.state in (State.DETACHED, State.CLOSED), "it never answered <r/>"
    assert held.text == terminal("item-not-found")


def test_who_leaves_right_after_an_answer_can_say_what_it_has_of_it():
    """libpurple signs out so; the next client had what this one had shown."""
    world = BoshWorld()
    client = world.bound(sm=True)
    held = client.send()
    world.deliver("1", "2")
    *messages, request = held.children()
    assert ids(messages) == ["1", "2"]
    assert request == "<r xmlns='urn:xmpp:sm:3'/>"
    held = client.send()
    world.deliver("3")
    assert ids(held.children()) == ["3"], "it was asked already, and is to answer"
    client.send("<a xmlns='urn:xmpp:sm:3' h='2'/>", type="terminate")
    assert ids(world.undelivered()) == ["3"]


def test_a_replay_goes_as_fast_as_the_client_fetches_it():
    world = BoshWorld(answer_bytes=300)
    client = world.bound(sm=True)
    numbers = [str(number) for number in range(50)]
    client.send()
    world.pass_time(91)
    world.deliver(*numbers)
    again = world.client()
    again.sign_in()
    answer = again.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{client.sm_id}' h='0'/>")
    got = ids(answer.children())
    while len(got) < 50:
        assert len(answer.text) < 1000
        answer = again.send()
        got += ids(answer.children())
    assert got == numbers


# Reading stops and goes on


def test_a_session_that_does_not_read_lets_requests_wait():
    world = BoshWorld(SmConfig(pending=2))
    client = world.bound(hold=2)
    world.backend.deferring = True
    client.send(*(message(str(number)) for number in range(5)))
    client.send(message("last"))
    assert len(world.backend.deferred) == 2
    while world.backend.deferred or world.backend.routed:
        world.backend.settle_all()
        world.settle()
    assert ids(world.undelivered("nobody")) == ["0", "1", "2", "3", "4", "last"]


# Negotiation


def test_the_stream_must_restart_after_sign_in(world):
    client = world.client()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    answer = client.send(message("a"))
    assert "<not-authorized" in answer.text


def test_what_a_restart_carries_is_ignored(world):
    client = world.client()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    client.rid += 1
    answer = world.post(
        client.body(message("a"), rid=client.rid).replace(
            " sid=", " xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='1' sid="
        )
    )
    assert [text.split(" ")[0] for text in answer.children()] == ["<stream:features"]


def test_signing_in_takes_no_longer_than_it_may():
    world = BoshWorld(SmConfig(negotiation_timeout=30))
    client = world.client()
    held = client.send()
    world.pass_time(30)
    assert held.attribute("condition") == "remote-stream-error"
    assert children(held.text)


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({"to": "elsewhere"}, "host-unknown"),
        ({"to": None}, "host-unknown"),
    ],
)
def test_refused_streams(given, condition, world):
    client = world.client(**given)
    assert client.created.text == terminal(condition)
    assert len(world.registry) == 0
    assert world.strangers.count == 0
