import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import JID, InvalidJID, account_jid, parse_jid


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("localhost", "localhost"),
        ("Alice@Example.ORG/Web", "alice@example.org/Web"),
        ("a@b/c/d@e", "a@b/c/d@e"),
        ("\uff21lice@example.org", "alice@example.org"),
    ],
)
def test_addresses_are_prepared(text, prepared):
    assert str(parse_jid(text)) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@example.org",
        "alice@",
        "alice@/web",
        "/web",
        "alice@example.org/",
        "a b@example.org",
        "a@b@c",
        "a<b@example.org",
        "a'b@example.org",
        'a"b@example.org',
        "a&b@example.org",
        "a:b@example.org",
        "alice@exa mple.org",
        "alice@example.org/\0",
        "alice\u0000@example.org",
        "\ud800@example.org",
        "a" * 1024 + "@example.org",
        "alice@" + "a" * 1024,
        "alice@example.org/" + "a" * 1024,
    ],
)
def test_bad_addresses_are_jid_malformed(text):
    with pytest.raises(StanzaError) as caught:
        parse_jid(text)
    assert caught.value.condition == "jid-malformed"


@given(st.text(max_size=12) | st.from_regex(r"\A[^@/]{1,5}@[a-z]{1,5}/.{1,5}\Z"))
def test_preparing_twice_changes_nothing(text):
    try:
        jid = parse_jid(text)
    except StanzaError:
        return
    again = parse_jid(str(jid))
    assert again == jid
    assert (again.node, again.domain, again.resource) == (jid.node, jid.domain, jid.resource)
    assert again.bare == jid.bare


def test_an_account_is_a_bare_address():
    assert account_jid("Alice", "Example.org") == JID("alice@example.org")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a@b",
        "a/b",
        "a b",
        "a<b",
        "a'b",
        "\uff20",
        "a\uff20b",
        "a\uff0fb",
        "\0",
        "\ud800",
        "a" * 1024,
    ],
)
def test_names_that_no_account_can_have(name):
    with pytest.raises(InvalidJID):
        account_jid(name, "example.org")


@given(st.text(max_size=8))
def test_an_account_never_reaches_out_of_its_domain(name):
    try:
        jid = account_jid(name, "example.org")
    except InvalidJID:
        return
    assert (jid.domain, jid.resource) == ("example.org", "")
    assert jid.node
    assert str(jid) == f"{jid.node}@example.org"
