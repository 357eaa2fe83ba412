import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from andiron.xmpp import precis
from andiron.xmpp.precis import PrecisError, describe, enforce

PROFILES = [
    get_profile(name)
    for name in (
        "UsernameCaseMapped",
        "UsernameCasePreserved",
        "OpaqueString",
        "NicknameCasePreserved",
        "NicknameCaseMapped",
    )
]
SPECIAL = st.sampled_from(
    "aAlL1 \t\xb7\xdf\xe9\u0130\u0301\u0375\u03b1\u03a3\u03c2\u05d0\u05f3\u0628\u064b\u0661\u06f1"
    "\u094d\u0915\u1100\u200c\u200d\u2163\u3000\u30a2\u30fb\ufe0f\uff21\U0001f40e"
)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@given(text=st.text(max_size=8) | st.text(SPECIAL, max_size=8))
def test_what_the_library_enforces_is_enforced_here(profile, text):
    try:
        expected = profile.enforce(text)
    except UnicodeEncodeError:
        expected = None
    try:
        assert enforce(profile, text) == expected or takes_rounds(profile, text)
    except PrecisError:
        assert expected is None


def takes_rounds(profile, text):
    """Tell whether the library gives up on what RFC 8264 section 7 goes on with."""
    once = profile.apply_five_rules(text)
    return profile.apply_five_rules(once) != once


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("\u30fb" * 300 + "\u30a2", 1),
        ("\u0661" * 300, 1),
        ("l\xb7" * 100 + "l", 100),
        ("\u0628\u200c" * 100 + "\u0628", 100),
    ],
)
def test_the_whole_string_is_looked_at_once_for_each_character(monkeypatch, text, questions):
    asked = []

    def context_rule_error(*arguments):
        asked.append(arguments)
        return ask(*arguments)

    ask = precis.context_rule_error
    monkeypatch.setattr(precis, "context_rule_error", context_rule_error)
    assert enforce(get_profile("OpaqueString"), text) == text
    assert len(asked) == questions


def test_what_never_settles_is_refused(monkeypatch):
    profile = get_profile("OpaqueString")
    monkeypatch.setattr(profile, "apply_five_rules", lambda text: f"{text}x")
    with pytest.raises(PrecisError, match="changes each time"):
        enforce(profile, "a")


@pytest.mark.parametrize(
    ("character", "described"),
    [
        ("a", "U+0061 LATIN SMALL LETTER A"),
        ("\U0001f40e", "U+1F40E HORSE"),
        ("\x00", "U+0000"),
        ("\ud800", "U+D800"),
    ],
)
def test_a_character_is_described_by_what_anybody_can_look_up(character, described):
    assert describe(character) == described
