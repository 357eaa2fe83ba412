"""What may come when, on a stream of the embedded domain."""

import sys

import pytest
from support.domains import AUTH, Stage, settle

from andiron.domain import link
from andiron.domain.link import _TABLE, Kind, State
from andiron.sm.link import StreamOpen
from andiron.xmpp import namespaces as ns
from andiron.xmpp.xml import Element

OPENING = StreamOpen("localhost", "1.0")

ELEMENTS = {
    Kind.STATE: f"<active xmlns='{ns.CSI}'/>",
    Kind.SASL: AUTH.format("juliet"),
    Kind.MESSAGE: "<message to='romeo@localhost'><body>a</body></message>",
    Kind.PRESENCE: "<presence/>",
    Kind.IQ: "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    Kind.STRAY: "<message xmlns='jabber:server'/>",
    Kind.OTHER: "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
}
EXPECTED = {
    State.NEGOTIATING: {
        Kind.SASL: None,
        Kind.STATE: "not-authorized",
        Kind.MESSAGE: "not-authorized",
        Kind.PRESENCE: "not-authorized",
        Kind.IQ: "not-authorized",
        Kind.STRAY: "invalid-namespace",
        Kind.OTHER: "unsupported-stanza-type",
    },
    State.RESTARTING: {
        Kind.SASL: "not-authorized",
        Kind.STATE: "not-authorized",
        Kind.MESSAGE: "not-authorized",
        Kind.PRESENCE: "not-authorized",
        Kind.IQ: "not-authorized",
        Kind.STRAY: "invalid-namespace",
        Kind.OTHER: "unsupported-stanza-type",
    },
    State.AUTHENTICATED: {
        Kind.SASL: "unsupported-stanza-type",
        Kind.STATE: "not-authorized",
        Kind.MESSAGE: "not-authorized",
        Kind.PRESENCE: "not-authorized",
        Kind.IQ: "not-authorized",
        Kind.STRAY: "invalid-namespace",
        Kind.OTHER: "unsupported-stanza-type",
    },
    State.BOUND: {
        Kind.SASL: "unsupported-stanza-type",
        Kind.STATE: None,
        Kind.MESSAGE: None,
        Kind.PRESENCE: None,
        Kind.IQ: None,
        Kind.STRAY: "invalid-namespace",
        Kind.OTHER: "unsupported-stanza-type",
    },
}


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


async def in_state(stage, state):
    if state is State.BOUND:
        return await stage.bind()
    if state is State.AUTHENTICATED:
        return await stage.sign_in()
    client = stage.connect()
    client.open()
    if state is State.RESTARTING:
        client.send(AUTH.format("juliet"))
        await settle()
    return client


@pytest.mark.parametrize(("state", "kind"), [(state, kind) for state in EXPECTED for kind in Kind])
async def test_each_element_in_each_state(stage, state, kind):
    client = await in_state(stage, state)
    assert client.link.state is state
    client.send(ELEMENTS[kind])
    assert client.error == EXPECTED[state][kind]


def test_the_table_is_whole():
    assert set(_TABLE) == {(s, k) for s in State if s is not State.CLOSED for k in Kind}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<message/>", "invalid-namespace"),
        ("<open xmlns=''/>", "invalid-namespace"),
        ("<query xmlns='jabber:client'/>", "unsupported-stanza-type"),
        ("<r xmlns='urn:example:nonza'/>", "unsupported-stanza-type"),
    ],
)
async def test_roots_that_are_no_stanza_of_ours(stage, text, error):
    client = await stage.bind()
    client.session.receive(stage.guard.read(text), stage.now)
    assert client.error == error


@pytest.mark.parametrize(
    ("to", "version", "error"),
    [
        ("localhost", "1.0", None),
        ("LOCALHOST", "1.1", None),
        ("localhost", "2.0", None),
        ("", "1.0", "improper-addressing"),
        ("elsewhere", "1.0", "host-unknown"),
        ("juliet@localhost", "1.0", "host-unknown"),
        ("local host", "1.0", "host-unknown"),
        ("localhost", "", "unsupported-version"),
        ("localhost", "0.9", "unsupported-version"),
        ("localhost", "one", "unsupported-version"),
    ],
)
async def test_stream_headers(stage, to, version, error):
    client = stage.connect()
    client.open(to, version)
    assert client.error == error
    assert (error is None) == any(
        f"<mechanisms xmlns='{ns.SASL}'>" in x for x in client.transport.sent
    )


async def test_a_long_name_is_not_prepared_to_see_whether_it_is_ours(stage, monkeypatch):
    asked = []
    monkeypatch.setattr(link, "prepared", lambda name: asked.append(name) or "")
    for name in ("Localhost", "\u4e00" * 256):
        client = stage.connect()
        client.open(name)
        assert client.error == "host-unknown"
    assert asked == ["Localhost"]


async def test_a_domain_that_is_not_this_one_is_told_to_the_operator_once(stage, caplog):
    for name in ("chat.example.org", "chat.example.org", "x" * 1000):
        client = stage.connect()
        client.open(name)
        assert client.error == "host-unknown"
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"A client asked for the domain '{name}' and was refused: this one is localhost"
        " (ANDIRON_DOMAIN)"
        for name in ("chat.example.org", "x" * 100)
    ]


async def test_stream_ids_differ_and_features_follow_the_state(stage):
    link = stage.connect().link
    opened = {link.open(opening).id for opening in [OPENING] * 10}
    assert len(opened) == 10
    client = stage.connect()
    client.open()
    assert client.transport.take()[-1].count("<mechanism>TEST</mechanism>") == 1
    client.send(AUTH.format("juliet"))
    await settle()
    assert client.transport.signed_in
    client.open()
    features = client.transport.take()[-1]
    for feature in ("<bind ", "<session ", "<optional/>", f"<c xmlns='{ns.CAPS}'", "<sm "):
        assert feature in features
    assert "mechanism" not in features


async def test_a_stream_opens_no_third_time(stage):
    client = await stage.bind()
    client.open()
    assert client.error == "policy-violation"


async def test_a_failed_sign_in_may_be_tried_again(stage):
    client = stage.connect()
    client.open()
    client.take()
    client.send(AUTH.format("wrong"))
    await settle()
    (failure,) = client.take()
    assert failure.tag == f"{{{ns.SASL}}}failure"
    client.send(AUTH.format("challenge"))
    await settle()
    client.send(AUTH.format("juliet"))
    await settle()
    assert [tree.tag for tree in client.take()] == [
        f"{{{ns.SASL}}}challenge",
        f"{{{ns.SASL}}}success",
    ]
    assert client.link.account == "juliet@localhost"


async def test_sasl_elements_wait_for_each_other_but_not_many(stage):
    client = stage.connect()
    client.open()
    client.take()
    stage.authenticator.running.clear()
    for _ in range(1 + 4):
        client.send(AUTH.format("wrong"))
    assert client.error is None
    client.send(AUTH.format("wrong"))
    assert client.error == "policy-violation"
    stage.authenticator.running.set()
    await settle()


async def test_long_sasl_elements_wait_within_a_bound_of_bytes(stage):
    client = stage.connect()
    client.open()
    client.take()
    stage.authenticator.running.clear()
    long = AUTH.format("wrong" * 600)
    for _ in range(1 + 2):
        client.send(long)
    assert client.error is None
    client.send(long)
    assert client.error == "policy-violation"
    stage.authenticator.running.set()
    await settle()


async def test_waiting_sasl_elements_are_answered_in_order(stage):
    client = stage.connect()
    client.open()
    client.take()
    stage.authenticator.running.clear()
    for name in ("wrong", "challenge", "wrong", "juliet"):
        client.send(AUTH.format(name))
    stage.authenticator.running.set()
    await settle()
    names = [tree.tag.partition("}")[2] for tree in client.take()]
    assert names == ["failure", "challenge", "failure", "success"]


async def test_a_sign_in_that_fails_for_no_known_reason_ends_the_stream(stage):
    client = stage.connect()
    client.open()
    client.send(AUTH.format("crash"))
    await settle()
    assert client.error == "internal-server-error"


async def test_a_client_that_leaves_while_it_signs_in(stage):
    client = stage.connect()
    client.open()
    stage.authenticator.running.clear()
    client.send(AUTH.format("juliet"))
    client.leave()
    client.take()
    stage.authenticator.running.set()
    await settle()
    assert client.link.state is State.CLOSED
    assert client.link.account == ""
    assert client.transport.sent == []


async def test_a_client_that_leaves_waits_for_no_turn(stage):
    client = stage.connect()
    client.open()
    stage.authenticator.running.clear()
    client.send(AUTH.format("juliet"))
    await settle()
    client.leave()
    assert stage.authenticator.left == 1
    stage.authenticator.running.set()
    await settle()
    assert client.link.account == ""


@pytest.mark.parametrize(
    ("sender", "fine"),
    [
        ("juliet@localhost/balcony", True),
        ("juliet@localhost", True),
        ("JULIET@LocalHost/balcony", True),
        ("juliet@localhost/chamber", True),
        ("romeo@localhost", False),
        ("localhost", False),
        ("", False),
        ("@@", False),
    ],
)
@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_from_must_be_the_accounts_own(stage, sender, fine, kind):
    """RFC 6120 section 8.1.2.1."""
    romeo = await stage.bind("romeo", "orchard")
    client = await stage.bind("juliet", "balcony")
    client.send(f"<{kind} from='{sender}' to='{romeo.jid}' type='error' id='1'/>")
    assert client.error == (None if fine else "invalid-from")
    assert [tree.get("from") for tree in romeo.take()] == ([client.jid] if fine else [])


async def test_a_prefixed_stanza_is_delivered_in_the_default_namespace(stage):
    romeo = await stage.bind("romeo", "orchard")
    juliet = await stage.bind("juliet", "balcony")
    juliet.send(
        f"<c:message xmlns:c='jabber:client' to='{romeo.jid}'><c:body>hi</c:body></c:message>"
    )
    (text,) = romeo.transport.take()
    assert text.startswith("<message ")
    assert "xmlns='jabber:client'" in text
    assert "<body>hi</body>" in text


async def test_an_abandoned_stream_changes_nothing(stage):
    client = await stage.sign_in()
    client.link.abandoned()
    assert client.link.state is State.CLOSED
    assert client.link.receive(stage.guard.read("<presence xmlns='jabber:client'/>"), 1, 0.0)
    assert stage.domain.router.full == {}


async def test_bind_takes_a_prefixed_request(stage):
    client = await stage.sign_in()
    client.send(f"<c:iq xmlns:c='jabber:client' type='set' id='b'><bind xmlns='{ns.BIND}'/></c:iq>")
    assert client.link.state is State.BOUND


async def test_nameless_guests_of_one_network_pay_together():
    """Each has an account of its own, and may have another at any time."""
    stage = Stage()
    guests = [await stage.bind(name, "x") for name in ("ghost", "spectre", "juliet")]
    one, other, juliet = (guest.session.payer for guest in guests)
    assert one is not other
    assert one.network is other.network
    assert one.network is not None
    assert juliet.network is None
    await stage.domain.stop()


BULKY = "<iq type='{}' id='bulky'><query xmlns='jabber:iq:private'>{}</query></iq>"


async def test_a_large_tree(stage):
    juliet = await stage.come("juliet", sm=True)
    settled = juliet.session.inbound.settled
    juliet.send(BULKY.format("set", "<a xmlns='u'>" + "<b/>" * 1000 + "</a>"))
    await settle()
    assert [(tree.get("id"), tree.get("type")) for tree in juliet.take()] == [("bulky", "result")]
    assert juliet.session.inbound.settled == settled + 1
    answer = await juliet.ask(BULKY.format("get", "<a xmlns='u'/>"))
    assert len(answer[0][0]) == 1000


async def test_a_large_tree_that_is_wrong(stage):
    juliet = await stage.come("juliet")
    juliet.send(BULKY.format("set", "<a/>" * 1000).replace("jabber:iq:private", "urn:example:none"))
    await settle()
    assert [tree.get("type") for tree in juliet.take()] == ["error"]
    juliet.send("<message to='romeo@localhost/x'>" + "<a xmlns='u'/>" * 1000 + "</message>")
    await settle()
    assert juliet.session.inbound.pending == 0
    assert not juliet.transport.paused


async def test_a_large_tree_that_cannot_be_made_ends_the_stream(stage):
    juliet = await stage.come("juliet")
    broken = Element("<iq>" + "<a>" * 2000 + "</iq>", ns.CLIENT, "iq", {"type": "set", "id": "1"})
    juliet.session.receive(broken, juliet.session.clock())
    await settle()
    assert juliet.error == "not-well-formed"


async def test_who_leaves_while_a_large_tree_is_made(stage):
    juliet = await stage.come("juliet")
    juliet.send(BULKY.format("set", "<a xmlns='u'>" + "<b/>" * 1000 + "</a>"))
    juliet.leave()
    await settle()
    assert juliet.take() == []


async def test_a_handler_that_fails_on_a_large_tree_ends_the_stream(stage, monkeypatch, caplog):
    juliet = await stage.come("juliet")

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(type(stage.domain.messages), "receive", fail)
    with caplog.at_level("CRITICAL", "andiron.sm"):
        juliet.send("<message>" + "<a xmlns='u'/>" * 1000 + "</message>")
        await settle()
    assert juliet.error == "internal-server-error"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks cannot begin at once")
async def test_a_sign_in_that_has_nothing_to_wait_for_is_answered_at_once():
    client = Stage().connect()
    client.open()
    client.take()
    client.send(AUTH.format("guest"))
    assert [answer.tag for answer in client.take()] == [f"{{{ns.SASL}}}success"]
    client.open()
    assert client.link.state is State.AUTHENTICATED
