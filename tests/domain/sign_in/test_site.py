"""What the site is asked, and what its answers mean."""

import pytest

from andiron.domain.sign_in.site import Site
from andiron.xmpp.errors import SaslError


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
