import pytest
from hypothesis import example, given
from support.trees import TREES, flat

from andiron.xmpp.errors import StreamError
from andiron.xmpp.tree import Tree, children, is_bulky, parse_slowly, parse_tree, serialise
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


def test_a_large_tree_is_made_in_pieces_and_is_the_same():
    text = "<a xmlns='u'>" + "<b c='&#228;'>\U0001f434 &amp; x</b>" * 900 + "</a>"
    element = guard.read(text)
    assert is_bulky(element)
    assert len(list(parse_slowly(element))) > 10
    assert flat(parse_tree(element)) == flat(parse_tree(guard.read(text)))
    assert not is_bulky(element)


@given(TREES)
def test_any_tree_is_the_same(tree):
    text = serialise(tree)
    element = guard.read(text)
    list(parse_slowly(element))
    assert flat(parse_tree(element)) == flat(tree)


def test_little_is_not_bulky_whatever_it_looks_like():
    assert not is_bulky(guard.read("<a>" + "&lt;" * 5000 + "</a>"))
    assert not is_bulky(guard.read("<a>" + "<b/>" * 100 + "</a>"))
