"""Who decides about messages: what clients see, also when it fails or hangs."""

import asyncio

import pytest
from support.clients import EXTERNAL, managed

from andiron import create_app
from andiron.domain.messages.screening import Screening
from andiron.hooks import Hooks, Refuse
from andiron.hooks import deciding as deciding_module
from andiron.testing import ChatClient, running

QUICK = {"domain": "example.org", "hook_timeout": 0.05}


def is_error(one):
    return one.name == "message" and one.kind == "error"


async def test_a_hook_lets_go_changes_and_refuses():
    chat, seen = create_app(**QUICK), []

    @chat.hooks.message
    async def decide(message):
        seen.append(message)
        if "rude" in message.body:
            return Refuse("be nice")
        return message.body.replace("tea", "coffee") if "tea" in message.body else None

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        await alice.send("bob", "hello")
        await alice.send("bob", "rude")
        await alice.send("bob", "more tea <please>")
        assert (await bob.receive()).body == "hello"
        assert (await bob.receive()).body == "more coffee <please>"
        refused = await alice.next(is_error)
        assert (refused.condition, "be nice" in refused.text) == ("policy-violation", True)
        assert [each.body for each in (await chat.api.archive("bob")).messages] == [
            "hello",
            "more coffee <please>",
        ]
    first = seen[0]
    assert (first.account, first.sender, first.to) == ("alice@example.org", alice.jid, bob.account)
    assert (first.kind, first.to_room) == ("chat", False)
    assert "<body>hello</body>" in first.xml


async def test_what_says_the_same_in_another_form_goes_with_the_body():
    chat, texts = create_app(**QUICK), []

    @chat.hooks.message
    async def decide(message):
        texts.extend(message.texts)
        return "***"

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        await alice.write(
            "<message to='bob@example.org' type='chat'><body>rude</body>"
            "<body xml:lang='de'>grob</body><html xmlns='http://jabber.org/protocol/xhtml-im'>"
            "<body xmlns='http://www.w3.org/1999/xhtml'>ru<b>de</b></body></html>"
            "<x xmlns='urn:kept'/></message>"
        )
        came = await bob.receive()
        assert came.body == "***"
        assert "rude" not in came.text
        assert "grob" not in came.text
        assert "urn:kept" in came.text
    assert texts == ["rude", "grob", "rude"]


async def test_signs_are_nobodys_to_decide_about_and_what_has_no_body_is():
    chat, seen = create_app(**QUICK), []

    @chat.hooks.message
    async def decide(message):
        seen.append((message.body, message.subject, message.to_room))

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        room = await alice.join("tea")
        for inner in (
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "<received xmlns='urn:xmpp:receipts' id='1'/>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
        ):
            await alice.write(f"<message to='{bob.jid}'>{inner}</message>")
            await bob.next(lambda one: one.name == "message")
        assert seen == []
        await alice.write(
            f"<message to='{room}' type='groupchat'><subject>Assam</subject></message>"
        )
        await alice.next(lambda one: "Assam" in one.text)
        await alice.write(f"<message to='{bob.jid}'><x xmlns='urn:secret'>words</x></message>")
        await bob.next(lambda one: "urn:secret" in one.text)
    assert seen == [("", "Assam", True), ("", "", False)]


async def test_an_error_that_says_something_is_looked_at_and_any_other_is_not():
    chat, seen = create_app(**QUICK), []

    @chat.hooks.message
    async def decide(message):
        seen.append((message.kind, message.body))
        return Refuse()

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        for inner in (f"{error}<m:body xmlns:m='jabber:client'>rude</m:body>", error):
            await alice.write(f"<message to='{bob.jid}' type='error'>{inner}</message>")
        assert "rude" not in (await bob.next(is_error)).text
    assert seen == [("error", "rude")]


async def has_a_task_of_its_own_cancelled(_message):
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


async def ends_by_what_is_no_error(_message):
    raise GeneratorExit


async def refuses_by_no_text(_message):
    return Refuse(None)


@pytest.mark.parametrize("on_failure", ["refuse", "deliver"])
@pytest.mark.parametrize(
    "hook", [has_a_task_of_its_own_cancelled, ends_by_what_is_no_error, refuses_by_no_text]
)
async def test_whatever_ends_it_the_message_is_settled_and_the_stream_goes_on(hook, on_failure):
    chat = create_app(domain="example.org", hook_timeout=10)
    chat.hooks.message(on_failure=on_failure)(hook)
    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        await managed(alice, resumable=False)
        await alice.send("bob", "hello")
        if on_failure == "deliver":
            assert (await bob.receive()).body == "hello"
        else:
            assert (await alice.next(is_error)).condition == "resource-constraint"
        await alice.write("<r xmlns='urn:xmpp:sm:3'/>")
        async with asyncio.timeout(60):
            await alice.next(lambda one: one.name == "a" and one.tree.get("h") == "1")


@pytest.mark.parametrize("goes_wrong", ["fails", "hangs", "nonsense", "impossible"])
@pytest.mark.parametrize("on_failure", ["refuse", "deliver"])
async def test_one_that_fails_or_hangs_harms_no_stream_and_nobody_else(
    goes_wrong, on_failure, caplog
):
    chat = create_app(**QUICK)

    @chat.hooks.message(on_failure=on_failure)
    async def decide(message):
        if message.account.startswith("carol"):
            return None
        if goes_wrong == "fails":
            raise KeyError("a bug of the site's")
        if goes_wrong == "hangs":
            await asyncio.Event().wait()
        return 7 if goes_wrong == "nonsense" else "x" * 700_000

    async with running(chat) as client:
        alice, bob, carol = [await client(name) for name in ("alice", "bob", "carol")]
        await alice.send("bob", "hello")
        await carol.send("bob", "from carol")
        first = await bob.receive()
        if on_failure == "deliver":
            assert {first.body, (await bob.receive()).body} == {"hello", "from carol"}
        else:
            assert first.body == "from carol"
            refused = await alice.next(is_error)
            assert refused.condition == "resource-constraint"
            assert "try again later" in refused.text
        await alice.ask("<ping xmlns='urn:xmpp:ping'/>", to="example.org")
    assert [record for record in caplog.records if record.name == "andiron.hooks"]


async def test_one_that_hangs_again_and_again_is_given_a_rest(monkeypatch):
    monkeypatch.setattr(deciding_module, "_REST", 0.2)
    chat, asked = create_app(**QUICK), []

    @chat.hooks.message(on_failure="deliver")
    async def decide(message):
        asked.append(message.body)
        if message.account.startswith("alice"):
            await asyncio.Event().wait()

    async with running(chat) as client:
        alice, bob, carol = [await client(name) for name in ("alice", "bob", "carol")]
        for number in range(6):
            await alice.send("bob", str(number))
        assert [(await bob.receive()).body for _ in range(6)] == list("012345")
        assert asked == ["0", "1", "2"]
        await carol.send("bob", "of another")
        await bob.receive()
        assert asked.pop() == "of another"
        await asyncio.sleep(0.2)
        await alice.send("bob", "later")
        await bob.receive()
        assert asked[-1] == "later"


async def test_what_a_client_sends_keeps_its_order_and_is_handled_last():
    chat, gate = create_app(domain="example.org", hook_timeout=10), asyncio.Event()

    @chat.hooks.message
    async def decide(message):
        if message.body == "first":
            await gate.wait()

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        room = await alice.join("tea")
        await bob.join("tea")
        await managed(alice, resumable=False)
        await alice.write("<r xmlns='urn:xmpp:sm:3'/>")
        before = int((await alice.next(lambda one: one.name == "a")).tree.get("h"))
        await alice.say(room, "first")
        await alice.say(room, "second")
        await alice.write(f"<presence to='{room}/alice' type='unavailable'/>")
        await alice.write("<r xmlns='urn:xmpp:sm:3'/>")
        # Nothing of it is there while the first one is looked at; others are served.
        await bob.ask("<ping xmlns='urn:xmpp:ping'/>", to="example.org")
        assert not [one for one in bob._came if one.body]
        gate.set()
        assert [(await bob.receive()).body for _ in range(2)] == ["first", "second"]
        await bob.next(lambda one: one.kind == "unavailable")
        done = str(before + 3)
        await alice.next(lambda one: one.name == "a" and one.tree.get("h") == done)


def held():
    """Return an application whose hook decides when a gate opens, and when it was asked."""
    chat, gate, asked = create_app(domain="example.org", hook_timeout=10), *events()

    @chat.hooks.message
    async def decide(message):
        asked.set()
        await gate.wait()

    return chat, gate, asked


def events():
    return asyncio.Event(), asyncio.Event()


async def test_a_message_is_neither_lost_nor_doubled_when_its_session_ends_meanwhile():
    chat, gate, asked = held()

    async with running(chat) as client:
        alice = await client("alice")
        await alice.send("bob", "the last word")
        await asked.wait()
        alice.cut()
        assert await chat.api.sessions("alice") == ()
        gate.set()
        bob = await client("bob")
        assert (await bob.receive()).body == "the last word"
        (kept,) = (await chat.api.archive("bob")).messages
        assert kept.body == "the last word"


async def test_one_who_resumes_meanwhile_is_told_what_was_handled():
    chat, gate, asked = held()
    async with running(chat) as client:
        bob = await client("bob")
        alice = await client("alice")
        enabled = await managed(alice)
        await alice.send("bob", "hello")
        await asked.wait()
        alice.cut()
        again = ChatClient(chat, "alice")
        await again._open()
        again._connection.write(EXTERNAL)
        assert "<success" in await again._read()
        await again._open()
        await again.write(f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.id}' h='0'/>")
        await bob.ask("<ping xmlns='urn:xmpp:ping'/>", to="example.org")
        gate.set()
        resumed = await again.next(lambda one: one.name == "resumed")
        assert resumed.tree.get("h") == "1"
        assert (await bob.receive()).body == "hello"
        assert len((await chat.api.archive("bob")).messages) == 1


async def test_the_stop_waits_for_what_is_being_decided(tmp_path):
    database = f"sqlite:///{tmp_path / 'a.db'}"
    chat, asked = create_app(domain="example.org", hook_timeout=5), asyncio.Event()

    @chat.hooks.message
    async def decide(message):
        asked.set()
        await asyncio.sleep(0.1)

    async with running(chat, database=database) as client:
        await client("bob")
        alice = await client("alice")
        await alice.send("bob", "at the last moment")
        await asked.wait()
    async with running(create_app(domain="example.org"), database=database) as client:
        bob = await client("bob")
        assert (await bob.receive()).body == "at the last moment"


async def test_the_hooks_of_a_bulky_message_hold_what_follows():
    chat, order = create_app(domain="example.org", max_nodes=100_000), []

    @chat.hooks.message
    async def decide(message):
        order.append(message.body[:5])
        await asyncio.sleep(0.01)

    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        bulk = "<x xmlns='urn:bulk'>" + "<a/>" * 20_000 + "</x>"
        await alice.write(f"<message to='{bob.jid}'><body>bulky</body>{bulk}</message>")
        await alice.send(bob.jid, "after")
        assert [(await bob.receive()).body for _ in range(2)] == ["bulky", "after"]


async def test_several_decide_in_turn():
    hooks = Hooks()

    @hooks.message
    async def first(message):
        return message.body + "1"

    @hooks.message
    async def second(message):
        return message.body + "2"

    chat = create_app(**QUICK, hooks=hooks)
    async with running(chat) as client:
        alice, bob = await client("alice"), await client("bob")
        await alice.send("bob", "0")
        assert (await bob.receive()).body == "012"


async def test_without_hooks_messages_go_straight():
    chat = create_app()
    async with running(chat):
        assert chat.domain.intake is chat.domain.messages
    chat.hooks.sign_in(asyncio.sleep)
    async with running(chat):
        assert chat.domain.intake is chat.domain.messages

    @chat.hooks.message
    async def decide(message):
        return None

    async with running(chat):
        assert isinstance(chat.domain.intake, Screening)


async def test_what_is_no_hook_is_said_at_once():
    chat = create_app()
    with pytest.raises(TypeError, match="an async function"):
        chat.hooks.message(lambda message: None)
    with pytest.raises(ValueError, match="'refuse' or 'deliver'"):
        chat.hooks.message(on_failure="later")(asyncio.sleep)
    async with running(chat):
        with pytest.raises(RuntimeError, match="before the application starts"):
            chat.hooks.sign_in(asyncio.sleep)
