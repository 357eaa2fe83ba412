from datetime import UTC, datetime
from xml.etree.ElementTree import SubElement, fromstring

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.trees import TEXT, flat, written

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError, StreamError
from andiron.xmpp.stanza import (
    error_reply,
    from_attribute,
    iq_result,
    is_stanza,
    root_tag,
    timestamp,
    unprefixed,
    with_addresses,
    with_child,
    with_delay,
    with_sender,
    without,
)
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Guard

guard = Guard()
C = "xmlns='jabber:client'"
STANZA_TAGS = st.sampled_from(
    ["{jabber:client}message", "{jabber:client}presence", "{jabber:client}iq"]
)
stanzas = written(STANZA_TAGS)
addresses = TEXT.filter(bool)


def tree(text):
    return parse_tree(guard.read(text))


def changed(text, **attributes):
    """Return the tree of ``text`` with the root's attributes set, by another parser's hands."""
    expected = fromstring(text)
    expected.attrib.update(attributes)
    return flat(expected)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"<message {C}/>", True),
        (f"<presence {C}/>", True),
        (f"<iq {C}/>", True),
        ("<a:iq xmlns:a='jabber:client'/>", True),
        (f"<a {C}/>", False),
        ("<iq/>", False),
        ("<iq xmlns='jabber:server'/>", False),
        ("<r xmlns='urn:xmpp:sm:3'/>", False),
    ],
)
def test_stanzas_by_name_and_namespace(text, answer):
    assert is_stanza(guard.read(text)) is answer


@given(stanzas, addresses)
def test_the_sender_is_put_right(text, sender):
    element = unprefixed(guard.read(text))
    rewritten = with_sender(element, from_attribute(sender))
    assert flat(tree(rewritten)) == changed(element.text, **{"from": sender})
    assert rewritten.endswith(element.text[len(root_tag(element.text)) :])


@given(stanzas, addresses, addresses)
def test_the_addresses_are_put_right(text, sender, recipient):
    element = unprefixed(guard.read(text))
    rewritten = with_addresses(element, sender, recipient)
    assert flat(tree(rewritten)) == changed(element.text, **{"from": sender, "to": recipient})


@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        ("", ""),
        (" from='evil@x'", ""),
        (' from="evil@x"', ""),
        ("\nfrom\t=\r\n'evil@x'", ""),
        (" from='evil@x' to='b'", " to='b'"),
        (" to='b' from='evil@x'", " to='b'"),
        (" to='b' from=''", " to='b'"),
        (" a=' from=\"c\"' from='evil@x'", " a=' from=\"c\"'"),
        (" from='evil@x' a=\" from='c'\"", " a=\" from='c'\""),
        (" a='>' from='>' b='/>'", " a='>' b='/>'"),
        (" from=\"'\" a='\"'", " a='\"'"),
        (" xmlns:x='u' x:from='c' from='evil@x'", " xmlns:x='u' x:from='c'"),
        (" xmlns:from='u' from:from='c' from='evil@x'", " xmlns:from='u' from:from='c'"),
        (" fromage='c' from='evil@x' afrom='d'", " fromage='c' afrom='d'"),
        (" from-x='c' from.y='d' from='evil@x' from_='e'", " from-x='c' from.y='d' from_='e'"),
        (" fromé='c' from='evil@x'", " fromé='c'"),
        (" From='c' from='evil@x'", " From='c'"),
    ],
)
@pytest.mark.parametrize("end", ["/>", " />", "><from/> from='a' </message>"])
def test_only_the_senders_own_attribute_goes(attributes, left, end):
    element = guard.read(f"<message{attributes} {C}{end}")
    sent = with_sender(element, from_attribute("a@b/c"))
    assert sent == f"<message from='a@b/c'{left} {C}{end}"


def test_an_address_cannot_break_out_of_its_quotes():
    element = guard.read(f"<message {C}/>")
    sent = with_sender(element, from_attribute("a@b/'><x y='\"&"))
    assert tree(sent).attrib == {"from": "a@b/'><x y='\"&"}


@pytest.mark.parametrize(
    "text",
    [
        f"<message {C}/>",
        f"<message\n{C}/>",
        f"<message\t{C}></message>",
        f"<message\r\n{C}></message >",
        "<message\n\tfrom = 'x'\n xmlns = \"jabber:client\"\n></message\n>",
    ],
)
def test_white_space_in_the_root_tag(text):
    sent = with_sender(unprefixed(guard.read(text)), from_attribute("a@b"))
    assert tree(sent).tag == "{jabber:client}message"
    assert tree(sent).attrib == {"from": "a@b"}


def test_a_root_tag_with_thousands_of_attributes():
    many = "".join(f" a{i}='>'" for i in range(20_000))
    element = Guard(max_nodes=30_000).read(f"<message{many} from='x' to='y' {C}/>")
    assert with_sender(element, " from='a'") == f"<message from='a'{many} to='y' {C}/>"
    assert with_addresses(element, "a", "b") == f"<message from='a' to='b'{many} {C}/>"


@given(stanzas)
def test_unprefixed_says_the_same_without_a_prefix(text):
    element = guard.read(text)
    plain = unprefixed(element)
    assert plain.text.startswith(f"<{element.name}")
    assert plain.text[len(element.name) + 1] in "\t\n\r />"
    assert flat(tree(plain.text)) == flat(fromstring(text))
    assert guard.read(plain.text) == plain


@pytest.mark.parametrize(
    "text",
    [
        "<message:message xmlns:message='jabber:client'/>",
        "<messages:message xmlns:messages='jabber:client' from='x'/>",
        "<messageé:message xmlns:messageé='jabber:client'/>",
        "<message.-_1:message xmlns:message.-_1='jabber:client'/>",
        "<a:message xmlns:a='jabber:client' xmlns='u' b='1' a:c='2'><d/><a:e>x</a:e></a:message>",
        "<a:message xmlns:a='jabber:client'><a:body>x</a:body><d/></a:message>",
        "<a:message xmlns:a='jabber:client'><b xmlns='u'><a:message/></b></a:message>",
    ],
)
def test_prefixes_that_look_like_the_name(text):
    plain = unprefixed(guard.read(text))
    assert plain.text.startswith("<message xmlns='jabber:client'")
    sent = with_sender(plain, from_attribute("a@b"))
    assert flat(tree(sent)) == changed(text, **{"from": "a@b"})


@pytest.mark.parametrize(
    "text",
    [f"<message {C}/>", f"<message {C} xmlns:a='jabber:client'><a:body>x</a:body></message>"],
)
def test_what_has_no_prefix_stays_as_it_is(text):
    element = guard.read(text)
    assert unprefixed(element) is element


def test_writing_without_prefixes_cannot_make_much_of_little():
    bomb = f"<a:message xmlns:a='jabber:client' xmlns:b='{'u' * 250}'>{'<b:c/>' * 1000}</a:message>"
    with pytest.raises(StreamError) as caught:
        unprefixed(guard.read(bomb))
    assert caught.value.condition == "policy-violation"


@given(stanzas, st.sampled_from(["<x xmlns='u'/>", "<x xmlns='u'>é</x>"]))
def test_a_child_becomes_the_last(text, child):
    expected = fromstring(text)
    expected.append(fromstring(child))
    assert flat(tree(with_child(text, child))) == flat(expected)


@pytest.mark.parametrize(
    ("text", "grown"),
    [
        (f"<message {C}/>", f"<message {C}><x/></message>"),
        (f"<message {C} />", f"<message {C} ><x/></message>"),
        ("<message\n/>", "<message\n><x/></message>"),
        ("<message/>", "<message><x/></message>"),
        ("<p:message xmlns:p='u'/>", "<p:message xmlns:p='u'><x/></p:message>"),
        ("<message></message>", "<message><x/></message>"),
        ("<message></message\n >", "<message><x/></message\n >"),
        ("<message>/></message>", "<message>/><x/></message>"),
        ("<message a='/>'/>", "<message a='/>'><x/></message>"),
        ("<message><b/></message>", "<message><b/><x/></message>"),
        ("<message> \n</message>", "<message> \n<x/></message>"),
        ("<message><![CDATA[</a>]]></message>", "<message><![CDATA[</a>]]><x/></message>"),
        ("<message><message/></message>", "<message><message/><x/></message>"),
        ("<message><message></message></message>", "<message><message></message><x/></message>"),
    ],
)  # fmt: skip
def test_where_a_child_goes(text, grown):
    assert guard.read(text).text == text
    assert with_child(text, "<x/>") == grown


@given(stanzas, addresses)
def test_a_delay_becomes_the_last_child(text, by):
    assume(f"{{{ns.DELAY}}}delay" not in [child.tag for child in fromstring(text)])
    expected = fromstring(text)
    SubElement(expected, f"{{{ns.DELAY}}}delay", {"from": by, "stamp": "2001-09-09T01:46:40.123Z"})
    assert flat(tree(with_delay(text, by, 1_000_000_000.1234))) == flat(expected)


def test_a_delay_is_the_first_one_of_its_author():
    once = with_delay(f"<message {C}/>", "a@b'c", 1_000_000_000)
    assert with_delay(once, "a@b'c", 2_000_000_000) == once
    assert with_delay(once, "d", 2_000_000_000) != once
    grown = with_child(once, "<x/>")
    assert with_delay(grown, "a@b'c", 2_000_000_000) == grown


@pytest.mark.parametrize("when", [0.0, 1e9, 1_700_000_000.9999, 253_402_300_799.0, 0.001])
def test_timestamps_are_in_utc_and_cut_to_milliseconds(when):
    moment = datetime.fromisoformat(timestamp(when))
    assert moment.tzinfo == UTC
    assert 0 <= when - moment.timestamp() < 0.0011
    assert len(timestamp(when)) == len("1970-01-01T00:00:00.000Z")


@pytest.mark.parametrize(
    ("request_", "payload", "sender", "answer"),
    [
        ("<iq {} type='get' id='1'/>", "", "", f"<iq {C} type='result' id='1'/>"),
        ("<iq {} id='a&lt;\"&apos;'/>", "", "",
         f"<iq {C} type='result' id='a&lt;&quot;&apos;'/>"),
        ("<iq {} id='1'/>", "<x xmlns='u'/>", "b@c",
         f"<iq {C} type='result' id='1' from='b@c'><x xmlns='u'/></iq>"),
        ("<iq {}/>", "", "", f"<iq {C} type='result'/>"),
    ],
)  # fmt: skip
def test_iq_results(request_, payload, sender, answer):
    assert iq_result(guard.read(request_.format(C)), payload, sender=sender) == answer


@pytest.mark.parametrize("name", ["iq", "message", "presence"])
def test_error_replies(name):
    request = guard.read(f"<{name} {C} id='é&amp;' to='b@c' from='a@c'><x/></{name}>")
    error = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "no")
    reply = tree(error_reply(request, error, to="a@c/d"))
    assert reply.tag == f"{{jabber:client}}{name}"
    assert reply.attrib == {"type": "error", "id": "é&", "from": "b@c", "to": "a@c/d"}
    assert [child.tag for child in reply] == ["{jabber:client}error"]
    assert reply[0][0].tag == f"{{{ns.STANZA_ERRORS}}}service-unavailable"
    assert tree(error_reply(request, error, sender="c")).attrib["from"] == "c"
    assert "from" not in tree(error_reply(guard.read(f"<{name} {C}/>"), error)).attrib


@given(written())
def test_the_root_tag_is_all_of_it_and_no_more(text):
    tag = root_tag(text)
    assert text.startswith(tag)
    alone = tag if tag.endswith("/>") else tag[:-1] + "/>"
    assert fromstring(alone).attrib == fromstring(text).attrib
    assert root_tag("é<" + text, 2) == tag


@pytest.mark.parametrize("text", ["", "x", "<a", "<a b='>"])
def test_no_root_tag(text):
    with pytest.raises(ValueError, match="not an element"):
        root_tag(text)


def is_ours(child):
    return child.tag == f"{{{ns.DELAY}}}delay" and child.get("from") == "localhost"


@pytest.mark.parametrize(
    "forged",
    [
        f"<delay xmlns='{ns.DELAY}' from='localhost' stamp='2001-01-01T00:00:00Z'/>",
        f'<delay stamp="2001-01-01T00:00:00Z" from="localhost" xmlns="{ns.DELAY}"></delay>',
        f"<d:delay xmlns:d='{ns.DELAY}' from='localhost' stamp='2001-01-01T00:00:00Z'/>",
        f"<x xmlns='a'/><delay xmlns='{ns.DELAY}' from='localhost' stamp=''/>",
        f"<body><![CDATA[<delay xmlns='{ns.DELAY}' from='localhost' stamp='x'/>]]></body>",
        f"<![CDATA[<delay xmlns='{ns.DELAY}' from='localhost' stamp='x'/>]]>",
        f"<![CDATA[<delay xmlns='{ns.DELAY}' from='localhost' stamp=']]>",
        f"<x><delay xmlns='{ns.DELAY}' from='localhost' stamp='x'/></x>",
        f"<a b=\"&lt;delay xmlns='{ns.DELAY}' from='localhost' stamp='\"/>",
    ],
)
def test_a_forged_delay_does_not_pass_for_the_servers(forged):
    cleaned = without(guard.read(f"<message {C}>{forged}</message>"), is_ours)
    dated = with_delay(cleaned.text, "localhost", 0.0)
    delays = [child for child in tree(dated) if child.tag == f"{{{ns.DELAY}}}delay"]
    assert [child.get("stamp") for child in delays] == ["1970-01-01T00:00:00.000Z"]


def test_what_is_wanted_stays():
    element = guard.read(
        f"<message {C}><delay xmlns='{ns.DELAY}' from='room@muc' stamp='x'/></message>"
    )
    assert without(element, is_ours) is element
