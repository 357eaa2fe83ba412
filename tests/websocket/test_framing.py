import pytest
from hypothesis import given
from hypothesis import strategies as st

from andiron.sm.link import StreamHeader, StreamOpen
from andiron.websocket.framing import (
    CLOSE,
    not_opened,
    open_frame,
    read_open,
    redirect_frame,
    undeclared,
)
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StreamError
from andiron.xmpp.xml import Guard

GUARD = Guard()
XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
)


def test_open_names_the_server_and_the_stream():
    element = GUARD.read(open_frame(StreamHeader("localhost", "id1")))
    assert (element.namespace, element.name) == (ns.FRAMING, "open")
    assert element.attributes == {
        "from": "localhost",
        "id": "id1",
        "version": "1.0",
        f"{ns.XML} lang": "en",
    }


@given(XML_TEXT)
def test_whatever_stands_in_a_frame_is_escaped(text):
    assert GUARD.read(open_frame(StreamHeader(text, text))).get("id") == text
    assert GUARD.read(redirect_frame(text)).get("see-other-uri") == text


def test_close_is_in_the_framing_namespace():
    element = GUARD.read(CLOSE)
    assert (element.namespace, element.name, element.attributes) == (ns.FRAMING, "close", {})


@pytest.mark.parametrize(
    ("attributes", "opening"),
    [
        ("to='a.example' version='1.0'", StreamOpen("a.example", "1.0")),
        (
            "to='a.example' version='1.0' from='u@a.example' xml:lang='de'",
            StreamOpen("a.example", "1.0", "u@a.example", "de"),
        ),
        ("", StreamOpen("", "")),
    ],
)
@pytest.mark.parametrize("name", ["open xmlns=", "f:open xmlns:f="])
def test_open_is_read(name, attributes, opening):
    assert read_open(GUARD.read(f"<{name}'{ns.FRAMING}' {attributes}/>")) == opening


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<message xmlns='jabber:client'/>", "not-authorized"),
        ("<iq xmlns='jabber:client' type='get' id='1'/>", "not-authorized"),
        ("<open xmlns='jabber:client' to='localhost'/>", "invalid-namespace"),
        ("<open to='localhost' version='1.0'/>", "invalid-namespace"),
        (f"<stream xmlns='{ns.STREAMS}' to='localhost'/>", "invalid-namespace"),
        (f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'/>", "bad-format"),
        ("<message/>", "bad-format"),
    ],
)
def test_what_comes_in_place_of_open(text, condition):
    assert not_opened(GUARD.read(text)).condition == condition


@pytest.mark.parametrize(
    "declaration",
    [
        "<?xml version='1.0'?>",
        '<?xml version="1.0"?>\r\n',
        "<?xml version='1.0' encoding='UTF-8'?>",
        '<?xml version = "1.0"  encoding="utf-8"\tstandalone=\'yes\' ?>\n ',
        "<?xml\nversion='1.1' standalone=\"no\"?>",
    ],
)
def test_a_declaration_that_says_nothing_new_is_left_out(declaration):
    element = GUARD.read(undeclared(f"{declaration}<a/>"))
    assert (element.name, element.text) == ("a", "<a/>")


@pytest.mark.parametrize("encoding", ["utf-16", "ISO-8859-1"])
def test_a_declaration_of_another_encoding_is_refused(encoding):
    with pytest.raises(StreamError, match="unsupported-encoding"):
        undeclared(f"<?xml version='1.0' encoding='{encoding}'?><a/>")


@pytest.mark.parametrize(
    "text",
    [
        "<?xml-stylesheet href='x'?><a/>",
        "<?xml?><a/>",
        "<?xml version='2.0'?><a/>",
        "<?xml version='1.0\"?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='1.0' evil='1'?><a/>",
        "<?xml" + " " * 100_000,
        f"<?xml version='1.0' encoding='{'x' * 100}'?><a/>",
    ],
)
def test_what_is_no_declaration_is_left_to_the_guard(text):
    assert undeclared(text) == text
    with pytest.raises(StreamError):
        GUARD.read(text)
