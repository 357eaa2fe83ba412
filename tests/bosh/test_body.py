import pytest
from support.bosh import HTTPBIND, OPEN
from support.sessions import GUARD

from andiron.bosh import body as wire
from andiron.bosh.body import answer, read_body, terminal
from andiron.xmpp.errors import BoshCondition, BoshError
from andiron.xmpp.xml import Guard


def read(text):
    return read_body(GUARD, text.encode(), 10_000, 10)


@pytest.mark.parametrize(
    ("child", "text", "namespace"),
    [
        ("<message/>", "<message xmlns='jabber:client'/>", "jabber:client"),
        (
            "<message><body>x</body></message>",
            "<message xmlns='jabber:client'><body>x</body></message>",
            "jabber:client",
        ),
        ("<iq xmlns='jabber:client'/>", "<iq xmlns='jabber:client'/>", "jabber:client"),
        ('<iq xmlns="jabber:client"/>', '<iq xmlns="jabber:client"/>', "jabber:client"),
        ("<presence id='1'/>", "<presence xmlns='jabber:client' id='1'/>", "jabber:client"),
        ("<auth xmlns='a'/>", "<auth xmlns='a'/>", "a"),
    ],
)
def test_stanzas_stand_in_jabber_client(child, text, namespace):
    (element,) = read(f"{OPEN} rid='1'>{child}</body>").children
    assert (element.text, element.namespace) == (text, namespace)
    assert GUARD.read(element.text).namespace == namespace


def test_other_elements_keep_the_wrappers_namespace():
    (element,) = read(f"{OPEN} rid='1'><uri/></body>").children
    assert element.namespace == "http://jabber.org/protocol/httpbind"


def test_prefixes_of_the_wrapper_stay_valid():
    (element,) = read(f"{OPEN} rid='1' xmlns:x='urn:x'><message><x:y/></message></body>").children
    assert GUARD.read(element.text).namespace == "jabber:client"
    assert "xmlns:x='urn:x'" in element.text


@pytest.mark.parametrize(
    "declaration",
    [
        "<?xml version='1.0'?>",
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
    ],
)
def test_an_xml_declaration_is_tolerated(declaration):
    assert read(f"{declaration}{OPEN} rid='7'/>").rid == 7


@pytest.mark.parametrize(
    "declaration",
    ["<?xml version='1.0' encoding='latin-1'?>", "<?php ?>", "<?xml version='1.0'?>" * 2],
)
def test_other_instructions_are_not(declaration):
    with pytest.raises(BoshError, match="bad-request"):
        read(f"{declaration}{OPEN} rid='7'/>")


@pytest.mark.parametrize(
    ("attributes", "empty"),
    [
        ("", True),
        ("key='x' ack='4'", True),
        ("pause='0'", False),
        ("type='terminate'", False),
        ("type='terminal'", False),
        ("type='other'", True),
        ("xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'", False),
        ("xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='1'", False),
        ("xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='false'", True),
        ("restart='true'", True),
        ("route='xmpp:example.org:5222' secure='false' stream='s' to='elsewhere'", True),
    ],
)
def test_what_is_empty(attributes, empty):
    assert read(f"{OPEN} rid='1' sid='s' {attributes}/>").empty is empty


def test_answers():
    assert answer("", ()) == f"{OPEN}/>"
    assert answer(" a='1'", ["<x/>", "<y/>"]) == f"{OPEN} a='1'><x/><y/></body>"
    features = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>"
    assert answer("", [features]) == (
        f"{OPEN} xmlns:stream='http://etherx.jabber.org/streams'>{features}</body>"
    )
    assert terminal(None) == f"{OPEN} type='terminate'/>"
    assert terminal(BoshCondition.HOST_GONE) == f"{OPEN} type='terminate' condition='host-gone'/>"


MESSAGE = "<message xmlns='jabber:client'><body>x</body></message>"
HEADS = [
    f"{OPEN} rid='1' sid='s'",
    f'<body  rid="1" sid="s" xmlns="{HTTPBIND}"',
    f"<body rid='1' sid='s' xmlns='{HTTPBIND}' ",
    f"{OPEN} rid='1' sid='s' xmlns:x='urn:x'",
    f"{OPEN} rid='1' sid='s' xml:lang='de'",
    f"{OPEN} rid='1' sid='&lt;'",
    f"{OPEN} rid='1' rid='2'",
    f"{OPEN} rid='1' sid='a>b'",
    f"{OPEN} rid='1' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'",
    f"{OPEN} rid='1' xmpp:restart='true'",
    f"{OPEN} rid='1'" + "".join(f" xmlns:a{number}='urn:a'" for number in range(33)),
    "<body rid='1' sid='s'",
    "<body rid='1' xmlns='jabber:client'",
]
INNERS = [
    "",
    " ",
    ">",
    "<message xmlns='jabber:client'><body>x</body></message>",
    "<message xmlns='jabber:client'/> ",
    "<message/>",
    "<message to='a'><body>x</body></message>",
    "<a xmlns='urn:a'/><b xmlns='urn:b'/>",
    "<message xmlns='jabber:client'/><message xmlns='jabber:client'/>",
    MESSAGE * 3,
    f"{MESSAGE}<a xmlns='urn:xmpp:sm:3' h='1'/>{MESSAGE}<r xmlns='urn:xmpp:sm:3'/>",
    f"<r xmlns='urn:xmpp:sm:3'/>{MESSAGE}<iq xmlns='jabber:client'/>{MESSAGE}",
    f"{MESSAGE}<message><body>x</body></message>",
    f"{MESSAGE} {MESSAGE}",
    f"{MESSAGE}<message xmlns='jabber:client'>",
    f"{MESSAGE}</body><body>{MESSAGE}",
    f"{MESSAGE}<!-- c -->{MESSAGE}",
    f"{MESSAGE}text{MESSAGE}",
    f"{MESSAGE}<p:message xmlns:p='jabber:client'/>",
    f"<message xmlns='jabber:client'>{MESSAGE}<x xmlns='urn:x'/></message>{MESSAGE}",
    "<message xmlns='jabber:client'><body><![CDATA[</message><a]]></body></message>",
    f"<message xmlns='jabber:client' id='</message><a'/>{MESSAGE}",
    "<message xmlns='jabber:client'><html><a href='b'/><i>c</i></html></message>" + MESSAGE,
    "<message xmlns='jabber:client'>" + "<a b='c'/>" * 30 + "</message>" + MESSAGE,
    MESSAGE * 9,
    "<x:y/>",
    "<p:message xmlns:p='jabber:client'><body/></p:message>",
    "<message xmlns=''/>",
    "<message xmlns='http://jabber.org/protocol/httpbind'/>",
    "<message xmlns='jabber:client'>",
    "</body><body>",
    "<message xmlns='jabber:client'/></body><body>",
    "text",
    "<a xmlns='urn:a'><!-- c --></a>",
    "<a xmlns='urn:a'>\xe4</a>",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("inner", INNERS)
def test_plain_bodies_are_read_like_all_others(head, inner, monkeypatch):
    small = Guard(max_size=1000, max_nodes=40)

    def outcome(text):
        try:
            body = read_body(small, text.encode(), 10_000, 8)
        except BoshError as error:
            return error.condition
        return body.attributes, [(c.text, c.namespace, c.attributes) for c in body.children]

    for text in (f"{head}/>{inner}", f"{head}>{inner}</body>"):
        plain = outcome(text)
        with monkeypatch.context() as patch:
            patch.setattr(wire, "_read_plain", lambda *_given: None)
            patch.setattr(wire, "_read_empty", lambda *_given: None)
            assert outcome(text) == plain
