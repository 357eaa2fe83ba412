"""Whose password it is, without a network."""

import asyncio

import pytest
from support.sasl import SECURE, auth, condition

from andiron.domain.accounts.credentials import Credentials, verify_password
from andiron.domain.sign_in import admission as module
from andiron.domain.sign_in.exchange import Exchange
from andiron.xmpp.errors import SaslCondition


async def test_plain_does_the_same_work_for_an_unknown_user(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
):
    rounds: list[int] = []

    def watch(credentials: Credentials, password: str) -> bool:
        rounds.append(credentials.keys["SCRAM-SHA-256"].iterations)
        return verify_password(credentials, password)

    monkeypatch.setattr(module, "verify_password", watch)
    for name in ("alice", "nobody"):
        await condition(exchange.step(auth(f"\0{name}\0wrong"), 0.0))
    assert rounds == [4096, 4096]


async def test_hashing_leaves_the_event_loop_free(exchange: Exchange, monkeypatch):
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()

    def wait_for_the_loop(_credentials: Credentials, _password: str) -> bool:
        asyncio.run_coroutine_threadsafe(passed.wait(), loop).result(timeout=60)
        return True

    monkeypatch.setattr(module, "verify_password", wait_for_the_loop)
    attempt = asyncio.create_task(exchange.step(auth("\0alice\0pencil"), 0.0))
    await asyncio.sleep(0)
    passed.set()
    assert (await attempt).username == "alice"


async def test_a_password_that_was_right_is_not_hashed_again(make, monkeypatch):
    hashed = []

    def verify(credentials, password):
        hashed.append(password)
        return verify_password(credentials, password)

    monkeypatch.setattr(module, "verify_password", verify)
    authenticator = make()
    for _ in range(2):
        step = await authenticator.exchange(SECURE).step(auth("\0alice\0pencil"), 0.0)
        assert step.done
    assert hashed == ["pencil"]
    for name, password in (("alice", "wrong"), ("alice", "wrong"), ("nobody", "pencil")):
        attempt = authenticator.exchange(SECURE).step(auth(f"\0{name}\0{password}"), 0.0)
        assert await condition(attempt) == SaslCondition.NOT_AUTHORIZED
    assert hashed == ["pencil", "wrong", "wrong", "pencil"]
