"""Guessers and owners around some turns, with a clock that the test turns."""

from collections.abc import Iterable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.turns import Attempt, Crowded, Turns

CONFIG = ThrottleConfig()
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.1"


class Stream:
    """A client that tries; ``heard`` is what it was told, None while it waits."""

    def __init__(self, crowd: "Crowd", account: str, address: str) -> None:
        self.crowd = crowd
        self.account = account
        self.address = address
        self.heard: bool | None = None
        self.attempt: Attempt = crowd.turns.ask(account, address, crowd.now, self.hear)

    def hear(self, come: bool) -> None:
        assert self.heard is None
        self.heard = come

    def end(self, right: bool | None = None) -> None:
        self.attempt.right = right
        self.attempt.end(self.crowd.now)


class Crowd:
    def __init__(self, config: ThrottleConfig = CONFIG) -> None:
        self.turns = Turns(config)
        self.now = 0.0

    def ask(self, account: str = "alice", address: str = HOME) -> Stream:
        return Stream(self, account, address)

    def sign_in(self, account: str = "alice", address: str = HOME) -> None:
        """Sign in with the right password, which takes no time."""
        stream = self.ask(account, address)
        assert stream.heard
        stream.end(right=True)

    def fail(self, account: str = "alice", address: str = HOME, times: int = 1) -> None:
        for _ in range(times):
            stream = self.ask(account, address)
            self.until(stream)
            stream.end(right=False)

    def until(self, stream: Stream) -> float:
        """Let time pass until a stream has its turn; return how much did."""
        begun = self.now
        while stream.heard is None:
            self.tick()
        return self.now - begun

    def tick(self) -> None:
        """Let time pass until something happens."""
        at = self.turns.timers.next_deadline()
        assert at < inf
        self.now = max(self.now, at)
        self.turns.timers.run(self.now)

    def guesses(self, streams: Iterable[tuple[str, str]], seconds: float) -> int:
        """Return how many wrong passwords were looked at, of streams that do nothing but guess."""
        idle = list(streams)
        trying: list[Stream] = []
        made, end = 0, self.now + seconds
        while self.now < end:
            refused = []
            for account, address in idle:
                try:
                    trying.append(self.ask(account, address))
                except Crowded:
                    refused.append((account, address))
            idle = refused
            called = [stream for stream in trying if stream.heard is not None]
            for stream in called:
                made += stream.heard is True
                stream.end(right=False)
                trying.remove(stream)
                idle.append((stream.account, stream.address))
            if not called:
                self.tick()
        for stream in trying:
            stream.end()
        return made


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


def test_the_first_comes_at_once(crowd: Crowd):
    stream = crowd.ask()
    assert stream.heard
    assert not stream.attempt.waiting


def test_one_at_a_time_for_an_account(crowd: Crowd):
    streams = [crowd.ask("alice", f"192.0.2.{number}") for number in range(3)]
    assert [stream.heard for stream in streams] == [True, None, None]
    streams[0].end(right=True)
    assert [stream.heard for stream in streams] == [True, True, None]
    streams[1].end()
    assert [stream.heard for stream in streams] == [True] * 3
    assert crowd.now == 0.0


def test_some_at_a_time_from_an_address_until_one_has_failed(crowd: Crowd):
    streams = [crowd.ask(f"user{number}") for number in range(12)]
    heard = [stream.heard for stream in streams]
    assert heard == [True] * CONFIG.at_once + [None] * (12 - CONFIG.at_once)
    streams[0].end(right=True)
    assert streams[8].heard
    streams[1].end(right=False)
    for stream in streams[2:9]:
        stream.end(right=True)
    assert streams[9].heard is None
    assert crowd.until(streams[9]) == pytest.approx(CONFIG.first)
    assert streams[10].heard is None
    streams[9].end(right=True)
    assert streams[10].heard
    assert streams[11].heard is None


def test_right_passwords_wait_for_a_failure_and_not_for_each_other(crowd: Crowd):
    crowd.fail("stale")
    streams = [crowd.ask(f"user{number}") for number in range(100)]
    assert not any(stream.heard for stream in streams)
    assert crowd.until(streams[0]) == pytest.approx(CONFIG.first)
    for stream in streams:
        assert stream.heard
        stream.end(right=True)
    assert crowd.now == pytest.approx(CONFIG.first)


def test_a_storm_of_those_who_know_their_passwords_takes_no_time():
    crowd = Crowd()
    streams = [crowd.ask(f"user{number}") for number in range(200)]
    for number in range(1000):
        assert streams[number].heard
        streams[number].end(right=True)
        if len(streams) < 1000:
            streams.append(crowd.ask(f"user{len(streams)}"))
    assert crowd.now == 0.0
    assert crowd.turns.waiting == 0


def test_the_delay_is_that_of_when_the_turn_comes(crowd: Crowd):
    streams = [crowd.ask("alice", f"192.0.2.{number}") for number in range(6)]
    waited = []
    for stream in streams:
        waited.append(crowd.until(stream))
        stream.end(right=False)
    assert waited == pytest.approx([0.0, 0.25, 0.75, 1.75, 3.0, 3.0], rel=0.02)


def test_what_came_to_nothing_is_no_failure(crowd: Crowd):
    crowd.ask().end()
    assert crowd.ask("alice").heard
    assert len(crowd.turns) == 2


@pytest.mark.parametrize(
    ("failed", "tried", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:0DB8:0:0:1::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("unix:", "unix:", True),
        ("", "unknown", False),
    ],
)
def test_what_counts_as_one_address(crowd: Crowd, failed: str, tried: str, same: bool):
    crowd.fail("alice", failed)
    assert (crowd.ask("bob", tried).heard is None) is same


# The settings' promises

MINUTE = 60.0
PER_ADDRESS = MINUTE / CONFIG.address_cap
PER_ACCOUNT = MINUTE / CONFIG.account_cap


def test_many_streams_of_one_address_guess_as_often_as_one(crowd: Crowd):
    streams = [("alice", HOME)] * 190
    first = crowd.guesses(streams, MINUTE)
    assert first <= PER_ADDRESS + 6
    assert crowd.guesses(streams, 10 * MINUTE) <= 10 * PER_ADDRESS + 1


def test_whomever_they_guess_at(crowd: Crowd):
    streams = [(f"user{number}", HOME) for number in range(190)]
    assert crowd.guesses(streams, MINUTE) <= PER_ADDRESS + 6 + CONFIG.at_once
    assert crowd.guesses(streams, 10 * MINUTE) <= 10 * PER_ADDRESS + 1


def test_many_addresses_guess_at_one_account_as_often_as_its_delay_lets_them(crowd: Crowd):
    streams = [("alice", f"10.0.{number >> 8}.{number & 255}") for number in range(1500)]
    assert crowd.guesses(streams, MINUTE) <= PER_ACCOUNT + 4
    assert crowd.guesses(streams, 2 * MINUTE) <= 2 * PER_ACCOUNT + 1


def test_coming_back_does_not_guess_more_than_staying(crowd: Crowd):
    staying = Crowd().guesses([("alice", HOME)], 60 * MINUTE)
    made = 0
    for _ in range(10):
        made += crowd.guesses([("alice", HOME)] * 50, MINUTE)
        crowd.now += 5 * MINUTE
    assert made <= staying


# The owner

ATTACKERS = [f"10.0.{number >> 8}.{number & 255}" for number in range(1500)]


def besieged(crowd: Crowd) -> list[Stream]:
    """Let as many wait to guess alice's password as may."""
    crowd.fail("alice", "203.0.113.1", times=10)
    waiting = []
    for address in ATTACKERS:
        try:
            waiting.append(crowd.ask("alice", address))
        except Crowded:
            break
    assert len(waiting) == CONFIG.waiting
    return waiting


def test_the_owner_is_never_kept_out_from_where_he_has_been_in(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    besieged(crowd)
    before = crowd.now
    for _ in range(20):
        crowd.sign_in("alice", HOME)
    assert crowd.now == before


def test_nor_from_an_address_where_others_guess(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    crowd.fail("bob", HOME, times=10)
    crowd.sign_in("alice", HOME)
    assert crowd.ask("carol", HOME).heard is None


def test_elsewhere_he_waits_in_turn(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    crowd.fail("alice", "203.0.113.1", times=10)
    stranger = crowd.ask("alice", "10.0.0.1")
    owner = crowd.ask("alice", ELSEWHERE)
    crowd.until(stranger)
    stranger.end(right=False)
    assert crowd.until(owner) == pytest.approx(CONFIG.account_cap)
    owner.end(right=True)
    crowd.sign_in("alice", ELSEWHERE)


def test_success_gives_those_who_guess_elsewhere_no_more_guesses(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    streams = [("alice", address) for address in ATTACKERS[:300]]
    crowd.guesses(streams, MINUTE)
    made, begun = 0, crowd.now
    for _ in range(30):
        made += crowd.guesses(streams, 1.0)
        crowd.sign_in("alice", HOME)
    assert made <= (crowd.now - begun) / CONFIG.account_cap + 1


def test_who_guesses_where_the_owner_is_has_five_guesses(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    crowd.fail("alice", HOME, times=4)
    waiting = [crowd.ask("alice", HOME) for _ in range(3)]
    crowd.until(waiting[0])
    waiting[0].end(right=False)
    assert [stream.heard for stream in waiting] == [True, False, False]
    for stream in waiting:
        stream.end()
    elsewhere = crowd.ask("alice", ELSEWHERE)
    assert elsewhere.heard is None
    elsewhere.end()
    stranger = crowd.ask("alice", HOME)
    assert crowd.until(stranger) > CONFIG.account_cap
    stranger.end(right=True)
    crowd.sign_in("alice", HOME)


def test_an_owner_who_mistypes_waits_a_little_and_is_forgiven(crowd: Crowd):
    crowd.sign_in("alice", HOME)
    crowd.fail("alice", HOME)
    again = crowd.ask("alice", HOME)
    assert crowd.until(again) == pytest.approx(CONFIG.first)
    again.end(right=True)
    crowd.sign_in("alice", HOME)


# Who leaves, and who is not let in


def test_who_leaves_gives_his_place_and_counts_as_failed(crowd: Crowd):
    crowd.fail("alice", "203.0.113.1")
    leaving, staying = crowd.ask("alice", "10.0.0.1"), crowd.ask("alice", "10.0.0.2")
    leaving.end()
    assert leaving.heard is None
    assert crowd.turns.waiting == 1
    assert crowd.until(staying) == pytest.approx(CONFIG.first)
    staying.end(right=False)
    assert crowd.until(crowd.ask("alice", "10.0.0.3")) == pytest.approx(1.75, rel=0.01)


def test_who_leaves_makes_nobody_wait_longer(crowd: Crowd):
    crowd.fail("alice", "203.0.113.1")
    staying = crowd.ask("alice", "10.0.0.2")
    for _ in range(100):
        crowd.ask("alice", "10.0.0.1").end()
    assert crowd.until(staying) == pytest.approx(CONFIG.first)


def test_ending_twice_is_as_once(crowd: Crowd):
    stream = crowd.ask()
    stream.end(right=False)
    remembered = len(crowd.turns)
    stream.end(right=False)
    assert len(crowd.turns) == remembered
    assert crowd.turns.waiting == 0


def test_those_that_wait_are_bounded_for_an_account_and_an_address():
    crowd = Crowd(ThrottleConfig(waiting=3, at_once=2))
    crowd.fail("alice", HOME)
    for number in range(3):
        assert crowd.ask("alice", f"10.0.0.{number}").heard is None
        assert crowd.ask(f"user{number}", HOME).heard is None
    for account, address in (("alice", "10.0.0.9"), ("user9", HOME)):
        with pytest.raises(Crowded):
            crowd.ask(account, address)
    assert crowd.turns.waiting == 6
    assert crowd.ask("user9", "10.0.0.9").heard


def test_those_that_wait_are_bounded_in_all():
    crowd = Crowd(ThrottleConfig(waiting=2))
    for number in range(20):
        crowd.ask(f"user{number}", f"10.0.1.{number}")
        crowd.ask(f"user{number}", f"10.0.0.{number}")
    with pytest.raises(Crowded):
        crowd.ask("user0", "10.0.2.0")
    assert crowd.turns.waiting == 20
    assert crowd.ask("another", "10.0.2.0").heard


def test_nothing_is_left_of_turns_that_are_over(crowd: Crowd):
    for number in range(50):
        crowd.ask(f"user{number}").end()
    assert len(crowd.turns) == 0


def test_no_name_is_too_long_or_strange(crowd: Crowd):
    for name in ("x" * 100_000, "", "\ud800", "a\0b"):
        crowd.fail(name, name)
    assert len(crowd.turns) == 8


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "right", "wrong", "nothing", "leave", "wait"]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.floats(0.01, 100),
    ),
    max_size=80,
)


@given(STEPS)
def test_whatever_happens_nobody_is_forgotten_and_nothing_grows(steps):
    crowd = Crowd(ThrottleConfig(capacity=3, waiting=3, at_once=2))
    streams: list[Stream] = []
    for kind, who, where, seconds in steps:
        called = [stream for stream in streams if stream.heard]
        waiting = [stream for stream in streams if stream.heard is None]
        if kind == "ask":
            try:
                streams.append(crowd.ask(f"user{who}", f"10.0.0.{where}"))
            except Crowded:
                assert crowd.turns.waiting >= 3
        elif kind == "wait":
            crowd.now += seconds
            crowd.turns.timers.run(crowd.now)
        elif kind == "leave" and waiting:
            waiting[who % len(waiting)].end()
            streams.remove(waiting[who % len(waiting)])
        elif called and kind != "leave":
            right = {"right": True, "wrong": False, "nothing": None}[kind]
            called[who % len(called)].end(right=right)
            streams.remove(called[who % len(called)])
        streams = [stream for stream in streams if stream.heard is not False]
        check(crowd, streams)
    for _ in range(1000):
        for stream in [stream for stream in streams if stream.heard is not None]:
            stream.end(right=False)
            streams.remove(stream)
        if not streams:
            break
        crowd.tick()
    assert streams == []
    assert crowd.turns.waiting == 0
    assert len(crowd.turns) <= 4 * 3


def check(crowd: Crowd, streams: list[Stream]) -> None:
    waiting = [stream for stream in streams if stream.heard is None]
    assert crowd.turns.waiting == len(waiting) <= 30
    assert len(crowd.turns) <= 4 * 3 + 3 * len(streams)
    for account in {stream.account for stream in streams}:
        # One that waits elsewhere, and one where the owner has been in, for each of four places.
        assert sum(s.heard is True for s in streams if s.account == account) <= 5
    for stream in waiting:
        lanes = stream.attempt.lanes
        assert stream.attempt.wake_at < inf or any(lane.busy for lane in lanes)
