"""Conversations of XEP-0198: enabling, acknowledgements and errors, section by section."""

import pytest
from support.conversation import (
    NOT_FOUND,
    Conversation,
    again,
    bound,
    closed_with,
    deliver,
    failed,
    resumable,
    undelivered,
    waited,
)
from support.sessions import BIND, World

from andiron.sm.config import SmConfig
from andiron.sm.counters import MODULUS
from andiron.sm.link import CloseReason, StreamOpen
from andiron.sm.session import State

# Stream Feature, section 2


def test_the_feature_is_offered_after_sign_in_in_both_versions():
    world = World()
    transport = world.connect()
    assert "urn:xmpp:sm" not in transport.take()[-1]
    world.receive(transport, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    transport.session.open_stream(StreamOpen("localhost", "1.0"), world.now)
    features = transport.take()[-1]
    assert "<sm xmlns='urn:xmpp:sm:3'/>" in features
    assert "<sm xmlns='urn:xmpp:sm:2'/>" in features


def test_inactive_stream_management_is_not_offered_and_refused():
    world = World(SmConfig(active=False))
    transport = world.connect()
    world.receive(transport, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    transport.session.open_stream(StreamOpen("localhost", "1.0"), world.now)
    assert "urn:xmpp:sm" not in transport.take()[-1]
    refusal = failed("feature-not-implemented")
    Conversation(world, transport).talk(f"C: <resume previd='x' h='0'/>\n{refusal}")
    world.receive(transport, BIND)
    juliet = Conversation(world, transport)
    juliet.talk(f"C: <enable resume='true'/>\n{refusal}\nC: <r/>\n{refusal}")
    assert juliet.transport.session.management is None
    deliver(juliet, "one")
    juliet.talk("S: <message id='one'/>")


# Enabling Stream Management, section 3


def test_enable_and_acknowledge():
    juliet = bound()
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <r/>
        S: <a h='0'/>
        C: <message to='laurence@localhost'><body>I'll send a friar.</body></message>
        C: <presence/>
        C: <iq type='get' id='ls72g593'><query xmlns='jabber:iq:roster'/></iq>
        C: <r/>
        S: <a h='3'/>
        C: <a h='0'/>
        C: <r/>
        S: <a h='3'/>
    """)


def test_what_came_before_enable_is_not_counted():
    juliet = bound()
    deliver(juliet, "early")
    juliet.talk("""
        S: <message id='early'/>
        C: <presence/>
        C: <enable/>
        S: <enabled/>
        C: <r/>
        S: <a h='0'/>
        C: <a h='0'/>
        C: <presence/>
        C: <r/>
        S: <a h='1'/>
    """)


def test_stanzas_may_follow_enable_without_waiting():
    juliet = bound()
    world, session = juliet.world, juliet.transport.session
    world.backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <message to='b@localhost'/>
        C: <r/>
        S: <a h='0'/>
    """)
    world.backend.settle_all()
    juliet.talk("S: <a h='1'/>")
    assert session.inbound.settled == 3, "with the bind request and what came before enable"


@pytest.mark.parametrize("nonza", ["<enable resume='true'/>", "<r/>", "<a h='0'/>"])
def test_too_early_is_refused_and_changes_nothing(nonza):
    world = World()
    juliet = Conversation(world, world.connect())
    refusal = failed("unexpected-request")
    juliet.talk(f"C: {nonza}\n{refusal}")
    world.receive(juliet.transport, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
    juliet.transport.session.open_stream(StreamOpen("localhost", "1.0"), world.now)
    juliet.transport.take()
    juliet.talk(f"C: {nonza}\n{refusal}")
    world.receive(juliet.transport, BIND)
    juliet.transport.take()
    assert juliet.transport.session.management is None
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <r/>
        S: <a h='0'/>
    """)


def test_a_second_enable_is_refused_and_changes_nothing():
    juliet = resumable()
    deliver(juliet, "one")
    before = juliet.transport.session.management.id
    juliet.talk(f"""
        S: <message id='one'/>
        C: <presence/>
        C: <enable resume='true' max='5'/>
        {failed("unexpected-request")}
        C: <r/>
        S: <a h='1'/>
        C: <a h='1'/>
    """)
    session = juliet.transport.session
    management = session.management
    assert (management.id, management.max, management.resumable) == (before, 600, True)


@pytest.mark.parametrize("namespace", ["urn:xmpp:sm:2", "urn:xmpp:sm:3"])
def test_each_version_is_answered_in_its_own_namespace(namespace):
    juliet = bound()
    juliet.talk(f"""
        C: <enable xmlns='{namespace}' resume='true'/>
        S: <enabled xmlns='{namespace}' id='{{sm}}' resume='true' max='600'/>
        C: <presence/>
        C: <r xmlns='{namespace}'/>
        S: <a xmlns='{namespace}' h='1'/>
        C: <enable xmlns='{namespace}'/>
        {failed("unexpected-request").replace("<failed", f"<failed xmlns='{namespace}'")}
    """)
    deliver(juliet, "one")
    juliet.world.pass_time(3)
    juliet.talk(f"""
        S: <message id='one'/>
        S: <r xmlns='{namespace}'/>
    """)
    juliet.world.lose(juliet.transport)
    back = again(juliet)
    back.talk(f"""
        C: <resume xmlns='{namespace}' previd='{{sm}}' h='1'/>
        S: <resumed xmlns='{namespace}' previd='{{sm}}' h='1'/>
        C: <a xmlns='{namespace}' h='9'/>
        S: <a xmlns='{namespace}' h='1'/>
    """)
    assert f"<handled-count-too-high xmlns='{namespace}' h='9' send-count='1'/>" in closed_with(
        back
    )


def test_other_elements_of_stream_management_end_the_stream():
    for name in ("enabled", "resumed", "failed", "sm", "unknown"):
        juliet = resumable()
        juliet.world.receive(juliet.transport, f"<{name} xmlns='urn:xmpp:sm:3'/>")
        assert "unsupported-stanza-type" in closed_with(juliet)
        assert juliet.transport.session.state is State.CLOSED


@pytest.mark.parametrize(
    ("wished", "agreed"),
    [
        ("", 600),
        ("max='300'", 300),
        ("max='1'", 1),
        ("max='600'", 600),
        ("max='900'", 600),
        ("max='4294967296'", 600),
        ("max='99999999999999999999'", 600),
        ("max='-5'", 600),
        ("max='soon'", 600),
        ("max=''", 600),
    ],
)
def test_the_time_to_resume_is_the_smaller_one(wished, agreed):
    juliet = bound()
    juliet.talk(f"""
        C: <enable resume='true' {wished}/>
        S: <enabled id='{{sm}}' resume='true' max='{agreed}'/>
    """)
    juliet.world.lose(juliet.transport)
    juliet.world.pass_time(agreed - 0.5)
    session = juliet.transport.session
    assert session.state is State.DETACHED
    juliet.world.pass_time(1)
    assert session.state is State.CLOSED


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        (SmConfig(), ""),
        (SmConfig(), "resume='false'"),
        (SmConfig(), "resume='0'"),
        (SmConfig(), "resume='yes'"),
        (SmConfig(), "resume='true' max='0'"),
        (SmConfig(max=0), "resume='true'"),
        (SmConfig(location="example.com:443"), ""),
    ],
)
def test_without_resumption_a_loss_is_the_end(config, asked):
    juliet = bound(config)
    juliet.talk(f"""
        C: <enable {asked}/>
        S: <enabled/>
    """)
    deliver(juliet, "one")
    juliet.world.lose(juliet.transport)
    assert juliet.transport.session.state is State.CLOSED
    assert undelivered(juliet.world) == ["<message xmlns='jabber:client' id='one'/>"]


@pytest.mark.parametrize("true", ["true", "1"])
def test_both_spellings_of_true_ask_for_resumption(true):
    juliet = bound()
    juliet.talk(f"""
        C: <enable resume='{true}'/>
        S: <enabled id='{{sm}}' resume='true' max='600'/>
    """)


def test_the_location_is_told_where_set():
    juliet = bound(SmConfig(location="[2001:41D0:1:A49b::1]:9222"))
    juliet.talk("""
        C: <enable resume='true'/>
        S: <enabled id='{sm}' resume='true' max='600' location='[2001:41D0:1:A49b::1]:9222'/>
    """)


def test_ids_are_long_and_differ():
    world = World()
    ids = {resumable(world=world).known["sm"] for _ in range(50)}
    assert len(ids) == 50
    assert all(len(sm_id) >= 40 for sm_id in ids)
    assert len({sm_id[:8] for sm_id in ids}) == 50


# Acks, section 4


def test_every_stanza_counts_the_faulty_ones_too_and_nonzas_never():
    juliet = bound()
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <message/>
        C: <message to='@@'><body/></message>
        C: <presence type='nonsense'/>
        C: <iq/>
        C: <iq type='get'/>
        C: <iq type='result' id='unasked'/>
        C: <r/>
        S: <a h='6'/>
        C: <a h='0'/>
        C: <r/>
        S: <a h='6'/>
    """)


def test_r_is_answered_at_once_and_again_when_what_was_pending_settles():
    juliet = bound()
    backend = juliet.world.backend
    juliet.talk("C: <enable/>\nS: <enabled/>\nC: <message to='a@localhost'/>")
    backend.deferring = True
    juliet.talk("""
        C: <message to='b@localhost'/>
        C: <message to='c@localhost'/>
        C: <r/>
        S: <a h='1'/>
        C: <message to='d@localhost'/>
    """)
    for _ in range(3):
        backend.route_deferred()
    backend.settle(1)
    juliet.talk("")
    backend.settle(0)
    juliet.talk("S: <a h='3'/>")
    backend.settle(0)
    juliet.talk("")


@pytest.mark.parametrize(("frequency", "acked"), [(0, []), (1, [1, 2, 3, 4, 5, 6, 7]), (3, [3, 6])])
def test_unsolicited_acks_come_after_every_so_many(frequency, acked):
    juliet = bound(SmConfig(unsolicited_ack_frequency=frequency))
    juliet.talk("C: <presence/>")
    juliet.talk("C: <enable/>\nS: <enabled/>")
    for number in range(1, 8):
        answer = f"S: <a h='{number}'/>" if number in acked else ""
        juliet.talk(f"C: <presence/>\n{answer}")


def test_an_ack_on_request_begins_the_count_anew():
    juliet = bound(SmConfig(unsolicited_ack_frequency=3))
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <presence/>
        C: <presence/>
        C: <r/>
        S: <a h='2'/>
        C: <presence/>
        C: <presence/>
        C: <presence/>
        S: <a h='5'/>
    """)


def test_unsolicited_acks_count_what_is_handled_not_what_arrived():
    juliet = bound(SmConfig(unsolicited_ack_frequency=2))
    backend = juliet.world.backend
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    juliet.talk("""
        C: <enable/>
        S: <enabled/>
        C: <message to='a@localhost'/>
        C: <message to='b@localhost'/>
        C: <message to='c@localhost'/>
        C: <r/>
        S: <a h='0'/>
    """)
    for _ in range(4):
        backend.route_deferred()
    backend.settle(3)
    backend.settle(2)
    backend.settle(0)
    juliet.talk("")
    backend.settle(0)
    juliet.talk("S: <a h='3'/>")


def test_the_counts_wrap():
    world = World(SmConfig(unsolicited_ack_frequency=2), first_count=MODULUS - 1)
    juliet = resumable(world=world)
    juliet.talk("""
        C: <r/>
        S: <a h='4294967295'/>
        C: <presence/>
        C: <presence/>
        S: <a h='1'/>
    """)
    deliver(juliet, "one", "two", "three")
    juliet.talk("""
        S: <message id='one'/>
        S: <message id='two'/>
        S: <message id='three'/>
        C: <a h='4294967295'/>
        C: <a h='0'/>
    """)
    world.lose(juliet.transport)
    back = again(juliet)
    back.talk(f"""
        C: <resume previd='{{sm}}' h='1'/>
        S: <resumed previd='{{sm}}' h='1'/>
        {waited("three")}
        S: <r/>
        C: <a h='2'/>
        C: <presence/>
        C: <presence/>
        S: <a h='3'/>
    """)


# Asking for acks


def test_r_goes_out_by_count_with_one_outstanding():
    juliet = resumable(SmConfig(request_every=3))
    deliver(juliet, "1", "2")
    juliet.talk("S: <message id='1'/>\nS: <message id='2'/>")
    deliver(juliet, "3", "4", "5", "6", "7")
    juliet.talk("""
        S: <message id='3'/>
        S: <r/>
        S: <message id='4'/>
        S: <message id='5'/>
        S: <message id='6'/>
        S: <message id='7'/>
        C: <a h='3'/>
    """)
    deliver(juliet, "8", "9", "10")
    juliet.talk("""
        S: <message id='8'/>
        S: <message id='9'/>
        S: <message id='10'/>
        S: <r/>
    """)


def test_r_goes_out_by_quiet_time():
    juliet = resumable(SmConfig(request_quiet=3))
    world = juliet.world
    deliver(juliet, "1")
    world.pass_time(2.5)
    juliet.talk("S: <message id='1'/>")
    world.pass_time(0.5)
    juliet.talk("S: <r/>")
    world.pass_time(20)
    juliet.talk("C: <a h='0'/>")
    world.pass_time(2.5)
    juliet.talk("")
    world.pass_time(0.5)
    juliet.talk("S: <r/>\nC: <a h='1'/>")
    world.pass_time(20)
    juliet.talk("")
    deliver(juliet, "2")
    juliet.talk("S: <message id='2'/>\nC: <a h='2'/>")
    world.pass_time(20)
    juliet.talk("")


def test_without_an_answer_the_connection_is_dropped_and_the_session_kept():
    juliet = resumable(SmConfig(request_quiet=3, request_timeout=60, idle_probe=0))
    world, session = juliet.world, juliet.transport.session
    deliver(juliet, "1")
    world.pass_time(62.5)
    juliet.talk("S: <message id='1'/>\nS: <r/>\nC: <presence/>")
    assert session.state is State.BOUND
    world.pass_time(0.5)
    assert juliet.transport.aborted
    assert not juliet.transport.closed
    assert session.state is State.DETACHED
    assert world.manager.detached[CloseReason.DEAD_PEER] == 1
    assert undelivered(world) == []
    back = again(juliet)
    back.talk("C: <resume previd='{sm}' h='1'/>\nS: <resumed previd='{sm}' h='1'/>")


def test_without_resumption_what_is_unanswered_goes_another_way():
    juliet = bound(SmConfig(request_quiet=3, request_timeout=60))
    juliet.talk("C: <enable/>\nS: <enabled/>")
    deliver(juliet, "1")
    juliet.world.pass_time(63)
    assert juliet.transport.aborted
    assert undelivered(juliet.world) == ["<message xmlns='jabber:client' id='1'/>"]
    assert juliet.world.manager.closed[CloseReason.DEAD_PEER] == 1


def test_the_deadline_holds_for_what_was_asked_by_count_too():
    juliet = resumable(SmConfig(request_every=1, request_timeout=60, idle_probe=0))
    deliver(juliet, "1")
    juliet.talk("S: <message id='1'/>\nS: <r/>")
    juliet.world.pass_time(59)
    assert not juliet.transport.aborted
    juliet.world.pass_time(1)
    assert juliet.transport.aborted


def test_an_answer_lifts_the_deadline():
    juliet = resumable(SmConfig(request_quiet=3, request_timeout=60, idle_probe=0))
    deliver(juliet, "1")
    juliet.world.pass_time(60)
    juliet.talk("S: <message id='1'/>\nS: <r/>\nC: <a h='1'/>")
    juliet.world.pass_time(1000)
    juliet.talk("")
    assert juliet.transport.session.state is State.BOUND


# Error Handling, section 6


@pytest.mark.parametrize("h", ["", "h=''", "h='NaN'", "h='-1'", "h='1.0'", "h='4294967296'"])
def test_an_ack_without_a_count_ends_the_session(h):
    juliet = resumable()
    deliver(juliet, "one", "two")
    juliet.talk(f"""
        S: <message id='one'/>
        S: <message id='two'/>
        C: <a {h}/>
        S: <a h='0'/>
    """)
    assert "<undefined-condition " in closed_with(juliet)
    assert "handled-count-too-high" not in closed_with(juliet)
    assert len(undelivered(juliet.world)) == 2
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND)


@pytest.mark.parametrize("h", ["3", "4294967295", "1000"])
def test_an_ack_of_what_was_never_sent_ends_the_session(h):
    juliet = resumable()
    deliver(juliet, "one", "two")
    juliet.talk(f"""
        S: <message id='one'/>
        S: <message id='two'/>
        C: <a h='{h}'/>
        S: <a h='0'/>
    """)
    error = closed_with(juliet)
    assert "<undefined-condition " in error
    assert f"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{h}' send-count='2'/>" in error
    assert len(undelivered(juliet.world)) == 2
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND)


def test_an_ack_below_the_last_one_ends_the_session():
    juliet = resumable()
    deliver(juliet, "one", "two", "three")
    juliet.transport.take()
    juliet.talk("""
        C: <a h='2'/>
        C: <a h='2'/>
        C: <a h='1'/>
        S: <a h='0'/>
    """)
    assert "h='1' send-count='3'" in closed_with(juliet)
    assert undelivered(juliet.world) == ["<message xmlns='jabber:client' id='three'/>"]


def test_what_was_delivered_while_away_cannot_have_been_handled():
    juliet = resumable()
    deliver(juliet, "one")
    juliet.world.lose(juliet.transport)
    deliver(juliet, "two", "three")
    liar = again(juliet)
    liar.talk("C: <resume previd='{sm}' h='2'/>")
    assert "h='2' send-count='1'" in closed_with(liar)
    back = again(juliet)
    back.transport.room = 2
    back.talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("one")}
    """)
    # "two" and "three" wait for the network, and none of them was ever sent.
    back.talk("C: <a h='2'/>\nS: <a h='0'/>")
    assert "h='2' send-count='1'" in closed_with(back)
    assert len(undelivered(juliet.world)) == 3
