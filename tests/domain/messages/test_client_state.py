"""Client State Indication, XEP-0352."""

import pytest
from support.domains import CLIENT, Stage, settle

from andiron.xmpp import namespaces as ns

INACTIVE, ACTIVE = f"<inactive xmlns='{ns.CSI}'/>", f"<active xmlns='{ns.CSI}'/>"
COMPOSING = f"<composing xmlns='{ns.CHAT_STATES}'/>"
PAUSED = f"<paused xmlns='{ns.CHAT_STATES}'/>"
PING = f"<iq type='get' id='p' to='localhost'><ping xmlns='{ns.PING}'/></iq>"


@pytest.fixture
async def stage():
    stage = Stage(max_idle_held=3)
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def pair(stage):
    """Juliet, who looks away, and Romeo."""
    juliet = await stage.come("juliet", "balcony", sm=True)
    romeo = await stage.come("romeo", "orchard")
    juliet.send(INACTIVE)
    return juliet, romeo


def to(client, inner, kind="chat"):
    return f"<message to='{client.jid}' type='{kind}'>{inner}</message>"


def told(client):
    """What a client got: names of stanzas, with their type or first child's name."""
    stanzas = [tree for tree in client.take() if tree.tag.startswith(CLIENT)]
    return [
        (
            tree.tag.removeprefix(CLIENT),
            tree.get("type") or "",
            tree[0].tag.partition("}")[2] if len(tree) else "",
        )
        for tree in stanzas
    ]


async def test_it_is_offered_after_sign_in(stage):
    client = stage.connect()
    client.open()
    assert not any(ns.CSI in text for text in client.link.features())
    client = await stage.sign_in("juliet")
    assert f"<csi xmlns='{ns.CSI}'/>" in "".join(client.link.features())


@pytest.mark.parametrize(
    ("what", "held"),
    [
        (COMPOSING, True),
        (f"<thread>t</thread>{PAUSED}", True),
        (f"<gone xmlns='{ns.CHAT_STATES}'/><no-store xmlns='{ns.HINTS}'/>", True),
        (f"<body>hi</body>{COMPOSING}", False),
        ("<body>hi</body>", False),
        (f"<received xmlns='{ns.RECEIPTS}' id='1'/>", False),
        (f"{COMPOSING}<x xmlns='urn:x'/>", False),
        (f"<thread>{ns.FORWARD}</thread>{COMPOSING}", True),
    ],
)
async def test_what_can_wait(pair, what, held):
    juliet, romeo = pair
    romeo.send(to(juliet, what))
    assert (told(juliet) == []) is held
    juliet.send(ACTIVE)
    assert len(told(juliet)) == held


async def test_the_latest_of_each_sender_comes_when_somebody_looks(pair):
    juliet, romeo = pair
    for presence in ("<show>away</show>", "<show>dnd</show>"):
        romeo.send(f"<presence to='{juliet.jid}'>{presence}</presence>")
    romeo.send(to(juliet, COMPOSING))
    romeo.send(to(juliet, PAUSED))
    assert told(juliet) == []
    juliet.send(ACTIVE)
    presence, message = juliet.take()
    assert presence.findtext(f"{CLIENT}show") == "dnd"
    assert message[0].tag == f"{{{ns.CHAT_STATES}}}paused"


async def test_what_matters_flushes_what_came_before_it(pair):
    juliet, romeo = pair
    romeo.send(f"<presence to='{juliet.jid}'/>")
    romeo.send(to(juliet, COMPOSING))
    romeo.send(to(juliet, "<body>Wherefore?</body>"))
    assert told(juliet) == [
        ("presence", "", ""),
        ("message", "chat", "composing"),
        ("message", "chat", "body"),
    ]


async def test_a_request_is_answered_after_what_is_held(pair):
    """Section 5.1: active, then a ping: the queue, then the pong."""
    juliet, romeo = pair
    romeo.send(f"<presence to='{juliet.jid}'/>")
    juliet.send(ACTIVE)
    juliet.send(PING)
    assert [name for name, _, _ in told(juliet)] == ["presence", "iq"]
    juliet.send(INACTIVE)
    romeo.send(f"<presence to='{juliet.jid}'/>")
    juliet.send(PING)
    assert [name for name, _, _ in told(juliet)] == ["presence", "iq"]


@pytest.mark.parametrize(
    ("inner", "held"),
    [
        (f"<x xmlns='{ns.MUC_USER}'><status code='110'/></x>", False),
        (f"<x xmlns='{ns.MUC_USER}'><status code='100'/></x><status>'110'</status>", True),
    ],
)
async def test_only_a_rooms_word_about_the_client_does_not_wait(pair, inner, held):
    juliet, _ = pair
    text = f"<presence xmlns='jabber:client' from='r@c/me' to='{juliet.jid}'>{inner}</presence>"
    juliet.link.inform(text, juliet.stage.now)
    assert (told(juliet) == []) is held


async def test_requests_for_subscription_do_not_wait(pair):
    juliet, _ = pair
    juliet.link.inform(
        f"<presence xmlns='jabber:client' from='romeo@localhost' to='{juliet.jid}'"
        " type='subscribe'/>",
        juliet.stage.now,
    )
    assert told(juliet) == [("presence", "subscribe", "")]


async def test_no_more_is_held_than_may_be(pair):
    juliet, _ = pair
    for number in range(4):
        assert told(juliet) == []
        juliet.link.inform(
            f"<presence xmlns='jabber:client' from='n{number}@localhost/x'/>", juliet.stage.now
        )
    assert len(told(juliet)) == 4


async def test_copies_of_chat_states_wait_for_each_talk(stage, pair):
    juliet, romeo = pair
    juliet.send(ACTIVE)
    juliet.send(f"<iq type='set' id='c'><enable xmlns='{ns.CARBONS}'/></iq>")
    juliet.take()
    juliet.send(INACTIVE)
    chamber = await stage.come("juliet", "chamber")
    juliet.take()
    romeo.send(to(chamber, COMPOSING))
    chamber.send(to(romeo, COMPOSING))
    chamber.send(to(romeo, PAUSED))
    assert told(juliet) == []
    juliet.send(ACTIVE)
    names = [name for kind, _, name in told(juliet) if kind == "message"]
    assert names == ["received", "sent"]


async def test_a_resumed_stream_is_active(stage, pair):
    """Section 5.2."""
    juliet, romeo = pair
    romeo.send(f"<presence to='{juliet.jid}'/>")
    juliet.lose()
    juliet.link.resumed(stage.now)
    before = juliet.link
    romeo.send(f"<presence to='{juliet.jid}'><show>xa</show></presence>")
    assert before.inform == before.session.deliver
    await settle()


@pytest.mark.parametrize(
    ("nonza", "error"),
    [
        (f"<asleep xmlns='{ns.CSI}'/>", "unsupported-stanza-type"),
        (ACTIVE, None),
    ],
)
async def test_other_words(stage, nonza, error):
    juliet = await stage.come("juliet", "balcony")
    juliet.send(nonza)
    assert juliet.error == error


@pytest.mark.parametrize("nonza", [INACTIVE, ACTIVE])
async def test_strangers_have_no_state(stage, nonza):
    client = stage.connect()
    client.open()
    client.send(nonza)
    assert client.error == "not-authorized"
