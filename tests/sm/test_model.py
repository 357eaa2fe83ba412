"""Two clients under random traffic, losses at any byte, acks and resumptions.

The model is of the clients: each keeps the counters and the queue that
XEP-0198 asks of it, over byte pipes that may be cut anywhere. Checked is what
each of the two must be able to trust.
"""

import re
from collections import Counter, deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.sessions import BIND, MemoryTransport, World, attribute, message
from support.thorough import examples

from andiron.sm.config import SmConfig
from andiron.sm.counters import MODULUS

NAMES = ("juliet", "romeo")
STANZA = re.compile("<(message|presence|iq)[ />]")


class Client:
    """A client with stream management, over pipes whose bytes arrive when the test says so."""

    def __init__(self, world: World, name: str, peer: str, base: int) -> None:
        self.world, self.name, self.peer, self.base = world, name, peer, base
        self.transport: MemoryTransport | None = None
        self.sm_id = ""
        self.lives = 0
        self.room: int | None = None
        self.next_number = 0
        self.received: list[list[int]] = []
        self.confirmed: set[int] = set()
        self.connect()

    def connect(self) -> None:
        """Connect; resume if there is something to resume, else bind anew."""
        self.transport = self.world.sign_in(self.name)
        self.transport.room = self.room
        self.up = b""
        self.down = b""
        self.live = False
        if self.sm_id:
            h = self.h
            self.write(f"<resume xmlns='urn:xmpp:sm:3' previd='{self.sm_id}' h='{h}'/>")
        else:
            self.begin()

    def begin(self) -> None:
        assert self.transport is not None
        self.world.receive(self.transport, BIND)
        self.pull()
        self.down = b""
        self.world.receive(self.transport, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        self.pull()
        frames = self.down.decode().splitlines()
        self.down = "".join(f"{frame}\n" for frame in frames[1:]).encode()
        self.sm_id = attribute(frames[0], "id")
        assert self.sm_id
        self.live = True
        self.lives += 1
        self.received.append([])
        self.h = self.base
        self.acked = self.base
        self.queue: deque[tuple[int, str]] = deque()

    def write(self, text: str) -> None:
        self.up += text.encode() + b"\n"

    def pull(self) -> None:
        if self.transport is not None:
            for text in self.transport.take():
                self.down += text.encode() + b"\n"

    def send(self) -> None:
        number = self.next_number
        self.next_number += 1
        text = message(f"{self.peer}@localhost", f"{self.name} {number}")
        self.queue.append((number, text))
        if self.live:
            self.write(text)

    def carry_up(self, count: int) -> None:
        """Let the server see some more bytes of what this client wrote."""
        data, self.up = self.up[:count], self.up[count:]
        self.partial_up = getattr(self, "partial_up", b"") + data
        *frames, self.partial_up = self.partial_up.split(b"\n")
        for frame in frames:
            if self.transport is None or self.transport.closed:
                return
            self.world.receive(self.transport, frame.decode())

    def carry_down(self, count: int) -> None:
        """Let this client see some more bytes of what the server wrote."""
        self.pull()
        data, self.down = self.down[:count], self.down[count:]
        self.partial_down = getattr(self, "partial_down", b"") + data
        *frames, self.partial_down = self.partial_down.split(b"\n")
        for frame in frames:
            self.take(frame.decode())

    def take(self, text: str) -> None:
        if text.startswith("<r "):
            self.write(f"<a xmlns='urn:xmpp:sm:3' h='{self.h}'/>")
        elif text.startswith("<a "):
            self.acknowledged(int(attribute(text, "h")))
        elif text.startswith("<resumed"):
            self.acknowledged(int(attribute(text, "h")))
            self.live = True
            for _, waiting in self.queue:
                self.write(waiting)
        elif text.startswith("<failed"):
            self.sm_id = ""
            self.begin()
        elif STANZA.match(text):
            self.h = (self.h + 1) % MODULUS
            body = re.search("<body>(\\w+) (\\d+)</body>", text)
            assert body is not None
            assert body[1] == self.peer
            self.received[-1].append(int(body[2]))
        else:
            raise AssertionError(text)

    def acknowledged(self, h: int) -> None:
        confirmed = (h - self.acked) % MODULUS
        assert confirmed <= len(self.queue), "the server counted what was never sent"
        for _ in range(confirmed):
            self.confirmed.add(self.queue.popleft()[0])
        self.acked = h

    def cut(self) -> None:
        """Lose the connection with whatever was under way in either direction."""
        assert self.transport is not None
        self.world.lose(self.transport)
        self.transport = None
        self.live = False
        self.up = self.down = self.partial_up = self.partial_down = b""

    def drain(self) -> None:
        """Let everything arrive both ways until nothing moves."""
        while True:
            self.pull()
            if not (self.up or self.down):
                return
            self.carry_up(len(self.up))
            self.carry_down(len(self.down))


class TwoClients(RuleBasedStateMachine):
    first_count = 0

    def __init__(self) -> None:
        super().__init__()
        config = SmConfig(max=600, request_every=3, idle_probe=0, unsolicited_ack_frequency=2)
        self.world = World(config, first_count=self.first_count)
        one, other = NAMES
        self.clients = [
            Client(self.world, one, other, self.first_count),
            Client(self.world, other, one, self.first_count),
        ]

    which = st.sampled_from([0, 1])
    some_bytes = st.integers(1, 400)

    @rule(who=which, count=st.integers(1, 5))
    def send(self, who: int, count: int) -> None:
        for _ in range(count):
            self.clients[who].send()

    @rule(who=which, count=some_bytes)
    def carry_up(self, who: int, count: int) -> None:
        if self.clients[who].transport is not None:
            self.clients[who].carry_up(count)

    @rule(who=which, count=some_bytes)
    def carry_down(self, who: int, count: int) -> None:
        if self.clients[who].transport is not None:
            self.clients[who].carry_down(count)

    @rule(who=which)
    def carry_all(self, who: int) -> None:
        if self.clients[who].transport is not None:
            self.clients[who].drain()

    @rule(who=which)
    def ask(self, who: int) -> None:
        if self.clients[who].live:
            self.clients[who].write("<r xmlns='urn:xmpp:sm:3'/>")

    @rule(who=which)
    def cut(self, who: int) -> None:
        if self.clients[who].transport is not None:
            self.clients[who].cut()

    @rule(who=which)
    def reconnect(self, who: int) -> None:
        """Come back; also over a connection that the server still believes in."""
        client = self.clients[who]
        if client.live or client.transport is None:
            client.up = client.down = client.partial_up = client.partial_down = b""
            client.connect()

    @rule(who=which, room=st.one_of(st.none(), st.integers(1, 3)))
    def congest_next(self, who: int, room: int | None) -> None:
        """Let the client's next connection take so many frames before it pushes back."""
        self.clients[who].room = room

    @rule(who=which)
    def relieve(self, who: int) -> None:
        transport = self.clients[who].transport
        if transport is not None and transport.congested:
            transport.room, transport.congested = 2, False
            transport.session.writable(self.world.now)

    @rule(who=which, count=st.integers(1, 5), routed=st.integers(0, 5))
    def send_slowly(self, who: int, count: int, routed: int) -> None:
        """Send while the backend takes its time: some is routed, none is handled yet."""
        self.world.backend.deferring = True
        self.chat(who, count)
        # Those of one sender are routed in order; they are handled in any.
        for _ in range(min(routed, len(self.world.backend.deferred))):
            self.world.backend.route_deferred()

    @rule(who=which, count=st.integers(1, 5))
    def chat(self, who: int, count: int) -> None:
        self.send(who, count)
        client = self.clients[who]
        if client.live:
            client.carry_up(len(client.up))

    @precondition(lambda self: self.world.backend.routed)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        last = len(self.world.backend.routed) - 1
        self.world.backend.settle(data.draw(st.integers(0, last)))

    @rule()
    def settle_all(self) -> None:
        self.world.backend.settle_all()
        self.world.backend.deferring = False

    @rule(seconds=st.sampled_from([1, 5, 29]))
    def pass_time(self, seconds: int) -> None:
        self.world.pass_time(seconds)
        self.notice()

    @rule(who=which)
    def expire(self, who: int) -> None:
        """Stay away for so long that the session is over."""
        client = self.clients[who]
        if client.transport is not None:
            client.cut()
        self.settle_all()
        self.world.pass_time(601)
        self.notice()
        client.confirmed.update()
        client.connect()

    def notice(self) -> None:
        """Let clients see the connections that the server dropped or ended."""
        for client in self.clients:
            transport = client.transport
            if transport is not None and (transport.aborted or transport.closed):
                client.transport = None
                client.live = False
                client.up = client.down = client.partial_up = client.partial_down = b""

    @invariant()
    def once_and_in_order(self) -> None:
        for client in self.clients:
            for life in client.received:
                assert life == sorted(set(life))

    def teardown(self) -> None:
        self.settle_all()
        self.notice()
        for client in self.clients:
            client.room = None
            if client.transport is None:
                client.connect()
            client.transport.room, client.transport.congested = None, False
            client.transport.session.writable(self.world.now)
        for _ in range(4):
            for client in self.clients:
                client.drain()
            self.relieve(0)
            self.relieve(1)
        for client, peer in (self.clients, self.clients[::-1]):
            assert client.live
            client.write("<r xmlns='urn:xmpp:sm:3'/>")
            client.drain()
            assert not client.queue
            undelivered = Counter(
                int(re.search("<body>\\w+ (\\d+)</body>", lost.text)[1])
                for lost in self.world.backend.undelivered[f"{peer.name}@localhost"]
            )
            got = Counter(number for life in peer.received for number in life)
            missing = client.confirmed - set(got) - set(undelivered)
            assert not missing, f"{missing} were acknowledged to {client.name} and are nowhere"
            if peer.lives == 1 and client.lives == 1:
                assert sorted(got.elements()) == sorted(client.confirmed)
                assert not undelivered
        super().teardown()


class TwoClientsAtTheWrap(TwoClients):
    first_count = MODULUS - 3


@pytest.mark.parametrize("machine", [TwoClients, TwoClientsAtTheWrap])
def test_delivered_once_in_order_or_accounted_for(machine):
    case = machine.TestCase
    case.settings = settings(max_examples=examples(200), stateful_step_count=60, deadline=None)
    case("runTest").runTest()
