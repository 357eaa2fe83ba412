"""The blocking command, XEP-0191."""

import pytest
from slixmpp.plugins.xep_0191.stanza import Block, BlockItem, BlockList, Unblock
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import CLIENT, Stage, condition, settle

from andiron.domain.blocking import blocks
from andiron.domain.owner import Owner
from andiron.xmpp import namespaces as ns

for request in (BlockList, Block, Unblock):
    register_stanza_plugin(Iq, request)
    register_stanza_plugin(request, BlockItem, iterable=True)

BLOCKING = f"{{{ns.BLOCKING}}}"
ROMEO = "romeo@localhost/orchard"


def command(name, *jids, kind="set"):
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    return f"<iq type='{kind}' id='b'><{name} xmlns='{ns.BLOCKING}'>{items}</{name}></iq>"


def listed(query):
    return [item.get("jid") for item in query.findall(BLOCKING + "item")]


async def blocklist(client):
    (query,) = await client.ask(command("blocklist", kind="get"))
    assert query.tag == BLOCKING + "blocklist"
    return listed(query)


@pytest.fixture
async def stage():
    stage = Stage(max_blocked=5)
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
    owner.blocked = frozenset({blocked})
    assert blocks(owner, jid) is matches


# The list


async def test_the_domain_tells_that_it_can(juliet):
    (query,) = await juliet.ask(
        f"<iq type='get' id='d' to='localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.BLOCKING in {feature.get("var") for feature in query}


async def test_block_list_and_unblock(stage, juliet):
    garden = await stage.bind("juliet", "garden")
    assert await blocklist(juliet) == []
    answer = await garden.ask(command("block", "Romeo@LOCALHOST", "conference.localhost"))
    assert answer.get("type") == "result"
    assert await blocklist(juliet) == ["conference.localhost", "romeo@localhost"]
    await garden.ask(command("block", "romeo@localhost", "tybalt@localhost"))
    await garden.ask(command("unblock", "ROMEO@localhost", "nobody@localhost"))
    assert await blocklist(juliet) == ["conference.localhost", "tybalt@localhost"]
    await garden.ask(command("unblock"))
    assert await blocklist(juliet) == []


async def test_it_lasts_and_goes_with_the_account(stage, juliet):
    await juliet.ask(command("block", "romeo@localhost"))
    juliet.leave()
    stage.domain.owners.forget("juliet@localhost")
    again = await stage.come("juliet", "balcony")
    assert await blocklist(again) == ["romeo@localhost"]
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'juliet'"))
        assert connection.scalar(text("select count(*) from blocked")) == 0


async def test_resources_that_asked_are_told(stage, juliet):
    garden = await stage.come("juliet", "garden")
    silent = await stage.come("juliet", "tomb")
    gone = await stage.come("juliet", "street")
    for client in (juliet, garden, gone):
        await blocklist(client)
    gone.leave()
    for client in (juliet, garden, silent):
        client.take()
    for name, jids in [
        ("block", ["romeo@localhost"]),
        ("unblock", ["romeo@localhost"]),
        ("unblock", []),
    ]:
        garden.send(command(name, *jids))
        await settle()
        identities = set()
        for client, others in ((juliet, 0), (garden, 1)):
            (push, *answers) = sorted(client.take(), key=lambda iq: iq.get("type") != "set")
            assert (push.get("type"), push.get("to")) == ("set", client.jid)
            assert push[0].tag == BLOCKING + name
            assert listed(push[0]) == jids
            assert len(answers) == others
            identities.add(push.get("id"))
        assert len(identities) == 2
        assert silent.take() == []


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (command("block"), "bad-request"),
        (command("block", ""), "jid-malformed"),
        (command("block", "romeo@localhost", "a@b@c"), "jid-malformed"),
        (command("unblock", "@"), "jid-malformed"),
        (command("block", *[f"{n}@localhost" for n in range(6)]), "resource-constraint"),
        (command("unblock", *[f"{n}@localhost" for n in range(6)]), "resource-constraint"),
        (command("blocklist"), "service-unavailable"),
        (command("block", "romeo@localhost", kind="get"), "service-unavailable"),
    ],
)
async def test_refusals(juliet, request_, error):
    assert condition(await juliet.ask(request_)) == error
    assert await blocklist(juliet) == []


async def test_the_list_has_a_bound(juliet):
    await juliet.ask(command("block", *[f"{n}@localhost" for n in range(4)]))
    assert condition(await juliet.ask(command("block", "4@localhost", "5@localhost"))) == (
        "resource-constraint"
    )
    assert (await juliet.ask(command("block", "3@localhost", "4@localhost"))).get("type") == (
        "result"
    )
    assert len(await blocklist(juliet)) == 5


async def test_an_anonymous_user_has_an_empty_list(stage):
    guest = await stage.bind("guest", "x")
    assert await blocklist(guest) == []
    for name in ("block", "unblock"):
        assert condition(await guest.ask(command(name, "romeo@localhost"))) == "not-allowed"


async def test_nobody_else_is_asked(romeo, juliet):
    await juliet.ask(command("block", "tybalt@localhost"))
    romeo.take()
    request = command("blocklist", kind="get").replace(" id=", " to='juliet@localhost' id=")
    assert condition(await romeo.ask(request)) == "service-unavailable"


async def test_slixmpp_asks_and_reads(juliet):
    request = Iq()
    request["type"], request["id"] = "set", "b"
    item = BlockItem()
    item["jid"] = "romeo@localhost"
    request["block"].append(item)
    assert (await juliet.ask(str(request))).get("type") == "result"
    answer = await juliet.ask(command("blocklist", kind="get"))
    assert [item["jid"] for item in Iq(xml=answer)["blocklist"]] == ["romeo@localhost"]


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
