"""RFC 7622: its tables, its errata, and what people call themselves."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slixmpp.jid import JID as OtherJID  # noqa: N811
from slixmpp.jid import InvalidJID as OtherInvalidJID

from andiron.xmpp import jid
from andiron.xmpp.errors import StanzaError
from andiron.xmpp.jid import (
    JID,
    InvalidJID,
    account_jid,
    domainpart,
    localpart,
    parse_jid,
    prepared,
    resourcepart,
)

ASCII = [chr(code) for code in range(128)]
ALI_REZA = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
"""A Persian name, with the joiner that keeps its two parts apart."""


@pytest.mark.parametrize(
    ("text", "node", "domain", "resource"),
    [
        # Table 1 of section 3.5.
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("fu\xdfball@example.com", "fu\xdfball", "example.com", ""),
        ("\u03c0@example.com", "\u03c0", "example.com", ""),
        ("\u03a3@example.com/foo", "\u03c3", "example.com", "foo"),
        ("\u03c3@example.com/foo", "\u03c3", "example.com", "foo"),
        ("\u03c2@example.com/foo", "\u03c2", "example.com", "foo"),
        ("king@example.com/\u265a", "king", "example.com", "\u265a"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        # Table 2 calls it invalid, erratum 4560 valid.
        ("juliet@example.com/ foo", "juliet", "example.com", " foo"),
        ("a@b/c/d@e", "a", "b", "c/d@e"),
        ("a@b//", "a", "b", "/"),
        ("a@b/@", "a", "b", "@"),
        ("Alice@Example.ORG/Web", "alice", "example.org", "Web"),
    ],
)
def test_an_address_has_three_parts(text, node, domain, resource):
    jid = parse_jid(text)
    assert (jid.node, jid.domain, jid.resource) == (node, domain, resource)
    assert jid.bare == (f"{node}@{domain}" if node else domain)
    assert jid.full == str(jid) == (f"{jid.bare}/{resource}" if resource else jid.bare)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@/",
        "/",
        "@example.org",
        "@example.com/",
        "alice@",
        "alice@/web",
        "/foobar",
        "alice@example.org/",
        '"juliet"@example.com',
        "foo bar@example.com",
        "henry\u2163@example.com",
        "\u265a@example.com",
        "user@@host",
        "a@b@c",
        "username@example.org@example.org",
        "a<b@example.org",
        "a'b@example.org",
        "a&b@example.org",
        "a:b@example.org",
        "alice@exa mple.org",
        "alice@example.org/\0",
        "jul\x01iet@example.com",
        "alice\u0000@example.org",
        "\ud800@example.org",
        "alice@\ud800",
        "alice@example.org/\ud800",
        "a" * 1024 + "@example.org",
        "alice@" + "a" * 1024,
        "alice@example.org/" + "a" * 1024,
        "alice@example.org/" + "\xe9" * 512,
        "\xe9" * 512 + "@example.org",
        "alice@example.org/" + "a" * 1_000_000,
        "\xe9" * 1_000_000 + "@example.org",
        "alice@" + "\xe9" * 1_000_000,
        # Only what is assigned, and is no mark of direction, is in a resource.
        "xsf@muc.xmpp.org/\u061cx",
        "a@b/\u202ex",
        "a@b/\ue000",
        "a@b/\U000e0061",
    ],
)
def test_bad_addresses_are_jid_malformed(text):
    with pytest.raises(StanzaError) as caught:
        parse_jid(text)
    assert caught.value.condition == "jid-malformed"


@pytest.mark.parametrize(
    ("name", "prepared"),
    [
        ("Alice", "alice"),
        ("J\xdcRGEN", "j\xfcrgen"),
        ("u\u0308", "\xfc"),
        # Fullwidth and halfwidth forms are the characters themselves (RFC 8265 section 3.3).
        ("\uff21lice", "alice"),
        ("\uff71", "\u30a2"),
        ("\u2d30\u2d63\u2d53\u2d4d", "\u2d30\u2d63\u2d53\u2d4d"),
        (ALI_REZA, ALI_REZA),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u0645\u062d\u0645\u062f99", "\u0645\u062d\u0645\u062f99"),
        ("l\xb7l", "l\xb7l"),
        ("stra\xdfe", "stra\xdfe"),
        ("\u039d\u0399\u039a\u039f\u03a3", "\u03bd\u03b9\u03ba\u03bf\u03c2"),
        ("\u5c71\u7530", "\u5c71\u7530"),
        ("a" * 1023, "a" * 1023),
        ("\uff21" * 1023, "a" * 1023),
        # Three characters of Unicode become one of two bytes.
        ("u\u0308\u0301" * 511, "\u01d8" * 511),
    ],
)
def test_localparts_are_prepared(name, prepared):
    assert localpart(name) == prepared == localpart(prepared)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (" ", "has U+0020 SPACE, a space"),
        ("a b", "has U+0020 SPACE, a space"),
        ("a\xa0b", "has U+00A0 NO-BREAK SPACE, a form of other characters"),
        ("a\u1680b", "has U+1680 OGHAM SPACE MARK, a space"),
        ("a@b", "has U+0040 COMMERCIAL AT"),
        ("a/b", "has U+002F SOLIDUS"),
        ("a<b", "has U+003C LESS-THAN SIGN"),
        ("a'b", "has U+0027 APOSTROPHE"),
        ("\uff20", "has U+0040 COMMERCIAL AT"),
        ("a\uff0fb", "has U+002F SOLIDUS"),
        ("\0", "has U+0000, a control character"),
        ("a\x7f", "has U+007F, a control character"),
        ("\ud800", "has U+D800"),
        ("\ue000", "has U+E000"),
        ("a" * 1024, "is longer than 1023 bytes"),
        ("\xe9" * 512, "is longer than 1023 bytes"),
        ("\U0001f40e", "has U+1F40E HORSE, a symbol"),
        ("\u20bf", "has U+20BF BITCOIN SIGN, a symbol"),
        ("\u221e", "has U+221E INFINITY, a symbol"),
        ("\U0001d4d5", "has U+1D4D5 MATHEMATICAL BOLD SCRIPT CAPITAL F, a form of other"),
        ("henry\u2163", "has U+2173 SMALL ROMAN NUMERAL FOUR, a form of other characters"),
        ("o\ufb03ce", "has U+FB03 LATIN SMALL LIGATURE FFI, a form of other characters"),
        ("a\u2019b", "has U+2019 RIGHT SINGLE QUOTATION MARK, a punctuation mark"),
        ("a\xadb", "has U+00AD SOFT HYPHEN, an invisible character"),
        ("a\u200bb", "has U+200B ZERO WIDTH SPACE, an invisible character"),
        ("\u1100", "has U+1100 HANGUL CHOSEONG KIYEOK, a part of a Hangul syllable"),
        ("\u0378", "has U+0378, which Unicode"),
        ("\u16ee", "has U+16EE RUNIC ARLAUG SYMBOL, a letter or digit of a special kind"),
        ("\u0640", "has U+0640 ARABIC TATWEEL"),
        # RFC 5892 appendix A: joiners and a few others have their places.
        ("a\u200cb", "has U+200C ZERO WIDTH NON-JOINER, out of place"),
        (f"b\u200c{ALI_REZA}", "mixes directions of writing"),
        ("a\u200db", "has U+200D ZERO WIDTH JOINER, out of place"),
        ("a\xb7b", "has U+00B7 MIDDLE DOT, out of place"),
        ("l\xb7l\xb7", "has U+00B7 MIDDLE DOT, out of place"),
        ("a\u30fbb", "has U+30FB KATAKANA MIDDLE DOT, out of place"),
        # The Bidi rule, RFC 5893 section 2: 1, 2, 3, 4.
        ("9\u05d0", "mixes directions of writing"),
        ("Dana\u05d3\u05e0\u05d4", "mixes directions of writing"),
        ("\u05d3\u05e0\u05d4dana", "mixes directions of writing"),
        ("\u05d0-", "mixes directions of writing"),
        ("\u06281\u0661", "mixes directions of writing"),
    ],
)
def test_names_that_no_account_can_have(name, reason):
    with pytest.raises(InvalidJID, match="the localpart ") as caught:
        account_jid(name, "example.org")
    assert caught.value.part == "localpart"
    assert caught.value.reason.startswith(reason) or caught.value.reason.endswith(reason)


@pytest.mark.parametrize(
    ("resource", "prepared"),
    [
        # RFC 8265 section 4.3, Table 4, with a quotation mark for good measure.
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\xdf\xe5", "\u03c0\xdf\xe5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("Bob's phone \U0001f4f1", "Bob's phone \U0001f4f1"),
        ("\u0645\u062d\u0645\u062f99", "\u0645\u062d\u0645\u062f99"),
        ("Dana \u05d3\u05e0\u05d4", "Dana \u05d3\u05e0\u05d4"),
        ("\U0001f40e", "\U0001f40e"),
        ("\U0001f37a", "\U0001f37a"),
        ("\u20bf", "\u20bf"),
        (ALI_REZA, ALI_REZA),
        ("\U0001d4d5\U0001d4ea", "\U0001d4d5\U0001d4ea"),
        ("\uff21\u2163\ufb03", "\uff21\u2163\ufb03"),
        ("\xa0\u3000", "  "),
        ("e\u0301", "\xe9"),
        ("\u1e9e\xdf\u03c2", "\u1e9e\xdf\u03c2"),
        ("a" * 1023, "a" * 1023),
        ("\U0001f4f1" * 255, "\U0001f4f1" * 255),
    ],
)
def test_resourceparts_are_kept_as_they_are_but_for_spaces(resource, prepared):
    assert resourcepart(resource) == prepared == resourcepart(prepared)


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("", "is empty"),
        ("my cat is a \tby", "has U+0009, a control character"),
        ("a" * 1024, "is longer than 1023 bytes"),
        ("\U0001f4f1" * 256, "is longer than 1023 bytes"),
        ("\u2764\ufe0f", "has U+FE0F VARIATION SELECTOR-16, an invisible character"),
        ("\U0001f469\u200d\U0001f4bb", "has U+200D ZERO WIDTH JOINER, out of place"),
        (ALI_REZA + "\u200c", "has U+200C ZERO WIDTH NON-JOINER, out of place"),
        ("\u06f1\u0660", "has U+06F1 EXTENDED ARABIC-INDIC DIGIT ONE, out of place"),
    ],
)
def test_resourceparts_that_cannot_be(resource, reason):
    with pytest.raises(InvalidJID) as caught:
        resourcepart(resource)
    assert caught.value.part == "resourcepart"
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("name", "prepared"),
    [
        ("localhost", "localhost"),
        ("Example.ORG", "example.org"),
        ("CaSe-InSeNsItIvE", "case-insensitive"),
        ("example.", "example"),
        ("A.Example.nEt.", "a.example.net"),
        ("3com.example", "3com.example"),
        ("xn--mnchen-3ya.example", "m\xfcnchen.example"),
        ("XN--MNCHEN-3YA.EXAMPLE.", "m\xfcnchen.example"),
        ("m\xfcnchen.example", "m\xfcnchen.example"),
        ("M\xdcNCHEN.example", "m\xfcnchen.example"),
        ("mu\u0308nchen.example", "m\xfcnchen.example"),
        ("conference.xn--mnchen-3ya.example", "conference.m\xfcnchen.example"),
        ("stra\xdfe.example", "stra\xdfe.example"),
        ("xn--strae-oqa.example", "stra\xdfe.example"),
        ("\uff45\uff58ample\uff0eorg", "example.org"),
        ("\u4f8b\u3048\uff61\u30c6\u30b9\u30c8\u3002", "\u4f8b\u3048.\u30c6\u30b9\u30c8"),
        ("\u05d3\u05e0\u05d4.example", "\u05d3\u05e0\u05d4.example"),
        (f"{ALI_REZA}.example", f"{ALI_REZA}.example"),
        ("192.168.1.1", "192.168.1.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::FF]", "[2001:db8::ff]"),
        ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"),
        (".".join(["a" * 63] * 3 + ["a" * 61]), ".".join(["a" * 63] * 3 + ["a" * 61])),
    ],
)
def test_domains_have_one_form(name, prepared):
    assert domainpart(name) == prepared == domainpart(prepared)
    assert parse_jid(f"alice@{name}/web") == parse_jid(f"alice@{prepared}/web")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (".", "Empty Label"),
        ("a..b", "Empty Label"),
        ("example..", "Empty Label"),
        (".example", "Empty Label"),
        ("example.\u3002", "Empty Label"),
        ("-a.example", "hyphen"),
        ("a-.example", "hyphen"),
        ("aa--b.example", "hyphen"),
        ("chat_app", "U+005F"),
        ("*", "U+002A"),
        ("example.org:5222", "U+003A"),
        ("a@b", "U+0040"),
        ("exa mple", "U+0020"),
        ("a\x00", "U+0000"),
        ("xn--", "A-label"),
        ("xn--a", "U+0080"),
        ("xn--example-", "A-label"),
        # An A-label of what is no U-label, here of a capital letter.
        ("xn--Mnchen-jlf", "not allowed"),
        ("\U0001f40e.example", "U+1F40E"),
        ("xn--7v9h.example", "not"),
        ("\u2163.example", "U+2173"),
        ("\u0301a.example", "combining"),
        ("\u05d0a.example", "right-to-left"),
        ("a\u200cb.example", "U+200C"),
        ("a" * 64, "too long"),
        ("\xe9" * 60 + ".example", "too long"),
        (".".join(["a" * 63] * 4), "is longer than 253 bytes"),
        (".".join(["\xe9\xe8"] * 30 + ["example"]), "is longer than 253 bytes"),
        ("a" * 255, "is longer than 253 bytes"),
        ("[::1", "is not an IPv6 address"),
        ("[]", "is not an IPv6 address"),
        ("[127.0.0.1]", "is not an IPv6 address"),
        ("[example.net]", "is not an IPv6 address"),
        ("[fe80::1%eth0]", "is not an IPv6 address"),
        ("::1", "U+003A"),
    ],
)
def test_domains_that_cannot_be(name, reason):
    with pytest.raises(InvalidJID) as caught:
        domainpart(name)
    assert caught.value.part == "domainpart"
    assert reason in caught.value.reason


def test_the_error_says_which_part_and_why():
    with pytest.raises(StanzaError) as caught:
        parse_jid("\U0001f40e@example.org")
    assert caught.value.text == ("not an address: the localpart has U+1F40E HORSE, a symbol")


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


@given(st.text(max_size=6))
def test_a_domain_prepared_twice_is_the_same(text):
    try:
        domain = domainpart(text)
    except InvalidJID:
        return
    assert domainpart(domain) == domain == domainpart(f"{domain}." if domain[0] != "[" else domain)


def other(text):
    try:
        jid = OtherJID(text)
    except OtherInvalidJID:
        return None
    return jid.node, jid.domain, jid.resource


def ours(text):
    try:
        jid = JID(text)
    except InvalidJID:
        return None
    return jid.node, jid.domain, jid.resource


@pytest.mark.parametrize("address", ["{}@example.org", "a{}@b", "a@h/{}", "h/a{}"])
def test_in_ascii_stringprep_and_precis_agree(address):
    for pair in map("".join, itertools.product(ASCII, repeat=2)):
        text = address.format(pair)
        if "/" not in pair or "h/" in address:
            assert ours(text) == other(text), text


@given(
    st.from_regex(r"\A[!-~]{0,6}\Z"),
    st.from_regex(r"\A[A-Za-z0-9.-]{0,8}[A-Za-z0-9-]\Z").filter(lambda text: "xn--" not in text),
    st.from_regex(r"\A[ -~]{0,6}\Z"),
)
def test_addresses_of_host_names_are_what_slixmpp_makes_of_them(node, domain, resource):
    if not {"@", "/"} & set(node):
        for text in (domain, f"{node}@{domain}", f"{node}@{domain}/{resource}"):
            assert ours(text) == other(text)


def test_what_was_read_once_is_remembered():
    assert JID("alice@example.org/web") is JID("alice@example.org/web")
    assert JID("\u0391@example.org") == JID("\u03b1@example.org")
    assert JID("a" * 300 + "@h") is not JID("a" * 300 + "@h")


def test_an_address_is_a_value():
    jid = JID("Alice@example.org/Web")
    assert {jid, JID("alice@example.org/Web")} == {jid}
    assert jid != JID("alice@example.org")
    assert jid != "alice@example.org/Web"
    assert repr(jid) == "JID('alice@example.org/Web')"
    with pytest.raises(AttributeError, match="bare of an address is fixed"):
        jid.bare = "bob@example.org"
    with pytest.raises(AttributeError):
        jid.resource = "phone"


def test_an_account_is_a_bare_address():
    assert account_jid("Alice", "Example.org") == JID("alice@example.org")


@given(st.text(max_size=8))
def test_an_account_never_reaches_out_of_its_domain(name):
    try:
        jid = account_jid(name, "example.org")
    except InvalidJID:
        return
    assert (jid.domain, jid.resource) == ("example.org", "")
    assert jid.node
    assert str(jid) == f"{jid.node}@example.org"


@pytest.mark.parametrize(
    ("address", "text"),
    [("Romeo@LOCALHOST./Orchard", "romeo@localhost/Orchard"), ("a@b@c", ""), ("", "")],
)
def test_what_is_compared_is_prepared(address, text):
    assert prepared(address) == text


@pytest.mark.parametrize("name", ["\uff41" * 342, "a" * 1024, "\u4e00" * 2000])
def test_a_name_that_is_too_long_is_not_prepared(name, monkeypatch):
    monkeypatch.setattr(jid, "enforce", lambda _profile, _text: pytest.fail("it was"))
    with pytest.raises(InvalidJID, match="longer than 1023 bytes"):
        account_jid(name, "example.org")


def test_a_label_that_is_too_long_is_not_prepared(monkeypatch):
    monkeypatch.setattr("idna.ulabel", lambda _text: pytest.fail("it was"))
    with pytest.raises(InvalidJID, match="Label too long"):
        JID("\u4e00" * 64 + ".example.org")
