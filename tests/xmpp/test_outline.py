"""Outlines show what an element is made of, and nothing of what it says."""

import pytest

from andiron.xmpp.outline import LONGEST, outline

SECRET = "c2VjcmV0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"<message xmlns='jabber:client' id='m1' to='a@b/c' xml:lang='{SECRET}'>"
            f"<body>{SECRET}</body><x xmlns='urn:x' password='{SECRET}'/></message>",
            "<message id='m1' to='a@b/c'><body>…</body><x xmlns='urn:x' password='…'/></message>",
        ),
        (
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{SECRET}</auth>",
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>…</auth>",
        ),
        (
            f"<enabled xmlns='urn:xmpp:sm:3' id='{SECRET}' resume='true' max='600'/>",
            "<enabled xmlns='urn:xmpp:sm:3' id='…' resume='true' max='600'/>",
        ),
        (
            f"<resume xmlns='urn:xmpp:sm:3' previd='{SECRET}' h='7'/>",
            "<resume xmlns='urn:xmpp:sm:3' previd='…' h='7'/>",
        ),
        (
            "<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:register'>"
            f"<password>{SECRET}</password></query></iq>",
            "<iq type='set' id='1'><query xmlns='jabber:iq:register'><password>…</password>"
            "</query></iq>",
        ),
        (
            "<iq xmlns='jabber:client' type='result' id='1'><slot xmlns='urn:xmpp:http:upload:0'>"
            f"<put url='https://h/{SECRET}'><header name='A'>{SECRET}</header></put></slot></iq>",
            "<iq type='result' id='1'><slot xmlns='urn:xmpp:http:upload:0'>"
            "<put url='…'><header name='…'>…</header></put></slot></iq>",
        ),
        (
            "<iq xmlns='jabber:client' type='set' id='1'><enable xmlns='urn:xmpp:push:0'"
            f" jid='push.example' node='{SECRET}'/></iq>",
            "<iq type='set' id='1'><enable xmlns='urn:xmpp:push:0' jid='…' node='…'/></iq>",
        ),
        (
            f"<message xmlns='jabber:client'><order code='{SECRET}' to='{SECRET}' type='{SECRET}'>"
            f"<pay xmlns='urn:shop' from='{SECRET}' version='{SECRET}' h='{SECRET}'/></order>"
            "</message>",
            "<message><order code='…' to='…' type='…'><pay xmlns='urn:shop' from='…' version='…'"
            " h='…'/></order></message>",
        ),
        (
            f"<message xmlns='urn:shop' id='{SECRET}' to='{SECRET}'/>",
            "<message xmlns='urn:shop' id='…' to='…'/>",
        ),
        (
            "<message xmlns='jabber:client' type='error' from='a@b'><error type='cancel'"
            " code='404'/><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>"
            "<items xmlns='http://jabber.org/protocol/pubsub#event' node='urn:x'/></message>",
            "<message type='error' from='a@b'><error type='cancel'"
            " code='404'/><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>"
            "<items xmlns='http://jabber.org/protocol/pubsub#event' node='urn:x'/></message>",
        ),
        (f"<presence xmlns='jabber:client'> <!-- {SECRET} --></presence>", "<presence/>"),
    ],
)
def test_only_what_is_no_secret_is_shown(text, shown):
    found = outline(text)
    assert SECRET not in found
    assert found == shown


def test_what_is_deep_long_or_much_is_cut():
    deep = "<a xmlns='u'>" + "<b>" * 30 + "</b>" * 30 + "</a>"
    assert outline(deep) == "<a xmlns='u'><b><b><b>…</b></b></b></a>"
    many = "<a xmlns='u'>" + "<b/>" * 1000 + "</a>"
    assert outline(many) == "<a xmlns='u'>" + "<b/>" * 23 + "…</a>"
    long = f"<{'n' * 5000} xmlns='u' {'k' * 5000}='1'/>"
    assert len(outline(long)) <= LONGEST
    addressed = outline(f"<message xmlns='jabber:client' to='{'t' * 5000}'/>")
    assert addressed == f"<message to='{'t' * 100}…'/>"
    attributes = " ".join(f"key{number}='1'" for number in range(300))
    assert len(outline(f"<a {attributes}/>")) == LONGEST


def test_of_what_is_large_or_no_element_the_name_is_shown():
    large = f"<message><body>{SECRET * 4000}</body></message>"
    assert outline(large) == f"<message …> ({len(large)} characters)"
    assert outline("<stream:error><x/>") == "<stream:error …> (18 characters)"
    assert outline(SECRET) == f"< …> ({len(SECRET)} characters)"
