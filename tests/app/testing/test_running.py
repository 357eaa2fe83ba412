"""A site's own tests: a round trip in three lines, and nothing left of it."""

import asyncio
import os

import pytest

from andiron import create_app
from andiron.testing import StreamEndedError, running, sign_in


async def test_a_round_trip_in_three_lines():
    async with running(create_app()) as client:
        alice, bob = await client("alice"), await client("bob")
        await alice.send("bob", "hello <you>")
        assert (await bob.receive()).body == "hello <you>"
        assert alice.jid.startswith("alice@localhost/")


async def test_nothing_of_the_sites_is_touched_and_nothing_is_left():
    chat = create_app(database="sqlite:///precious.db")
    settings = chat.settings
    for _ in range(2):
        async with running(chat) as client:
            await client("alice")
            assert await chat.domain.accounts.names() == ["alice"]
    assert chat.settings is settings
    assert os.listdir() == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_database_that_is_given_is_used_again():
    chat = create_app()
    async with running(chat, database="sqlite:///kept.db") as client:
        await (await client("alice")).send("bob@localhost", "nobody yet")
    async with running(chat, database="sqlite:///kept.db"):
        assert await chat.domain.accounts.names() == ["alice"]


async def test_one_who_runs_already_is_joined():
    chat = create_app(database="sqlite://", provision=False)
    with pytest.raises(RuntimeError, match="does not run"):
        await sign_in(chat, "alice")
    async with chat.lifespan(), await sign_in(chat, "alice") as alice:
        with pytest.raises(RuntimeError, match="runs already"):
            async with running(chat):
                pass
        await alice.send("alice", "note to myself")
        assert (await alice.receive()).body == "note to myself"


async def test_only_an_application_can_run():
    with pytest.raises(TypeError, match="create_app"):
        async with running(__import__("andiron").app):
            pass


async def test_who_waits_in_vain_is_told_what_came():
    async with running(create_app()) as client:
        alice, bob = await client("alice"), await client("bob")
        await bob.write(f"<presence to='{alice.jid}'/>")
        assert (await alice.next()).sender == bob.jid
        with pytest.raises(TimeoutError, match=r"alice waited 0\.01 s .* is nothing"):
            await alice.receive(within=0.01)


async def test_two_may_wait_at_a_time():
    async with running(create_app()) as client:
        alice = await client("alice")
        message, answer, _ = await asyncio.gather(
            alice.receive(),
            alice.ask("<ping xmlns='urn:xmpp:ping'/>", to="localhost"),
            alice.send("alice", "hi"),
        )
        assert (message.body, answer.kind) == ("hi", "result")


async def test_a_room():
    async with running(create_app()) as client:
        alice, bob = await client("alice"), await client("bob")
        tea = await alice.join("tea")
        assert await bob.join("tea", "bobby") == tea == "tea@conference.localhost"
        await alice.say(tea, "good afternoon")
        heard = await bob.receive()
        assert (heard.body, heard.sender) == ("good afternoon", f"{tea}/alice")
        assert (heard.name, heard.kind) == ("message", "groupchat")
        carol = await client("carol")
        with pytest.raises(PermissionError, match=r"carol may not enter tea@.*: conflict"):
            await carol.join("tea", "alice")


async def test_the_end_says_why():
    chat = create_app()
    async with running(chat) as client:
        alice = await client("alice")
        assert chat.end_sessions("alice") == 1
        with pytest.raises(StreamEndedError, match="not-authorized"):
            await alice.receive()
        with pytest.raises(StreamEndedError, match="not-authorized"):
            await alice.send("bob", "too late")


async def test_one_that_is_cut_off_misses_nothing():
    async with running(create_app()) as client:
        alice, bob = await client("alice"), await client("bob")
        bob.cut()
        await alice.send("bob", "are you there?")
        assert (await (await client("bob")).receive()).body == "are you there?"


async def test_an_answer_may_be_an_error():
    async with running(create_app()) as client:
        alice = await client("alice")
        answer = await alice.ask("<query xmlns='nothing:that:is'/>", to="localhost")
        assert (answer.kind, answer.condition) == ("error", "service-unavailable")


async def test_pings_are_answered_while_somebody_waits():
    async with running(create_app()) as client:
        alice, bob = await client("alice"), await client("bob")
        waiting = asyncio.ensure_future(alice.receive())
        answer = await bob.ask("<ping xmlns='urn:xmpp:ping'/>", to=alice.jid)
        assert (answer.kind, answer.sender) == ("result", alice.jid)
        await bob.send(alice.jid, "just asking")
        assert (await waiting).body == "just asking"
