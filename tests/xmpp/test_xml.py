import gc
import re
import weakref
from contextlib import suppress
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trees import flat, written

from andiron.xmpp.errors import StreamCondition, StreamError
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element, Guard, parse, utf8_length

C = "xmlns='jabber:client'"
MALFORMED = StreamCondition.NOT_WELL_FORMED
RESTRICTED = StreamCondition.RESTRICTED_XML
POLICY = StreamCondition.POLICY_VIOLATION
ENCODING = StreamCondition.UNSUPPORTED_ENCODING

NOT_WELL_FORMED = {
    "nothing": "",
    "white space": " \t\r\n",
    "text": "hello",
    "text before": f"x<message {C}/>",
    "text after": f"<message {C}/>x",
    "no-break space before": f"\xa0<message {C}/>",
    "byte order mark before": f"\ufeff<message {C}/>",
    "byte order mark after": f"<message {C}/>\ufeff",
    "NUL after": f"<message {C}/>\0",
    "second root": f"<message {C}/><message {C}/>",
    "second root after white space": f"<message {C}/>\n<iq {C}/>",
    "no end": f"<message {C}>",
    "no end of the tag": f"<message {C}",
    "end of the tag cut": f"<message {C}><body></body></message",
    "end without start": f"<message {C}/></message>",
    "end of the stream": "</stream:stream>",
    "wrong end": f"<message {C}><a></b></message>",
    "end in other letters": f"<message {C}></Message>",
    "overlap": f"<message {C}><a><b></a></b></message>",
    "bare ampersand": f"<message {C}>a & b</message>",
    "end of CDATA in text": f"<message {C}>]]></message>",
    "CDATA without end": f"<message {C}><![CDATA[</message>",
    "CDATA as the root": "<![CDATA[x]]>",
    "attribute without quotes": f"<message {C} a=b/>",
    "attribute without value": f"<message {C} a/>",
    "attributes without space": "<message xmlns='jabber:client'a='b'/>",
    "attribute twice": f"<message {C} from='a' from='b'/>",
    "attribute twice in other quotes": f"<message {C} from='a' from=\"b\"/>",
    "attribute twice by namespace": f"<message {C} xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>",
    "namespace twice": f"<message {C} {C}/>",
    "< in an attribute": f"<message {C} a='<'/>",
    "NUL in text": f"<message {C}>a\0b</message>",
    "NUL in an attribute": f"<message {C} a='\0'/>",
    "NUL in a name": f"<mess\0age {C}/>",
    "control character": f"<message {C}>\x1b[2J</message>",
    "U+FFFE": f"<message {C}>\ufffe</message>",
    "U+FFFF": f"<message {C}>\uffff</message>",
    "reference to NUL": f"<message {C}>&#0;</message>",
    "reference to a control character": f"<message {C}>&#x1f;</message>",
    "reference to a surrogate": f"<message {C}>&#xD800;</message>",
    "reference past Unicode": f"<message {C}>&#x110000;</message>",
    "reference without number": f"<message {C}>&#;</message>",
    "reference without end": f"<message {C}>&lt</message>",
    "digit in front of a name": f"<1message {C}/>",
    "space in front of a name": f"< message {C}/>",
    "unbound prefix of the root": "<x:message/>",
    "unbound prefix of a child": f"<message {C}><x:a/></message>",
    "unbound prefix of an attribute": f"<message {C} x:a='1'/>",
    "prefix bound by a sibling": f"<message {C}><a xmlns:x='u'/><x:a/></message>",
    "stream prefix unbound": "<stream:features/>",
    "two colons": "<a:b:c xmlns:a='u'/>",
    "empty prefix": f"<:message {C}/>",
    "empty local name": "<a: xmlns:a='u'/>",
    "empty declared prefix": "<message xmlns:='u'/>",
    "prefix undeclared": "<message xmlns:a=''/>",
    "xml bound elsewhere": "<message xmlns:xml='u'/>",
    "another prefix for xml": "<message xmlns:a='http://www.w3.org/XML/1998/namespace'/>",
    "xml as the default": "<message xmlns='http://www.w3.org/XML/1998/namespace'/>",
    "xmlns bound": "<message xmlns:xmlns='u'/>",
    "xmlns bound to its own": "<message xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>",
    "another prefix for xmlns": "<message xmlns:a='http://www.w3.org/2000/xmlns/'/>",
    "xmlns as the default": "<message xmlns='http://www.w3.org/2000/xmlns/'/>",
    "xmlns as a prefix": f"<xmlns:message {C}/>",
    "namespace that no tree can name": "<message xmlns='a}b'/>",
    "the same by reference": "<message xmlns='a&#125;b'/>",
    "the same on a child": f"<message {C}><x xmlns:p='a}}b'/></message>",
    "a thing like a DTD": f"<!FOO><message {C}/>",
    "DTD inside": f"<message {C}><!DOCTYPE a></message>",
    "DTD after": f"<message {C}/><!DOCTYPE a>",
    "DTD without end": "<!DOCTYPE a",
    "UTF-16 as text": "<\0a\0/\0>\0",
    "UTF-16 of the other order as text": "\0<\0a\0/\0>",
    "UTF-16 after a byte order mark": "\ufeff<\0a\0/\0>\0",
    "DTD in UTF-16": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode("utf-16-le").decode(),
}

_LOL = "".join(f"<!ENTITY l{i} '{f'&l{i - 1};' * 10}'>" for i in range(1, 10))
RESTRICTED_XML = {
    "DTD": f"<!DOCTYPE message><message {C}/>",
    "DTD after white space": f"  <!DOCTYPE message><message {C}/>",
    "internal subset": f"<!DOCTYPE m [<!ELEMENT m ANY>]><m {C}/>",
    "unfinished internal subset": "<!DOCTYPE m [<!ENTITY a '",
    "billion laughs": f"<!DOCTYPE m [<!ENTITY l0 'lol'>{_LOL}]><m {C}>&l9;</m>",
    "entity in itself": "<!DOCTYPE m [<!ENTITY a '&a;'>]><m>&a;</m>",
    "quadratic blow-up": f"<!DOCTYPE m [<!ENTITY a '{'x' * 9000}'>]><m>{'&a;' * 9000}</m>",
    "external subset": f"<!DOCTYPE m SYSTEM 'http://127.0.0.1:9/x.dtd'><m {C}/>",
    "public external subset": f"<!DOCTYPE m PUBLIC '-//X' 'file:///etc/passwd'><m {C}/>",
    "external entity": "<!DOCTYPE m [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><m>&a;</m>",
    "parameter entity": "<!DOCTYPE m [<!ENTITY % a SYSTEM 'file:///etc/passwd'> %a;]><m/>",
    "default attribute": f"<!DOCTYPE m [<!ATTLIST m from CDATA 'x@y'>]><m {C}/>",
    "undefined entity": f"<message {C}>&nbsp;</message>",
    "undefined entity in an attribute": f"<message {C} a='&nbsp;'/>",
    "comment": f"<message {C}><!-- x --></message>",
    "comment before": f"<!-- x --><message {C}/>",
    "comment after": f"<message {C}/><!---->",
    "comment among many elements": f"<message {C}>{'<a/>' * 100}<!-- --></message>",
    "processing instruction": f"<message {C}><?x y?></message>",
    "processing instruction before": f"<?x y?><message {C}/>",
    "processing instruction after": f"<message {C}/><?x?>",
    "style sheet": f"<?xml-stylesheet href='x'?><message {C}/>",
    "XML declaration": f"<?xml version='1.0'?><message {C}/>",
    "XML declaration with encoding": f"<?xml version='1.0' encoding='utf-16'?><message {C}/>",
    "XML declaration after white space": f" <?xml version='1.0'?><message {C}/>",
    "XML declaration inside": f"<message {C}><?xml version='1.0'?></message>",
}

SOUND = {
    "empty": (f"<message {C}/>", "jabber:client", "message", {}),
    "no namespace": ("<a b='1'/>", "", "a", {"b": "1"}),
    "prefix": ("<c:iq xmlns:c='jabber:client' c:x='1' x='2'/>", "jabber:client", "iq",
               {"jabber:client x": "1", "x": "2"}),
    "prefix like the name": ("<iq:iq xmlns:iq='jabber:client'/>", "jabber:client", "iq", {}),
    "language": ("<a xml:lang='en'/>", "", "a",
                 {"http://www.w3.org/XML/1998/namespace lang": "en"}),
    "xml bound to its own": ("<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", "", "a", {}),
    "default undeclared": (f"<a {C}><b xmlns=''/></a>", "jabber:client", "a", {}),
    "references": ("<a b='&lt;&#60;&#x3c;&amp;&quot;&apos;&gt;>'/>", "", "a", {"b": "<<<&\"'>>"}),
    "white space in an attribute": ("<a b='\n\t\r\n x&#10;'/>", "", "a", {"b": "    x\n"}),
    "white space in the tag": (f"<a\n\t{C}\r\nb = '1' ></a\n>", "jabber:client", "a", {"b": "1"}),
    "CDATA": ("<a><![CDATA[</a><!-- <?x?> &nbsp; <!DOCTYPE a> ]]></a>", "", "a", {}),
    "signs of markup in text": ("<a b='!?'>! ? --> ]] ]> ?></a>", "", "a", {"b": "!?"}),
    "marks in an attribute": ("<a b='--> ?> ]]> />'/>", "", "a", {"b": "--> ?> ]]> />"}),
    "brace": ("<a b='}'>}</a>", "", "a", {"b": "}"}),
    "brace in a name's value": ("<a xml:b='}' c='}'/>", "", "a",
                                {"http://www.w3.org/XML/1998/namespace b": "}", "c": "}"}),
    "space in a namespace": ("<p:a xmlns:p='u v' p:b='1'/>", "u v", "a", {"u v b": "1"}),
    "not ASCII": ("<é à='ü😀'>ß</é>", "", "é", {"à": "ü😀"}),
    "byte order mark in text": ("<a>\ufeff</a>", "", "a", {}),
    "child of the root's name": ("<a b='1'><a c='2'/></a>", "", "a", {"b": "1"}),
}  # fmt: skip


@pytest.fixture
def guard():
    return Guard()


def refused(read, *args):
    with pytest.raises(StreamError) as caught:
        read(*args)
    return caught.value.condition


@pytest.mark.parametrize("text", NOT_WELL_FORMED.values(), ids=NOT_WELL_FORMED)
def test_not_well_formed(guard, text):
    assert refused(guard.read, text) == MALFORMED
    assert refused(guard.read_bytes, text.encode()) == MALFORMED


@pytest.mark.parametrize("text", RESTRICTED_XML.values(), ids=RESTRICTED_XML)
def test_restricted(guard, text):
    assert refused(guard.read, text) == RESTRICTED
    assert refused(guard.read_bytes, text.encode()) == RESTRICTED


@pytest.mark.parametrize(("text", "namespace", "name", "attributes"), SOUND.values(), ids=SOUND)
def test_sound(guard, text, namespace, name, attributes):
    assert guard.read(text) == Element(text, namespace, name, attributes)
    assert guard.read_bytes(text.encode()) == Element(text, namespace, name, attributes)


@pytest.mark.parametrize("around", [" ", "\n\n", "\t", "\r\n"])
def test_white_space_around_the_root_is_left_out(guard, around):
    assert guard.read(f"{around}<a> </a>{around}").text == "<a> </a>"


@pytest.mark.parametrize(
    "data",
    [
        b"<a>\xff</a>",
        b"<a>\xc0\xbc</a>",
        b"<a>\xc3</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>\xf4\x90\x80\x80</a>",
        b"<a b='\xe9'/>",
        "<a/>".encode("utf-16"),
        "<a/>".encode("utf-32"),
        "<é/>".encode("latin-1"),
    ],
)
def test_bytes_that_are_not_utf8(guard, data):
    assert refused(guard.read_bytes, data) == ENCODING


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_ascii_without_a_mark_is_utf8_with_nul(guard, encoding):
    assert refused(guard.read_bytes, "<a/>".encode(encoding)) == MALFORMED


@pytest.mark.parametrize("text", ["<a>\ud800</a>", "<a b='\udfff'/>", "\udc80<a/>", "<a\ud800/>"])
def test_lone_surrogates(guard, text):
    assert refused(guard.read, text) == ENCODING


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_size_counts_bytes(letter):
    whole = len(letter.encode()) * 10 + len("<a></a>")
    guard = Guard(max_size=whole)
    text = f"<a>{letter * 10}</a>"
    assert guard.read(text).text == text
    assert guard.read_bytes(text.encode()).text == text
    guard = Guard(max_size=whole - 1)
    assert refused(guard.read, text) == POLICY
    assert refused(guard.read_bytes, text.encode()) == POLICY


def test_the_limit_of_one_element_replaces_the_guards():
    guard = Guard(max_size=8)
    assert refused(guard.read, "<message/>") == POLICY
    assert guard.read("<message/>", 10).name == "message"
    assert guard.read_bytes(b"<message/>", 10).name == "message"
    assert refused(guard.read, "<a></a>", 6) == POLICY
    assert refused(guard.read_bytes, b"<a></a>", 6) == POLICY


def test_short_texts_that_are_read_again_are_remembered():
    guard = Guard(max_size=1000)
    short, long = "<open xmlns='a'/>", f"<open xmlns='a'>{'x' * 500}</open>"
    assert guard.read_again(short) is guard.read_again(short)
    assert guard.read_again(short) == guard.read(short)
    assert guard.read_again(long) is not guard.read_again(long)
    assert guard.read_again(long) == guard.read(long)


def test_what_is_refused_is_refused_again():
    guard = Guard(max_size=100)
    for text, limit in [("<open", 0), ("<open/>", 5), ("<open/>" + " " * 100, 0)]:
        for _ in range(2):
            with suppress(StreamError):
                guard.read_again("<open/>")
            with pytest.raises(StreamError):
                guard.read_again(text, limit)


def test_size_is_checked_before_anything_else(guard):
    assert refused(guard.read, "<!DOCTYPE" + " " * 300_000) == POLICY
    assert refused(guard.read_bytes, b"\xff" * 300_000) == POLICY
    assert refused(guard.read, "\ud800" * 100_000) == POLICY


def nested(levels, name="a"):
    return f"<{name}>" * levels + f"</{name}>" * levels


@pytest.mark.parametrize("max_depth", [1, 2, 3, 64, 200])
def test_depth(max_depth):
    guard = Guard(max_depth=max_depth)
    assert guard.read(nested(max_depth)).name == "a"
    assert refused(guard.read, nested(max_depth + 1)) == POLICY
    inner = "<b/>" if max_depth > 1 else ""
    empty = "<a>" * (max_depth - 1) + (inner or "<a/>") + "</a>" * (max_depth - 1)
    assert guard.read(empty).text == empty
    assert refused(guard.read, f"<c>{empty}</c>") == POLICY


def test_depth_is_not_breadth(guard):
    wide = f"<a b='1'>{'<b/>' * 1000}{nested(63)}{'<b><c/></b>' * 1000}</a>"
    assert guard.read(wide) == Element(wide, "", "a", {"b": "1"})
    assert refused(guard.read, f"<a>{'<b/>' * 1000}{nested(64)}</a>") == POLICY


@pytest.mark.parametrize("text", ["<a>" * 1_000_000, nested(1_000_000)])
def test_a_million_nested_tags_are_left_at_the_limit(text):
    assert refused(Guard().read, text) == POLICY
    seen = Guard(max_size=10_000_000)
    assert refused(seen.read, text) == POLICY


def test_many_attributes():
    guard = Guard(max_nodes=20_001)
    names = [f"a{i:x}" for i in range(20_000)]
    text = "<a" + "".join(f" {name}=''" for name in names) + "/>"
    assert list(guard.read(text).attributes) == names
    assert refused(guard.read, text.replace("a1f=", "a1e=")) == MALFORMED


def attributes(count, prefix=""):
    return "".join(f" {prefix}a{i}=''" for i in range(count))


def namespaces(count):
    return "".join(f" xmlns:p{i}='u'" for i in range(count))


def filled(unit, nodes, count):
    """Return an element of ``count`` nodes; each ``unit`` is ``nodes`` of them."""
    units, rest = divmod(count - 1, nodes)
    return f"<a>{unit * units}{'<b/>' * rest}</a>"


NODES = {
    "elements": lambda count: filled("<b/>", 1, count),
    "open elements": lambda count: filled("<b></b>", 1, count),
    "elements among text": lambda count: filled("=<b/>", 1, count),
    "nested elements": lambda count: filled("<b><c/></b>", 2, count),
    "attributes of many": lambda count: filled("<b c=''/>", 2, count),
    "declarations of many": lambda count: filled("<b xmlns='u'/>", 2, count),
    "attributes of the root": lambda count: f"<a{attributes(count - 1)}/>",
    "attributes of a child": lambda count: f"<a><b{attributes(count - 2)}/></a>",
    "prefixed attributes": lambda count: f"<a xmlns:p='u'{attributes(count - 2, 'p:')}/>",
    "declarations of the root": lambda count: f"<a{namespaces(count - 1)}/>",
    "declarations of a child": lambda count: f"<a><b{namespaces(count - 2)}/></a>",
}


@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
@pytest.mark.parametrize("limit", [40, 401, 4000])
def test_elements_attributes_and_declarations_are_bounded_together(make, limit):
    guard = Guard(max_nodes=limit)
    assert guard.read(make(limit)).name == "a"
    assert refused(guard.read, make(limit + 1)) == POLICY
    assert refused(guard.read_bytes, make(limit * 3).encode()) == POLICY


HONEST = {
    "1,000 addresses blocked": "<item jid='user@example.org'/>" * 1000,
    "1,000 archiving preferences": "<jid>user@example.org</jid>" * 1000,
    "1,000 affiliations of a room": "<item affiliation='member' jid='user@example.org'/>" * 1000,
    "a message for 1,000 devices": "<key prekey='true' rid='123456789'>MwohBQ==</key>" * 1000,
    "300 bookmarks": "<conference name='x' autojoin='1' jid='x@y'><nick>z</nick></conference>"
    * 300,
    "notes on 1,000 contacts": "<note jid='a@b' cdate='x'>y</note>" * 1000,
    "a form of 500 fields": "<field var='a' type='list-single'><value>x</value></field>" * 500,
}


@pytest.mark.parametrize("inside", HONEST.values(), ids=HONEST)
def test_the_largest_of_what_clients_send_passes(guard, inside):
    text = (
        f"<iq {C} type='set' id='a1' to='x@y' from='z@y/w'><query xmlns='u'>{inside}</query></iq>"
    )
    assert guard.read(text).name == "iq"


def test_what_only_looks_like_many_elements_is_free(guard):
    code = "".join(f"if (a&lt;b) x{i} = y == z;\n" for i in range(8000))
    assert guard.read(f"<a>{code}</a>").name == "a"
    settings = "".join(f'KEY_{i}="1"\n' for i in range(8000))
    assert guard.read(f"<a>{settings}</a>").name == "a"
    page = "<p class='x'>1 = 1</p>" * 8000
    assert guard.read(f"<a b='{'=' * 8000}'><![CDATA[{page}]]></a>").name == "a"


def test_too_many_elements_are_not_given_to_the_parser(guard, monkeypatch):
    parsed = []
    monkeypatch.setattr("andiron.xmpp.xml.parse", lambda *given: parsed.append(given))
    for text in ("<a>" + "<b/>" * 4000 + "</a>", "<a>" + "<b></b>" * 60_000, "<a>" * 9000):
        assert refused(guard.read, text) == POLICY
    assert parsed == []


def test_cdata_sections_are_bounded(guard):
    section = "<![CDATA[x]]>"
    assert guard.read(f"<a>{section * 4000}</a>").name == "a"
    assert refused(guard.read, f"<a>{section * 4001}</a>") == POLICY


@pytest.mark.parametrize(
    "text",
    [
        "<a" + attributes(26_000) + "/>",
        f"<a><b{attributes(26_000)}/></a>",
        f"<a xmlns:p='{'u' * 250}'{attributes(22_000, 'p:')}/>",
        "<a\n" + attributes(22_000).replace("=", "\t=\n").replace("''", '"\'"') + "/>",
    ],
    ids=["root", "child", "prefixed", "spaced"],
)
def test_a_tag_with_too_many_attributes_is_not_given_to_the_parser(guard, text, monkeypatch):
    parsed = []
    monkeypatch.setattr("andiron.xmpp.xml.parse", lambda *given: parsed.append(given))
    assert refused(guard.read, text) == POLICY
    assert parsed == []


@pytest.mark.parametrize(
    "text",
    [
        "<a" * 130_000,
        "<a " * 87_000,
        "<a b='" * 43_000,
        "<a b='' " * 32_000,
        "<a" + " b=''" * 3_999 + " " * 240_000,
        ("<a" + " b=''" * 3_999) * 13,
        "<a " + "b" * 200_000 + "=" * 5000,
    ],
    ids=range(7),
)
def test_the_search_for_such_a_tag_takes_linear_time(guard, text):
    assert guard.may_be_crowded("<![CDATA[]]>" + "=" * 5000 + text)


def declared(length, rest="", quote="'", prefix=":p"):
    return f"<a xmlns{prefix}={quote}{'u' * length}{quote}>{rest}</a>"


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("prefix", ["", ":p", ":é", " ", ":p \n"])
def test_long_namespace_names(guard, quote, prefix):
    filling = "x" * 1000
    assert guard.read(declared(255, filling, quote, prefix)).name == "a"
    assert refused(guard.read, declared(256, filling, quote, prefix)) == POLICY
    assert refused(guard.read, f"<b>{declared(256, filling, quote, prefix)}</b>") == POLICY


def test_a_long_namespace_name_in_a_short_element(guard):
    assert guard.read(declared(900, "<b/>")).name == "a"


def test_the_limit_of_namespace_names_is_a_setting():
    text = declared(300, "x" * 1000)
    assert Guard(max_namespace=300).read(text).text == text
    assert refused(Guard(max_namespace=299).read, text) == POLICY


@pytest.mark.parametrize(
    "hidden",
    [
        "b='xmlns:q=\"' xmlns:p='{}'",
        "b=\"xmlns:q='\" xmlns:p='{}'",
        'b=\'xmlns="x\' xmlns:p="{}"',
        "b='xmlns:' xmlns:xmlnsx='{}'",
        "xmlns:xmlnsxmlns\n=\n'{}'",
        "xmlns:p='{}xmlns:'",
        "xmlns:p='xmlns:q=\"{}'",
        "b='>' xmlns:p='{}'",
        "b=\"'>\" c='\">' xmlns:p='{}'",
        "b='' c=\"\" xmlns:p = '{}' d='>'",
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        "<a {}>{}</a>",
        "<b>><a {}/>{}</b>",
        "<b><![CDATA[ ' > \" ]]><a {}/>{}</b>",
        "<b>'<a {}/>\"{}</b>",
    ],
)
def test_long_namespace_names_cannot_hide(guard, hidden, around):
    text = around.format(hidden.format("u" * 256), "x" * 1000)
    assert refused(guard.read, text) == POLICY


def test_other_long_attributes_and_text_are_free(guard):
    text = f"<a b='{'u' * 2000}' xmlns:p='u'>xmlns is {'x' * 2000}</a>"
    assert guard.read(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "xmlns:" * 40_000,
        "xmlns='" * 37_000,
        "xmlns:a" + " " * 250_000,
        "xmlns" + "\n" * 250_000 + "=" + "\n" * 10_000,
        "xmlns:" + "a" * 250_000,
    ],
    ids=["prefixes", "quotes", "spaces", "lines", "letters"],
)
def test_the_search_for_long_names_takes_linear_time(guard, text):
    element = f"<a>{text}</a>"
    assert guard.read(element).text == element


def test_a_guard_keeps_nothing():
    guard = Guard()
    before = {slot: getattr(guard, slot) for slot in Guard.__slots__}
    guard.read(f"<message {C} a='1'>{'<b/>' * 100}</message>")
    for text in ["<a", nested(65), "<a>\ud800</a>", "<!DOCTYPE a><a/>", "<a><b>"]:
        refused(guard.read, text)
    assert {slot: getattr(guard, slot) for slot in Guard.__slots__} == before
    assert guard.read("<b/>") == Element("<b/>", "", "b", {})


class _Text(str):
    __slots__ = ("__weakref__",)


@pytest.mark.parametrize(
    "text",
    ["<a b='1'/>", nested(60), f"<a>{'<b/>' * 200}</a>", "<a", "", "<a>\ud800</a>",
     nested(65) + " " * 500, "<!DOCTYPE a><a/>", "<a><?x?></a>"],
    ids=range(9),
)  # fmt: skip
def test_no_garbage_is_left_to_collect(guard, text):
    while gc.collect():
        pass  # What other tests left may take several turns to go.
    gc.disable()
    try:
        for _ in range(3):
            with suppress(StreamError):
                guard.read(text)
        found = gc.collect()
    finally:
        gc.enable()
    assert found == 0


def test_an_element_keeps_nothing_but_its_text(guard):
    text = _Text("<a b='1'><c/></a>")
    gone = weakref.ref(text)
    element = guard.read(text)
    del text
    assert gone() is element.text
    del element
    gc.collect()
    assert gone() is None


def test_attributes_are_read_with_a_default(guard):
    element = guard.read("<a b='1' c=''/>")
    assert (element.get("b"), element.get("c", "x"), element.get("d"), element.get("d", "x")) == (
        "1", "", "", "x",
    )  # fmt: skip


@given(written())
def test_any_spelling_reads_as_a_parser_reads_it(text):
    element = Guard().read(text)
    tree = fromstring(text)
    assert element.text == text
    assert (f"{{{element.namespace}}}" if element.namespace else "") + element.name == tree.tag
    assert element.attributes == {
        key[1:].replace("}", " ") if key.startswith("{") else key: value
        for key, value in tree.attrib.items()
    }
    assert flat(parse_tree(element)) == flat(tree)


@given(written())
def test_counting_counts_what_a_parser_finds(text):
    tree = fromstring(text)
    elements = sum(1 for _ in tree.iter())
    nodes = elements + sum(len(each.attrib) for each in tree.iter())
    nodes += len(re.findall(r"xmlns(?::[^=\s]+)?\s*=", text))
    assert Guard(max_nodes=nodes).read(text).text == text
    if len(text) > 4 * (nodes - 1):
        assert refused(Guard(max_nodes=elements - 1).read, text) == POLICY


@given(written(), st.data())
def test_nothing_cut_or_changed_passes_unless_it_is_xml(text, data):
    at = data.draw(st.integers(0, len(text)))
    other = data.draw(st.sampled_from(["", "<", ">", "'", "&", "\0", "x", " ", "/", "<!--", "}"]))
    changed = text[:at] + other + text[at + data.draw(st.integers(0, 2)) :]
    try:
        element = Guard().read(changed)
    except StreamError:
        return
    assert element.text == changed.strip("\t\n\r ")
    assert flat(parse_tree(element)) == flat(fromstring(changed))


@given(st.text() | st.binary())
def test_random_input_is_read_or_refused_as_a_stream_error(given_):
    guard = Guard()
    read = guard.read if isinstance(given_, str) else guard.read_bytes
    try:
        outcome = read(given_).text[0]
    except StreamError as error:
        outcome = error.condition
    assert outcome in {"<", MALFORMED, RESTRICTED, ENCODING}


@given(st.text(st.characters(codec=None)))
def test_utf8_length(text):
    assert utf8_length(text) == len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("before", [0, 49, 50, 51, 200])
def test_a_long_namespace_name_after_so_many_short_ones(guard, before):
    """However many there are, for which there are two ways to look."""
    short = "<b xmlns='u'/>" * before
    with pytest.raises(StreamError, match="namespace name longer"):
        guard.read(f"<a>xmlns {short}<b xmlns = '{'u' * 256}'/>{'x' * 1024}</a>")
    guard.read(f"<a>xmlns {short}<b xmlns = '{'u' * 255}'/>{'x' * 1024}</a>")


@pytest.mark.parametrize("letters", ["x", "\xe4", "\u4e00", "\U0001f434"])
def test_what_is_counted_is_read_in_pieces_as_if_whole(guard, letters):
    """Also where a piece ends within a tag, a reference or a character of many bytes."""
    inner = f"<b c='{letters}'>&#228;{letters}</b>" * 1200
    text = f"<a xmlns='u'>{inner}</a>"
    assert len(text) > 16_384
    assert guard.read(text).name == "a"
    for wrong in (text[:-1], text.replace("</a>", "</b>"), text.replace("</b></a>", "</c></a>")):
        with pytest.raises(StreamError, match="not-well-formed"):
            guard.read(wrong)
    with pytest.raises(StreamError, match="more than"):
        guard.read(text.replace("</a>", "<b/>" * 2000 + "</a>"))


class Measured(str):
    """A text that knows how much of it was copied."""

    __slots__ = ()
    copied = 0

    def __getitem__(self, key):
        part = Measured(super().__getitem__(key))
        Measured.copied += len(part)
        return part


def test_pieces_copy_a_text_once(guard):
    text = Measured(f"<a>{'x' * 1_000_000}</a>")
    parser = guard.parser(text, len(text))
    parser.EndElementHandler = lambda _name: None
    Measured.copied = 0
    parse(parser, text)
    assert Measured.copied == len(text)


@pytest.mark.parametrize("levels", [150, 1000, 3999])
def test_what_nests_too_deep_hears_so_though_it_does_not_end(levels):
    with pytest.raises(StreamError, match="nested deeper than 64"):
        Guard().read("<a>" * levels)


class Counted(str):
    """A text that knows through how much of it somebody counted."""

    __slots__ = ()
    through = 0

    def count(self, part, start=0, end=None):
        Counted.through += min(len(self), len(self) if end is None else end) - start
        return super().count(part, start, end)


@pytest.mark.parametrize("letter", ["x", "\U0001f434"])
def test_a_long_text_of_few_tags_is_not_counted_through(guard, letter):
    text = Counted(f"<message {C}><body>{letter * 60_000}</body></message>")
    Counted.through = 0
    assert guard.read(text).name == "message"
    assert Counted.through < 100


@pytest.mark.parametrize("max_depth", [3, 49, 50, 51, 64])
def test_depth_around_a_long_text(max_depth):
    guard = Guard(max_depth=max_depth)

    def around(levels):
        return "<a>" * levels + "x" * 10_000 + "</a>" * levels

    assert guard.read(around(max_depth)).name == "a"
    assert refused(guard.read, around(max_depth + 1)) == POLICY


def test_few_tags_of_many_attributes_around_a_long_text():
    guard, body = Guard(max_nodes=100), "x" * 10_000
    assert guard.read(f"<a{attributes(49)}>{body}<b{attributes(49)}/></a>").name == "a"
    assert refused(guard.read, f"<a{attributes(49)}>{body}<b{attributes(50)}/></a>") == POLICY


@pytest.mark.parametrize("at", [3, 5000, 9999])
def test_nul_in_a_long_text(guard, at):
    text = "x" * at + "\0" + "x" * (10_000 - at)
    assert refused(guard.read, f"<a>{text}</a>") == MALFORMED
    assert refused(guard.read, f"{text}<a/>") == MALFORMED
