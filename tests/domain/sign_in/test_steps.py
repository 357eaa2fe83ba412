"""What a SASL element says is read in one way, whether that takes a tree or not."""

import base64

import pytest

from andiron.domain.sign_in import steps
from andiron.domain.sign_in.steps import message_of
from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import SaslCondition, SaslError
from andiron.xmpp.tree import parse_tree
from andiron.xmpp.xml import Guard

HELLO = base64.b64encode(b"hello").decode()
SIMPLE = [
    ("<auth xmlns='{ns}' mechanism='PLAIN'/>", None),
    ("<auth xmlns='{ns}' mechanism='PLAIN'></auth>", None),
    ("<auth xmlns='{ns}' mechanism='PLAIN'>=</auth>", ""),
    ("<auth xmlns='{ns}' mechanism='PLAIN'>{hello}</auth>", "hello"),
    ("<auth xmlns='{ns}' mechanism='PLAIN' >{hello}</auth >", "hello"),
    ("<a:auth xmlns:a='{ns}' mechanism='a>YWJj'>{hello}</a:auth\n>", "hello"),
    ("<auth xmlns='{ns}' mechanism='a/>'>{hello}</auth>", "hello"),
    ("<auth xmlns='{ns}' mechanism='a>b/>c'/>", None),
]
OTHERS = [
    ("<auth xmlns='{ns}'><![CDATA[{hello}]]></auth>", "hello"),
    ("<auth xmlns='{ns}'>&#x61;GVsbG8=</auth>", "hello"),
]
REFUSED = [
    ("<auth xmlns='{ns}'>{hello}<a/></auth>", SaslCondition.MALFORMED_REQUEST),
    ("<auth xmlns='{ns}'> {hello}</auth>", SaslCondition.INCORRECT_ENCODING),
    ("<auth xmlns='{ns}'>aGVsbG9=</auth>", SaslCondition.INCORRECT_ENCODING),
    ("<auth xmlns='{ns}'>a=GVsbG8</auth>", SaslCondition.INCORRECT_ENCODING),
    ("<auth xmlns='{ns}'>====</auth>", SaslCondition.INCORRECT_ENCODING),
]


def read(text):
    return Guard().read(text.format(ns=ns.SASL, hello=HELLO))


@pytest.mark.parametrize(("text", "message"), SIMPLE + OTHERS)
def test_what_it_says(text, message):
    element = read(text)
    assert (steps._content_of(read(text)) or "") == (parse_tree(element).text or "")
    assert message_of(element, 100) == message


@pytest.mark.parametrize(("text", "message"), SIMPLE)
def test_what_needs_no_tree(monkeypatch, text, message):
    monkeypatch.setattr(steps, "parse_tree", None)
    assert message_of(read(text), 100) == message


@pytest.mark.parametrize(("text", "condition"), REFUSED)
def test_what_is_refused(text, condition):
    with pytest.raises(SaslError) as refused:
        message_of(read(text), 100)
    assert refused.value.condition == condition
