"""A password that was right before is known again, and nothing else is."""

import pytest

from andiron.domain.accounts.credentials import decoy, derive
from andiron.domain.sign_in.verified import VerifiedPasswords

CREDENTIALS = derive("secret", 4096)


@pytest.fixture
def verified():
    verified = VerifiedPasswords(2)
    verified.remember("juliet", CREDENTIALS, "secret")
    return verified


def test_the_same_password_for_the_same_keys(verified):
    assert verified.knows("juliet", CREDENTIALS, "secret")


@pytest.mark.parametrize(
    ("username", "credentials", "password"),
    [
        ("juliet", CREDENTIALS, "Secret"),
        ("juliet", CREDENTIALS, ""),
        ("juliet", CREDENTIALS, "\ud800"),
        ("romeo", CREDENTIALS, "secret"),
        ("juliet", derive("secret", 4096), "secret"),
        ("juliet", decoy(b"key", "juliet", 4096), "secret"),
    ],
)
def test_nothing_else(verified, username, credentials, password):
    assert not verified.knows(username, credentials, password)


def test_the_password_is_not_kept(verified):
    assert b"secret" not in b"".join(verified._hashes.values())


def test_it_is_bounded(verified):
    for name in ("romeo", "juliet", "nurse"):
        verified.remember(name, CREDENTIALS, "secret")
    assert len(verified) == 2
    assert not verified.knows("romeo", CREDENTIALS, "secret")
    assert verified.knows("juliet", CREDENTIALS, "secret")


def test_none_is_remembered_when_that_is_off():
    verified = VerifiedPasswords(0)
    verified.remember("juliet", CREDENTIALS, "secret")
    assert len(verified) == 0
