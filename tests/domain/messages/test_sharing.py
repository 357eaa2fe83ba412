"""A message that several resources are given is one message, whatever becomes of them."""

import pytest
from support.domains import Client, Stage, settle
from support.lasting import LastingStage

from andiron.domain.messages import sharing
from andiron.sm.link import CloseReason
from andiron.sm.session import Session
from andiron.xmpp import namespaces as ns

JULIET = "juliet@localhost"
COPIES = "<iq type='set' id='c'><{} xmlns='urn:xmpp:carbons:2'/></iq>"
AWAY = "<presence type='unavailable'/>"


def say(text: str, to: str = JULIET) -> str:
    return f"<message to='{to}' type='chat' id='{text}'><body>{text}</body></message>"


def presence(priority: int) -> str:
    return f"<presence><priority>{priority}</priority></presence>"


def confirm(client: Client) -> None:
    sent = client.session.management.queue.sent
    client.send(f"<a xmlns='{ns.SM_3}' h='{sent}'/>")


async def end(stage: Stage, client: Client) -> None:
    client.session.close(CloseReason.EXPIRED, stage.now)
    await settle()


def owed(session: Session) -> list[str]:
    """Return the messages that a session's client has not acknowledged."""
    return [text for text, *_ in session.management.queue if text.startswith("<message")]


async def lowers_its_priority(stage: Stage, ending: Client, twin: Client) -> None:
    ending.send(presence(-1))


async def goes_away(stage: Stage, ending: Client, twin: Client) -> None:
    ending.send(AWAY)


async def has_a_twin_that_lowers_its_priority(stage: Stage, ending: Client, twin: Client) -> None:
    twin.send(presence(-1))
    twin.send(presence(0))


async def has_a_twin_that_goes_and_comes_back(stage: Stage, ending: Client, twin: Client) -> None:
    twin.send(AWAY)
    await settle()
    twin.send(presence(1))


async def is_outdone_for_a_while(stage: Stage, ending: Client, twin: Client) -> None:
    third = await stage.come("juliet", "third", 5)
    stage.now += 1
    third.leave()


MEANWHILE = [
    lowers_its_priority,
    goes_away,
    has_a_twin_that_lowers_its_priority,
    has_a_twin_that_goes_and_comes_back,
    is_outdone_for_a_while,
]


@pytest.mark.parametrize("meanwhile", MEANWHILE)
async def test_who_has_a_message_is_not_given_it_again_for_one_that(meanwhile):
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    ending = await stage.come("juliet", "ending", sm=True)
    twin = await stage.come("juliet", "twin", sm=True)
    stage.now += 1
    romeo.send(say("both"))
    stage.now += 1
    await meanwhile(stage, ending, twin)
    await settle()
    await end(stage, ending)
    assert len(owed(twin.session)) == 1
    assert stage.store.bodies("juliet") == []
    await end(stage, twin)
    assert stage.store.bodies("juliet") == ["both"], "nobody said that it came"
    await stage.domain.stop()


@pytest.mark.parametrize("how", ["disable", "disable, enable"])
async def test_who_had_a_copy_is_not_given_the_message(how):
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    ending = await stage.come("juliet", "ending", 1, sm=True)
    other = await stage.come("juliet", "other", sm=True)
    other.send(COPIES.format("enable"))
    stage.now += 1
    romeo.send(say("one"))
    stage.now += 1
    for each in how.split(", "):
        other.send(COPIES.format(each))
    await end(stage, ending)
    assert len(owed(other.session)) == 1
    await end(stage, other)
    assert stage.store.bodies("juliet") == ["one"]
    await stage.domain.stop()


@pytest.mark.parametrize("sm", [True, False])
@pytest.mark.parametrize("copies", [True, False])
async def test_what_one_acknowledged_is_not_kept_when_the_other_did_not_take_it(sm, copies):
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    had = await stage.come("juliet", "had", sm=sm)
    other = await stage.come("juliet", "other", -1 if copies else 0, sm=True)
    other.send(COPIES.format("enable"))
    stage.now += 1
    romeo.send(say("one"))
    if sm:
        confirm(had)
    had.leave()
    await settle()
    await end(stage, other)
    assert stage.store.bodies("juliet") == ([] if sm else ["one"])
    await stage.domain.stop()


async def test_what_came_before_it_could_be_acknowledged_was_not():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    late = await stage.come("juliet", "late")
    other = await stage.come("juliet", "other", sm=True)
    stage.now += 1
    romeo.send(say("one"))
    late.send(f"<enable xmlns='{ns.SM_3}' resume='true'/>")
    assert late.session.managed
    await end(stage, late)
    await end(stage, other)
    assert stage.store.bodies("juliet") == ["one"]
    await stage.domain.stop()


async def test_what_a_copy_told_is_not_kept_when_who_should_have_it_did_not_take_it():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    ending = await stage.come("juliet", "ending", sm=True)
    other = await stage.come("juliet", "other", -1, sm=True)
    other.send(COPIES.format("enable"))
    stage.now += 1
    romeo.send(say("one"))
    confirm(other)
    other.leave()
    await settle()
    await end(stage, ending)
    assert stage.store.bodies("juliet") == []
    await stage.domain.stop()


async def test_nothing_is_kept_of_what_all_have():
    stage = Stage()
    romeo = await stage.bind("romeo", "orchard")
    clients = [await stage.come("juliet", each, sm=True) for each in ("first", "second")]
    for _ in range(3):
        romeo.send(say("both"))
    messages = clients[0].link.owner.parts[sharing._Messages]
    assert len(messages.items()) == 3
    for client in clients:
        client.take()
        confirm(client)
    assert messages.items() == []
    await stage.domain.stop()


# Outliving the process


async def street() -> tuple[LastingStage, Client, Client, Client]:
    stage = LastingStage()
    await stage.begin()
    romeo = await stage.bind("romeo", "orchard", sm=True)
    first = await stage.come("juliet", "first", sm=True)
    second = await stage.come("juliet", "second", sm=True)
    stage.now += 1
    return stage, romeo, first, second


def there(stage: LastingStage, client: Client) -> Session:
    """Return the session that goes on with a client's."""
    return stage.domain.router.full[client.jid].session


async def end_there(stage: LastingStage, client: Client) -> None:
    there(stage, client).close(CloseReason.EXPIRED, stage.now)
    await settle()


async def next_process(stage: LastingStage, *, kill: bool) -> LastingStage:
    await settle()
    return await (stage.killed() if kill else stage.stopped())


@pytest.mark.parametrize("kill", [True, False])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("confirmed", [True, False])
async def test_the_next_process_knows_who_has_it(kill, times, confirmed):
    stage, romeo, first, second = await street()
    romeo.send(say("both"))
    if confirmed:
        confirm(first)
    for _ in range(times):
        stage = await next_process(stage, kill=kill)
    await end_there(stage, second)
    assert len(owed(there(stage, first))) == (not confirmed)
    await end_there(stage, first)
    assert stage.store.bodies("juliet") == ([] if confirmed else ["both"])
    await stage.killed()


@pytest.mark.parametrize("kill", [True, False])
async def test_the_next_process_knows_what_ended_sessions_had(kill):
    stage, romeo, first, second = await street()
    romeo.send(say("both"))
    confirm(first)
    romeo.send(say("not taken"))
    await end(stage, first)
    stage = await next_process(stage, kill=kill)
    await end_there(stage, second)
    assert stage.store.bodies("juliet") == ["not taken"]
    await stage.killed()


async def test_what_came_just_before_another_was_there_is_not_taken_for_shared():
    """Times are written down to the thousandth of a second."""
    stage = LastingStage()
    await stage.begin()
    romeo = await stage.bind("romeo", "orchard", sm=True)
    first = await stage.come("juliet", "first", sm=True)
    stage.now += 0.0003
    romeo.send(say("one"))
    stage.now += 0.0001
    await stage.come("juliet", "second", sm=True)
    stage = await stage.killed()
    await end_there(stage, first)
    (second,) = stage.domain.router.best(JULIET)
    assert len(owed(second.session)) == 1
    await stage.killed()


@pytest.mark.parametrize("kill", [True, False])
async def test_what_was_shared_is_known_again_while_it_is_held(kill):
    stage, romeo, first, _ = await street()
    stage.store.running.clear()
    third = await stage.bind("juliet", "third", sm=True)
    third.send("<presence/>")
    romeo.send(say("all"))
    await settle()
    confirm(first)
    stage = await next_process(stage, kill=kill)
    stage.store.running.set()
    await settle()
    await end_there(stage, third)
    assert stage.store.bodies("juliet") == []
    assert owed(there(stage, first)) == []
    await stage.killed()


async def test_a_new_message_is_not_taken_for_one_that_an_ended_session_had():
    stage, romeo, first, second = await street()
    romeo.send(say("one"))
    confirm(first)
    await end(stage, first)
    confirm(second)
    stage = await next_process(stage, kill=True)
    romeo = await stage.bind("romeo", "garden", sm=True)
    third = await stage.come("juliet", "third", sm=True)
    romeo.send(say("two"))
    stage = await next_process(stage, kill=True)
    await end_there(stage, third)
    await end_there(stage, second)
    assert stage.store.bodies("juliet") == ["two"]
    await stage.killed()
