import pytest

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import (
    ERROR_TYPES,
    SaslCondition,
    SaslError,
    SmError,
    StanzaCondition,
    StanzaError,
    StreamCondition,
    StreamError,
    XmppError,
)
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Guard

guard = Guard()
TEXT = "<&>'\"\n\0é"
READ_BACK = "<&>'\"\n\ufffdé"
TEXT_LANG = {"{http://www.w3.org/XML/1998/namespace}lang": "en"}


def tree(error):
    return parse_tree(guard.read(error.to_xml()))


@pytest.mark.parametrize("condition", StreamCondition)
def test_stream_errors(condition):
    error = tree(StreamError(condition, TEXT, "<x xmlns='u'/>"))
    assert error.tag == f"{{{ns.STREAMS}}}error"
    assert [child.tag for child in error] == [
        f"{{{ns.STREAM_ERRORS}}}{condition}",
        f"{{{ns.STREAM_ERRORS}}}text",
        "{u}x",
    ]
    assert error[1].text == READ_BACK
    assert error[1].attrib == TEXT_LANG


@pytest.mark.parametrize("condition", StanzaCondition)
def test_stanza_errors(condition):
    error = tree(StanzaError(condition, TEXT, extra="<x xmlns='u'/>"))
    assert (error.tag, error.attrib) == ("error", {"type": ERROR_TYPES[condition]})
    assert [child.tag for child in error] == [
        f"{{{ns.STANZA_ERRORS}}}{condition}",
        f"{{{ns.STANZA_ERRORS}}}text",
        "{u}x",
    ]
    assert error[1].text == READ_BACK
    assert error[1].attrib == TEXT_LANG


@pytest.mark.parametrize("condition", SaslCondition)
def test_sasl_errors(condition):
    failure = tree(SaslError(condition, TEXT))
    assert failure.tag == f"{{{ns.SASL}}}failure"
    assert [child.tag for child in failure] == [f"{{{ns.SASL}}}{condition}", f"{{{ns.SASL}}}text"]
    assert failure[1].text == READ_BACK


@pytest.mark.parametrize("namespace", [ns.SM_2, ns.SM_3])
@pytest.mark.parametrize("handled", [None, 0, 4294967295])
def test_stream_management_errors(namespace, handled):
    error = SmError(StanzaCondition.ITEM_NOT_FOUND, "gone", handled=handled)
    failed = parse_tree(guard.read(error.to_xml(namespace)))
    assert failed.tag == f"{{{namespace}}}failed"
    assert failed.get("h") == (None if handled is None else str(handled))
    assert [child.tag for child in failed] == [
        f"{{{ns.STANZA_ERRORS}}}item-not-found",
        f"{{{ns.STANZA_ERRORS}}}text",
    ]


def test_without_a_text_there_is_no_text_element():
    for error in (
        StreamError(StreamCondition.RESET),
        StanzaError(StanzaCondition.GONE),
        SaslError(SaslCondition.ABORTED),
        SmError(StanzaCondition.GONE),
    ):
        assert len(tree(error)) == 1


def test_a_stanza_error_can_be_of_another_type():
    assert tree(StanzaError(StanzaCondition.POLICY_VIOLATION, type="wait")).get("type") == "wait"


def test_every_stanza_condition_has_a_type():
    assert set(ERROR_TYPES) == set(StanzaCondition)
    assert set(ERROR_TYPES.values()) == {"auth", "cancel", "modify", "wait"}


def test_errors_tell_what_happened():
    error = StreamError(StreamCondition.POLICY_VIOLATION, "over 5 bytes")
    assert isinstance(error, XmppError)
    assert (error.condition, error.text, error.extra) == ("policy-violation", "over 5 bytes", "")
    assert str(error) == "policy-violation: over 5 bytes"
    assert str(StreamError(StreamCondition.RESET)) == "reset"


def test_a_sentence_is_cut_where_it_quotes_too_much():
    error = StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{'x' * 16_000}/>")
    assert len(error.text) == 255
    assert error.text.startswith("<xxx")
    assert error.text.endswith("x…")
    assert len(str(error)) < 300
    whole = "x" * 255
    assert StreamError(StreamCondition.POLICY_VIOLATION, whole).text == whole
