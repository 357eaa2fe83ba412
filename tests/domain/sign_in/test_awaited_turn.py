"""When passwords are looked at: each sign-in in its turn."""

import asyncio
import threading

import pytest
from support.sasl import ELSEWHERE, SECURE, Clock, KnownAccounts, Make, auth, guess, scram
from support.waiting import until

from andiron.domain.accounts.credentials import Credentials
from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in import admission as module
from andiron.domain.sign_in.sasl import Authenticator
from andiron.xmpp.errors import SaslCondition


@pytest.mark.parametrize("name", ["alice", "nobody"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_failures_slow_the_next_attempt(make: Make, clock: Clock, name: str, mechanism: str):
    exchange = make(max_attempts=100).exchange(SECURE)
    for _ in range(4):
        assert await guess(exchange, name, mechanism, clock()) == SaslCondition.NOT_AUTHORIZED
    assert clock.waits == pytest.approx([0.25, 0.75, 1.75], rel=0.02)
    clock.now += 100_000
    clock.waits.clear()
    await guess(exchange, name, mechanism, clock())
    assert clock.waits == []


async def test_the_right_password_waits_too(make: Make, clock: Clock):
    authenticator = make()
    await guess(authenticator.exchange(ELSEWHERE), "alice", "PLAIN", 0.0)
    assert (await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)).done
    assert clock.waits == [0.25]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_an_owner_who_was_in_before_does_not_wait_for_guesses_elsewhere(
    make: Make, clock: Clock, mechanism: str
):
    authenticator = make()
    assert (await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)).done
    for _ in range(4):
        await guess(authenticator.exchange(ELSEWHERE), "alice", mechanism, clock())
    clock.waits.clear()
    assert (await scram(authenticator.exchange(SECURE), "SCRAM-SHA-1", "alice", "pencil")).done
    assert clock.waits == []


async def until_waiting(authenticator: Authenticator, count: int) -> None:
    turns = authenticator.turns
    await until(lambda: turns.waiting >= count, lambda: f"{count} that wait, not {turns.waiting}")


@pytest.fixture
def still(make: Make) -> Authenticator:
    """An authenticator at which one guess has failed, and no time passes."""
    authenticator = make(throttle=ThrottleConfig(waiting=2))
    authenticator.turns.timers.on_schedule = lambda _at: None
    return authenticator


async def test_a_challenge_takes_no_turn(still: Authenticator):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    for name in ("alice", "nobody"):
        step = await still.exchange(SECURE).step(auth(f"n,,n={name},r=abc", "SCRAM-SHA-1"), 0.0)
        assert step.xml.startswith("<challenge ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_too_many_that_wait_are_told_to_try_later(still: Authenticator, mechanism: str):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    waiting = [
        asyncio.create_task(guess(still.exchange(SECURE), "alice", mechanism, 0.0))
        for _ in range(2)
    ]
    await until_waiting(still, 2)
    refused = guess(still.exchange(SECURE), "alice", mechanism, 0.0)
    assert await refused is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert still.turns.waiting == 2
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert still.turns.waiting == 0


async def test_who_leaves_gives_his_place_to_others_and_is_not_looked_at(
    still: Authenticator, known: KnownAccounts
):
    await guess(still.exchange(SECURE), "alice", "PLAIN", 0.0)
    known.asked.clear()
    exchange = still.exchange(SECURE)
    waiting = asyncio.create_task(guess(exchange, "alice", "PLAIN", 0.0))
    await until_waiting(still, 1)
    exchange.leave(0.1)
    assert await waiting is SaslCondition.TEMPORARY_AUTH_FAILURE
    assert still.turns.waiting == 0
    assert known.asked == []
    exchange.leave(0.2)


async def test_who_leaves_while_his_password_is_looked_at_has_guessed(
    still: Authenticator, monkeypatch: pytest.MonkeyPatch
):
    exchange = still.exchange(SECURE)
    begun, go_on = threading.Event(), threading.Event()

    def hold(_credentials: Credentials, _password: str) -> bool:
        begun.set()
        return not go_on.wait(timeout=60)

    monkeypatch.setattr(module, "verify_password", hold)
    attempt = asyncio.create_task(guess(exchange, "alice", "PLAIN", 0.0))
    await asyncio.to_thread(begun.wait, 10)
    exchange.leave(0.0)
    go_on.set()
    assert await attempt is SaslCondition.NOT_AUTHORIZED
    following = asyncio.create_task(guess(still.exchange(ELSEWHERE), "alice", "PLAIN", 0.0))
    await until_waiting(still, 1)
    following.cancel()
    await asyncio.wait([following])
