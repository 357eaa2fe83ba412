"""Real client libraries over BOSH, as pages of another site: what CORS forbids, nobody does."""

from collections.abc import Awaitable, Callable

import pytest

from tests.interop.client import NodeClient
from tests.interop.proxy import CuttableProxy, Way
from tests.interop.server import Server
from tests.interop.test_clients import BULK, bodies, bulky

pytestmark = pytest.mark.peer

SignIn = Callable[..., Awaitable[NodeClient]]
library = pytest.mark.parametrize("library", ["strophe-bosh", "stanza-bosh"])


@pytest.mark.parametrize(
    ("first", "second"),
    [("strophe-bosh", "stanza-bosh"), ("stanza-bosh", "xmppjs"), ("stanza", "strophe-bosh")],
)
async def test_two_people_chat(sign_in: SignIn, first: str, second: str) -> None:
    alice = await sign_in("alice", first)
    bob = await sign_in("bob", second)
    alice.send(bob.jid, "hello <&> \N{SNOWMAN}")
    greeting = await bob.receive("hello <&> \N{SNOWMAN}")
    assert (greeting["from"], greeting["id"]) == (alice.jid, "hello")
    assert greeting["delay"] is None
    bob.send(alice.jid.partition("/")[0], "answer to the bare address")
    assert (await alice.receive("answer to the bare address"))["from"] == bob.jid


@library
async def test_many_messages_cross(sign_in: SignIn, library: str) -> None:
    alice = await sign_in("alice", library)
    bob = await sign_in("bob", library)
    questions = [f"question-{number}" for number in range(30)]
    answers = [f"answer-{number}" for number in range(30)]
    for question, answer in zip(questions, answers, strict=True):
        alice.send(bob.jid, question)
        bob.send(alice.jid, answer)
    await bob.receive(questions[-1])
    await alice.receive(answers[-1])
    assert bodies(bob) == questions
    assert bodies(alice) == answers


@library
async def test_answer_lost_on_its_way_is_given_again(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    message = bulky("lost")
    proxy.lose(Way.TO_CLIENT)
    bob.send(alice.jid, message)
    await proxy.lost(Way.TO_CLIENT, BULK)
    proxy.cut()
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == [message, "last"]
    assert alice.count("online") == 1


@library
async def test_request_whose_answer_is_lost_counts_once(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    proxy.lose(Way.TO_CLIENT)
    alice.send(bob.jid, "delivered")
    await bob.receive("delivered")
    proxy.cut()
    alice.send(bob.jid, "last")
    await bob.receive("last")
    assert bodies(bob) == ["delivered", "last"]
    assert alice.count("online") == 1


@library
async def test_conversation_through_many_cuts(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    questions: list[str] = []
    answers: list[str] = []
    for turn in range(1, 4):
        questions += [f"question-{turn}-{number}" for number in range(10)]
        answers += [f"answer-{turn}-{number}" for number in range(10)]
        for question, answer in zip(questions[-10:], answers[-10:], strict=True):
            alice.send(bob.jid, question)
            bob.send(alice.jid, answer)
        await alice.receive(f"answer-{turn}-{turn}")
        proxy.cut()
        alice.send(bob.jid, f"turn-{turn}")
        questions.append(f"turn-{turn}")
        await bob.receive(f"turn-{turn}")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(bob) == questions
    assert bodies(alice) == [*answers, "last"]
    assert alice.count("online") == 1


@pytest.mark.parametrize("how", ["restore", "attach"])
async def test_strophe_goes_on_in_another_page(sign_in: SignIn, how: str) -> None:
    alice = await sign_in("alice", "strophe-bosh")
    bob = await sign_in("bob", "strophe-bosh")
    for turn in range(1, 4):
        bob.send(alice.jid, f"before-{turn}")
        await alice.receive(f"before-{turn}")
        alice.command(how)
        assert (await alice.expect("attached", turn))["jid"] == alice.jid
        alice.send(bob.jid, f"after-{turn}")
        await bob.receive(f"after-{turn}")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == [*(f"before-{turn}" for turn in range(1, 4)), "last"]
    assert bodies(bob) == [f"after-{turn}" for turn in range(1, 4)]
    assert alice.count("online") == 1


@pytest.mark.parametrize("server", ["andiron"], indirect=True)  # Prosody 0.12 fails inside
async def test_stanza_resumes_over_bosh(sign_in: SignIn) -> None:
    alice = await sign_in("alice", "stanza-bosh")
    bob = await sign_in("bob", "stanza-bosh")
    for turn in range(1, 4):
        alice.command("cut")
        await alice.expect("offline", turn)
        bob.send(alice.jid, f"while-away-{turn}")
        await alice.expect("resumed", turn)
        alice.send(bob.jid, f"back-{turn}")
        await bob.receive(f"back-{turn}")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == [*(f"while-away-{turn}" for turn in range(1, 4)), "last"]
    assert bodies(bob) == [f"back-{turn}" for turn in range(1, 4)]
    assert alice.count("online") == 1


@pytest.mark.parametrize("server", ["andiron"], indirect=True)
@library
async def test_page_of_a_site_that_is_not_allowed(node: str, server: Server, library: str) -> None:
    client = await NodeClient.start(node, library)
    client.connect(server.bosh_url, "localhost", "alice0", "wrong", origin="https://evil.example")
    await client.expect("blocked")
    assert client.count("online") == 0
    await client.stop()


@library
async def test_wrong_password_is_reported(node: str, server: Server, library: str) -> None:
    client = await NodeClient.start(node, library)
    client.connect(server.bosh_url, "localhost", "alice0", "wrong")
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
