"""What blocking does to stanzas, XEP-0191."""

import pytest
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.client import Owner
from andiron.domain.contacts.blocking import blocks
from andiron.xmpp import namespaces as ns

ROMEO = "romeo@localhost/orchard"


def command(name, *jids):
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    return f"<iq type='set' id='b'><{name} xmlns='{ns.BLOCKING}'>{items}</{name}></iq>"


@pytest.fixture
async def stage():
    stage = Stage()
    yield stage
    await stage.domain.stop()


@pytest.fixture
async def juliet(stage):
    return await stage.come("juliet", "balcony")


@pytest.fixture
async def romeo(stage):
    return await stage.come("romeo", "orchard")


# Matching


@pytest.mark.parametrize(
    ("blocked", "jid", "matches"),
    [
        ("romeo@example.org/orchard", "romeo@example.org/orchard", True),
        ("romeo@example.org/orchard", "romeo@example.org/field", False),
        ("romeo@example.org/orchard", "romeo@example.org", False),
        ("romeo@example.org", "romeo@example.org/orchard", True),
        ("romeo@example.org", "romeo@example.org", True),
        ("romeo@example.org", "example.org", False),
        ("example.org/bot", "example.org/bot", True),
        ("example.org/bot", "example.org/other", False),
        ("example.org/bot", "romeo@example.org/bot", False),
        ("example.org", "example.org", True),
        ("example.org", "example.org/bot", True),
        ("example.org", "romeo@example.org/orchard", True),
        ("example.org", "romeo@chat.example.org", False),
        ("room@conference.localhost/nick", "room@conference.localhost/nick", True),
        ("room@conference.localhost/nick", "room@conference.localhost/other", False),
        ("room@conference.localhost/a/b", "room@conference.localhost/a/b", True),
        ("localhost", "romeo@localhost/orchard", True),
        ("localhost", "localhost", False),
        ("localhost", "juliet@localhost/garden", False),
        ("juliet@localhost", "juliet@localhost/garden", False),
    ],
)
def test_what_a_blocked_address_covers(blocked, jid, matches):
    owner = Owner("juliet@localhost")
    assert not blocks(owner, jid)
    owner.blocked = {blocked}
    assert blocks(owner, jid) is matches


# What it does to iqs

FORMS = ["romeo@localhost/orchard", "romeo@localhost", "localhost"]
PAYLOAD = "<x xmlns='urn:x'/>"


def iq(kind, to):
    return f"<iq type='{kind}' id='i' to='{to}'>{PAYLOAD}</iq>"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("to", [ROMEO, "Romeo@localhost/orchard", "romeo@localhost"])
@pytest.mark.parametrize("kind", ["get", "set", "result", "error"])
async def test_an_iq_to_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    juliet.send(iq(kind, to))
    await settle()
    assert romeo.take() == []
    answers = juliet.take()
    if form == ROMEO and to == "romeo@localhost":
        expected = ["service-unavailable"] if kind in ("get", "set") else []
    else:
        expected = ["not-acceptable"] if kind in ("get", "set") else []
    assert [condition(answer) for answer in answers] == expected
    if expected == ["not-acceptable"]:
        error = answers[0].find(CLIENT + "error")
        assert error is not None
        assert error.find(f"{{{ns.BLOCKING_ERRORS}}}blocked") is not None
        assert error.get("type") == "cancel"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "to", ["juliet@localhost/balcony", "JULIET@localhost/balcony", "juliet@localhost"]
)
@pytest.mark.parametrize("kind", ["get", "set", "result", "error"])
async def test_an_iq_from_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    romeo.send(iq(kind, to))
    await settle()
    assert juliet.take() == []
    expected = ["service-unavailable"] if kind in ("get", "set") else []
    assert [condition(answer) for answer in romeo.take()] == expected


@pytest.mark.parametrize("online", [True, False])
async def test_an_account_does_not_answer_who_is_blocked(stage, romeo, online):
    juliet = await stage.come("juliet", "balcony")
    stage.domain.registry.add("contact", "get", "urn:x", "x", lambda _: "<y xmlns='urn:x'/>")
    assert (await romeo.ask(iq("get", "juliet@localhost"))).get("type") == "result"
    await juliet.ask(command("block", "romeo@localhost"))
    if not online:
        juliet.leave()
        stage.domain.owners.forget("juliet@localhost")
    refused = await romeo.ask(iq("get", "juliet@localhost"))
    unknown = await romeo.ask(iq("get", "nobody@localhost"))
    assert [condition(answer) for answer in (refused, unknown)] == ["service-unavailable"] * 2


async def test_what_is_not_blocked_passes(juliet, romeo):
    await juliet.ask(command("block", "romeo@localhost/elsewhere", "tybalt@localhost"))
    romeo.take(), juliet.take()
    juliet.send(iq("get", ROMEO))
    assert [stanza.get("from") for stanza in romeo.take()] == ["juliet@localhost/balcony"]
    romeo.send(iq("result", "juliet@localhost/balcony"))
    assert [stanza.get("from") for stanza in juliet.take()] == [ROMEO]


async def test_one_can_reach_oneself_and_the_server(stage, juliet):
    await juliet.ask(command("block", "localhost", "juliet@localhost"))
    garden = await stage.come("juliet", "garden")
    juliet.take()
    juliet.send(iq("get", garden.jid))
    assert [stanza.get("from") for stanza in garden.take()] == [juliet.jid]
    ping = f"<iq type='get' id='p' to='localhost'><ping xmlns='{ns.PING}'/></iq>"
    assert (await juliet.ask(ping)).get("type") == "result"


# What it does to messages


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("to", [ROMEO, "romeo@LOCALHOST/orchard", "romeo@localhost"])
@pytest.mark.parametrize("kind", ["normal", "chat", "headline", "groupchat", "error"])
async def test_a_message_to_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    juliet.send(f"<message type='{kind}' to='{to}'><body>hi</body></message>")
    await settle()
    whole = form != ROMEO or "/" in to
    if whole:
        assert romeo.take() == []
        expected = [] if kind == "error" else ["not-acceptable"]
        assert [condition(answer) for answer in juliet.take()] == expected
    else:
        assert len(romeo.take()) == (kind in ("normal", "chat", "headline"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("to", ["juliet@localhost/balcony", "juliet@localhost"])
@pytest.mark.parametrize("kind", ["normal", "chat", "headline", "groupchat", "error"])
async def test_a_message_from_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    romeo.send(f"<message type='{kind}' to='{to}'><body>hi</body></message>")
    await settle()
    expected = [] if kind == "error" else ["service-unavailable"]
    assert [condition(answer) for answer in romeo.take()] == expected
    assert juliet.bodies() == []


async def test_a_message_from_who_is_blocked_is_not_stored(stage, romeo):
    juliet = await stage.come("juliet", "balcony")
    await juliet.ask(command("block", "romeo@localhost"))
    juliet.leave()
    romeo.take()
    romeo.send("<message to='juliet@localhost'><body>hi</body></message>")
    await settle()
    assert [condition(answer) for answer in romeo.take()] == ["service-unavailable"]
    assert stage.store.bodies("juliet") == []


# What it does to presence


def seen(client):
    """Return who appeared or left since the last call."""
    return [
        (stanza.get("from"), stanza.get("type"))
        for stanza in client.take()
        if stanza.tag == CLIENT + "presence"
    ]


async def befriend(*clients):
    for client in clients:
        for other in clients:
            if other is not client:
                client.send(f"<presence type='subscribed' to='{other.link.account}'/>")
                client.send(f"<presence type='subscribe' to='{other.link.account}'/>")
                await settle()
    for client in clients:
        client.take()


@pytest.mark.parametrize("form", FORMS)
async def test_contacts_vanish_and_appear(juliet, romeo, form):
    await befriend(juliet, romeo)
    juliet.send(command("block", form))
    await settle()
    assert seen(juliet) == [(romeo.jid, "unavailable")]
    assert seen(romeo) == [(juliet.jid, "unavailable")]
    for client in (juliet, romeo):
        client.send("<presence><show>away</show></presence>")
    assert (seen(juliet), seen(romeo)) == ([(juliet.jid, None)], [(romeo.jid, None)])
    juliet.send(command("block", form, "tybalt@localhost"))
    await settle()
    assert (seen(juliet), seen(romeo)) == ([], [])
    juliet.send(command("unblock", form, "nobody@localhost"))
    await settle()
    assert seen(juliet) == [(romeo.jid, None)]
    assert seen(romeo) == [(juliet.jid, None)]


async def test_blocked_by_two_addresses(juliet, romeo):
    await befriend(juliet, romeo)
    juliet.send(command("block", ROMEO, "romeo@localhost", "localhost"))
    await settle()
    assert seen(juliet) == [(romeo.jid, "unavailable")]
    assert seen(romeo) == [(juliet.jid, "unavailable")]
    juliet.send(command("unblock", "romeo@localhost", "localhost"))
    await settle()
    assert (seen(juliet), seen(romeo)) == ([], [])
    juliet.send(command("unblock"))
    await settle()
    assert (seen(juliet), seen(romeo)) == ([(romeo.jid, None)], [(juliet.jid, None)])


async def test_strangers_see_nothing_of_a_block(juliet, romeo):
    juliet.send(command("block", "romeo@localhost"))
    juliet.send(command("unblock"))
    await settle()
    assert seen(romeo) == []


async def test_who_leaves_at_once_still_blocks(stage, juliet, romeo):
    await befriend(juliet, romeo)
    juliet.send(command("block", "romeo@localhost"))
    juliet.leave()
    await settle()
    assert seen(romeo) == [(juliet.link.jid, "unavailable")]
    again = await stage.come("juliet", "balcony")
    assert again.link.owner.blocked == {"romeo@localhost"}
    assert seen(romeo) == []


PRESENCES = ["", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"]


def presence(kind, to):
    typed = f" type='{kind}'" if kind else ""
    return f"<presence{typed} to='{to}'/>"


@pytest.mark.parametrize(
    ("form", "to"),
    [(form, to) for form in FORMS for to in (ROMEO, "romeo@localhost") if form in (to, *FORMS[1:])],
)
@pytest.mark.parametrize("kind", PRESENCES)
async def test_presence_to_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    juliet.send(presence(kind, to))
    await settle()
    assert romeo.take() == []
    expected = [] if kind == "unavailable" else ["not-acceptable"]
    assert [condition(answer) for answer in juliet.take()] == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("to", ["juliet@localhost/balcony", "juliet@localhost"])
@pytest.mark.parametrize("kind", PRESENCES)
async def test_presence_from_who_is_blocked(juliet, romeo, form, to, kind):
    await juliet.ask(command("block", form))
    romeo.take(), juliet.take()
    romeo.send(presence(kind, to))
    await settle()
    # A request comes from the account, of which only one resource may be blocked.
    comes = kind == "subscribe" and form == ROMEO
    assert len(juliet.take()) == comes
    assert not [answer for answer in romeo.take() if answer.get("type") == "error"]


async def test_a_request_of_who_is_blocked_is_not_kept(stage, romeo):
    juliet = await stage.come("juliet", "balcony")
    await juliet.ask(command("block", "romeo@localhost"))
    juliet.leave()
    stage.domain.owners.forget("juliet@localhost")
    romeo.send("<presence type='subscribe' to='juliet@localhost'/>")
    await settle()
    juliet = await stage.bind("juliet", "balcony")
    await juliet.ask(command("unblock"))
    juliet.send("<presence/>")
    await settle()
    assert seen(juliet) == [(juliet.jid, None)]
