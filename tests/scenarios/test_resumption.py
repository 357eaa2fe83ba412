"""Conversations of XEP-0198 sections 5 and 7: resumption, and what ends a session for good."""

from math import inf

import pytest
from support.conversation import (
    EXPIRED,
    NOT_FOUND,
    STANZAS,
    Conversation,
    again,
    bound,
    closed_with,
    delay,
    deliver,
    failed,
    resumable,
    undelivered,
    waited,
)
from support.sessions import BIND, World, message

from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.session import State
from andiron.xmpp.stanza import timestamp

# Resumption, section 5


def test_resume_replays_in_order_what_was_not_acknowledged():
    juliet = resumable()
    deliver(juliet, "one", "two", "three")
    juliet.transport.take()
    juliet.talk("C: <presence/>\nC: <presence/>")
    juliet.world.lose(juliet.transport)
    deliver(juliet, "four")
    back = again(juliet)
    back.talk(f"""
        C: <resume previd='{{sm}}' h='2'/>
        S: <resumed previd='{{sm}}' h='2'/>
        {waited("three", "four")}
        S: <r/>
        C: <a h='4'/>
        C: <presence/>
        C: <r/>
        S: <a h='3'/>
    """)
    assert back.transport.session is juliet.transport.session
    deliver(back, "five")
    back.talk("S: <message id='five'/>\nC: <a h='5'/>")


def test_only_messages_are_dated_and_with_the_time_they_were_accepted(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_800_000_000 + juliet.world.now)
    juliet = resumable()
    world = juliet.world
    first = timestamp(1_800_000_000 + world.now)
    deliver(juliet, "one")
    deliver(juliet, "two", kind="presence")
    deliver(juliet, "three", kind="iq")
    juliet.transport.take()
    world.lose(juliet.transport)
    world.pass_time(100)
    second = timestamp(1_800_000_000 + world.now)
    deliver(juliet, "four")
    assert first != second
    for _ in range(3):
        world.pass_time(100)
        back = again(juliet)
        back.talk(f"""
            C: <resume previd='{{sm}}' h='0'/>
            S: <resumed previd='{{sm}}' h='0'/>
            S: <message id='one'>{delay(first)}</message>
            S: <presence id='two'/>
            S: <iq id='three'/>
            S: <message id='four'>{delay(second)}</message>
            S: <r/>
        """)
        world.lose(back.transport)


def test_the_session_hibernates_from_each_loss_anew():
    juliet = resumable(SmConfig(max=600, idle_probe=0))
    world, session = juliet.world, juliet.transport.session
    link = session.link
    for _ in range(3):
        world.lose(juliet.transport)
        assert session.state is State.DETACHED
        assert link in world.backend.links["juliet@localhost"], "the resource stays available"
        world.pass_time(599)
        assert session.state is State.DETACHED
        juliet = again(juliet)
        juliet.talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='0'/>")
        world.pass_time(700)
    assert link.events == ["detached", "resumed"] * 3
    world.lose(juliet.transport)
    world.pass_time(600)
    assert session.state is State.CLOSED
    assert link.events[-1] == "closed expired"
    assert link not in world.backend.links["juliet@localhost"]


def test_at_expiry_everything_goes_another_way_in_order_with_its_time():
    juliet = resumable()
    world = juliet.world
    deliver(juliet, "one", "two")
    juliet.talk("S: <message id='one'/>\nS: <message id='two'/>\nC: <a h='1'/>")
    world.pass_time(1)
    world.lose(juliet.transport)
    world.pass_time(1)
    deliver(juliet, "three")
    world.pass_time(600)
    lost = world.backend.undelivered["juliet@localhost"]
    assert [(stanza.text[-8:-3], stanza.since) for stanza in lost] == [
        ("='two", 1000.0),
        ("three", 1002.0),
    ]


def test_an_expired_id_returns_what_was_handled_to_its_account_alone():
    juliet = resumable()
    world = juliet.world
    juliet.talk("C: <presence/>\nC: <presence/>")
    world.backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    world.lose(juliet.transport)
    world.pass_time(600)
    told = f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <failed h='{{h}}'><item-not-found xmlns='{STANZAS}'/>{EXPIRED}</failed>
    """
    again(juliet).talk(told.replace("{h}", "2"))
    # The backend had it before the end: who sends it again would double it.
    world.backend.settle_all()
    again(juliet).talk(told.replace("{h}", "3"))
    Conversation(world, world.sign_in("iago"), **juliet.known).talk(
        "C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND
    )
    changed = {"sm": juliet.known["sm"][:-1] + "!"}
    Conversation(world, world.sign_in("juliet"), **changed).talk(
        "C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND
    )


def test_after_a_refused_resume_the_client_may_bind():
    juliet = resumable()
    world = juliet.world
    back = Conversation(world, world.sign_in("juliet"), sm="unknown")
    back.talk("C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND)
    world.receive(back.transport, BIND)
    back.transport.take()
    back.talk("C: <enable resume='true'/>\nS: <enabled id='{other}' resume='true' max='600'/>")
    assert back.known["other"] != juliet.known["sm"]


@pytest.mark.parametrize(
    ("account", "request_", "refusal"),
    [
        ("iago", "<resume previd='{sm}' h='0'/>", NOT_FOUND),
        ("juliet", "<resume previd='{sm}x' h='0'/>", NOT_FOUND),
        ("juliet", "<resume previd='no' h='0'/>", NOT_FOUND),
        ("juliet", "<resume previd='\u00fc\U0001f525' h='0'/>", NOT_FOUND),
        ("juliet", "<resume h='0'/>", failed("bad-request")),
        ("juliet", "<resume previd='' h='0'/>", failed("bad-request")),
        ("juliet", "<resume previd='{sm}'/>", failed("bad-request")),
        ("juliet", "<resume previd='{sm}' h='NaN'/>", failed("bad-request")),
        ("juliet", "<resume previd='{sm}' h='-1'/>", failed("bad-request")),
    ],
)
@pytest.mark.parametrize("alive", [True, False], ids=["alive", "lost"])
def test_a_refused_resume_touches_nothing(account, request_, refusal, alive):
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    deliver(juliet, "one")
    juliet.talk("S: <message id='one'/>")
    if not alive:
        world.lose(juliet.transport)
    stranger = Conversation(world, world.sign_in(account), **juliet.known)
    stranger.talk(f"C: {request_}\n{refusal}")
    assert not stranger.transport.closed
    assert stranger.transport.session is not session
    if alive:
        juliet.talk("C: <a h='1'/>\nC: <r/>\nS: <a h='0'/>")
        world.lose(juliet.transport)
    assert session.state is State.DETACHED
    again(juliet).talk("C: <resume previd='{sm}' h='1'/>\nS: <resumed previd='{sm}' h='0'/>")


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "lost"])
@pytest.mark.parametrize("h", ["2", "4294967295"])
def test_a_resume_with_a_count_too_high_leaves_the_session_to_be_resumed(h, alive):
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    deliver(juliet, "one")
    juliet.talk("S: <message id='one'/>")
    if not alive:
        world.lose(juliet.transport)
    liar = again(juliet)
    liar.talk(f"C: <resume previd='{{sm}}' h='{h}'/>")
    assert f"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{h}' send-count='1'/>" in closed_with(
        liar
    )
    assert session.state is (State.BOUND if alive else State.DETACHED)
    assert not juliet.transport.closed
    assert session.link.events == ([] if alive else ["detached"])
    again(juliet).talk("C: <resume previd='{sm}' h='1'/>\nS: <resumed previd='{sm}' h='0'/>")


def test_resume_before_sign_in_is_refused():
    juliet = resumable()
    world = juliet.world
    stranger = Conversation(world, world.connect(), **juliet.known)
    stranger.talk("C: <resume previd='{sm}' h='0'/>\n" + failed("unexpected-request"))
    juliet.talk("C: <r/>\nS: <a h='0'/>")


@pytest.mark.parametrize("enabled", [True, False])
def test_resume_after_bind_is_refused_and_changes_nothing(enabled):
    juliet = resumable()
    other = bound(world=juliet.world)
    if enabled:
        other.talk("C: <enable/>\nS: <enabled/>")
    other.known.update(juliet.known)
    other.talk("C: <resume previd='{sm}' h='0'/>\n" + failed("unexpected-request"))
    deliver(other, "one")
    other.talk("S: <message id='one'/>")
    juliet.talk("C: <r/>\nS: <a h='0'/>")


def test_a_stream_may_be_resumed_in_the_other_version():
    juliet = resumable()
    juliet.world.lose(juliet.transport)
    again(juliet).talk("""
        C: <resume xmlns='urn:xmpp:sm:2' previd='{sm}' h='0'/>
        S: <resumed xmlns='urn:xmpp:sm:2' previd='{sm}' h='0'/>
        C: <r xmlns='urn:xmpp:sm:2'/>
        S: <a xmlns='urn:xmpp:sm:2' h='0'/>
    """)


def test_a_resumed_stream_does_not_resume_again():
    juliet = resumable()
    back = again(juliet)
    back.talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='0'/>
        C: <resume previd='{{sm}}' h='0'/>
        {failed("unexpected-request")}
        C: <enable resume='true'/>
        {failed("unexpected-request")}
        C: <r/>
        S: <a h='0'/>
    """)


def test_a_session_that_looks_alive_is_taken_over():
    juliet = resumable()
    world = juliet.world
    deliver(juliet, "one", "two")
    juliet.transport.take()
    juliet.transport.buffered = ["<message xmlns='jabber:client' id='two'/>"]
    back = again(juliet)
    back.talk(f"""
        C: <resume previd='{{sm}}' h='1'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("two")}
        S: <r/>
    """)
    assert "<conflict " in closed_with(juliet)
    assert juliet.transport.sent == []
    assert juliet.transport.buffered == [], "it must not come both ways"
    session = back.transport.session
    # The old connection's end, when it is noticed, is no loss of the session's.
    session.transport_lost(juliet.transport, world.now)
    assert session.state is State.BOUND
    back.talk("C: <a h='2'/>\nC: <r/>\nS: <a h='0'/>")
    assert undelivered(world) == []


def test_resumed_again_and_again():
    juliet = resumable()
    world = juliet.world
    for number in range(20):
        deliver(juliet, str(number))
        juliet.talk(f"S: <message id='{number}'/>\nC: <presence/>")
        if number % 2:
            world.lose(juliet.transport)
        juliet = again(juliet)
        h = number + 1
        juliet.talk(f"C: <resume previd='{{sm}}' h='{h}'/>\nS: <resumed previd='{{sm}}' h='{h}'/>")
    assert len(world.manager.sessions) == 1
    assert world.manager.resumed == 20
    assert world.manager.closed.total() == 0


def test_resumed_waits_for_what_the_backend_holds():
    juliet = resumable()
    world, backend = juliet.world, juliet.world.backend
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>\nC: <message to='b@localhost'/>")
    deliver(juliet, "one")
    world.lose(juliet.transport)
    back = again(juliet)
    back.talk("C: <resume previd='{sm}' h='0'/>")
    assert back.transport.paused
    deliver(back, "two")
    backend.route_deferred()
    backend.route_deferred()
    backend.settle(1)
    back.talk("")
    backend.settle(0)
    assert not back.transport.paused
    back.talk(f"""
        S: <resumed previd='{{sm}}' h='2'/>
        {waited("one", "two")}
        S: <r/>
        C: <a h='2'/>
    """)
    world.pass_time(59)
    back.talk("C: <message to='c@localhost'/>")
    backend.settle_all()
    back.talk("C: <r/>\nS: <a h='3'/>")


def test_what_was_asked_on_the_old_connection_is_answered_by_resumed_alone():
    juliet = resumable(SmConfig(unsolicited_ack_frequency=3))
    world, backend = juliet.world, juliet.world.backend
    juliet.talk("C: <presence/>")
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>\nC: <r/>\nS: <a h='1'/>")
    world.lose(juliet.transport)
    back = again(juliet)
    back.talk("C: <resume previd='{sm}' h='0'/>")
    backend.settle_all()
    backend.deferring = False
    back.talk("""
        S: <resumed previd='{sm}' h='2'/>
        C: <presence/>
        C: <presence/>
        C: <presence/>
        S: <a h='5'/>
    """)


def test_a_client_that_falls_silent_as_it_resumes_is_probed_in_time():
    juliet = resumable(SmConfig(idle_probe=60))
    juliet.world.lose(juliet.transport)
    juliet.world.pass_time(100)
    back = again(juliet)
    back.talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='0'/>")
    juliet.world.pass_time(60)
    back.talk("S: <r/>")


def test_the_stream_that_asked_to_resume_is_over():
    juliet = resumable()
    world = juliet.world
    back = again(juliet)
    asking = back.transport.session
    back.talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='0'/>")
    assert (asking.state, asking.transport) == (State.CLOSED, None)
    assert asking.link.events == ["abandoned"]
    assert asking.next_deadline() == asking.wake_at == inf
    asking.close(CloseReason.KICKED, world.now)
    asking.deliver("<message xmlns='jabber:client' id='x'/>", world.now)
    back.talk("C: <r/>\nS: <a h='0'/>")
    assert undelivered(world) == ["<message xmlns='jabber:client' id='x'/>"]


def test_of_two_resumes_that_race_the_later_wins():
    juliet = resumable()
    world, backend = juliet.world, juliet.world.backend
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    deliver(juliet, "one")
    session = juliet.transport.session
    first, second = again(juliet), again(juliet)
    first.talk("C: <resume previd='{sm}' h='0'/>")
    assert "<conflict " in closed_with(juliet)
    second.talk("C: <resume previd='{sm}' h='1'/>")
    assert "<conflict " in closed_with(first)
    assert first.transport.sent == [], "it was never told that it had resumed"
    backend.settle_all()
    second.talk("S: <resumed previd='{sm}' h='1'/>\nC: <r/>\nS: <a h='1'/>")
    session.transport_lost(first.transport, world.now)
    session.writable(world.now)
    deliver(second, "two")
    second.talk("S: <message id='two'/>\nC: <a h='2'/>")
    assert session.link.events == ["resumed"]
    assert world.manager.sessions == {session}


def test_a_resume_whose_connection_is_lost_while_it_waits_can_be_made_again():
    juliet = resumable(SmConfig(max=600))
    world, backend = juliet.world, juliet.world.backend
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    world.lose(juliet.transport)
    world.pass_time(500)
    first = again(juliet)
    first.talk("C: <resume previd='{sm}' h='0'/>")
    world.lose(first.transport)
    backend.settle_all()
    world.pass_time(500)
    second = again(juliet)
    second.talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='1'/>")


def test_a_backend_that_never_settles_costs_the_connection_and_not_the_session():
    juliet = resumable(SmConfig(negotiation_timeout=30, idle_probe=10, idle_timeout=10))
    world, backend = juliet.world, juliet.world.backend
    backend.deferring = True
    juliet.talk("C: <message to='a@localhost'/>")
    world.lose(juliet.transport)
    back = again(juliet)
    back.talk("C: <resume previd='{sm}' h='0'/>")
    world.pass_time(29)
    back.talk("")
    assert not back.transport.aborted
    world.pass_time(1)
    assert back.transport.aborted
    assert world.manager.detached[CloseReason.NEGOTIATION_TIMEOUT] == 1
    backend.settle_all()
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='1'/>")


def test_a_replay_goes_as_fast_as_the_network_takes_it():
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    world.lose(juliet.transport)
    deliver(juliet, "1", "2", "3", "4")
    back = again(juliet)
    back.transport.room = 3
    back.talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("1", "2")}
    """)
    deliver(back, "5")
    back.talk("C: <a h='1'/>")
    back.transport.room, back.transport.congested = 2, False
    session.writable(world.now)
    back.talk(waited("3", "4"))
    deliver(back, "6")
    back.talk("")
    back.transport.room, back.transport.congested = None, False
    session.writable(world.now)
    back.talk(f"""
        {waited("5", "6")}
        S: <r/>
        C: <a h='6'/>
    """)
    deliver(back, "7")
    back.talk("S: <message id='7'/>")


def test_a_replay_does_not_ask_twice():
    juliet = resumable(SmConfig(idle_probe=60, idle_timeout=30))
    world = juliet.world
    world.lose(juliet.transport)
    deliver(juliet, "1", "2")
    back = again(juliet)
    back.transport.room = 2
    back.talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("1")}
    """)
    world.pass_time(60)
    back.talk("S: <r/>")
    back.transport.room, back.transport.congested = None, False
    back.transport.session.writable(world.now)
    back.talk(waited("2"))


def test_a_replay_cut_short_goes_on_from_what_was_handled():
    juliet = resumable()
    world = juliet.world
    deliver(juliet, "1", "2", "3")
    juliet.transport.take()
    world.lose(juliet.transport)
    deliver(juliet, "4")
    back = again(juliet)
    back.transport.room = 2
    back.talk(f"""
        C: <resume previd='{{sm}}' h='1'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("2")}
    """)
    world.lose(back.transport)
    again(back).talk(f"""
        C: <resume previd='{{sm}}' h='2'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("3", "4")}
        S: <r/>
    """)


def test_a_replay_that_an_ack_makes_needless_gives_way_to_what_comes_next():
    juliet = resumable()
    deliver(juliet, "1", "2", "3")
    juliet.transport.take()
    back = again(juliet)
    back.transport.room = 2
    back.talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='0'/>
        {waited("1")}
    """)
    # All three went over the old connection, and may have come late.
    back.talk("C: <a h='3'/>")
    deliver(back, "4")
    back.talk("S: <message id='4'/>\nC: <a h='4'/>")


# Stream Closure, section 7


def test_a_clean_close_ends_the_session_at_once():
    juliet = resumable()
    world = juliet.world
    juliet.talk("C: <presence/>")
    deliver(juliet, "one", "two")
    juliet.talk("S: <message id='one'/>\nS: <message id='two'/>\nC: <a h='1'/>")
    juliet.transport.session.client_closed(world.now)
    juliet.talk("S: <a h='1'/>")
    assert juliet.transport.closed is True
    assert undelivered(world) == ["<message xmlns='jabber:client' id='two'/>"]
    assert juliet.transport.session.link.events == ["closed client-closed"]
    again(juliet).talk("C: <resume previd='{sm}' h='2'/>\n" + NOT_FOUND)


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "hibernating"])
def test_an_operators_kick_ends_the_session_at_once(alive):
    juliet = resumable()
    world = juliet.world
    deliver(juliet, "one")
    juliet.transport.take()
    if not alive:
        world.lose(juliet.transport)
    assert world.manager.kick("juliet@localhost", world.now) == 1
    if alive:
        assert "<not-authorized " in closed_with(juliet)
    assert undelivered(world) == ["<message xmlns='jabber:client' id='one'/>"]
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND)


def test_an_error_of_ours_ends_the_session_at_once():
    juliet = resumable()
    world = juliet.world
    juliet.transport.buffered = ["<message xmlns='jabber:client' id='one'/>"]
    deliver(juliet, "one")
    juliet.talk("S: <message id='one'/>\nC: <unknown/>\nS: <a h='0'/>")
    assert "<unsupported-stanza-type " in closed_with(juliet)
    assert undelivered(world) == ["<message xmlns='jabber:client' id='one'/>"]
    assert juliet.transport.buffered == [], "it must not go both ways"
    again(juliet).talk("C: <resume previd='{sm}' h='0'/>\n" + NOT_FOUND)


def test_two_clients_speak_through_losses():
    world = World()
    juliet, romeo = resumable(world=world), resumable(world=world, account="romeo")
    world.receive(juliet.transport, message("romeo@localhost", "ciao"))
    romeo.talk("S: <message to='romeo@localhost'><body>ciao</body></message>")
    world.lose(romeo.transport)
    world.receive(juliet.transport, message("romeo@localhost", "are you there?"))
    juliet.talk("C: <r/>\nS: <a h='2'/>")
    world.lose(juliet.transport)
    romeo = again(romeo, "romeo")
    romeo.talk(f"""
        C: <resume previd='{{sm}}' h='1'/>
        S: <resumed previd='{{sm}}' h='0'/>
        S: <message to='romeo@localhost'><body>are you there?</body>{delay("{_}")}</message>
        S: <r/>
        C: <a h='2'/>
        C: <message to='juliet@localhost'><body>I am</body></message>
        C: <r/>
        S: <a h='1'/>
    """)
    again(juliet).talk(f"""
        C: <resume previd='{{sm}}' h='0'/>
        S: <resumed previd='{{sm}}' h='2'/>
        S: <message to='juliet@localhost'><body>I am</body>{delay("{_}")}</message>
        S: <r/>
    """)
