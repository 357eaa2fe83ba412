"""Two clients talk while their server is killed again and again: all arrives, and once.

What the process knew is gone; what it wrote at the ends of its turns is there. The clients are
such as XEP-0198 asks for: they count, keep what is not acknowledged, and send it again.
"""

import json
import re
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.sessions import MemoryBackend, MemoryLink, MemoryTransport, World, attribute
from support.thorough import examples

from andiron.sm.config import SmConfig
from andiron.sm.freezing import head_of
from andiron.sm.frozen import Head
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State
from andiron.sm.link import Channel
from andiron.sm.recording import Recording
from andiron.sm.session import Session
from andiron.xmpp.stanza import STANZA_NAMES
from andiron.xmpp.xml import Element

SM = "xmlns='urn:xmpp:sm:3'"
ENABLE = f"<enable {SM} resume='true'/>"
NAMES = ("juliet", "romeo")
_ROOT = re.compile(r"<(?:\w+:)?(\w+)")
_BODY = re.compile("<body>(.*?)</body>")


class Paper:
    """Keeps each batch as text, and has it safe at once or, if it is slow, when it is told to."""

    failing = ""

    def __init__(self, written: list[str], *, slow: bool) -> None:
        self.written = written
        self.slow = slow
        self.batch = ""
        self.waiting: list[tuple[str, Callable[[], object]]] = []
        state = State()
        for batch in written:
            for record in json.loads(batch):
                apply(state, record)
        self.journal = Journal(state)

    def flush(self, now: float, done: Callable[[], object] | None = None) -> bool:
        if done is not None:
            self.waiting.append((self.batch, done))
            return False
        self.batch = json.dumps(self.journal.take())
        if not self.slow:
            self.written.append(self.batch)
        return not self.slow

    def sync(self) -> None:
        """Have the oldest batch safe."""
        batch, done = self.waiting.pop(0)
        self.written.append(batch)
        done()


class LastingLink(MemoryLink):
    """Has to wait for what requests ask for."""

    def receive(self, element: Element, ticket: int, now: float) -> bool:
        if element.name == "iq" and self.jid:
            self.backend.deferred.append((self, element, ticket))
            return False
        return super().receive(element, ticket, now)


class LastingBackend(MemoryBackend):
    """Knows the links of sessions that were frozen, by their accounts alone."""

    def connect(self, session: Session, channel: Channel) -> MemoryLink:
        return LastingLink(self, session)

    def thaw(self, session: Session, head: Head, now: float) -> MemoryLink:
        link = LastingLink(self, session)
        link.account, link.jid = head.account, head.jid
        link.payer = self.payers.setdefault(head.account, link.payer)
        self.links[head.account].append(link)
        return link


class LastingWorld(World):
    """A process that takes up what the one before has written."""

    def __init__(self, written: list[str], *, slow: bool) -> None:
        super().__init__(SmConfig(unsolicited_ack_frequency=2))
        backend = LastingBackend()
        self.backend = self.manager.backend = backend
        self.paper = Paper(written, slow=slow)
        self.turns: list[Callable[[], object]] = []
        self.manager.recording = Recording(
            self.paper, head_of, self.manager.clock, self.turns.append
        )
        for each in list(self.paper.journal.state.sessions.values()):
            self.manager.thaw(each.frozen(), self.now)

    def end_turn(self) -> None:
        while self.turns:
            self.turns.pop(0)()


class Client:
    """A client with its counters; what it is sent waits in its connection until it is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.transport: MemoryTransport | None = None
        self.sm_id = ""
        self.h = 0
        self.acked = 0
        self.unacked: list[str] = []
        self.heard: list[str] = []
        self.resuming = False

    def come(self, world: LastingWorld) -> None:
        """Connect, and begin or resume."""
        self.transport = world.sign_in(self.name)
        if self.sm_id:
            self.resuming = True
            world.receive(self.transport, f"<resume {SM} previd='{self.sm_id}' h='{self.h}'/>")
        else:
            self._bind(world)
            world.receive(self.transport, ENABLE)

    def _bind(self, world: LastingWorld) -> None:
        assert self.transport is not None
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        world.receive(self.transport, f"<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")
        self.transport.take()

    def say(self, world: LastingWorld, text: str) -> None:
        """Send a stanza, if there is a session to send it to, and keep it."""
        self.unacked.append(text)
        if self.transport is not None and self.sm_id and not self.resuming:
            world.receive(self.transport, text)

    def read(self, world: LastingWorld, most: int = 1000) -> bool:
        """Read some of what came, and answer; False where nothing did."""
        transport = self.transport
        if transport is None or not transport.sent:
            return False
        texts, transport.sent = transport.sent[:most], transport.sent[most:]
        for text in texts:
            self._take(world, transport, text)
        return True

    def _take(self, world: LastingWorld, transport: MemoryTransport, text: str) -> None:
        match = _ROOT.match(text)
        assert match is not None
        name = match[1]
        if name in STANZA_NAMES:
            self.h += 1
            self.heard += _BODY.findall(text)
        elif name == "r":
            world.receive(transport, f"<a {SM} h='{self.h}'/>")
        elif name == "a":
            self._confirm(int(attribute(text, "h")))
        elif name == "enabled":
            self.sm_id = attribute(text, "id")
            self._send_all(world)
        elif name == "resumed":
            self.resuming = False
            self._confirm(int(attribute(text, "h")))
            self._send_all(world)
        else:
            raise AssertionError(text)

    def _confirm(self, h: int) -> None:
        assert h >= self.acked, "what was acknowledged is not any more"
        del self.unacked[: h - self.acked]
        self.acked = h

    def _send_all(self, world: LastingWorld) -> None:
        assert self.transport is not None
        for text in self.unacked:
            world.receive(self.transport, text)


class Killed(RuleBasedStateMachine):
    """Any interleaving of talk, losses and kills."""

    @initialize(slow=st.booleans())
    def begin(self, slow: bool) -> None:
        self.slow = slow
        self.written: list[str] = []
        self.world = LastingWorld(self.written, slow=slow)
        self.clients = {name: Client(name) for name in NAMES}
        self.said: dict[str, list[str]] = {name: [] for name in NAMES}
        self.number = 0
        for client in self.clients.values():
            client.come(self.world)
        self._settle()

    @rule(name=st.sampled_from(NAMES))
    def come(self, name: str) -> None:
        client = self.clients[name]
        if client.transport is None:
            client.come(self.world)

    @rule(name=st.sampled_from(NAMES))
    def say(self, name: str) -> None:
        self.number += 1
        other = NAMES[1 - NAMES.index(name)]
        body = f"{name} {self.number}"
        self.said[other].append(body)
        to = f"{other}@localhost"
        self.clients[name].say(
            self.world, f"<message xmlns='jabber:client' to='{to}'><body>{body}</body></message>"
        )

    @rule(name=st.sampled_from(NAMES))
    def ask(self, name: str) -> None:
        """Send a request, which is not handled before what it asks for is there."""
        self.clients[name].say(self.world, "<iq xmlns='jabber:client' type='get' id='q'/>")

    @precondition(lambda self: self.world.backend.deferred)
    @rule()
    def answer(self) -> None:
        link, _, ticket = self.world.backend.deferred.pop(0)
        link.session.handled(ticket, self.world.now)

    @rule()
    def end_turn(self) -> None:
        self.world.end_turn()

    @precondition(lambda self: self.world.paper.waiting)
    @rule()
    def sync(self) -> None:
        self.world.paper.sync()

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 5))
    def read(self, name: str, most: int) -> None:
        self.clients[name].read(self.world, most)

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        client = self.clients[name]
        if client.transport is not None:
            transport, client.transport = client.transport, None
            client.resuming = False
            self.world.lose(transport)

    @rule(deliver=st.booleans())
    def kill(self, deliver: bool) -> None:
        """End the process; what it had handed to the network may still arrive."""
        for client in self.clients.values():
            if deliver and client.transport is not None:
                for text in client.transport.take():
                    if _ROOT.match(text)[1] != "r":  # type: ignore[index]
                        self._arrive(client, text)
            client.transport = None
            client.resuming = False
        self.world = LastingWorld(self.written, slow=self.slow)

    def _arrive(self, client: Client, text: str) -> None:
        """Let a text arrive at a client that can say nothing more."""
        name = _ROOT.match(text)[1]  # type: ignore[index]
        if name in STANZA_NAMES:
            client.h += 1
            client.heard += _BODY.findall(text)
        elif name in {"a", "resumed"}:
            client._confirm(int(attribute(text, "h")))
        elif name == "enabled":
            client.sm_id = attribute(text, "id")

    @invariant()
    def nothing_comes_twice_or_out_of_order(self) -> None:
        for name, client in self.clients.items():
            said = self.said[name]
            assert client.heard == said[: len(client.heard)]
            assert client.transport is None or client.transport.closed is False

    def _settle(self) -> None:
        self.world.end_turn()
        while self.world.paper.waiting:
            self.world.paper.sync()
        for client in self.clients.values():
            client.read(self.world)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        for _ in range(20):
            for client in self.clients.values():
                if client.transport is None:
                    client.come(self.world)
            self._settle()
            while self.world.backend.deferred:
                self.answer()
            for client in self.clients.values():
                if client.transport is not None and not client.resuming:
                    self.world.receive(client.transport, f"<r {SM}/>")
            self.world.pass_time(2)
        for name, client in self.clients.items():
            assert client.heard == self.said[name]
            assert client.unacked == []
            assert client.transport is not None
            assert client.transport.closed is False


TestKilled = Killed.TestCase
TestKilled.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
