import gc
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import example, given
from support.trees import XML_LANG, flat, written

from andiron.xmpp.children import read_children
from andiron.xmpp.errors import StreamError
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Element, Guard

B = "xmlns='http://jabber.org/protocol/httpbind'"
C = "xmlns='jabber:client'"
guard = Guard()


def refused(text, **limits):
    with pytest.raises(StreamError) as caught:
        read_children(limits.pop("guard", guard), text, **limits)
    return caught.value.condition


def texts(text):
    return [child.text for child in read_children(guard, text)[1]]


@given(written(mixed=False))
@example("<a xmlns:é='u' xml:lang='é'> <é:b>é/></é:b><b/>\n<é:b é:c='>'/></a >")
@example("<a><b>/></b><a/></a>")
@example("<a><a>/></a></a>")
@example("<a xmlns='u'><b xmlns=''/><c xmlns:p='q'><d xmlns='v'/></c><p:e xmlns:p='r'/></a>")
def test_every_child_is_what_it_was_in_the_whole(text):
    root, children = read_children(guard, text)
    whole = fromstring(text)
    assert guard.read(root.text) == root
    assert flat(parse_tree(root)) == (whole.tag, whole.attrib, "", ())
    assert len(children) == len(whole)
    for child, expected in zip(children, whole, strict=True):
        assert guard.read(child.text) == child
        if XML_LANG in whole.attrib:
            expected.attrib.setdefault(XML_LANG, whole.attrib[XML_LANG])
        assert flat(parse_tree(child)) == flat(expected)


@given(written(mixed=False))
def test_a_child_is_changed_in_its_root_tag_alone(text):
    for child in read_children(guard, text)[1]:
        assert read_children(guard, f"<x>{child.text}</x>")[1] == [child]


@pytest.mark.parametrize(
    ("text", "children"),
    [
        (f"<body {B}/>", []),
        (f"<body {B}></body>", []),
        (f"<body {B}> \n\t\r\n</body >", []),
        (f" <body {B}><a {C}/></body>\n", [f"<a {C}/>"]),
        (f"<body {B}><a/></body>", [f"<a {B}/>"]),
        (f"<body {B}><a\n/></body>", [f"<a {B}\n/>"]),
        (f"<body {B}><a>x</a></body>", [f"<a {B}>x</a>"]),
        ("<body><a/></body>", ["<a/>"]),
        (f"<body {C}><a xmlns=''/></body>", ["<a xmlns=''/>"]),
        ("<body xmlns=''><a/></body>", ["<a/>"]),
        (f"<body {B} xmlns:p='u'><a {C}/></body>", [f"<a {C}/>"]),
        (f"<body {B} xmlns:p='u'><p:a {C}/></body>", [f"<p:a xmlns:p='u' {C}/>"]),
        (f"<body {B} xmlns:p='u'><a {C}><b p:c=''/></a></body>",
         [f"<a xmlns:p='u' {C}><b p:c=''/></a>"]),
        (f"<body {B} xmlns:p='u'><a {C} type='p:q'/></body>",
         [f"<a xmlns:p='u' {C} type='p:q'/>"]),
        (f"<body {B} xmlns:p='u'><p:a xmlns:p='v' {C}/></body>", [f"<p:a xmlns:p='v' {C}/>"]),
        ("<b:body xmlns:b='u'><a/><b:c/></b:body>", ["<a/>", "<b:c xmlns:b='u'/>"]),
        ("<body xmlns=\"'&lt;&amp;&#10;\"><a/></body>", ["<a xmlns='&apos;&lt;&amp;&#10;'/>"]),
        ("<body xml:lang=\"'\"><a/></body>", ["<a xml:lang='&apos;'/>"]),
        ("<body xml:lang='en'><a xml:lang='de'/></body>", ["<a xml:lang='de'/>"]),
        ("<body lang='en' to='x'><a/></body>", ["<a/>"]),
        ("<body><a><b xmlns='u' xmlns:p='v'/></a><c/></body>",
         ["<a><b xmlns='u' xmlns:p='v'/></a>", "<c/>"]),
        ("<body xmlns='u'><a><b xmlns='v'/></a><c/></body>",
         ["<a xmlns='u'><b xmlns='v'/></a>", "<c xmlns='u'/>"]),
        ("<body><a><![CDATA[</a></body>]]></a></body>", ["<a><![CDATA[</a></body>]]></a>"]),
        ("<body><a b='/>'></a><c d='>'/></body>", ["<a b='/>'></a>", "<c d='>'/>"]),
        ("<é><ü>😀</ü> <ö ä='€'/></é>", ["<ü>😀</ü>", "<ö ä='€'/>"]),
        ("<b>\u2003</b>".replace("\u2003", "<a>\u2003\x85</a>"), ["<a>\u2003\x85</a>"]),
    ],
)  # fmt: skip
def test_what_is_written_into_a_child(text, children):
    assert texts(text) == children


def test_the_root_comes_alone():
    text = f"<body {B} rid='1' xml:lang='é'><message {C}/></body>"
    root, [message] = read_children(guard, text)
    assert root.text == f"<body {B} rid='1' xml:lang='é'/>"
    assert (root.namespace, root.name, root.get("rid")) == (
        "http://jabber.org/protocol/httpbind",
        "body",
        "1",
    )
    lang = {"http://www.w3.org/XML/1998/namespace lang": "é"}
    assert message == Element(f"<message xml:lang='é' {C}/>", "jabber:client", "message", lang)


@pytest.mark.parametrize(
    ("inside", "condition"),
    [
        ("x", "bad-format"),
        ("x<a/>", "bad-format"),
        ("<a/>x", "bad-format"),
        ("<a/>x<b/>", "bad-format"),
        ("<a/>\xa0", "bad-format"),
        ("<a/>\u2003<b/>", "bad-format"),
        ("<a/>&#32;", "bad-format"),
        ("<![CDATA[ ]]>", "bad-format"),
        ("<a/>/>", "bad-format"),
        ("<a></b>", "not-well-formed"),
        ("<p:a/>", "not-well-formed"),
        ("</body><body>", "not-well-formed"),
        ("<a>\0</a>", "not-well-formed"),
        ("<!-- -->", "restricted-xml"),
        ("<a/><?x?>", "restricted-xml"),
        ("<a>&b;</a>", "restricted-xml"),
        ("<a>\ud800</a>", "unsupported-encoding"),
    ],
)
def test_what_is_refused_inside(inside, condition):
    assert refused(f"<body>{inside}</body>") == condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("", "not-well-formed"),
        (" ", "not-well-formed"),
        ("\ufeff<body/>", "not-well-formed"),
        ("<body/>\ufeff", "not-well-formed"),
        ("<body/><body/>", "not-well-formed"),
        ("<\0b\0/\0>\0", "not-well-formed"),
        ("<?xml version='1.0'?><body/>", "restricted-xml"),
        ("<!DOCTYPE body><body/>", "restricted-xml"),
    ],
)
def test_what_is_refused_around(text, condition):
    assert refused(text) == condition


def test_children_are_counted():
    text = "<body><a><c/><c/></a><b/></body>"
    assert len(read_children(guard, text, max_children=2)[1]) == 2
    assert refused(text, max_children=1) == "policy-violation"
    assert read_children(guard, "<body/>", max_children=0)[1] == []
    assert refused(f"<body>{'<a/>' * 60_000}") == "policy-violation"


def test_prefixes_on_the_root_are_counted():
    text = "<body xmlns='u' xmlns:a='v' xmlns:b='w'/>"
    assert read_children(guard, text, max_prefixes=3)[1] == []
    assert refused(text, max_prefixes=2) == "policy-violation"


def test_the_depth_holds_for_each_child():
    shallow = Guard(max_depth=3)
    text = "<body><a><b><c/></b></a><a><b><c/></b></a></body>"
    assert len(read_children(shallow, text)[1]) == 2
    assert refused(text.replace("<c/>", "<c><d/></c>"), guard=shallow) == "policy-violation"
    assert refused("<body>" + "<a>" * 80_000) == "policy-violation"


def stanza(nodes):
    attributes = nodes // 2
    named = "".join(f" b{i}=''" for i in range(attributes))
    return f"<a{named}>{'<c/>' * (nodes - 1 - attributes)}</a>"


def test_the_number_of_nodes_holds_for_each_child_and_twice_for_all():
    few = Guard(max_nodes=100)
    whole = f"<body x=''>{stanza(100)}{stanza(98)}</body>"
    assert len(read_children(few, whole)[1]) == 2
    assert refused(f"<body>{stanza(101)}</body>", guard=few) == "policy-violation"
    assert refused(f"<body>{stanza(3)}{stanza(101)}</body>", guard=few) == "policy-violation"
    assert refused(whole.replace("x=''", "x='' y=''"), guard=few) == "policy-violation"
    assert refused(f"<body>{stanza(10) * 20}</body>", guard=few) == "policy-violation"
    declarations = "".join(f" xmlns:p{i}='u'" for i in range(100))
    assert refused(f"<body><a{declarations}/></body>", guard=few) == "policy-violation"
    assert len(read_children(few, f"<body><a{declarations[:-13]}/></body>")[1]) == 1


def test_stanzas_may_have_many_elements_each():
    stanza = f"<a>{'<b/>' * 3990}</a>"
    guard = Guard()
    assert len(read_children(guard, f"<body>{stanza}{stanza}</body>")[1]) == 2
    assert refused(f"<body>{stanza}{stanza}{stanza}</body>", guard=guard) == "policy-violation"


def test_the_size_is_that_of_the_whole():
    text = "<body><a>é</a></body>"
    small = Guard(max_size=len(text.encode()))
    assert len(read_children(small, text)[1]) == 1
    assert refused(text + " ", guard=Guard(max_size=len(text.encode()) - 1)) == "policy-violation"
    assert refused(text, max_size=10) == "policy-violation"
    assert len(read_children(Guard(max_size=9), text, max_size=100)[1]) == 1
    assert refused(text, guard=Guard(max_size=8), max_size=100) == "policy-violation"


def test_what_a_child_inherits_counts_as_its_own():
    text = "<body xmlns='é'><a/></body>"
    size = len("<a xmlns='é'/>".encode())
    assert len(read_children(Guard(max_size=size), text, max_size=100)[1]) == 1
    assert refused(text, guard=Guard(max_size=size - 1), max_size=100) == "policy-violation"


def test_inheritance_cannot_make_much_of_little():
    text = f"<body xmlns='{'u' * 250}'>{'<a/>' * 250}</body>"
    assert len(read_children(guard, text, max_size=65_000)[1]) == 250
    assert refused(text, max_size=60_000) == "policy-violation"


def test_long_namespace_names_are_refused():
    assert refused(f"<body xmlns='{'u' * 256}'><a>{'x' * 1000}</a></body>") == "policy-violation"


@pytest.mark.parametrize("text", ["<a><b/></a>", "<a", "<a>\ud800</a>", "<a><!----></a>"])
def test_no_garbage_is_left_to_collect(text):
    while gc.collect():
        pass  # What other tests left may take several turns to go.
    gc.disable()
    try:
        for _ in range(3):
            try:
                read_children(guard, text)
            except StreamError:
                continue
        found = gc.collect()
    finally:
        gc.enable()
    assert found == 0
