"""Real client libraries sign in, chat, lose their connection, and go on."""

import secrets
from collections.abc import Awaitable, Callable

import pytest

from tests.interop.client import Client, NodeClient
from tests.interop.proxy import CuttableProxy, Way
from tests.interop.server import Server

pytestmark = pytest.mark.peer

SignIn = Callable[..., Awaitable[NodeClient]]
LIBRARIES = ["xmppjs", "stanza", "strophe"]
library = pytest.mark.parametrize("library", LIBRARIES)
BULK = 1000


def bulky(name: str) -> str:
    """Return a body that takes more than BULK bytes on the wire, also compressed."""
    return f"{name} {secrets.token_hex(BULK)}"


def bodies(client: Client) -> list[str]:
    return [message["body"] for message in client.messages]


@pytest.mark.parametrize(
    ("first", "second"), [("xmppjs", "stanza"), ("stanza", "strophe"), ("strophe", "xmppjs")]
)
async def test_two_people_chat(sign_in: SignIn, first: str, second: str) -> None:
    alice = await sign_in("alice", first)
    bob = await sign_in("bob", second)
    alice.send(bob.jid, "hello <&> \N{SNOWMAN}")
    greeting = await bob.receive("hello <&> \N{SNOWMAN}")
    assert greeting["from"] == alice.jid
    assert greeting["id"] == "hello"
    assert greeting["delay"] is None
    bob.send(alice.jid.partition("/")[0], "answer to the bare address")
    assert (await alice.receive("answer to the bare address"))["from"] == bob.jid


@library
async def test_socket_destroyed_by_the_client(sign_in: SignIn, library: str) -> None:
    alice = await sign_in("alice", library)
    bob = await sign_in("bob", library)
    alice.command("cut")
    await alice.expect("offline")
    bob.send(alice.jid, "while-away")
    await alice.expect("resumed")
    alice.send(bob.jid, "back")
    await bob.receive("back")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == ["while-away", "last"]
    assert bodies(bob) == ["back"]
    assert alice.count("online") == 1


@library
async def test_message_lost_on_its_way_to_the_server(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    message = bulky("lost")
    proxy.lose(Way.TO_SERVER)
    alice.send(bob.jid, message)
    await proxy.lost(Way.TO_SERVER, BULK)
    proxy.cut()
    await alice.expect("resumed")
    alice.send(bob.jid, "last")
    await bob.receive("last")
    assert bodies(bob) == [message, "last"]
    assert alice.count("online") == 1


@pytest.mark.parametrize("server", ["andiron"], indirect=True)  # Prosody 0.12 never recovers
@library
async def test_message_cut_in_the_middle_of_its_frame(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    message = bulky("half")
    proxy.lose(Way.TO_SERVER, after=BULK // 4)
    alice.send(bob.jid, message)
    await proxy.lost(Way.TO_SERVER, BULK // 2)
    proxy.cut()
    await alice.expect("resumed")
    alice.send(bob.jid, "last")
    await bob.receive("last")
    assert bodies(bob) == [message, "last"]


@library
async def test_message_delivered_whose_acknowledgement_is_lost(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    proxy.lose(Way.TO_CLIENT)
    alice.send(bob.jid, "delivered")
    await bob.receive("delivered")
    proxy.cut()
    await alice.expect("resumed")
    alice.send(bob.jid, "last")
    await bob.receive("last")
    assert bodies(bob) == ["delivered", "last"]


@library
async def test_message_lost_on_its_way_to_the_client(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    message = bulky("lost")
    proxy.lose(Way.TO_CLIENT)
    bob.send(alice.jid, message)
    await proxy.lost(Way.TO_CLIENT, BULK)
    proxy.cut()
    await alice.expect("resumed")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == [message, "last"]


@library
async def test_conversation_through_many_cuts(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    questions: list[str] = []
    answers: list[str] = []
    for turn in range(1, 6):
        questions += [f"question-{turn}-{number}" for number in range(10)]
        answers += [f"answer-{turn}-{number}" for number in range(10)]
        for question, answer in zip(questions[-10:], answers[-10:], strict=True):
            alice.send(bob.jid, question)
            bob.send(alice.jid, answer)
        await alice.receive(f"answer-{turn}-{turn}")
        proxy.cut()
        await alice.expect("resumed", times=turn)
    alice.send(bob.jid, "last")
    bob.send(alice.jid, "last")
    await bob.receive("last")
    await alice.receive("last")
    assert bodies(bob) == [*questions, "last"]
    assert bodies(alice) == [*answers, "last"]


@library
async def test_wrong_password_is_reported(node: str, server: Server, library: str) -> None:
    client = await NodeClient.start(node, library)
    client.connect(server.url, "localhost", "alice0", "wrong")
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
