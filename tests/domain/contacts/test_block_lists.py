"""Block lists and the blocking command, XEP-0191."""

import pytest
from slixmpp.plugins.xep_0191.stanza import Block, BlockItem, BlockList, Unblock
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import Stage, condition, settle

from andiron.xmpp import namespaces as ns

for request in (BlockList, Block, Unblock):
    register_stanza_plugin(Iq, request)
    register_stanza_plugin(request, BlockItem, iterable=True)

BLOCKING = f"{{{ns.BLOCKING}}}"


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
