import pytest
from hypothesis import given
from hypothesis import strategies as st
from slixmpp.jid import JID as FormerJID  # noqa: N811
from slixmpp.jid import InvalidJID as FormerInvalidJID

from andiron.xmpp.former import Change, change, meant
from andiron.xmpp.jid import JID, InvalidJID


@pytest.mark.parametrize(
    "stored",
    [
        "localhost",
        "alice@example.org",
        "alice@example.org/Web",
        "strasse@example.org",
        "\u05d3\u05e0\u05d4@example.org",
        "\u03c3\u03c0@example.org/\u03c3",
    ],
)
def test_what_is_as_good_as_before(stored):
    assert change(stored) is None
    assert meant(stored) is None


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        ("alice@xn--mnchen-3ya.example", "alice@m\xfcnchen.example"),
        ("alice@example.org.", "alice@example.org"),
        ("example.org./x", "example.org/x"),
        ("alice@[::FF]", "alice@[::ff]"),
    ],
)
def test_what_has_another_form(stored, now):
    assert change(stored) == Change(now, "is prepared to another form")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ("\u2603@example.org", "the localpart has U+2603 SNOWMAN, a symbol"),
        ("alice@chat_app", "the domainpart is not a domain name"),
        ("alice@example.org/\u206f", "the resourcepart has U+206F"),
        ("", "the domainpart is empty"),
    ],
)
def test_what_is_no_address_any_more(stored, reason):
    found = change(stored)
    assert found is not None
    assert found.now == ""
    assert found.reason.startswith(f"is no address: {reason}")


def test_what_people_write_with_a_final_sigma():
    stored = "\u03bd\u03af\u03ba\u03bf\u03c3@example.org/x"
    assert change(stored) is None
    found = meant(stored)
    assert found is not None
    assert found.now == "\u03bd\u03af\u03ba\u03bf\u03c2@example.org/x"
    assert JID("\u039d\u03af\u03ba\u03bf\u03c2@example.org/x").full == found.now
    assert meant(found.now) is None


@given(st.text(max_size=12) | st.from_regex(r"\A[^@/]{1,5}@[a-z]{1,5}/.{1,5}\Z"))
def test_whatever_was_stored_is_as_it_was_or_told(text):
    try:
        stored = str(FormerJID(text))
    except (FormerInvalidJID, UnicodeEncodeError):
        return
    found = change(stored)
    if found is None:
        assert JID(stored).full == stored
        other = meant(stored)
        assert other is None or JID(other.now).full == other.now != stored
    elif found.now:
        assert JID(found.now).full == found.now != stored
    else:
        with pytest.raises(InvalidJID):
            JID(stored)
