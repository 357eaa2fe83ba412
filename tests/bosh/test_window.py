"""The request window against any network: loss, delay, repetition and any order."""

from hashlib import sha1

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.bosh import BoshClient, BoshWorld, RecordedCall, ids, message
from support.thorough import examples

from andiron.bosh.body import Body
from andiron.bosh.config import BoshConfig
from andiron.bosh.terms import negotiate
from andiron.bosh.window import Window
from andiron.xmpp.errors import BoshError


class Network(RuleBasedStateMachine):
    """A client and a server with a network between that loses, delays and repeats.

    The client keeps to the rules: no more than ``requests`` at a time, a lost
    one is sent again as it was, answers are read in the order of ``rid``.
    """

    @initialize(
        hold=st.integers(0, 3), ack=st.booleans(), answer_bytes=st.sampled_from([50, 10**6])
    )
    def begin(self, hold: int, ack: bool, answer_bytes: int) -> None:
        self.world = BoshWorld(
            polling=0, inactivity=3600, max_repeats=10**6, answer_bytes=answer_bytes
        )
        self.client: BoshClient = self.world.bound(hold=hold, **({"ack": 1} if ack else {}))
        self.ack = ack
        self.requests = hold + 1
        self.read_up_to = self.client.rid
        self.bodies: dict[int, str] = {}
        """Requests without an answer, by rid."""
        self.travelling: list[int] = []
        """Copies on their way to the server."""
        self.calls: list[tuple[int, RecordedCall]] = []
        """Requests that the server has."""
        self.answers: list[tuple[int, str]] = []
        """Answers on their way to the client."""
        self.received: dict[int, str] = {}
        self.said = 0
        self.delivered = 0
        self.got: list[str] = []

    @precondition(lambda self: len(self.bodies) < self.requests)
    @rule(count=st.integers(0, 3))
    def ask(self, count: int) -> None:
        """The client makes a new request with some stanzas."""
        payload = [message(f"up{self.said + n}") for n in range(count)]
        self.said += count
        given = {}
        if self.ack and self.bodies:
            given["ack"] = self.read_up_to
        text = self.client.body(*payload, **given)
        self.bodies[self.client.rid] = text
        self.travelling.append(self.client.rid)

    @precondition(lambda self: self.bodies)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        """The client has waited too long, or the network has doubled a request."""
        self.travelling.append(data.draw(st.sampled_from(sorted(self.bodies))))

    @precondition(lambda self: self.travelling)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Any of the requests under way arrives, in whatever order."""
        index = data.draw(st.integers(0, len(self.travelling) - 1))
        rid = self.travelling.pop(index)
        if rid in self.bodies:
            self.calls.append((rid, self.world.post(self.bodies[rid])))

    @precondition(lambda self: self.travelling)
    @rule(data=st.data())
    def lose_request(self, data: st.DataObject) -> None:
        self.travelling.pop(data.draw(st.integers(0, len(self.travelling) - 1)))

    @precondition(lambda self: any(call.waits for _, call in self.calls))
    @rule(data=st.data())
    def lose_connection(self, data: st.DataObject) -> None:
        """A held request's connection breaks, and the server learns of it."""
        held = [entry for entry in self.calls if entry[1].waits]
        entry = data.draw(st.sampled_from(held))
        self.calls.remove(entry)
        self.client.lose(entry[1])

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), lost=st.booleans())
    def hear(self, data: st.DataObject, lost: bool) -> None:
        """An answer arrives, or is lost."""
        rid, text = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if lost or rid not in self.bodies or "type='error'" in text:
            return
        self.received[rid] = text
        while (text := self.received.pop(self.read_up_to + 1, "")) != "":
            self.read_up_to += 1
            del self.bodies[self.read_up_to]
            answer = RecordedCall()
            answer.text = text
            self.got += ids(answer.children())

    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        """Somebody sends the client something."""
        names = [f"down{self.delivered + n}" for n in range(count)]
        self.delivered += count
        self.world.deliver(*names)

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @invariant()
    def every_answer_goes_out_once(self) -> None:
        if not hasattr(self, "calls"):
            return
        for rid, call in self.calls:
            assert call.replies <= 1
            if not call.waits:
                assert "type='terminate'" not in call.text, call.text
                self.answers.append((rid, call.text))
        self.calls = [(rid, call) for rid, call in self.calls if call.waits]
        assert len({rid for rid, _ in self.calls}) == len(self.calls)
        up = ids(self.world.undelivered("nobody"))
        assert up == [f"up{n}" for n in range(len(up))], "once and in order"
        assert self.got == [f"down{n}" for n in range(len(self.got))], "once and in order"

    def teardown(self) -> None:
        """With a network that works everything comes through."""
        if not hasattr(self, "client"):
            return
        for _ in range(100 + 3 * self.delivered):
            self.every_answer_goes_out_once()
            while self.answers:
                self._hear_all()
            for rid in sorted(self.bodies):
                self.calls.append((rid, self.world.post(self.bodies[rid])))
            if not self.bodies:
                self.travelling.clear()
                self.ask(0)
            self.world.pass_time(61)
            self.every_answer_goes_out_once()
            if (
                len(ids(self.world.undelivered("nobody"))) == self.said
                and len(self.got) == self.delivered
            ):
                return
        raise AssertionError(
            f"{self.got} of {self.delivered}, {self.world.undelivered('nobody')} of {self.said}"
        )

    def _hear_all(self) -> None:
        rid, text = self.answers.pop(0)
        if rid in self.bodies and "type='error'" not in text:
            self.received[rid] = text
        while (text := self.received.pop(self.read_up_to + 1, "")) != "":
            self.read_up_to += 1
            del self.bodies[self.read_up_to]
            answer = RecordedCall()
            answer.text = text
            self.got += ids(answer.children())


Network.TestCase.settings = settings(
    max_examples=examples(100), stateful_step_count=40, deadline=None
)
TestNetwork = Network.TestCase


# Keys, section 15: K(n) first, then down to K(1), then a new sequence.


def sequence(seed: str, length: int) -> list[str]:
    keys = [seed]
    for _ in range(length):
        keys.append(sha1(keys[-1].encode()).hexdigest())
    return keys[1:]


def window(**attributes: str) -> Window[object]:
    body = Body({"rid": "100", "hold": "2", **attributes}, [])
    return Window(negotiate(body, BoshConfig(hold=3, polling=0)), body, object(), 0.0)


def take(subject: Window[object], rid: int, **attributes: str) -> None:
    body = Body({"rid": str(rid), "sid": "s", **attributes}, [])
    subject.arrive(body, object(), 0.0, 10)
    early = subject.next()
    assert early is not None
    subject.take(early, 0.0)
    while (held := subject.due(0.0, ready=False)) is not None:
        subject.answer(held, (), 0.0, "")


def test_keys_in_sequence():
    k1, k2, k3 = sequence("seed", 3)
    subject = window(newkey=k3)
    take(subject, 101, key=k2.upper())
    new1, new2 = sequence("other", 2)
    take(subject, 102, key=k1, newkey=new2.upper())
    take(subject, 103, key=new1)


@pytest.mark.parametrize("key", ["", "k1", "k3", "not hexadecimal \xfc"])
def test_a_wrong_key_ends_the_session(key):
    named = dict(zip(("k1", "k2", "k3"), sequence("seed", 3), strict=True))
    subject = window(newkey=named["k3"])
    with pytest.raises(BoshError, match="item-not-found"):
        take(subject, 101, key=named.get(key, key))


def test_a_repeated_request_needs_the_key_it_had():
    k1, k2 = sequence("seed", 2)
    subject = window(newkey=k2)
    take(subject, 101, key=k1)
    with pytest.raises(BoshError, match="item-not-found"):
        subject.arrive(Body({"rid": "101", "key": k2}, []), object(), 0.0, 10)
    assert subject.arrive(Body({"rid": "101", "key": k1}, []), object(), 0.0, 10) is not None


def test_keys_mean_nothing_where_none_was_agreed():
    subject = window()
    take(subject, 101, key="abc")
    assert subject.last == 101


def test_the_largest_rid():
    subject = window(rid=str(2**53 - 2))
    take(subject, 2**53 - 1)
    assert subject.last == 2**53 - 1
