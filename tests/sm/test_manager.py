"""The manager: what it remembers, whom it wakes, and how everything ends."""

import logging
import time
from math import inf
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.conversation import again, closed_with, resumable, undelivered
from support.sessions import MemoryTransport, World
from support.thorough import examples

from andiron.sm.config import SmConfig
from andiron.sm.link import CloseReason
from andiron.sm.manager import SessionManager
from andiron.sm.session import State

RESUMABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
ENABLED = "<enable xmlns='urn:xmpp:sm:3'/>"


def test_ends_and_losses_are_counted_and_told(caplog):
    caplog.set_level(logging.INFO, "andiron.sm")
    world = World()
    world.connect().session.client_closed(world.now)
    transport = world.bind(enable=RESUMABLE)
    world.lose(transport)
    world.pass_time(600)
    assert world.manager.closed == {CloseReason.CLIENT_CLOSED: 1, CloseReason.EXPIRED: 1}
    assert world.manager.detached == {CloseReason.CONNECTION_LOST: 1}
    assert "192.0.2.1 closed: client-closed" in caplog.text
    assert "juliet@localhost/0 detached: connection-lost" in caplog.text
    assert "juliet@localhost/0 closed: expired" in caplog.text


def test_the_error_that_ended_a_session_is_told(caplog):
    caplog.set_level(logging.INFO, "andiron.sm")
    juliet = resumable()
    juliet.world.receive(juliet.transport, "<a xmlns='urn:xmpp:sm:3' h='7'/>")
    assert "closed: stream-error (undefined-condition: you acknowledged 7 stanzas" in caplog.text


@pytest.mark.parametrize("end", ["close", "lose", "resume", "kick", "expire"])
def test_nothing_is_left_of_sessions_that_ended(end):
    world = World(SmConfig(max=1, remember_expired=0))
    manager = world.manager
    for _ in range(300):
        juliet = resumable(world=world)
        if end == "close":
            juliet.transport.session.client_closed(world.now)
        elif end == "lose":
            world.lose(world.bind(enable=ENABLED))
        elif end == "expire":
            world.lose(juliet.transport)
            world.pass_time(2)
        elif end == "resume":
            back = again(juliet)
            back.talk("C: <resume previd='{sm}' h='0'/>\nS: <resumed previd='{sm}' h='0'/>")
            back.transport.session.client_closed(world.now)
        manager.kick("juliet@localhost", world.now)
        assert len(manager.timers) < 80, "the time of those that ended never comes"
    assert not manager.sessions
    assert not manager._negotiation._resumable
    assert not manager._negotiation._expired


def test_timers_stay_bounded_while_sessions_live():
    world = World(SmConfig(request_quiet=1, idle_probe=60, idle_timeout=30))
    everyone = [world.bind(enable=RESUMABLE) for _ in range(20)]
    for _ in range(500):
        for transport in everyone:
            session = transport.session
            session.deliver("<message xmlns='jabber:client'/>", world.now)
            world.pass_time(0.07)
            h = session.management.queue.sent
            world.receive(transport, f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>")
        assert len(world.manager.timers) <= 4 * 20 + 65
    assert all(transport.session.state is State.BOUND for transport in everyone)


@given(st.lists(st.integers(0, 1000), max_size=12), st.lists(st.integers(0, 1000), min_size=140))
@settings(max_examples=examples(40), deadline=None)
def test_everyone_is_woken_in_time_also_when_many_have_left(stay, leave):
    world = World(SmConfig(negotiation_timeout=1000))
    connect = world.manager.connect
    living = [(after, connect(MemoryTransport(), world.now + after)) for after in stay]
    for after in leave:
        connect(MemoryTransport(), world.now + after).client_closed(world.now)
    assert len(world.manager.timers) < 140
    for after, session in sorted(living, key=itemgetter(0)):
        world.manager.timers.run(world.now + 1000 + after)
        assert session.state is State.CLOSED


def test_the_driver_hears_of_nearer_times_only():
    world = World(SmConfig(negotiation_timeout=30))
    heard: list[float] = []
    world.manager.timers.on_schedule = heard.append
    assert world.manager.timers.next_deadline() == inf
    world.connect()
    assert heard == [1030.0]
    world.now += 1
    world.connect()
    assert heard == [1030.0]
    assert world.manager.timers.next_deadline() == 1030.0
    world.bind(enable=RESUMABLE).session.deliver("<message xmlns='jabber:client'/>", world.now)
    assert heard == [1030.0, 1001.0 + world.manager.config.request_quiet]


def test_one_sessions_failure_does_not_hold_up_the_others():
    world = World(SmConfig(negotiation_timeout=30))
    failing, other = world.connect(), world.connect()

    def fail(reason, undelivered, now):
        raise RuntimeError("a bug")

    failing.session.link.closed = fail
    world.now += 30
    with pytest.raises(RuntimeError):
        world.manager.timers.run(world.now)
    world.manager.timers.run(world.now)
    assert failing.session.state is State.CLOSED
    assert other.session.state is State.CLOSED
    assert world.manager.timers.next_deadline() == inf


def test_kick_ends_an_accounts_sessions_or_one_of_them():
    world = World()
    manager = world.manager
    first, second = world.bind(enable=RESUMABLE), world.bind(enable=RESUMABLE)
    romeo, stranger = world.bind("romeo"), world.connect()
    world.lose(second)
    assert manager.kick("nobody@localhost", world.now) == 0
    assert manager.kick("juliet@localhost/0", world.now) == 1
    assert first.closed
    assert second.session.state is State.DETACHED
    third = world.bind()
    signing_in = world.sign_in()
    assert manager.kick("juliet@localhost", world.now) == 3
    assert {third.closed.condition, signing_in.closed.condition} == {"not-authorized"}
    assert second.session.state is State.CLOSED
    assert manager.sessions == {romeo.session, stranger.session}
    assert manager.closed == {CloseReason.KICKED: 4}


def test_shutdown_ends_every_session_and_each_new_one():
    world = World()
    juliet = resumable(world=world)
    juliet.transport.session.deliver("<message xmlns='jabber:client' id='x'/>", world.now)
    juliet.transport.take()
    hibernating = resumable(world=world)
    world.lose(hibernating.transport)
    stranger = world.connect()
    world.manager.shutdown(world.now)
    assert "<system-shutdown " in closed_with(juliet)
    juliet.talk("S: <a h='0'/>")
    assert stranger.closed.condition == "system-shutdown"
    assert undelivered(world) == ["<message xmlns='jabber:client' id='x'/>"]
    late = MemoryTransport()
    world.manager.connect(late, world.now)
    assert late.closed.condition == "system-shutdown"
    assert world.manager.closed == {CloseReason.SHUTDOWN: 4}
    assert not world.manager.sessions
    assert not world.manager._negotiation._resumable


def fails(*_given):
    raise RuntimeError("no more")


@pytest.mark.parametrize("end", ["shutdown", "hibernate"])
def test_an_end_that_fails_keeps_no_other_session_from_its_own(end, caplog):
    world = World()
    people = [world.bind() for _ in range(3)]
    for each in people:
        each.session.link.closed = fails
    getattr(world.manager, end)(world.now)
    assert {each.closed.condition for each in people} == {"system-shutdown"}
    assert caplog.text.count("its end failed") == 3
    assert not world.manager.sessions


def test_leaving_goes_on_behind_a_session_that_cannot_be_written_down(caplog):
    world = World()
    people = [resumable(world=world).transport.session for _ in range(3)]
    for each in people:
        each.link.speak_up = fails
    world.manager.hibernate(world.now)
    world.manager.leave(world.now)
    assert caplog.text.count("its end failed") == 3
    assert not world.manager.sessions


def test_wall_tells_the_unix_time_of_an_instant(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 5_000_000.0)
    world = World()
    assert world.manager.wall(world.now) == 5_000_000.0
    assert world.manager.wall(world.now - 60) == 5_000_000.0 - 60


# Sessions that end at a time that their sign-in said


def until(world, seconds):
    """Return the Unix time in so many seconds."""
    return world.manager.wall(world.now) + seconds


RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='0'/>"


@pytest.fixture
def still(monkeypatch):
    """Let Unix time go by the clock that the test turns."""
    monkeypatch.setattr(SessionManager, "wall", lambda _self, now: 1_000_000 + now)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("stage", ["sign_in", "bind"])
def test_a_session_ends_when_its_sign_in_does(stage):
    world = World(SmConfig(negotiation_timeout=500, idle_probe=0))
    transport = getattr(world, stage)()
    transport.session.end_by(until(world, 100))
    transport.session.end_by(until(world, 200))
    world.pass_time(99)
    assert transport.closed is False
    world.pass_time(1)
    assert transport.closed.condition == "not-authorized"
    assert world.manager.closed == {CloseReason.TOKEN_EXPIRED: 1}


@pytest.mark.usefixtures("still")
def test_a_time_that_is_over_ends_it_at_once():
    world = World()
    transport = world.bind()
    transport.session.end_by(until(world, -1))
    world.pass_time(0)
    assert transport.closed.condition == "not-authorized"


def test_without_such_a_time_it_does_not_end():
    world = World(SmConfig(idle_probe=0))
    transport = world.bind()
    transport.session.end_by(inf)
    world.pass_time(1_000_000)
    assert transport.closed is False


@pytest.mark.usefixtures("still")
def test_a_hibernating_session_ends_when_its_sign_in_does():
    juliet = resumable()
    world = juliet.world
    juliet.transport.session.end_by(until(world, 100))
    world.lose(juliet.transport)
    world.pass_time(100)
    assert world.manager.closed == {CloseReason.TOKEN_EXPIRED: 1}
    back = world.sign_in()
    world.receive(back, RESUME.format(juliet.known["sm"]))
    assert "item-not-found" in back.take()[0]


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("first", "second"), [(inf, 100), (50, 100), (200, 100)])
def test_a_resumed_session_ends_when_the_sign_in_does_that_resumed_it(first, second):
    juliet = resumable(SmConfig(idle_probe=0))
    world = juliet.world
    juliet.transport.session.end_by(until(world, first))
    world.lose(juliet.transport)
    back = world.sign_in()
    back.session.end_by(until(world, second))
    world.receive(back, RESUME.format(juliet.known["sm"]))
    assert "<resumed" in back.take()[0]
    world.pass_time(99)
    assert back.closed is False
    world.pass_time(1)
    assert back.closed.condition == "not-authorized"


@pytest.mark.usefixtures("still")
def test_one_resumed_by_a_sign_in_without_an_end_has_none():
    juliet = resumable(SmConfig(idle_probe=0))
    world = juliet.world
    juliet.transport.session.end_by(until(world, 100))
    world.lose(juliet.transport)
    back = world.sign_in()
    world.receive(back, RESUME.format(juliet.known["sm"]))
    world.pass_time(200)
    assert back.closed is False
