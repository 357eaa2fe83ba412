"""Accounts are disabled and enabled by the API."""

import pytest

from andiron.api import InvalidError, NotFoundError
from andiron.testing import StreamEndedError


async def test_an_account_is_disabled_and_enabled(chat):
    alice = await chat.client_of("alice")
    assert await chat.api.disabled_accounts() == ()
    assert await chat.api.disable_account("Alice@example.org") == 1
    with pytest.raises(StreamEndedError, match="not-authorized"):
        await alice.next(lambda _: False)
    assert await chat.api.disabled_accounts() == ("alice",)
    with pytest.raises(StreamEndedError, match="account-disabled"):
        await chat.client_of("alice")
    await chat.api.enable_account("alice")
    assert await chat.api.disabled_accounts() == ()
    await chat.client_of("alice")


async def test_nobody_is_not_disabled(chat):
    with pytest.raises(NotFoundError, match="nobody"):
        await chat.api.disable_account("nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        await chat.api.enable_account("nobody")
    with pytest.raises(InvalidError, match="nobody's name"):
        await chat.api.disable_account("a b")
