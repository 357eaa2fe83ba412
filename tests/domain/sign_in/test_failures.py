from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.failures import Failures

CONFIG = ThrottleConfig(first=0.25, half_life=60.0, capacity=100)
CAP = 3.0


@pytest.fixture
def failures() -> Failures:
    return Failures(CONFIG, CAP)


def fail(failures: Failures, key: bytes, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        failures.add(key, now)


def test_nobody_waits_before_a_failure(failures: Failures):
    assert failures.until(b"a") == -inf
    assert not failures.slows(b"a", 0.0)


def test_the_delay_grows_up_to_the_cap(failures: Failures):
    delays = []
    for _ in range(6):
        failures.add(b"a", 10.0)
        delays.append(failures.until(b"a") - 10.0)
    assert delays[:3] == [0.25, 0.75, 1.75]
    assert delays[3:] == pytest.approx([CAP] * 3)
    assert failures.until(b"b") == -inf


def test_failures_are_forgotten_with_time(failures: Failures):
    fail(failures, b"a", 50)
    assert [failures.slows(b"a", 60.0 * minutes) for minutes in range(5)] == [True] * 4 + [False]
    failures.add(b"a", 600.0)
    assert failures.until(b"a") == pytest.approx(600.25, rel=1e-3)


def test_a_long_attack_is_not_remembered_longer_than_a_short_one(failures: Failures):
    fail(failures, b"a", 10)
    fail(failures, b"b", 10_000)
    failures.add(b"a", 90.0)
    failures.add(b"b", 90.0)
    assert failures.until(b"a") == failures.until(b"b")


def test_what_does_not_delay_makes_the_next_that_does_longer(failures: Failures):
    failures.add(b"a", 0.0, delays=False)
    assert failures.until(b"a") == -inf
    assert failures.slows(b"a", 0.0)
    failures.add(b"a", 0.0)
    assert failures.until(b"a") == 0.75
    failures.add(b"a", 0.5, delays=False)
    assert failures.until(b"a") == 0.75


def test_forgiveness(failures: Failures):
    failures.add(b"a", 0.0)
    failures.forget(b"a")
    failures.forget(b"b")
    assert failures.until(b"a") == -inf
    assert len(failures) == 0


def test_those_longest_quiet_are_forgotten_first():
    failures = Failures(ThrottleConfig(capacity=2), CAP)
    for key in (b"a", b"b", b"a", b"c"):
        failures.add(key, 0.0)
    assert [failures.slows(key, 0.0) for key in (b"a", b"b", b"c")] == [True, False, True]


@given(
    st.lists(
        st.tuples(st.integers(0, 8).map(lambda n: bytes([n])), st.floats(0, 1e6), st.booleans()),
        max_size=200,
    ),
)
def test_delays_and_memory_stay_within_their_bounds(events):
    failures = Failures(ThrottleConfig(capacity=5), CAP)
    now = 0.0
    for key, passed, delays in events:
        now += passed
        failures.add(key, now, delays=delays)
        assert failures.slows(key, now)
        assert not delays or now < failures.until(key)
        assert failures.until(key) <= now + CAP * 1.0001
        assert len(failures) <= 5


@given(st.integers(1, 40), st.floats(0, 1e4))
def test_more_failures_never_make_a_shorter_delay(count: int, later: float):
    fewer, many = Failures(CONFIG, CAP), Failures(CONFIG, CAP)
    fail(fewer, b"a", count)
    fail(many, b"a", count + 1)
    for failures in (fewer, many):
        failures.add(b"a", later)
    assert many.until(b"a") >= fewer.until(b"a")
