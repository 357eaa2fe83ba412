"""Traces: what passes is noted for a while, without what it says, and passes as it would."""

import pytest
from support.conversation import again, resumable
from support.sessions import World

from andiron.sm.session import Session
from andiron.sm.tracing import LINES, TRACES, TracesFullError

SECRET = "a word to nobody else"
MESSAGE = f"<message xmlns='jabber:client' to='romeo@localhost'><body>{SECRET}</body></message>"


def texts(trace):
    return [f"{line.way} {line.text}" for line in trace.lines]


def test_what_goes_both_ways_is_noted_in_outline_and_arrives_unchanged():
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    trace = world.manager.traces.start(session, 60)
    world.receive(juliet.transport, MESSAGE)
    world.receive(juliet.transport, "<r xmlns='urn:xmpp:sm:3'/>")
    session.deliver(MESSAGE, world.now)
    assert juliet.transport.sent[-1] == MESSAGE
    assert texts(trace) == [
        "in <message to='romeo@localhost'><body>…</body></message>",
        "in <r xmlns='urn:xmpp:sm:3'/>",
        "out <a xmlns='urn:xmpp:sm:3' h='1'/>",
        "out <message to='romeo@localhost'><body>…</body></message>",
    ]
    assert [line.number for line in trace.after(2)] == [3, 4]


def test_a_session_that_is_not_traced_has_nothing_between_it_and_its_connection():
    world = World()
    transport = world.bind()
    session = transport.session
    assert type(session) is Session
    assert session.transport is transport
    world.manager.traces.start(session, 60)
    assert session.transport is not transport
    world.manager.traces.stop(session.number)
    assert transport.session is session
    assert session.transport is transport
    assert world.manager.traces.get(session.number) is None


@pytest.mark.parametrize("way", ["in", "out", "asked"])
def test_a_trace_ends_by_itself(way):
    juliet = resumable()
    world, transport = juliet.world, juliet.transport
    session = transport.session
    trace = world.manager.traces.start(session, 5)
    world.receive(transport, MESSAGE)
    world.now += 6
    if way == "in":
        world.receive(transport, MESSAGE)
    elif way == "out":
        session.deliver(MESSAGE, world.now)
        assert transport.sent[-1] == MESSAGE
    else:
        assert world.manager.traces.get(session.number) is trace
    assert transport.session is session
    assert session.transport is transport
    assert session.management.writer is transport
    assert len(trace.lines) == 1
    world.manager.traces.start(session, 5)
    assert world.manager.traces.get(session.number).lines[0].number == 1


def test_a_trace_follows_its_session_to_another_connection_and_to_its_end():
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    trace = world.manager.traces.start(session, 60)
    world.lose(juliet.transport)
    assert session.transport is None
    session.deliver(MESSAGE, world.now)
    new = again(juliet)
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{juliet.known['sm']}' h='0'/>"
    world.receive(new.transport, resume)
    world.receive(new.transport, "<a xmlns='urn:xmpp:sm:3' h='1'/>")
    assert not session.management.queue
    assert world.manager.kick("juliet@localhost", world.now) == 1
    noted = texts(trace)
    assert noted[0] == "event detached: connection-lost"
    assert noted[1] == "event resumed over websocket"
    assert noted[2] == "out <resumed xmlns='urn:xmpp:sm:3' previd='…' h='0'/>"
    assert "in <a xmlns='urn:xmpp:sm:3' h='1'/>" in noted
    assert noted[-1] == "event closed: kicked"
    assert new.transport.closed
    assert trace.is_over()
    assert world.manager.traces.get(session.number) is trace


def test_a_traced_connection_that_resumes_an_untraced_session_is_handed_over_bare():
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    world.lose(juliet.transport)
    new = again(juliet)
    world.manager.traces.start(new.transport.session, 60)
    new.talk("""
        C: <resume previd='{sm}' h='0'/>
        S: <resumed previd='{sm}' h='0'/>
    """)
    assert session.transport is new.transport
    assert new.transport.session is session


def test_a_trace_that_ends_during_a_resumption_leaves_nothing_between():
    juliet = resumable()
    world, session = juliet.world, juliet.transport.session
    world.backend.deferring = True
    world.receive(juliet.transport, MESSAGE)
    world.lose(juliet.transport)
    session.deliver(MESSAGE, world.now)
    world.manager.traces.start(session, 5)
    new = again(juliet)
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{juliet.known['sm']}' h='0'/>"
    world.receive(new.transport, resume)
    world.now += 6
    world.backend.settle_all()
    session.deliver(MESSAGE, world.now)
    assert session.transport is new.transport
    assert session.management.writer is new.transport
    assert new.transport.session is session
    assert new.transport.sent[-1] == MESSAGE


@pytest.mark.parametrize("stopped", [True, False])
def test_what_is_kept_no_more_is_held_by_nothing(stopped):
    world = World()
    transport = world.bind()
    session = transport.session
    traces = world.manager.traces
    trace = traces.start(session, 60)
    session.deliver(MESSAGE, world.now)
    if stopped:
        traces.stop(session.number)
    else:
        world.now += 61
        for _ in range(TRACES):
            traces.start(world.bind().session, 60)
    assert traces.get(session.number) is None
    assert not trace.lines
    assert trace.is_over()
    again = traces.start(session, 60) if stopped else None
    session.deliver(MESSAGE, world.now)
    assert not trace.lines
    assert again is None or len(again.lines) == 1


def test_lines_and_traces_are_bounded():
    world = World()
    transports = [world.bind() for _ in range(TRACES + 1)]
    *sessions, one_more = [each.session for each in transports]
    traces = world.manager.traces
    kept = [traces.start(each, 60) for each in sessions]
    with pytest.raises(TracesFullError):
        traces.start(one_more, 60)
    for _ in range(LINES + 5):
        sessions[0].deliver(MESSAGE, world.now)
    assert len(kept[0].lines) == LINES
    assert kept[0].lines[0].number == 6
    sessions[3].client_closed(world.now)
    traces.start(one_more, 60)
    assert traces.get(sessions[3].number) is None
