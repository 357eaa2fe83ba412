"""What stands in a stanza, whatever stands in its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.xmpp import namespaces as ns
from andiron.xmpp.content import BODY, has_body, may_name, shows_body, tags
from andiron.xmpp.xml import Guard

guard = Guard()


def message(inner: str, attributes: str = "xmlns='jabber:client'"):
    return guard.read(f"<message {attributes}>{inner}</message>")


@pytest.mark.parametrize(
    ("inner", "has", "seen"),
    [
        ("<body>hi</body>", True, True),
        ("text<body>hi</body>", True, True),
        ("<body\n>hi</body>", True, True),
        ("<body/>", True, True),
        ("<body xml:lang='en'>hi</body>", True, True),
        ("<x/><body>hi</body>", True, True),
        ("<x a='b' c=\"'\"/> <y>/></y><body>hi</body>", True, True),
        ("<x><y/></x><body>hi</body>", True, False),
        ("<x a='/>'/><body>hi</body>", True, False),
        ("<![CDATA[<x>]]><body>hi</body>", True, False),
        ("<body xmlns='jabber:client'>hi</body>", True, False),
        ("<c:body xmlns:c='jabber:client'>hi</c:body>", True, False),
        ("", False, False),
        ("<bodyguard>hi</bodyguard>", False, False),
        ("<body xmlns='http://www.w3.org/1999/xhtml'>hi</body>", False, False),
        ("<x><body>hi</body></x>", False, False),
        ("<x>/><body>hi</body></x>", False, False),
        ("<x a='/>'><body>hi</body></x>", False, False),
        ("<x a=\"'/>\" b=''><body>hi</body></x>", False, False),
        ("<x>&lt;/x><body>hi</body></x>", False, False),
        ("<x a='&lt;body>'/>", False, False),
        ("<![CDATA[<body>]]>", False, False),
        ("<![CDATA[/><body>]]>", False, False),
        ("<x><![CDATA[<body>hi</body>]]></x>", False, False),
        ("<x><![CDATA[</x><body>hi</body>]]></x>", False, False),
    ],
)
def test_a_body_is_a_child(inner: str, has: bool, seen: bool):
    element = message(inner)
    assert has_body(element) is has
    assert shows_body(element.text) is seen
    assert (BODY in tags(element)) is has


def test_a_stanza_without_content_has_none():
    element = guard.read("<message xmlns='jabber:client' to='a@b'/>")
    assert not has_body(element)
    assert tags(element) == frozenset()


@pytest.mark.parametrize(
    ("inner", "may"),
    [
        (f"<store xmlns='{ns.HINTS}'/>", True),
        ("<store xmlns='urn:xmpp:hint&#115;'/>", True),
        ("<store xmlns='urn:xmpp:hint&#x73;'/>", True),
        (f"<body>{ns.HINTS}</body>", True),
        ("<body>hints &amp; kisses</body>", False),
    ],
)
def test_a_namespace_that_may_be_there(inner: str, may: bool):
    assert may_name(message(inner).text, ns.HINTS) is may


PIECES = st.sampled_from(
    ["<body>hi</body>", "<body/>", "<body xml:lang='en'/>", "<body xmlns='urn:x'/>", "<x/>", "/>",
     "<x a='/>'/>", "<x a=\"'/>\" b='\"'/>", "<![CDATA[<body>]]>", "<![CDATA[/>]]>", " ", "&lt;",
     "<![CDATA[</x>]]>", "<p:body xmlns:p='jabber:client'/>", "'", '"', "<x>'</x>"]
)  # fmt: skip
STARTS = st.sampled_from(
    ["<x>", "<x a='/>'>", '<x b="\'">', "<x xmlns='urn:x'>", "<x a=' ' b = '>'\n>", "<x\n>"]
)


def wrapped(inner):
    return st.builds(lambda start, parts: f"{start}{''.join(parts)}</x>", STARTS, st.lists(inner))


@given(st.lists(st.recursive(PIECES, wrapped, max_leaves=8)))
def test_a_body_that_is_seen_is_there(inner: list[str]):
    element = message("".join(inner))
    there = BODY in tags(element)
    assert has_body(element) is there
    assert there or not shows_body(element.text)


@pytest.mark.parametrize("piece", ["<x/>", "<x ", "<x a='", "<x a='b' ", "<x>y</x>", "<x", "'"])
def test_no_text_makes_it_go_back_and_forth(piece: str):
    """It would not come to an end."""
    assert not shows_body(f"<message>{piece * 20_000}<bodies>")
