"""Whom a token names, and what looks like one."""

import pytest

from andiron.domain.sign_in.tokens import account_of, has_form_of_jwt


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("juliet", "juliet"),
        ("Juliet", "juliet"),
        ("juliet@example.org", "juliet"),
        ("Juliet@EXAMPLE.org", "juliet"),
        ("juliet@example.org.", "juliet"),
        ("jo\u0308rg", "jörg"),
    ],
)
def test_a_name_of_this_domain(name, account):
    assert account_of(name, "example.org") == account


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "@example.org",
        "juliet@",
        "juliet@elsewhere.example",
        "juliet@sub.example.org",
        "juliet@example.org/phone",
        "juliet/phone",
        "juliet@romeo@example.org",
        "ju liet",
        "juliet\0",
        "henryⅣ",
        "x" * 1024,
        "\ud800",
        "juliet@" + "x" * 2000,
        "juliet@[::1]",
    ],
)
def test_others_and_names_that_no_account_can_have(name):
    assert account_of(name, "example.org") is None


@pytest.mark.parametrize(
    ("text", "could_be"),
    [
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", True),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", True),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0", False),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln.more", False),
        ("www.example.org", False),
        ("correct horse battery staple", False),
        ("", False),
    ],
)
def test_a_token_is_told_from_a_password_by_its_form(text, could_be):
    assert has_form_of_jwt(text) is could_be
