"""The site's own code is asked, and waited for only so long."""

import asyncio

import pytest

from andiron.domain.sign_in.site import GaveUp, Site, TimeLimit, within
from andiron.xmpp.errors import SaslError


async def test_an_answer_in_time():
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await within(60, work()) == 7


async def test_an_error_is_the_works_own():
    async def work() -> None:
        raise LookupError("as it happens")

    with pytest.raises(LookupError, match="as it happens"):
        await within(60, work())


async def test_a_cancellation_of_the_works_own_is_an_error():
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    with pytest.raises(GaveUp, match="CancelledError"):
        await within(10, task)


async def test_who_takes_too_long_is_cancelled():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeLimit):
        await within(0.01, work())
    await ended.wait()


async def test_who_goes_on_all_the_same_holds_nobody_up(caplog):
    caplog.set_level("INFO")
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await go_on.wait()
            ended.set()
            raise LookupError("too late") from None

    with pytest.raises(TimeLimit):
        await within(0.01, work())
    go_on.set()
    await ended.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "too late failed" in caplog.text


async def test_who_stops_waiting_stops_the_work():
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(within(60, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()


@pytest.mark.parametrize(
    ("answer", "right"), [(True, True), (False, False), (None, False), (1, False)]
)
async def test_only_true_is_right(answer, right):
    async def authenticate(_username: str, _password: str) -> bool:
        return answer

    assert await Site(authenticate).is_right("juliet", "x") is right


async def test_a_site_that_checks_no_passwords_knows_none():
    assert not await Site().is_right("juliet", "x")


async def test_a_site_that_fails_lets_nobody_in(caplog):
    async def authenticate(_username: str, _password: str) -> bool:
        raise LookupError("secret")

    with pytest.raises(SaslError) as raised:
        await Site(authenticate).is_right("juliet", "sesame")
    assert raised.value.condition == "temporary-auth-failure"
    assert "authenticate= failed" in caplog.text
    assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "name"), [("juliet", "juliet"), (None, None), ("", None), (True, None), (7, None)]
)
async def test_only_a_name_says_whose_token_it_is(answer, name):
    async def verify_token(_token: str) -> object:
        return answer

    owner = await Site(verify_token=verify_token).owner("opaque")  # type: ignore[arg-type]
    assert (None if owner is None else owner.name) == name


async def test_a_site_that_takes_no_tokens_knows_nobody_by_one():
    assert not Site().takes_tokens
    assert Site().proven("token") is None
    assert await Site().owner("token") is None


async def test_a_site_that_fails_to_look_at_a_token_lets_nobody_in(caplog):
    async def verify_token(_token: str) -> str:
        raise LookupError("secret")

    with pytest.raises(SaslError) as raised:
        await Site(verify_token=verify_token).owner("sesame")
    assert raised.value.condition == "temporary-auth-failure"
    assert "verify_token= failed" in caplog.text
    assert "sesame" not in caplog.text
