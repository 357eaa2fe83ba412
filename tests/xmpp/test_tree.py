import pytest
from defusedxml.common import DTDForbidden
from hypothesis import example, given
from support.trees import TREES, flat

from andiron.xmpp.errors import StreamError
from andiron.xmpp.tree import Tree, children, parse_text, parse_tree, serialise
from andiron.xmpp.xml import Element, Guard

guard = Guard()


@given(TREES)
@example(Tree("{urn:a}x", {"{urn:a}k": "1", "{urn:a}l": "2", "{urn:b}k": "3", "k": "4"}))
def test_what_is_written_is_read_back_equal(tree):
    assert flat(parse_tree(guard.read(serialise(tree)))) == flat(tree)


def test_tags_carry_their_namespace():
    tree = parse_tree(guard.read("<a:iq xmlns:a='jabber:client' a:x='1'><b xmlns='u'/></a:iq>"))
    assert (tree.tag, tree.attrib) == ("{jabber:client}iq", {"{jabber:client}x": "1"})
    assert [child.tag for child in tree] == ["{u}b"]


def test_children_are_elements_only():
    assert [child.tag for child in children(guard.read("<a>x<b/>y<c/>z</a>"))] == ["b", "c"]


def test_a_namespace_is_declared_only_where_it_changes():
    tree = parse_tree(guard.read("<iq xmlns='jabber:client'><b/><c xmlns='u'><d/></c></iq>"))
    written = "<iq xmlns='jabber:client'><b/><c xmlns='u'><d/></c></iq>"
    assert serialise(tree) == written
    assert serialise(tree, "jabber:client") == written.replace(" xmlns='jabber:client'", "")


def test_depth_is_the_guards_matter():
    text = "<a>" * 5_000 + "<b/>" + "</a>" * 5_000
    assert serialise(parse_tree(Guard(max_depth=10_000, max_nodes=10_000).read(text))) == text


def test_an_element_is_parsed_once():
    element = guard.read("<a><b/></a>")
    assert parse_tree(element) is parse_tree(element)
    assert parse_tree(guard.read("<a><b/></a>")) is not parse_tree(element)
    assert element == guard.read("<a><b/></a>")


@pytest.mark.parametrize("text", ["", "<a>", "<a xmlns='a}b'/>"])
def test_what_no_guard_saw_is_a_stream_error(text):
    with pytest.raises(StreamError, match="not-well-formed"):
        parse_tree(Element(text, "", "a", {}))


@given(TREES)
def test_a_tree_is_the_same_with_and_without_defusedxml(tree):
    text = f"<a>{serialise(tree)}</a>"
    assert flat(parse_text(text)) == flat(parse_text(text.replace("</a>", "<![CDATA[]]></a>")))


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]><a>&b;</a>",
    ],
)
def test_what_no_guard_saw_declares_nothing(text):
    with pytest.raises(DTDForbidden):
        parse_text(text)
