"""A bot: slixmpp as it is, in the process, bounded like anybody."""

import asyncio
import logging
from math import inf

import pytest
from support.waiting import until

from andiron import create_app
from andiron.inprocess import bot as module
from andiron.sm.link import CloseReason
from andiron.testing import running, sign_in


@pytest.fixture
def chat(clean_place):
    return create_app(database="sqlite://", shutdown_timeout=5)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)


async def started(bot):
    """Connect a bot and return it when it is signed in and available."""
    bot.connect()
    await bot.wait_until("session_start")
    bot.send_presence()
    return bot


def reasons(chat):
    manager = chat._home.manager
    return manager.closed


async def test_it_signs_in_without_a_password_and_its_account_is_made(chat):
    async with chat.lifespan():
        bot = await started(chat.client("Helper"))
        assert bot.boundjid.bare == "helper@localhost"
        assert await chat.domain.accounts.names() == ["helper"]
        await bot.disconnect()
        assert not bot.is_connected()
        assert reasons(chat) == {CloseReason.CLIENT_CLOSED: 1}


async def test_it_answers_in_a_room(chat):
    async with running(chat) as client:
        alice = await client("alice")
        tea = await alice.join("tea")
        bot = chat.client("helper")
        bot.register_plugin("xep_0045")

        async def start(_):
            await bot.plugin["xep_0045"].join_muc_wait(tea, "helper", maxstanzas=0)

        def answer(message):
            if message["mucnick"] != "helper":
                bot.send_message(tea, message["body"].upper(), mtype="groupchat")

        bot.add_event_handler("session_start", start)
        bot.add_event_handler("groupchat_message", answer)
        bot.connect()
        await alice.next(lambda one: one.sender == f"{tea}/helper")
        await alice.say(tea, "what's up <here> ☕?")
        assert [(await alice.receive()).body for _ in range(2)][1] == "WHAT'S UP <HERE> ☕?"


async def test_where_no_accounts_are_made_it_must_have_one(chat, caplog):
    chat = create_app(database="sqlite://", provision=False)
    async with chat.lifespan():
        bot = chat.client("helper")
        bot.connect()
        await bot.wait_until("failed_all_auth")
        await until(lambda: not bot.is_connected())
        await chat.domain.accounts.provide("helper")
        await started(bot)


async def test_it_needs_an_application_that_runs_on_this_loop(chat):
    with pytest.raises(RuntimeError, match=r"does not run.*lifespan.*docs/bots\.md"):
        chat.client("helper")
    async with chat.lifespan():
        with pytest.raises(ValueError, match="a space"):
            chat.client("two words")
        bot = chat.client("helper")

        async def elsewhere():
            with pytest.raises(RuntimeError, match=r"another event loop"):
                chat.client("helper")

        await asyncio.to_thread(asyncio.run, elsewhere())
    with pytest.raises(RuntimeError, match="does not run"):
        bot.connect()


async def test_it_ends_with_the_application_even_if_it_always_comes_back(chat, caplog):
    async with chat.lifespan():
        bot = chat.client("helper")
        ends = []

        def back(_):
            ends.append(reasons(chat).copy())
            bot.connect()

        bot.add_event_handler("disconnected", back)
        await started(bot)
        assert chat.end_sessions("helper") == 1
        await bot.wait_until("session_start")
        assert len(ends) == 1
    assert len(ends) == 2
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
    async with chat.lifespan():
        await started(bot)


async def test_it_has_one_connection_at_a_time(chat):
    async with chat.lifespan():
        bot = await started(chat.client("helper"))
        await bot.connect()
        assert bot.is_connected()
        assert not bot.is_connecting()
        manager = chat._home.manager
        assert len(manager.sessions) == 1


async def test_it_does_not_come_back_too_fast(chat, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 60.0)
    async with chat.lifespan():
        bot = await started(chat.client("helper"))
        await bot.disconnect()
        coming = bot.connect()
        await asyncio.sleep(0.01)
        assert not coming.done()
        assert not bot.is_connected()
        coming.cancel()


async def test_one_that_waits_to_come_back_stays_away_when_the_application_has_ended(
    chat, monkeypatch
):
    async with chat.lifespan():
        bot = await started(chat.client("helper"))
        await bot.disconnect()
        monkeypatch.setattr(module, "_PAUSE", 0.2)
        coming = bot.connect()
    await coming
    assert not bot.is_connected()
    assert not bot.is_connecting()


async def flood(bot):
    """Send as much as can be sent, and more, for ever."""
    while True:
        try:
            bot.send_message("carol@localhost", "x" * 10_000)
        except asyncio.QueueFull:
            await asyncio.sleep(0)


async def flooded(bot):
    """Send far too much without a pause."""
    for _ in range(1000):
        bot.send_message("carol@localhost", "x" * 10_000)


async def test_one_that_floods_is_slowed_and_others_go_on():
    chat = create_app(account_rate=10_000, account_burst=1_048_576)
    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        bot = await started(chat.client("flood"))
        payer = bot._line._connection.session.payer
        flooding = asyncio.ensure_future(flood(bot))
        await until(lambda: payer.over_since < inf)
        for _ in range(5):
            await alice.send("bob", "still here?")
            assert (await bob.receive()).body == "still here?"
        assert payer.over_since < inf
        assert bot.is_connected()
        assert bot.waiting_queue.qsize() < 100
        flooding.cancel()


async def test_one_that_floods_for_too_long_is_ended():
    chat = create_app(account_rate=100_000, account_burst=1_048_576, account_patience=0.01)
    async with running(chat) as client:
        alice = await client("alice")
        bot = await started(chat.client("flood"))
        flooding = asyncio.ensure_future(flood(bot))
        await bot.wait_until("disconnected")
        flooding.cancel()
        assert reasons(chat)[CloseReason.STREAM_ERROR] == 1
        with pytest.raises(asyncio.QueueFull):
            await flooded(bot)
        await alice.send("alice", "still here")
        assert (await alice.receive()).body == "still here"


async def test_one_that_hangs_is_dropped_and_others_go_on():
    chat = create_app(database="sqlite://", websocket_buffer_bytes=200_000)
    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        bot = await started(chat.client("sloth"))
        begun = []
        let_go = asyncio.Event()

        async def sleep(message):
            begun.append(message)
            await let_go.wait()

        bot.add_event_handler("message", sleep)
        gone = asyncio.ensure_future(bot.wait_until("disconnected"))
        while not gone.done():
            await alice.send("sloth", "x" * 10_000)
            await alice.send("bob", "and you?")
            await bob.receive()
        assert reasons(chat)[CloseReason.SLOW_READER] == 1
        assert 10 < len(begun) < 20
        let_go.set()
        bot.del_event_handler("message", sleep)
        heard = []
        bot.add_event_handler("message", heard.append)
        await started(bot)
        await until(lambda: len(heard) > 10, lambda: (len(heard), len(begun), bot._worked_on))


async def test_handlers_that_take_their_time_hold_up_the_reading_only():
    chat = create_app(database="sqlite://", websocket_buffer_bytes=200_000)
    async with running(chat) as client:
        alice = await client("alice")
        bot = await started(chat.client("busy"))
        let_go = asyncio.Event()
        done = []

        async def work(message):
            await let_go.wait()
            done.append(message["body"][0])

        bot.add_event_handler("message", work)
        for digit in "0123456789abcdefghij":
            await alice.send("busy", digit * 10_000)
        await until(lambda: bot._line._held)
        let_go.set()
        await until(lambda: "".join(done) == "0123456789abcdefghij")


async def test_it_resumes_with_stream_management(chat):
    async with chat.lifespan():
        bot = chat.client("helper")
        bot.register_plugin("xep_0198")
        await started(bot)
        await until(lambda: bot.plugin["xep_0198"].sm_id)
        bot.abort()
        await until(lambda: not bot.is_connected())
        async with await sign_in(chat, "alice") as alice:
            await alice.send("helper", "wait for me")
            heard = []
            bot.add_event_handler("message", heard.append)
            bot.connect()
            await bot.wait_until("session_resumed")
            await until(lambda: [one["body"] for one in heard] == ["wait for me"])
