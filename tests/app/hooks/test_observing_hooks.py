"""Who is told what happened, also when that fails, hangs or does not keep up."""

import asyncio

import pytest
from support.clients import managed

from andiron import create_app
from andiron.hooks import Hooks, RoomEvent, RoomMessage, SignIn, SignOff, Started
from andiron.testing import running

ROOM = "tea@conference.example.org"
KINDS = (
    "sign_in",
    "sign_off",
    "room_created",
    "room_destroyed",
    "room_joined",
    "room_left",
    "room_message",
)


def listening(chat):
    told = asyncio.Queue()
    for kind in KINDS:

        async def tell(event, kind=kind):
            await told.put((kind, event))

        getattr(chat.hooks, kind)(tell)
    return told


async def until(told, kind):
    async with asyncio.timeout(60):
        while True:
            found, event = await told.get()
            if found == kind:
                return event


async def test_a_bot_begins_with_the_application_where_a_host_knows_no_lifespan():
    chat = create_app(domain="example.org", database="sqlite://", demo=False)
    bots = asyncio.Queue()

    @chat.hooks.started
    async def begin(event):
        assert event == Started(domain="example.org")
        bot = chat.client("helper")
        bot.add_event_handler("session_start", bots.put)
        bot.connect()

    async def host(_scope, _receive, _send):
        raise AssertionError("it is not asked")

    sent = asyncio.Queue()
    heard = asyncio.Queue()
    heard.put_nowait({"type": "lifespan.startup"})
    site = chat.wrap(host, at="/chat")
    serving = asyncio.create_task(site({"type": "lifespan"}, heard.get, sent.put))
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    async with asyncio.timeout(60):
        await bots.get()
    heard.put_nowait({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await serving


async def test_who_comes_and_goes_is_told():
    chat = create_app(domain="example.org")
    told = listening(chat)
    async with running(chat) as client:
        alice = await client("alice")
        assert await until(told, "sign_in") == SignIn(
            account="alice@example.org",
            address=alice.jid,
            transport="in-process",
            ip="in-process",
        )
        await alice.close()
        assert await until(told, "sign_off") == SignOff(
            account="alice@example.org",
            address=alice.jid,
            transport="in-process",
            reason="client-closed",
        )
        await client("bob")
        await until(told, "sign_in")
    assert (await until(told, "sign_off")).reason == "shutdown"


async def test_a_connection_that_is_lost_is_no_sign_off_yet():
    chat = create_app(domain="example.org")
    told = listening(chat)
    async with running(chat) as client:
        alice = await client("alice")
        await managed(alice)
        alice.cut()
        await chat.api.end_sessions("alice")
        assert (await until(told, "sign_off")).reason == "kicked"


async def test_what_happens_to_a_room_is_told_in_its_order():
    chat = create_app(domain="example.org")
    told = listening(chat)
    who = {"room": ROOM, "account": "alice@example.org"}
    async with running(chat) as client:
        alice = await client("alice")
        await alice.join("tea", "Al")
        assert await until(told, "room_created") == RoomEvent(**who)
        assert await until(told, "room_joined") == RoomEvent(**who, nick="Al")
        await alice.say(ROOM, "hello")
        said = await until(told, "room_message")
        (kept,) = (await chat.api.archive(ROOM)).messages
        assert said == RoomMessage(**who, nick="Al", body="hello", subject="", archive_id=kept.id)
        await chat.api.say(ROOM, "by the site")
        assert (await until(told, "room_message")).account == "example.org"
        await alice.write(f"<presence to='{ROOM}/Al' type='unavailable'/>")
        assert await until(told, "room_left") == RoomEvent(**who, nick="Al")
        assert await until(told, "room_destroyed") == RoomEvent(**who)


async def test_a_second_session_of_one_who_is_there_is_no_news():
    chat = create_app(domain="example.org")
    told = listening(chat)
    async with running(chat) as client:
        one, two = await client("alice"), await client("alice")
        await one.join("tea")
        await two.join("tea")
        await one.close()
        await two.close()
        for kind in ("room_joined", "room_left", "room_destroyed"):
            await until(told, kind)
    assert not [kind for kind, _ in told._queue if kind.startswith("room_")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("goes_wrong", ["fails", "hangs"])
async def test_one_that_fails_or_hangs_keeps_nobody_waiting(kind, goes_wrong, caplog):
    chat = create_app(domain="example.org", hook_timeout=0.05)

    async def bad(event):
        if goes_wrong == "fails":
            raise KeyError("a bug of the site's")
        await asyncio.Event().wait()

    getattr(chat.hooks, kind)(bad)
    told = listening(chat)
    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        await alice.join("tea")
        await bob.join("tea")
        await alice.say(ROOM, "hello")
        assert (await bob.receive()).body == "hello"
        await bob.close()
        await alice.close()
        await until(told, "room_destroyed")
    expected = "failed" if goes_wrong == "fails" else "longer than 0.05 s"
    lines = [each.getMessage() for each in caplog.records if each.name == "andiron.hooks"]
    assert any(f"The hook {kind}" in line and expected in line for line in lines)


async def test_one_that_cancels_itself_is_told_what_comes_next():
    chat, told = create_app(domain="example.org"), asyncio.Queue()

    @chat.hooks.sign_in
    async def cancelled(event):
        await told.put(event.account)
        raise asyncio.CancelledError

    async with running(chat) as client:
        for name in ("alice", "bob"):
            await client(name)
            async with asyncio.timeout(60):
                assert await told.get() == f"{name}@example.org"


async def test_hooks_of_two_applications_are_given_before_either_starts():
    hooks = Hooks()
    one, two = (create_app(domain=name, hooks=hooks) for name in ("one.example", "two.example"))
    async with running(one):
        async with running(two):
            pass
        with pytest.raises(RuntimeError, match="before the application starts"):
            hooks.sign_in(until)
    hooks.sign_in(until)


async def test_what_does_not_fit_into_the_queue_is_lost_and_counted(caplog):
    chat = create_app(domain="example.org", hook_queue=2, hook_timeout=10)
    gate, told, first = asyncio.Event(), [], asyncio.Event()

    @chat.hooks.room_message
    async def slow(event):
        told.append(event.body)
        first.set()
        await gate.wait()

    async with running(chat) as client:
        alice = await client("alice")
        await alice.join("tea")
        await alice.say(ROOM, "0")
        await first.wait()
        for number in range(1, 6):
            await alice.say(ROOM, str(number))
        assert [(await alice.receive()).body for _ in range(6)] == list("012345")
        gate.set()
    assert told == ["0", "1", "2"]
    lines = [each.getMessage() for each in caplog.records if each.name == "andiron.hooks"]
    assert lines == [
        "The hook room_message does not keep up: events are lost to it",
        "3 events were not told to the hook room_message",
    ]


async def test_nobody_is_told_of_what_nobody_wants_to_know():
    chat = create_app()
    async with running(chat):
        domain = chat.domain
        assert domain.events.bound == domain.events.ended == []
        assert domain.rooms.events.joined == domain.rooms.events.left == []
        assert domain.rooms.keep == domain.rooms.archive


async def test_a_hook_uses_the_api():
    chat = create_app(domain="example.org")

    @chat.hooks.sign_in
    async def greet(event):
        await chat.api.send(event.account, "welcome back")

    async with running(chat) as client:
        alice = await client("alice")
        assert (await alice.receive()).body == "welcome back"
