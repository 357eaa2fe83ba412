"""The sentence for each thing that can be wrong with the settings of tokens."""

import builtins
import sys
from pathlib import Path

import pytest
from support.keys import KEYS, SECRET

from andiron import create_app
from andiron.settings import Settings, SettingsError
from andiron.tokens.configured import new_token, signed_tokens


def test_without_a_key_no_tokens_are_taken():
    assert signed_tokens(Settings()) is None


def test_each_kind_of_key():
    Path("key.pem").write_bytes(KEYS.public_pem("P-256"))
    Path("keys.json").write_bytes(KEYS.jwks(KEYS.jwk("P-256")))
    Path("private.pem").write_bytes(KEYS.private_pem("P-256"))
    ways = [({"token_secret": SECRET}, ""), ({"token_key_file": "key.pem"}, "private.pem")]
    ways.append(({"token_jwks_file": "keys.json"}, "private.pem"))
    for options, private in ways:
        settings = Settings(token_issuer="a", token_audience=("b",), token_claim="c", **options)
        tokens = signed_tokens(settings)
        assert tokens.read(new_token(settings, "juliet", private, 60)).name == "juliet"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"token_secret": SECRET, "token_key_file": "key.pem"},
            "token_secret (ANDIRON_TOKEN_SECRET) and token_key_file (ANDIRON_TOKEN_KEY_FILE)"
            " exclude each other: keep one",
        ),
        (
            {"token_secret": "short"},
            "token_secret (ANDIRON_TOKEN_SECRET) must have 32 bytes or more, such as",
        ),
        (
            {"token_key_file": "nowhere.pem"},
            "token_key_file (ANDIRON_TOKEN_KEY_FILE) names a file that cannot be read: No such",
        ),
        (
            {"token_key_file": "private.pem"},
            "token_key_file (ANDIRON_TOKEN_KEY_FILE) must hold a public key in PEM",
        ),
        (
            {"token_jwks_file": "key.pem"},
            "token_jwks_file (ANDIRON_TOKEN_JWKS_FILE) must hold a JWK Set",
        ),
        (
            {"token_key_file": "key.pem", "token_algorithms": ("HS256",)},
            "token_algorithms (ANDIRON_TOKEN_ALGORITHMS) names HS256, which is no algorithm for"
            " token_key_file (ANDIRON_TOKEN_KEY_FILE): leave it out",
        ),
        (
            {"token_secret": SECRET, "token_algorithms": ("HS256", "RS256")},
            "token_algorithms (ANDIRON_TOKEN_ALGORITHMS) names RS256, which is no algorithm for",
        ),
        (
            {"token_key_file": "key.pem", "token_algorithms": ("RS256",)},
            "token_key_file (ANDIRON_TOKEN_KEY_FILE) is fit for ES256 alone, and token_algorithms"
            " wants RS256",
        ),
        (
            {"token_issuer": "https://id.example"},
            "token_issuer (ANDIRON_TOKEN_ISSUER) says which tokens are taken, and there is no key",
        ),
    ],
)
def test_what_cannot_be_stops_the_start(options, sentence):
    Path("key.pem").write_bytes(KEYS.public_pem("P-256"))
    Path("private.pem").write_bytes(KEYS.private_pem("P-256"))
    with pytest.raises(SettingsError) as raised:
        create_app(database="sqlite://", **options)
    assert str(raised.value).startswith(sentence)
    assert SECRET not in str(raised.value)


def test_what_cannot_be_signed_by():
    Path("key.pem").write_bytes(KEYS.public_pem("P-256"))
    for private, sentence in [
        ("", "There is no secret to sign a token with: set token_secret (ANDIRON_TOKEN_SECRET)"),
        ("key.pem", "key.pem must hold a private key in PEM"),
        ("nowhere.pem", "nowhere.pem names a file that cannot be read: No such file"),
    ]:
        with pytest.raises(SettingsError) as raised:
            new_token(Settings(), "juliet", private, 60)
        assert str(raised.value).startswith(sentence)


@pytest.fixture
def no_pyjwt(monkeypatch):
    """Import as if the extra were not installed."""
    really = builtins.__import__

    def missing(name, *more):
        if name.partition(".")[0] == "jwt":
            raise ModuleNotFoundError("No module named 'jwt'", name="jwt")
        return really(name, *more)

    for name in ("andiron.tokens.keys", "andiron.tokens.signed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)


@pytest.mark.usefixtures("no_pyjwt")
def test_without_pyjwt_the_extra_is_named():
    remedy = r"token_secret \(ANDIRON_TOKEN_SECRET\) needs PyJWT; .* pip install 'andiron\[jwt\]'"
    with pytest.raises(SettingsError, match=remedy):
        create_app(database="sqlite://", token_secret=SECRET)
    with pytest.raises(SettingsError, match=remedy):
        new_token(Settings(token_secret=SECRET), "juliet", "", 60)


@pytest.mark.usefixtures("no_pyjwt")
def test_without_tokens_pyjwt_is_not_needed():
    create_app(database="sqlite://")
