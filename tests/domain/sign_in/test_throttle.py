import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.throttle import Throttle

CONFIG = ThrottleConfig(first=0.25, account_cap=3.0, address_cap=10.0, half_life=60.0, capacity=100)


@pytest.fixture
def throttle() -> Throttle:
    return Throttle(CONFIG)


def fail(throttle: Throttle, account: str, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed(account, address, now)


def test_nobody_waits_before_a_failure(throttle: Throttle):
    assert throttle.delay("alice", "192.0.2.1", 0.0) == 0.0


def test_the_delay_grows_up_to_the_cap(throttle: Throttle):
    delays = []
    for _ in range(8):
        throttle.failed("alice", "192.0.2.1", 0.0)
        delays.append(throttle.delay("alice", "192.0.2.1", 0.0))
    assert delays[:4] == [0.25, 0.75, 1.75, 3.75]
    assert delays == sorted(delays)
    assert delays[-1] == pytest.approx(CONFIG.address_cap)


def test_an_account_is_slowed_wherever_the_guess_comes_from(throttle: Throttle):
    for number in range(50):
        throttle.failed("alice", f"192.0.2.{number}", 0.0)
    assert throttle.delay("alice", "198.51.100.1", 0.0) == pytest.approx(CONFIG.account_cap)
    assert throttle.delay("bob", "198.51.100.1", 0.0) == 0.0


def test_an_address_is_slowed_whomever_it_guesses_at(throttle: Throttle):
    for number in range(50):
        throttle.failed(f"user{number}", "192.0.2.1", 0.0)
    assert throttle.delay("fresh", "192.0.2.1", 0.0) == pytest.approx(CONFIG.address_cap)
    assert throttle.delay("fresh", "192.0.2.2", 0.0) == 0.0


def test_the_delay_decays_to_nothing(throttle: Throttle):
    fail(throttle, "alice", "192.0.2.1", 50)
    delays = [throttle.delay("alice", "192.0.2.1", 60.0 * minutes) for minutes in range(10)]
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] == 0.0


def test_a_long_attack_is_not_remembered_longer_than_a_short_one(throttle: Throttle):
    fail(throttle, "alice", "192.0.2.1", 10)
    fail(throttle, "bob", "192.0.2.2", 10_000)
    assert throttle.delay("bob", "", 90.0) == throttle.delay("alice", "", 90.0)


def test_the_right_owner_wipes_the_account_clean_but_not_the_address(throttle: Throttle):
    fail(throttle, "alice", "192.0.2.1", 20)
    throttle.succeeded("alice", "192.0.2.1")
    assert throttle.delay("alice", "198.51.100.1", 0.0) == 0.0
    assert throttle.delay("bob", "192.0.2.1", 0.0) == pytest.approx(CONFIG.address_cap)


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
def test_what_counts_as_one_address(throttle: Throttle, failed: str, tried: str, same: bool):
    fail(throttle, "alice", failed, 3)
    assert (throttle.delay("bob", tried, 0.0) > 0) is same


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["failed", "succeeded"]),
        st.integers(0, 8).map("user{}".format),
        st.integers(0, 8).map("192.0.2.{}".format),
        st.floats(0, 1e6),
    ),
    max_size=200,
)


@given(EVENTS, st.floats(-1e3, 1e9))
def test_delays_and_memory_stay_within_their_bounds(events, later: float):
    throttle = Throttle(ThrottleConfig(capacity=5))
    now = 0.0
    for kind, account, address, passed in events:
        now += passed
        if kind == "failed":
            throttle.failed(account, address, now)
            assert throttle.delay(account, address, now) > 0
        else:
            throttle.succeeded(account, address)
            assert throttle.delay(account, "elsewhere", now) == 0
        assert 0 <= throttle.delay(account, address, now + later) <= 10.0
        assert throttle.delay(account, "elsewhere", now + later) <= 3.0
        assert len(throttle) <= 10


@given(st.integers(1, 40), st.floats(0, 1e4), st.floats(0, 1e4))
def test_more_failures_never_shorten_and_more_time_never_lengthens(
    failures: int, earlier: float, more: float
):
    fewer, many = Throttle(CONFIG), Throttle(CONFIG)
    fail(fewer, "alice", "192.0.2.1", failures)
    fail(many, "alice", "192.0.2.1", failures + 1)
    delay = fewer.delay("alice", "192.0.2.1", earlier)
    assert many.delay("alice", "192.0.2.1", earlier) >= delay
    assert fewer.delay("alice", "192.0.2.1", earlier + more) <= delay
