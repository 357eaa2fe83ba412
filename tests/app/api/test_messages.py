import asyncio
from contextlib import suppress

import pytest
from support.clients import managed

from andiron import create_app
from andiron.api import InvalidError, NotFoundError, RefusedError, UnavailableError
from andiron.testing import running

ENABLE = "<enable xmlns='urn:xmpp:carbons:2'/>"


async def archived(chat, of):
    return [(each.sender, each.body) for each in (await chat.api.archive(of)).messages]


async def test_the_site_speaks_and_its_word_is_archived(chat):
    bob = await chat.client_of("bob")
    sent = await chat.api.send("bob", "shipped <today>\n& soon there", subject="Your order")
    came = await bob.receive()
    assert (came.sender, came.kind, came.id) == ("example.org", "chat", sent.id)
    assert came.body == "shipped <today>\n& soon there"
    (kept,) = (await chat.api.archive("bob")).messages
    assert (kept.id, kept.message_id, kept.subject) == (sent.archive_id, sent.id, "Your order")
    assert f"id='{sent.archive_id}'" in came.text


async def test_a_user_speaks_and_his_own_clients_see_it(chat):
    alice, bob = await chat.client_of("alice"), await chat.client_of("bob")
    await alice.ask(ENABLE, kind="set")
    sent = await chat.api.send("bob@example.org", "hello", sender="Alice", message_id="mine")
    came = await bob.receive()
    assert (came.sender, came.id) == ("alice@example.org/site", "mine") == (came.sender, sent.id)
    copy = await alice.next(lambda one: one.name == "message")
    assert "<sent xmlns='urn:xmpp:carbons:2'>" in copy.text
    for whose in ("alice", "bob"):
        assert await archived(chat, whose) == [("alice@example.org/site", "hello")]


async def test_what_is_for_one_who_is_away_waits(chat):
    first = await chat.api.send("carol", "one")
    second = await chat.api.send("carol", "two", sender="bob")
    assert first.archive_id < second.archive_id
    carol = await chat.client_of("carol")
    assert [(await carol.receive()).body for _ in range(2)] == ["one", "two"]
    assert [body for _, body in await archived(chat, "carol")] == ["one", "two"]


async def test_a_note_to_oneself_survives_the_loss_of_its_session(chat):
    alice = await chat.client_of("alice")
    await managed(alice)
    alice.cut()
    await chat.api.send("alice", "note", sender="alice")
    assert await chat.api.end_sessions("alice") == 1
    again = await chat.client_of("alice")
    assert (await again.receive()).body == "note"


async def test_a_notification_reaches_who_is_there_and_stays_nowhere(chat):
    assert await chat.api.notify("bob", "the kettle is on") == 0
    one, two = await chat.client_of("bob"), await chat.client_of("bob")
    assert await chat.api.notify("bob", "tea is ready", subject="Tea") == 2
    for bob in (one, two):
        came = await bob.receive()
        assert (came.kind, came.body) == ("headline", "tea is ready")
    assert await archived(chat, "bob") == []


async def test_who_has_blocked_the_sender_is_left_alone(chat):
    bob = await chat.client_of("bob")
    block = "<block xmlns='urn:xmpp:blocking'><item jid='alice@example.org'/></block>"
    await bob.ask(block, kind="set")
    with pytest.raises(RefusedError, match="blocked the sender"):
        await chat.api.send("bob", "hello", sender="alice")
    with pytest.raises(RefusedError, match="blocked the recipient"):
        await chat.api.send("alice", "hello", sender="bob")
    await chat.api.send("bob", "from the site")
    assert (await bob.receive()).body == "from the site"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"to": ""}, "A name is empty"),
        ({"to": "bob@elsewhere.example"}, "give the name alone, or name@example.org"),
        ({"to": "bob@example.org/phone"}, "is no account"),
        ({"to": "two words"}, "nobody's name"),
        ({"to": 7}, "must be a text, not int"),
        ({"body": ""}, "The body is empty"),
        ({"body": "a\x00b"}, r"U\+0000, which XML cannot have"),
        ({"body": "a\ud800b"}, r"U\+D800"),
        ({"body": "\u20ac" * 100_000}, "max_stanza_size"),
        ({"body": "a" * 300_000}, "262144 are the most"),
        ({"subject": "s" * 1001}, "1000 are the most"),
        ({"sender": "no body"}, "nobody's name"),
        ({"kind": "groupchat"}, "chat or normal"),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(chat, given, sentence):
    with pytest.raises(InvalidError, match=sentence) as caught:
        await chat.api.send(**{"to": "bob", "body": "hello", **given})
    assert isinstance(caught.value, ValueError)


async def test_accounts_are_not_made_where_the_site_says_so():
    chat = create_app(provision=False)
    async with running(chat) as client:
        with pytest.raises(NotFoundError, match="none is made"):
            await chat.api.send("bob", "hello")
        await client("bob")
        await chat.api.send("bob", "hello")


async def test_a_store_that_is_full_is_no_success():
    chat = create_app(offline_limit=1)
    async with running(chat):
        await chat.api.send("bob", "one")
        with pytest.raises(RefusedError):
            await chat.api.send("bob", "two")
        assert [body for _, body in await archived(chat, "bob")] == ["one"]


async def test_who_waits_no_more_harms_nobody(chat):
    task = asyncio.ensure_future(chat.api.send("carol", "hello"))
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await chat.api.send("carol", "again")
    assert (await archived(chat, "carol"))[-1] == ("example.org", "again")


async def test_without_an_archive_messages_go_all_the_same():
    chat = create_app(archive=False)
    async with running(chat) as client:
        assert (await chat.api.send("bob", "stored")).archive_id == ""
        bob = await client("bob")
        assert (await bob.receive()).body == "stored"
        await chat.api.send("bob", "at once")
        assert (await bob.receive()).body == "at once"
        with pytest.raises(UnavailableError, match="No archive is kept"):
            await chat.api.archive("bob")


async def test_before_and_after_its_time_the_api_says_so():
    chat = create_app()
    with pytest.raises(UnavailableError, match="does not run in this process"):
        await chat.api.send("bob", "hello")
    async with running(chat):
        await chat.api.send("bob", "hello")
    with pytest.raises(UnavailableError, match="does not run"):
        await chat.api.send("bob", "hello")


async def test_an_announcement_goes_to_all_who_are_online_and_to_nobody_later(chat):
    alice, bob, carol = [await chat.client_of(name) for name in ("alice", "bob", "carol")]
    await managed(bob)
    bob.cut()
    await carol.write("<presence type='unavailable'/>")
    await carol.ask("<ping xmlns='urn:xmpp:ping'/>")
    assert await chat.api.announce("A <restart>.", subject="Soon") == 2
    said = await alice.receive()
    assert (said.kind, said.body, said.sender) == ("headline", "A <restart>.", "example.org")
    (waiting,) = await chat.api.sessions("bob")
    assert waiting.unacknowledged == 1
    assert (await chat.api.archive("alice")).messages == ()
    for wrong in ("", "x" * 300_000, "\x00"):
        with pytest.raises(InvalidError):
            await chat.api.announce(wrong)
