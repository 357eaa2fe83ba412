"""Sessions under any events in any order, from clients that need not be honest.

Whatever happens, what was delivered to a session with stream management is
acknowledged, waits in its queue, or went another way: one of the three, in order.
"""

import re

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.sessions import BIND, MemoryTransport, World, message
from support.thorough import examples

from andiron.sm.config import SmConfig
from andiron.sm.counters import MODULUS
from andiron.sm.payers import size_of
from andiron.sm.session import Session, State

CONFIG = SmConfig(
    max=100,
    unsolicited_ack_frequency=2,
    request_every=2,
    request_quiet=1,
    request_timeout=20,
    queue_stanzas=6,
    queue_bytes=600 + 6 * (size_of("x") - 1),
    negotiation_timeout=10,
    idle_probe=15,
    idle_timeout=5,
    pending=3,
    remember_expired=2,
)
ID = re.compile(r"^<message xmlns='jabber:client' id='(\d+)'")
SM = "xmlns='urn:xmpp:sm:3'"


rooms = st.one_of(st.none(), st.none(), st.integers(1, 9))


class AnyEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(CONFIG, first_count=MODULUS - 3)
        self.transports: list[MemoryTransport] = []
        self.sessions: list[Session] = []
        self.delivered: dict[Session, list[int]] = {}
        self.sent: dict[Session, set[int]] = {}
        self.ids: list[str] = ["unknown"]
        self.next_id = 0

    def open_transports(self) -> list[MemoryTransport]:
        return [t for t in self.transports if not (t.closed or t.aborted or t.lost)]

    def pick(self, data: st.DataObject) -> MemoryTransport:
        return data.draw(st.sampled_from(self.open_transports()))

    def client(self, transport: MemoryTransport, text: str) -> None:
        if not transport.paused:
            self.world.receive(transport, text)

    def any_open(self) -> bool:
        return bool(self.open_transports())

    @precondition(lambda self: len(self.open_transports()) < 4)
    @rule(steps=st.sampled_from([0, 1, 2, 3, 3, 3]), room=rooms)
    def connect(self, steps: int, room: int | None) -> None:
        transport = self.world.sign_in() if steps else self.world.connect()
        transport.room = room
        self.transports.append(transport)
        session = transport.session
        self.sessions.append(session)
        self.delivered[session] = []
        self.sent[session] = set()
        if steps > 1:
            self.client(transport, BIND)
        if steps > 2:
            self.client(transport, f"<enable {SM} resume='true'/>")
            self.ids.append(session.management.id)

    @precondition(lambda self: len(self.ids) > 1 and len(self.open_transports()) < 5)
    @rule(data=st.data(), step=st.integers(-1, 5), room=rooms)
    def come_back(self, data: st.DataObject, step: int, room: int | None) -> None:
        self.connect(1, room)
        self.ask_to_resume(self.transports[-1], data, step)

    @precondition(any_open)
    @rule(
        data=st.data(),
        text=st.sampled_from(
            [
                BIND,
                f"<enable {SM}/>",
                f"<enable {SM} resume='1' max='30'/>",
                f"<r {SM}/>",
                f"<a {SM} h='x'/>",
                f"<sm {SM}/>",
                message("nobody@localhost", "x"),
                "<iq xmlns='jabber:client'/>",
                "<other xmlns='urn:example'/>",
            ]
        ),
    )
    def say(self, data: st.DataObject, text: str) -> None:
        transport = self.pick(data)
        self.client(transport, text)
        management = transport.session.management
        if management is not None and management.id:
            self.ids.append(management.id)

    @precondition(any_open)
    @rule(data=st.data(), step=st.integers(-1, 4))
    def acknowledge(self, data: st.DataObject, step: int) -> None:
        transport = self.pick(data)
        management = transport.session.management
        h = (management.queue.acked if management else 0) + step
        self.client(transport, f"<a {SM} h='{h % MODULUS}'/>")

    @precondition(any_open)
    @rule(data=st.data(), step=st.integers(-1, 5))
    def resume(self, data: st.DataObject, step: int) -> None:
        self.ask_to_resume(self.pick(data), data, step)

    def ask_to_resume(self, transport: MemoryTransport, data: st.DataObject, step: int) -> None:
        self.note_sent()
        sm_id = data.draw(st.sampled_from(self.ids[-3:]))
        known = [m for s in self.sessions if (m := s.management) is not None and m.id == sm_id]
        h = (known[0].queue.acked if known else 0) + step
        self.client(transport, f"<resume {SM} previd='{sm_id}' h='{h % MODULUS}'/>")

    def recent(self, data: st.DataObject) -> Session | None:
        """Return one of the sessions that bound lately, mostly one that lives."""
        bound = [s for s in self.sessions if s.link.jid]
        living = [s for s in bound if s.state is not State.CLOSED]
        recent = living[-3:] + bound[-1:]
        return data.draw(st.sampled_from(recent)) if recent else None

    @rule(data=st.data(), count=st.integers(1, 4))
    def deliver(self, data: st.DataObject, count: int) -> None:
        session = self.recent(data)
        if session is None:
            return
        for _ in range(count):
            # Without stream management there is nothing to account for.
            if session.management is not None or session.state is State.CLOSED:
                self.delivered[session].append(self.next_id)
            session.deliver(
                f"<message xmlns='jabber:client' id='{self.next_id}'><body>ü</body></message>",
                self.world.now,
            )
            self.next_id += 1

    @precondition(any_open)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        transport = self.pick(data)
        self.note_sent()
        self.world.lose(transport)

    @precondition(any_open)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.pick(data).session.client_closed(self.world.now)

    @precondition(any_open)
    @rule(data=st.data(), room=st.one_of(st.none(), st.integers(1, 3)))
    def relieve(self, data: st.DataObject, room: int | None) -> None:
        transport = self.pick(data)
        transport.room, transport.congested = room, False
        transport.session.writable(self.world.now)

    @rule(deferring=st.booleans())
    def defer(self, deferring: bool) -> None:
        self.world.backend.deferring = deferring

    @precondition(lambda self: self.world.backend.deferred)
    @rule(data=st.data())
    def route(self, data: st.DataObject) -> None:
        last = len(self.world.backend.deferred) - 1
        self.world.backend.route_deferred(data.draw(st.integers(0, last)))

    @precondition(lambda self: self.world.backend.routed)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        last = len(self.world.backend.routed) - 1
        self.world.backend.settle(data.draw(st.integers(0, last)))

    @rule(seconds=st.sampled_from([0, 1, 4, 9, 16, 35]))
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    @rule(data=st.data())
    def kick(self, data: st.DataObject) -> None:
        session = self.recent(data)
        if session is not None:
            self.world.manager.kick(session.link.jid, self.world.now)

    def note_sent(self) -> None:
        """Take note of what each connection carried; none carries a stanza twice."""
        for transport in self.transports:
            carried = [int(match[1]) for text in transport.sent if (match := ID.match(text))]
            assert carried == sorted(set(carried))
            self.sent[transport.session].update(carried)

    @invariant()
    def every_stanza_is_in_one_place(self) -> None:
        self.note_sent()
        elsewhere = [
            int(ID.match(lost.text)[1])
            for lost in self.world.backend.undelivered["juliet@localhost"]
            if ID.match(lost.text)
        ]
        assert len(elsewhere) == len(set(elsewhere))
        for session in self.sessions:
            mine = self.delivered[session]
            if session.management is not None:
                waiting = [int(ID.match(text)[1]) for text, _, _ in session.management.queue]
            else:
                waiting = [number for number in elsewhere if number in mine]
            acknowledged = mine[: len(mine) - len(waiting)]
            assert acknowledged + waiting == mine
            assert not set(acknowledged) & set(elsewhere)
            assert set(acknowledged) <= self.sent[session]

    @invariant()
    def nothing_sticks(self) -> None:
        manager = self.world.manager
        for session in self.sessions:
            assert session.wake_at <= session.next_deadline()
            assert session.next_deadline() > self.world.now or session.state is State.CLOSED
            management = session.management
            if management is not None and session.transport is not None:
                waits = session.transport.congested or session._resuming()
                assert waits or management.queue.unsent == 0
            if session in manager.sessions:
                assert session.state is not State.CLOSED
                assert (session.transport is None) == (session.state is State.DETACHED)
            else:
                assert session.state is State.CLOSED
                assert session.transport is None
        assert {
            s for s in manager.sessions if s.management is not None and s.management.resumable
        } == set(manager._negotiation._resumable.values())
        assert len(manager._negotiation._expired) <= CONFIG.remember_expired
        assert len(manager.timers) <= 4 * len(manager.sessions) + 70

    def teardown(self) -> None:
        for transport in self.open_transports():
            self.note_sent()
            self.world.lose(transport)
        self.world.pass_time(101)
        self.every_stanza_is_in_one_place()
        assert not self.world.manager.sessions
        assert not self.world.manager._negotiation._resumable
        super().teardown()


def test_every_stanza_is_accounted_for():
    case = AnyEvents.TestCase
    case.settings = settings(max_examples=examples(150), stateful_step_count=50, deadline=None)
    case("runTest").runTest()
