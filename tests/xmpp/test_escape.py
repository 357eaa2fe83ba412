from hypothesis import given
from hypothesis import strategies as st
from support.trees import CHARACTERS

from andiron.xmpp.escape import escape, escape_text
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Guard

guard = Guard()


@given(st.text(CHARACTERS | st.sampled_from("<>&'\"\t\n\r]")))
def test_a_parser_gives_the_text_back(text):
    element = guard.read(f"<a b='{escape(text)}' c=\"{escape(text)}\">{escape(text)}</a>")
    assert element.attributes == {"b": text, "c": text}
    assert (parse_tree(element).text or "") == text
    assert (parse_tree(guard.read(f"<a>{escape_text(text)}</a>")).text or "") == text


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_sound_xml(text):
    assert guard.read(f"<a b='{escape(text)}'>{escape_text(text)}</a>").name == "a"


def test_what_xml_forbids_is_replaced():
    assert escape("a\0\x1b\ud800\uffff\x0b") == "a" + "\ufffd" * 5


def test_text_grows_only_where_it_must():
    assert escape_text('it\'s "fine"\n\t]]>\r&') == 'it\'s "fine"\n\t]]&gt;&#13;&amp;'
