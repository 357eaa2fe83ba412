"""Last activity, XEP-0012."""

import asyncio

import pytest
from slixmpp.plugins.xep_0012.stanza import LastActivity as LastStanza
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from sqlalchemy import text
from support.domains import Stage, condition, settle

from andiron.domain.database.database import DatabaseError
from andiron.domain.events import Events
from andiron.domain.profile.last_activity import LastActivity
from andiron.domain.registry import Registry, Target
from andiron.xmpp import namespaces as ns

register_stanza_plugin(Iq, LastStanza)


def ask(to=""):
    addressed = f" to='{to}'" if to else ""
    return f"<iq type='get' id='l'{addressed}><query xmlns='{ns.LAST}'/></iq>"


def seconds(answer):
    if answer.get("type") == "error":
        return condition(answer)
    return Iq(xml=answer)["last_activity"]["seconds"]


async def show(owner, watcher):
    """Let an account show its presence to another."""
    owner.send(f"<presence type='subscribed' to='{watcher.link.account}'/>")
    watcher.send(f"<presence type='subscribe' to='{owner.link.account}'/>")
    await settle()
    owner.send(f"<presence type='subscribed' to='{watcher.link.account}'/>")
    await settle()
    for client in (owner, watcher):
        client.take()


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


@pytest.mark.parametrize("to", ["localhost", "juliet@localhost"])
async def test_it_is_announced(juliet, to):
    (query,) = await juliet.ask(
        f"<iq type='get' id='d' to='{to}'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.LAST in {feature.get("var") for feature in query}


async def test_the_domain_tells_how_long_it_is_up(stage, juliet):
    times = iter([100.0, 161.9])
    last = LastActivity(
        stage.database,
        stage.domain.owners,
        stage.domain.router,
        lambda _: None,
        lambda: next(times),
    )
    registry = Registry()
    last.register(registry, Events())
    stage.domain.registry.find = registry.find
    assert seconds(await juliet.ask(ask("localhost"))) == 61


@pytest.mark.parametrize("to", ["", "juliet@localhost"])
async def test_oneself_is_here(juliet, to):
    assert seconds(await juliet.ask(ask(to))) == 0


async def test_a_contact_that_is_here(juliet, romeo):
    await show(juliet, romeo)
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == 0


@pytest.mark.parametrize("farewell", ["presence", "end"])
async def test_a_contact_that_is_away(stage, juliet, romeo, farewell):
    await show(juliet, romeo)
    if farewell == "end":
        juliet.leave()
    else:
        juliet.send("<presence type='unavailable'/>")
    await settle()
    stage.now += 903.5
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == 903


async def test_only_the_last_resource_counts(stage, juliet, romeo):
    garden = await stage.come("juliet", "garden")
    await show(juliet, romeo)
    juliet.leave()
    stage.now += 10
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == 0
    garden.leave()
    stage.now += 5
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == 5


async def test_it_is_kept(stage, juliet, romeo):
    await show(juliet, romeo)
    for _ in range(2):
        juliet.leave()
        await settle()
        stage.now += 60
        juliet = await stage.come("juliet", "balcony")
    juliet.leave()
    await settle()
    with stage.database.engine.begin() as connection:
        kept = connection.execute(text("select * from last_seen")).all()
    assert kept == [("juliet", stage.wall(stage.now))]


async def test_who_was_never_there(stage, romeo):
    juliet = await stage.bind("juliet", "balcony")
    await show(juliet, romeo)
    juliet.leave()
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == "service-unavailable"


@pytest.mark.parametrize("online", [True, False])
async def test_strangers_learn_nothing(stage, juliet, romeo, online):
    if not online:
        juliet.leave()
    for to in ("juliet@localhost", "nobody@localhost"):
        assert seconds(await romeo.ask(ask(to))) == "forbidden"


async def test_strangers_learn_nothing_from_a_resource_in_whatever_spelling(juliet, romeo):
    query = "<query xmlns='jabber:iq:l&#97;st'/>"
    request = f"<iq type='get' id='l' to='{juliet.jid}'>{query}</iq>"
    assert seconds(await romeo.ask(request)) == "forbidden"
    assert juliet.take() == []


async def test_who_is_blocked_learns_nothing(juliet, romeo):
    await show(juliet, romeo)
    item = "<item jid='romeo@localhost'/>"
    await juliet.ask(f"<iq type='set' id='b'><block xmlns='{ns.BLOCKING}'>{item}</block></iq>")
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == "forbidden"


async def test_a_resource_is_asked_itself(stage, juliet, romeo):
    await show(juliet, romeo)
    for to in ("juliet@localhost/balcony", "Juliet@localhost/balcony"):
        romeo.send(ask(to))
        (request,) = juliet.take()
        assert (request.get("from"), request[0].tag) == (romeo.jid, f"{{{ns.LAST}}}query")
    garden = await stage.come("juliet", "garden")
    garden.send(ask("juliet@localhost/balcony"))
    assert len(juliet.take()) >= 1


@pytest.mark.parametrize("to", ["juliet@localhost/balcony", "Juliet@localhost/balcony"])
async def test_a_strangers_resource_is_not_asked(juliet, romeo, to):
    assert seconds(await romeo.ask(ask(to))) == "forbidden"
    assert juliet.take() == []
    result = f"<iq type='result' id='l' to='{to}'><query xmlns='{ns.LAST}' seconds='1'/></iq>"
    romeo.send(result)
    assert len(juliet.take()) == 1


async def test_an_anonymous_user_leaves_no_trace(stage):
    guest = await stage.come("guest", "x")
    writes = stage.database.writes
    guest.leave()
    await settle()
    assert stage.database.writes == writes


async def test_a_failing_database_stops_nothing(stage, juliet, romeo, caplog):
    await show(juliet, romeo)
    stage.database.error = DatabaseError("it is away")
    juliet.leave()
    await settle()
    stage.database.error = None
    assert "it is away" in caplog.text
    juliet = await stage.come("juliet", "balcony")
    juliet.leave()
    stage.now += 7
    assert seconds(await romeo.ask(ask("juliet@localhost"))) == 7


async def test_many_that_leave_share_a_write(stage):
    names = [f"u{number}" for number in range(20)]
    stage.add_account(*names)
    clients = [await stage.come(name, "x") for name in names]
    running = asyncio.Event()
    write = stage.database.write
    written = 0

    async def slow(operation, *payer):
        nonlocal written
        written += 1
        await running.wait()
        return await write(operation, *payer)

    stage.database.write = slow
    for client in clients:
        client.leave()
    await settle()
    running.set()
    await settle()
    with stage.database.engine.begin() as connection:
        assert connection.scalar(text("select count(*) from last_seen")) == 20
    assert written <= 2


async def test_a_removed_account_gets_no_row(stage, juliet, caplog):
    with stage.database.engine.begin() as connection:
        connection.execute(text("delete from accounts where username = 'juliet'"))
    juliet.leave()
    await settle()
    with stage.database.engine.begin() as connection:
        assert connection.scalar(text("select count(*) from last_seen")) == 0
    assert caplog.text == ""


def test_an_account_that_is_not_there_refuses_alike():
    registry = Registry()
    last = LastActivity.__new__(LastActivity)
    last.register(registry, Events())
    assert registry.refusals[f"{{{ns.LAST}}}query"] == "forbidden"
    assert registry.features(Target.CONTACT) == [ns.LAST]
