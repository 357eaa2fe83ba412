"""RFC 8266, and look-alikes."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.xmpp.jid import InvalidJID, resourcepart
from andiron.xmpp.nickname import look_alikes, nickname_keys, shown_nickname
from andiron.xmpp.precis import PrecisError

AL = "\N{CYRILLIC SMALL LETTER A}l"
BOB = "\N{CYRILLIC CAPITAL LETTER VE}\N{CYRILLIC CAPITAL LETTER O}\N{CYRILLIC CAPITAL LETTER VE}"


@pytest.mark.parametrize(
    ("nick", "shown", "key"),
    [
        # Section 3, Table 1.
        ("Foo", "Foo", "foo"),
        ("foo", "foo", "foo"),
        ("Foo Bar", "Foo Bar", "foo bar"),
        ("foo bar", "foo bar", "foo bar"),
        ("\u03a3", "\u03a3", "\u03c3"),
        ("\u03c3", "\u03c3", "\u03c3"),
        ("\u03c2", "\u03c2", "\u03c2"),
        ("\u265a", "\u265a", "\u265a"),
        ("Richard \u2163", "Richard IV", "richard iv"),
        ("  al \u3000 x ", "al x", "al x"),
        ("\U0001d4d5\U0001d4ea\U0001d4f7\U0001d4ec\U0001d502", "Fancy", "fancy"),
        ("Dana \u05d3\u05e0\u05d4", "Dana \u05d3\u05e0\u05d4", "dana \u05d3\u05e0\u05d4"),
        ("\u0645\u062d\u0645\u062f99", "\u0645\u062d\u0645\u062f99", "\u0645\u062d\u0645\u062f99"),
        ("\U0001f40e", "\U0001f40e", "\U0001f40e"),
        ("\u20bf", "\u20bf", "\u20bf"),
        ("\uff21l", "Al", "al"),
    ],
)
def test_nicknames_are_shown_and_compared(nick, shown, key):
    assert shown_nickname(nick) == shown
    assert key in nickname_keys(nick)


@pytest.mark.parametrize("nick", ["", " ", "\u3000 ", "a\u200bb", "\u2764\ufe0f", "\t"])
def test_what_is_no_nickname(nick):
    for use in (shown_nickname, nickname_keys):
        with pytest.raises(PrecisError):
            use(nick)


@pytest.mark.parametrize("nick", ["\u2800", "\U0001d159 \ufffc", "\U0001da9b", "\u3164"])
def test_nothing_to_be_seen_is_no_nickname(nick):
    with pytest.raises(PrecisError):
        nickname_keys(nick)


VISIBLE_ALL_THE_SAME = {
    "BLANK SYMBOL",
    "DEVANAGARI GAP FILLER",
    "DIVES AKURU GAP FILLER",
    "NEWA GAP FILLER",
    "BHAIKSUKI GAP FILLER-1",
    "BHAIKSUKI GAP FILLER-2",
    "IDEOGRAPHIC HALF FILL SPACE",
    "KAWI PUNCTUATION SPACE FILLER",
    "MANICHAEAN PUNCTUATION LINE FILLER",
    "SYMBOL FOR NULL",
}
UNSEEN = re.compile(r"BLANK|FILLER|FILL SPACE|\bNULL\b|INVISIBLE|SELECTOR|ZERO WIDTH|MODIFIER-\d")


def test_no_sign_that_cannot_be_seen_makes_another_nickname():
    """Of all that Unicode has, by category and by name."""
    names = {chr(code): unicodedata.name(chr(code), "") for code in range(128, 0x20000)}
    unseen = [
        each
        for each, name in names.items()
        if unicodedata.category(each) in {"Cf", "Zs", "Zl", "Zp"} or UNSEEN.search(name)
    ]
    others = {names[each] for each in unseen if "al" not in (_keys(f"al{each}") or {"al"})}
    assert len(unseen) > 100
    assert others == VISIBLE_ALL_THE_SAME.intersection(names.values())  # of this Python


def _keys(nick):
    try:
        return nickname_keys(nick)
    except PrecisError:
        return frozenset()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("al", "al "),
        ("al", "AL"),
        ("al", AL),
        ("AL", AL),
        ("al", "\N{GREEK CAPITAL LETTER ALPHA}L"),
        ("bob", BOB),
        ("Bob", BOB),
        ("Ian", "\N{GREEK CAPITAL LETTER IOTA}an"),
        (BOB, BOB.lower()),
        ("victor", "\N{GREEK SMALL LETTER NU}ictor"),
        ("NINA", "\N{GREEK CAPITAL LETTER NU}INA"),
        ("Ian", "\N{CYRILLIC LETTER PALOCHKA}an"),
        ("user1", "user\N{ARABIC-INDIC DIGIT ONE}"),
        ("mum", "\u217fum"),
        ("J\xd6RG", "j\N{CYRILLIC SMALL LETTER O}\u0308rg"),
        ("bj\xf8rn", "bjo\u0338rn"),
        ("bj\xf8rn", "bjo\u0337rn"),
        ("O'Brien", "O\u2019Brien"),
        ("\N{CYRILLIC CAPITAL LETTER GHE}", "\N{GREEK CAPITAL LETTER GAMMA}"),
        ("Tom", "\N{CYRILLIC CAPITAL LETTER TE}O\N{CYRILLIC CAPITAL LETTER EM}"),
        ("al", "al\N{BRAILLE PATTERN BLANK}"),
        ("al", "\N{BRAILLE PATTERN BLANK}al\N{MUSICAL SYMBOL NULL NOTEHEAD}"),
        ("al x", "al\N{OBJECT REPLACEMENT CHARACTER} x"),
        ("AL", f"{AL}\N{KHITAN SMALL SCRIPT FILLER}"),
        ("al", "al\N{SIGNWRITING FILL MODIFIER-2}"),
        ("al", "a\N{BRAHMI NUMBER JOINER}l"),
        ("al", "al\N{MYANMAR SIGN VIRAMA}"),
        ("\u0928\u094d\u0937", "\u0928\u094d\u200d\u0937"),
    ],
)
def test_what_people_take_for_one_another(one, two):
    assert nickname_keys(one) & nickname_keys(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("al", "el"),
        ("al", "al_"),
        ("al", "ai"),
        ("bob", BOB.lower()),
        ("user1", "user2"),
        ("\u5c71", "\u5ddd"),
        ("\U0001f40e", "\U0001f434"),
        ("\u05d3\u05e0\u05d4", "Dana"),
        ("a b", "ab"),
        # Honest people, who write in one alphabet.
        ("Al", "AI"),
        ("modern", "modem"),
        ("user1", "userl"),
        ("clay", "day"),
        ("vvendy", "wendy"),
        ("r0b", "rob"),
        ("Jan\xe6", "Janae"),
    ],
)
def test_what_people_tell_apart(one, two):
    assert not nickname_keys(one) & nickname_keys(two)


@pytest.mark.parametrize("nick", ["Anna", "user1", "Dana O'Neill", "modern"])
def test_in_ascii_nicknames_have_one_key(nick):
    assert nickname_keys(nick) == {nick.lower()}


def test_the_table_has_one_character_for_another_and_none_of_ascii():
    table = look_alikes()
    assert min(table) > 127
    assert all(_bases(like) == 1 for like in table.values())
    assert all(like.translate(table) == like for like in table.values())


def _bases(text):
    return sum(not unicodedata.combining(each) for each in text) or 1


@given(st.text(max_size=8))
def test_a_nickname_is_one_with_itself_in_every_form(nick):
    try:
        shown = shown_nickname(resourcepart(nick))
    except (InvalidJID, PrecisError):
        return
    assert shown_nickname(shown) == shown
    assert nickname_keys(nick) == nickname_keys(shown) == nickname_keys(f" {nick}  ")
    assert nickname_keys(nick) & nickname_keys(shown.lower())
