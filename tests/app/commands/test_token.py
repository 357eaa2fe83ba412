"""``andiron token``, as an operator meets it who tries sign-in by tokens."""

from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner
from support.keys import KEYS, SECRET

from andiron.commands.cli import main
from andiron.settings import Settings
from andiron.tokens.configured import signed_tokens


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def test_a_token_by_the_secret(monkeypatch):
    monkeypatch.setenv("ANDIRON_TOKEN_SECRET", SECRET)
    monkeypatch.setenv("ANDIRON_TOKEN_AUDIENCE", "chat,xmpp")
    result = run("token", "Juliet", "--expires", "60")
    assert result.exit_code == 0
    made = result.output.strip()
    claims = jwt.decode(made, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 60
    assert (claims["sub"], claims["aud"]) == ("juliet", "chat")
    assert signed_tokens(Settings()).read(made).name == "juliet"


def test_a_token_by_a_private_key(monkeypatch):
    Path("private.pem").write_bytes(KEYS.private_pem("P-256"))
    Path("public.pem").write_bytes(KEYS.public_pem("P-256"))
    monkeypatch.setenv("ANDIRON_TOKEN_KEY_FILE", "public.pem")
    result = run("token", "juliet@localhost", "--key", "private.pem")
    assert signed_tokens(Settings()).read(result.output.strip()).name == "juliet"


def test_without_a_secret_there_is_no_token():
    result = run("token", "juliet")
    assert result.exit_code == 1
    assert "There is no secret to sign a token with: set token_secret" in result.output


@pytest.mark.parametrize("name", ["ju liet", "juliet@elsewhere.example", ""])
def test_a_name_that_no_account_can_have(monkeypatch, name):
    monkeypatch.setenv("ANDIRON_TOKEN_SECRET", SECRET)
    result = run("token", name)
    assert result.exit_code == 1
    assert f"Error: {name!r} cannot be an account of localhost.\n" in result.output


def test_the_check_of_the_settings_looks_at_the_keys(monkeypatch):
    monkeypatch.setenv("ANDIRON_TOKEN_SECRET", "short")
    result = run("config", "check")
    assert result.exit_code == 1
    assert "must have 32 bytes or more" in result.output
    monkeypatch.setenv("ANDIRON_TOKEN_SECRET", SECRET)
    assert run("config", "check").exit_code == 0
    shown = run("config", "show").output
    assert "token_secret = ***  # ANDIRON_TOKEN_SECRET" in shown
    assert SECRET not in shown
