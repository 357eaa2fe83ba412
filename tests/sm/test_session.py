"""The session's state machine: every state and every event, as a table."""

import re

import pytest
from support.sessions import (
    BIND,
    GUARD,
    MemoryBackend,
    MemoryLink,
    MemoryTransport,
    World,
    message,
)

from andiron.sm.config import SmConfig
from andiron.sm.link import StreamOpen
from andiron.sm.session import Session, State

CONFIG = SmConfig(
    max=600,
    negotiation_timeout=30,
    idle_probe=60,
    idle_timeout=30,
    request_quiet=3,
    request_timeout=60,
)
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
ONE = "<message xmlns='jabber:client' id='one'/>"
TWO = "<message xmlns='jabber:client' id='two'/>"


class Case:
    """A session in one of its states, and what it does from there on.

    Bound sessions have been delivered one message, which without stream
    management waits in the connection, and have handled one stanza.
    """

    def __init__(self, state: str) -> None:
        self.world = World(CONFIG)
        self.transport = self.world.connect()
        self.session = self.transport.session
        self.sm_id = "unknown"
        getattr(self, state.replace(" ", "_"))()
        self.transport.take()
        self.link = self.session.link
        self.old_state = self.session.state
        self.was_closed = self.transport.closed
        self.old_events = len(self.link.events)
        self.old_undelivered = len(self.undelivered)
        self.other: MemoryTransport | None = None

    # The states

    def stranger(self) -> None:
        pass

    def signed_in(self) -> None:
        self.client("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>juliet</auth>")
        self.session.open_stream(StreamOpen("localhost", "1.0"), self.world.now)

    def bound(self, enable: str = "") -> None:
        self.signed_in()
        self.client(BIND)
        if enable:
            self.client(enable)
        self.client("<presence xmlns='jabber:client'/>")
        self.session.deliver(ONE, self.world.now)
        self.transport.buffered.append(ONE)

    def enabled(self) -> None:
        self.bound("<enable xmlns='urn:xmpp:sm:3'/>")

    def resumable(self) -> None:
        self.bound("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        self.sm_id = self.session.management.id

    def detached(self) -> None:
        self.resumable()
        self.world.lose(self.transport)

    def resuming(self) -> None:
        self.resumable()
        self.world.backend.deferring = True
        self.client(message("nobody@localhost", "x"))
        self.world.lose(self.transport)
        self.transport = self.world.sign_in()
        self.resume(self.transport, 0)

    def closed(self) -> None:
        self.resumable()
        self.session.client_closed(self.world.now)

    # What can happen

    def client(self, text: str) -> None:
        self.session.receive(GUARD.read(text), self.world.now)

    def resume(self, transport: MemoryTransport, h: int) -> None:
        resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{self.sm_id}' h='{h}'/>"
        self.world.receive(transport, resume)

    def elsewhere(self, h: int) -> None:
        self.other = self.world.sign_in()
        self.resume(self.other, h)

    # What came of it

    @property
    def undelivered(self) -> list:
        return self.world.backend.undelivered["juliet@localhost"]

    def outcome(self) -> str:
        """Return the new state, what the connection and the link saw, and what is left over."""
        said = [brief(text) for text in self.transport.sent]
        if self.transport.closed not in (False, self.was_closed):
            said.append(
                "close" if self.transport.closed is True else self.transport.closed.condition
            )
        if self.transport.aborted:
            said.append("abort")
        state = self.session.state
        parts = [f"now {state}"] if state != self.old_state else []
        parts += [*said, *self.link.events[self.old_events :]]
        if self.world.backend.undelivered["nobody@localhost"]:
            parts.append("routed")
        lost = len(self.undelivered) - self.old_undelivered
        if lost:
            parts.append(f"{lost} goes another way")
        if self.other is not None:
            other = [brief(text) for text in self.other.sent]
            if self.other.closed:
                other.append(self.other.closed.condition)
            parts.append("elsewhere: " + ", ".join(other))
        return "; ".join(parts)


def brief(text: str) -> str:
    """Return an element's name, and its count or its condition."""
    element = GUARD.read(text.replace("<stream:features", "<features").replace("</stream:", "</"))
    condition = re.search(r"<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>", text)
    if element.name == "failed" and condition:
        return f"failed {condition[1]}"
    return " ".join(filter(None, (element.name, element.get("h"))))


def nonza(name: str, attributes: str = ""):
    return lambda case: case.client(f"<{name} xmlns='urn:xmpp:sm:3' {attributes}/>")


def waits(seconds: float):
    return lambda case: case.world.pass_time(seconds)


EVENTS = {
    "enable": nonza("enable", "resume='true'"),
    "r": nonza("r"),
    "a": nonza("a", "h='0'"),
    "a for all": nonza("a", "h='1'"),
    "a too high": nonza("a", "h='2'"),
    "a without h": nonza("a"),
    "resume": lambda case: nonza("resume", f"previd='{case.sm_id}' h='0'")(case),
    "enabled": nonza("enabled"),
    "stanza": lambda case: case.client(message("nobody@localhost", "x")),
    "other": lambda case: case.client("<other xmlns='urn:example'/>"),
    "client closes": lambda case: case.session.client_closed(case.world.now),
    "connection lost": lambda case: case.world.lose(case.transport),
    "another's loss": lambda case: case.session.transport_lost(MemoryTransport(), case.world.now),
    "writable": lambda case: case.session.writable(case.world.now),
    "deliver": lambda case: case.session.deliver(TWO, case.world.now),
    "settle": lambda case: case.world.backend.settle_all(),
    "nonza from the link": lambda case: case.session.send("<x/>"),
    "signed in late": lambda case: case.session.authenticated(case.world.now),
    "bound again": lambda case: case.session.bound(case.world.now),
    "resumed elsewhere": lambda case: case.elsewhere(0),
    "resumed elsewhere, all had": lambda case: case.elsewhere(1),
    "resumed elsewhere, too high": lambda case: case.elsewhere(2),
    "31 s pass": waits(31),
    "61 s pass": waits(61),
    "91 s pass": waits(91),
    "601 s pass": waits(601),
    "kick": lambda case: case.world.manager.kick("juliet@localhost", case.world.now),
    "shutdown": lambda case: case.world.manager.shutdown(case.world.now),
}
STATES = (
    "stranger",
    "signed in",
    "bound",
    "enabled",
    "resumable",
    "detached",
    "resuming",
    "closed",
)
# A connection that was lost gives no more elements.
NEVER = {("detached", event) for event in list(EVENTS)[: list(EVENTS).index("connection lost")]}
TABLE = {
    "enable": [
        ("stranger, signed in, enabled, resumable, resuming", "failed unexpected-request"),
        ("bound", "enabled"),
        ("closed", ""),
    ],
    "r": [
        ("stranger, signed in, bound", "failed unexpected-request"),
        ("enabled, resumable, resuming", "a 1"),
        ("closed", ""),
    ],
    "a": [
        ("stranger, signed in, bound", "failed unexpected-request"),
        ("enabled, resumable, resuming, closed", ""),
    ],
    "a for all": [
        ("stranger, signed in, bound", "failed unexpected-request"),
        ("enabled, resumable, resuming, closed", ""),
    ],
    "a too high": [
        ("stranger, signed in, bound", "failed unexpected-request"),
        (
            "enabled, resumable",
            "now closed; a 1; undefined-condition; closed stream-error; 1 goes another way",
        ),
        ("resuming", "now closed; undefined-condition; closed stream-error; 1 goes another way"),
        ("closed", ""),
    ],
    "a without h": [
        ("stranger, signed in, bound", "failed unexpected-request"),
        (
            "enabled, resumable",
            "now closed; a 1; undefined-condition; closed stream-error; 1 goes another way",
        ),
        ("resuming", "now closed; undefined-condition; closed stream-error; 1 goes another way"),
        ("closed", ""),
    ],
    "resume": [
        ("stranger, bound, enabled, resumable, resuming", "failed unexpected-request"),
        ("signed in", "failed item-not-found"),
        ("closed", ""),
    ],
    "enabled": [
        ("stranger, signed in", "now closed; unsupported-stanza-type; closed stream-error"),
        (
            "bound, resuming",
            "now closed; unsupported-stanza-type; closed stream-error; 1 goes another way",
        ),
        (
            "enabled, resumable",
            "now closed; a 1; unsupported-stanza-type; closed stream-error; 1 goes another way",
        ),
        ("closed", ""),
    ],
    "stanza": [
        ("stranger", "now closed; not-authorized; closed stream-error"),
        ("signed in", "now bound; iq"),
        ("bound, enabled, resumable", "routed"),
        ("resuming, closed", ""),
    ],
    "other": [
        ("stranger", "now closed; not-authorized; closed stream-error"),
        ("signed in", "now closed; unsupported-stanza-type; closed stream-error"),
        (
            "bound, resuming",
            "now closed; unsupported-stanza-type; closed stream-error; 1 goes another way",
        ),
        (
            "enabled, resumable",
            "now closed; a 1; unsupported-stanza-type; closed stream-error; 1 goes another way",
        ),
        ("closed", ""),
    ],
    "client closes": [
        ("stranger, signed in", "now closed; close; closed client-closed"),
        ("bound, resuming", "now closed; close; closed client-closed; 1 goes another way"),
        ("enabled, resumable", "now closed; a 1; close; closed client-closed; 1 goes another way"),
        ("closed", ""),
    ],
    "connection lost": [
        ("stranger, signed in", "now closed; closed connection-lost"),
        ("bound, enabled", "now closed; closed connection-lost; 1 goes another way"),
        ("resumable, resuming", "now detached; detached"),
        ("detached, closed", ""),
    ],
    "another's loss": [
        ("stranger, signed in, bound, enabled, resumable, detached, resuming, closed", ""),
    ],
    "writable": [
        ("stranger, signed in, bound, enabled, resumable, detached, resuming, closed", ""),
    ],
    "deliver": [
        ("stranger, signed in, bound, enabled, resumable", "message"),
        ("detached, resuming", ""),
        ("closed", "closed connection-lost; 1 goes another way"),
    ],
    "settle": [
        ("stranger, signed in, bound, enabled, resumable, detached, closed", ""),
        ("resuming", "resumed 2; message; r; resumed; routed"),
    ],
    "nonza from the link": [
        ("stranger, signed in, bound, enabled, resumable, resuming", "x"),
        ("detached, closed", ""),
    ],
    "signed in late": [
        ("stranger, signed in, bound, enabled, resumable, detached, resuming, closed", ""),
    ],
    "bound again": [
        ("stranger, signed in", "now bound"),
        ("bound, enabled, resumable, detached, resuming, closed", ""),
    ],
    "resumed elsewhere": [
        ("stranger, signed in, bound, enabled, closed", "elsewhere: failed item-not-found"),
        ("resumable", "conflict; resumed; elsewhere: resumed 1, message, r"),
        ("detached", "now bound; resumed; elsewhere: resumed 1, message, r"),
        ("resuming", "conflict; elsewhere: "),
    ],
    "resumed elsewhere, all had": [
        ("stranger, signed in, bound, enabled, closed", "elsewhere: failed item-not-found"),
        ("resumable", "conflict; resumed; elsewhere: resumed 1"),
        ("detached", "now bound; resumed; elsewhere: resumed 1"),
        ("resuming", "conflict; elsewhere: "),
    ],
    "resumed elsewhere, too high": [
        ("stranger, signed in, bound, enabled, closed", "elsewhere: failed item-not-found"),
        ("resumable, detached, resuming", "elsewhere: undefined-condition"),
    ],
    "31 s pass": [
        ("stranger, signed in", "now closed; connection-timeout; closed negotiation-timeout"),
        ("bound, detached, closed", ""),
        ("enabled, resumable", "r"),
        ("resuming", "now detached; abort; detached"),
    ],
    "61 s pass": [
        ("stranger, signed in", "now closed; connection-timeout; closed negotiation-timeout"),
        ("bound", "iq"),
        ("enabled, resumable", "r"),
        ("detached, closed", ""),
        ("resuming", "now detached; abort; detached"),
    ],
    "91 s pass": [
        ("stranger, signed in", "now closed; connection-timeout; closed negotiation-timeout"),
        ("bound", "now closed; iq; abort; closed dead-peer; 1 goes another way"),
        ("enabled", "now closed; r; abort; closed dead-peer; 1 goes another way"),
        ("resumable", "now detached; r; abort; detached"),
        ("detached, closed", ""),
        ("resuming", "now detached; abort; detached"),
    ],
    "601 s pass": [
        ("stranger, signed in", "now closed; connection-timeout; closed negotiation-timeout"),
        ("bound", "now closed; iq; abort; closed dead-peer; 1 goes another way"),
        ("enabled", "now closed; r; abort; closed dead-peer; 1 goes another way"),
        ("resumable", "now detached; r; abort; detached"),
        ("detached", "now closed; closed expired; 1 goes another way"),
        ("resuming", "now detached; abort; detached"),
        ("closed", ""),
    ],
    "kick": [
        ("stranger, closed", ""),
        ("signed in", "now closed; not-authorized; closed kicked"),
        ("bound, resuming", "now closed; not-authorized; closed kicked; 1 goes another way"),
        (
            "enabled, resumable",
            "now closed; a 1; not-authorized; closed kicked; 1 goes another way",
        ),
        ("detached", "now closed; closed kicked; 1 goes another way"),
    ],
    "shutdown": [
        ("stranger, signed in", "now closed; system-shutdown; closed shutdown"),
        ("bound, resuming", "now closed; system-shutdown; closed shutdown; 1 goes another way"),
        (
            "enabled, resumable",
            "now closed; a 1; system-shutdown; closed shutdown; 1 goes another way",
        ),
        ("detached", "now closed; closed shutdown; 1 goes another way"),
        ("closed", ""),
    ],
}


def test_the_table_is_complete():
    rows = [
        (state, event)
        for event, outcomes in TABLE.items()
        for states, _ in outcomes
        for state in states.split(", ")
    ]
    assert len(rows) == len(set(rows))
    assert set(rows) == {(state, event) for state in STATES for event in EVENTS} - NEVER


@pytest.mark.parametrize(
    ("state", "event", "outcome"),
    [
        pytest.param(state, event, outcome, id=f"{state}: {event}")
        for event, outcomes in TABLE.items()
        for states, outcome in outcomes
        for state in states.split(", ")
    ],
)
def test_every_event_in_every_state(state, event, outcome):
    case = Case(state)
    EVENTS[event](case)
    assert case.outcome() == outcome
    manager = case.world.manager
    assert (case.session in manager.sessions) == (case.session.state != "closed")
    assert case.session.wake_at <= case.session.next_deadline(), "it is woken in time"


# What a link may do to a session


class ReroutingLink(MemoryLink):
    """Gives what was not delivered to the account's other resources, the latest first."""

    def closed(self, reason, undelivered, now):
        super().closed(reason, (), now)
        for stanza in undelivered:
            if others := self.backend.links[self.account]:
                others[-1].session.deliver(stanza.text, now)
            else:
                self.backend.undelivered[self.account].append(stanza)


class ReroutingBackend(MemoryBackend):
    def connect(self, session, channel):
        return ReroutingLink(self, session)


def full_house(stanzas: list[int], queue_stanzas: int = 4) -> tuple[World, list[Session]]:
    """Return resumable sessions of one account with so many stanzas in their queues."""
    world = World(SmConfig(queue_stanzas=queue_stanzas))
    world.manager.backend = world.backend = ReroutingBackend()
    enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
    sessions = [world.bind(enable=enable).session for _ in stanzas]
    for number, (session, count) in enumerate(zip(sessions, stanzas, strict=True)):
        for index in range(count):
            session.deliver(f"{number}.{index}", world.now)
    return world, sessions


def test_what_overflows_one_session_may_overflow_the_next():
    world, (first, second, third) = full_house([1, 3, 4])
    third.deliver("3.5", world.now)
    assert [session.state for session in (first, second, third)] == ["closed"] * 3
    texts = [stanza.text for stanza in world.backend.undelivered["juliet@localhost"]]
    assert sorted(texts) == ["0.0", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "3.5"]
    assert [text for text in texts if text > "2"] == ["2.0", "2.1", "2.2", "2.3", "3.5"]
    assert world.manager.sessions == set()


def test_what_overflows_one_session_goes_to_the_next_in_order():
    world, (first, second) = full_house([1, 2])
    for number in range(3):
        second.deliver(f"2.{number}", world.now)
    assert second.state is State.CLOSED
    assert first.state is State.CLOSED
    texts = [stanza.text for stanza in world.backend.undelivered["juliet@localhost"]]
    assert texts == ["0.0", "1.0", "1.1", "2.0", "2.1", "2.2"]


def test_a_session_may_end_by_what_its_own_stanza_causes():
    world, (session,) = full_house([4])
    stanza = message("juliet@localhost", "to myself")
    world.receive(session.transport, stanza)
    assert session.state is State.CLOSED
    texts = [lost.text for lost in world.backend.undelivered["juliet@localhost"]]
    assert texts == ["0.0", "0.1", "0.2", "0.3", stanza]


def test_a_backend_that_fails_ends_the_session_it_failed_on(caplog):
    world = World()
    transport = world.bind(enable="<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    session = transport.session
    session.deliver(ONE, world.now)

    def fail(element, ticket, now):
        raise KeyError("a bug")

    session.link.receive = fail
    world.receive(transport, message("romeo@localhost", "secret"))
    assert session.state is State.CLOSED
    assert transport.closed.condition == "internal-server-error"
    assert world.manager.sessions == set()
    assert [lost.text for lost in world.backend.undelivered["juliet@localhost"]] == [ONE]
    assert "a bug" in caplog.text
    assert "secret" not in caplog.text


def test_a_backend_may_take_its_time_with_the_bind_request():
    world = World()
    transport = world.sign_in()
    session = transport.session
    tickets: list[int] = []
    session.link.receive = lambda element, ticket, now: tickets.append(ticket)
    world.receive(transport, BIND)
    session.bound(world.now)
    session.handled(tickets[0], world.now)
    world.receive(transport, ENABLE)
    world.receive(transport, "<r xmlns='urn:xmpp:sm:3'/>")
    assert [brief(text) for text in transport.take()] == ["enabled", "a 0"]
    early = world.sign_in()
    early.session.link.receive = lambda element, ticket, now: tickets.append(ticket)
    world.receive(early, BIND)
    early.session.handled(tickets[1], world.now)
    assert early.take() == []
    assert early.session.state is State.NEGOTIATING


def test_a_stream_refused_at_its_opening_is_closed():
    world = World()
    transport = MemoryTransport()
    session = world.manager.connect(transport, world.now)
    session.open_stream(StreamOpen("elsewhere.example", "1.0"), world.now)
    assert transport.closed.condition == "host-unknown"
    assert session.state is State.CLOSED
    session.open_stream(StreamOpen("localhost", "1.0"), world.now)
    assert transport.sent == []


def test_what_the_backend_settles_late_is_counted_over_the_next_connection():
    case = Case("resumable")
    case.world.backend.deferring = True
    case.client(message("nobody@localhost", "x"))
    case.world.lose(case.transport)
    case.world.backend.settle_all()
    case.elsewhere(1)
    assert [brief(text) for text in case.other.sent] == ["resumed 2"]


@pytest.mark.parametrize("sm", [False, True])
def test_a_transport_vouches_for_a_silent_client(sm):
    world = World(SmConfig(idle_probe=60, idle_timeout=30, request_timeout=60))
    transport = world.bind(enable=ENABLE if sm else None)
    transport.take()
    transport.session.vouch(world.now + 100)
    world.pass_time(159)
    assert transport.take() == []
    world.pass_time(1)
    assert len(transport.take()) == 1, "a probe"
    world.pass_time(60)
    assert transport.aborted


def test_a_client_that_is_away_need_not_answer_yet():
    world = World(SmConfig(request_timeout=60))
    transport = world.bind(enable=ENABLE)
    transport.session.deliver("<message xmlns='jabber:client'/>", world.now)
    world.pass_time(2)
    assert transport.take()[-1] == "<r xmlns='urn:xmpp:sm:3'/>"
    transport.session.vouch(world.now + 120, away=True)
    world.pass_time(179)
    assert not transport.aborted
    world.pass_time(1)
    assert transport.aborted


# When a client has what was delivered to it

REQUEST = "<r xmlns='urn:xmpp:sm:3'/>"
RESUME = "<resume xmlns='urn:xmpp:sm:3' h='{}' previd='{}'/>"


def acknowledge(world, transport, h):
    world.receive(transport, f"<a xmlns='urn:xmpp:sm:3' h='{h}'/>")


def delivered(number, enable=ENABLE, config=CONFIG):
    """Return a session that so many messages were delivered to, and the times that tells it."""
    world = World(config)
    transport = world.bind(enable=enable)
    session = transport.session
    transport.take()
    told = []
    for _ in range(number):
        session.deliver(ONE, world.now)
    session.when_taken(session.mark, lambda: told.append(True))
    return world, transport, told


def test_a_client_is_asked_at_once_and_has_what_it_acknowledges():
    world, transport, told = delivered(3)
    assert transport.take()[-1] == REQUEST
    transport.session.deliver(TWO, world.now)
    acknowledge(world, transport, 2)
    assert transport.take() == [TWO, REQUEST], "as long as more comes of it"
    acknowledge(world, transport, 2)
    assert (transport.take(), told) == ([], [])
    acknowledge(world, transport, 3)
    acknowledge(world, transport, 4)
    assert told == [True]


def test_what_was_acknowledged_before_needs_no_asking():
    _, transport, told = delivered(0)
    assert (transport.take(), told) == ([], [True])


def test_each_mark_is_told_when_its_time_comes():
    world, transport, told = delivered(2)
    session = transport.session
    for name in ("three", "four"):
        session.deliver(ONE, world.now)
        session.when_taken(session.mark, lambda name=name: told.append(name))
    acknowledge(world, transport, 3)
    assert told == [True, "three"]
    acknowledge(world, transport, 4)
    assert told == [True, "three", "four"]


def test_a_request_that_is_out_is_not_repeated():
    world, transport, told = delivered(3, config=SmConfig(request_every=2))
    assert transport.take() == [ONE, ONE, REQUEST, ONE]
    acknowledge(world, transport, 2)
    assert (transport.take(), told) == ([REQUEST], [])


def test_a_lost_client_has_what_it_says_when_it_resumes():
    for h, has in ((2, False), (3, True)):
        world, transport, told = delivered(3)
        session = transport.session
        world.lose(transport)
        session.when_taken(session.mark, lambda told=told: told.append(True))
        again = world.sign_in()
        world.receive(again, RESUME.format(h, session.management.id))
        assert told == [True, True] * has
        acknowledge(world, again, 3)
        assert told == [True, True]


@pytest.mark.parametrize("congested", [True, False])
def test_without_stream_management_the_network_has_it(congested):
    world = World(CONFIG)
    transport = world.bind()
    session, told = transport.session, []
    transport.congested = congested
    session.when_taken(session.mark, lambda: told.append(True))
    assert told == [True] * (not congested)
    transport.congested = False
    session.writable(world.now)
    session.writable(world.now)
    assert told == [True]


def test_a_session_that_ended_has_taken_nothing_more():
    world, transport, told = delivered(1)
    transport.session.client_closed(world.now)
    transport.session.writable(world.now)
    assert told == []


def test_how_much_a_session_has_room_for():
    config = SmConfig(queue_stanzas=10, queue_bytes=10_000)
    _, transport, _ = delivered(3, config=config)
    stanzas, memory = transport.session.room
    assert stanzas == 7
    assert 10_000 - 3 * 200 < memory < 10_000 - 3 * len(ONE)
    assert World(config).bind().session.room == (10, 10_000)


def test_reading_pauses_while_much_of_what_an_account_sent_waits_to_be_written():
    world = World(SmConfig(backlog=1000, pending=100))
    transport = world.bind()
    payer = transport.session.payer
    world.backend.deferring = True
    world.receive(transport, message("nobody@localhost", "1"))
    assert not transport.paused
    payer.backlog = 1001
    for _ in range(2):
        world.receive(transport, message("nobody@localhost", "2"))
        assert transport.paused
    for _ in range(2):
        world.backend.route_deferred()
        world.backend.settle()
        assert transport.paused, "much waits still"
    world.backend.settle_all()
    assert not transport.paused, "it has nothing in work; others of its account have"
    world.receive(transport, message("nobody@localhost", "3"))
    world.receive(transport, message("nobody@localhost", "4"))
    payer.backlog = 0
    world.backend.route_deferred()
    world.backend.settle()
    assert not transport.paused
