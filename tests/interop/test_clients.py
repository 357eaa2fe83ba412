"""Real client libraries sign in, chat, lose their connection, and go on."""

import pytest

from tests.interop.client import BOSH, NodeClient
from tests.interop.conversation import (
    BOSH_LIBRARIES,
    BULK,
    WEBSOCKET_LIBRARIES,
    SignIn,
    back,
    bodies,
    bulky,
    greet,
    talk_at_once,
)
from tests.interop.proxy import CuttableProxy, Way
from tests.interop.server import Server

pytestmark = pytest.mark.peer

FORGETFUL = "stanza"
"""What it sends anew after one cut it does not count, and may lose by the next."""

library = pytest.mark.parametrize("library", WEBSOCKET_LIBRARIES + BOSH_LIBRARIES)
websocket_library = pytest.mark.parametrize("library", WEBSOCKET_LIBRARIES)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("xmppjs", "stanza"),
        ("stanza", "strophe"),
        ("strophe", "xmppjs"),
        ("strophe-bosh", "stanza-bosh"),
        ("stanza-bosh", "xmppjs"),
        ("stanza", "strophe-bosh"),
    ],
)
async def test_two_people_chat(sign_in: SignIn, first: str, second: str) -> None:
    await greet(await sign_in("alice", first), await sign_in("bob", second))


@library
async def test_many_messages_cross(sign_in: SignIn, library: str) -> None:
    await talk_at_once(await sign_in("alice", library), await sign_in("bob", library))


@websocket_library
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


@websocket_library
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
@websocket_library
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
    await back(alice)
    alice.send(bob.jid, "last")
    await bob.receive("last")
    assert bodies(bob) == ["delivered", "last"]
    assert alice.count("online") == 1


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
    await back(alice)
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(alice) == [message, "last"]
    assert alice.count("online") == 1


@library
async def test_conversation_through_many_cuts(
    sign_in: SignIn, proxy: CuttableProxy, library: str
) -> None:
    alice = await sign_in("alice", library, proxy)
    bob = await sign_in("bob", library)
    questions: list[str] = []
    answers: list[str] = []
    for turn in range(1, 5):
        questions += [f"question-{turn}-{number}" for number in range(10)]
        answers += [f"answer-{turn}-{number}" for number in range(10)]
        for question, answer in zip(questions[-10:], answers[-10:], strict=True):
            alice.send(bob.jid, question)
            bob.send(alice.jid, answer)
        await alice.receive(f"answer-{turn}-{turn}")
        if library == FORGETFUL:
            await bob.receive(questions[-1])
        proxy.cut()
        await back(alice, turn)
        alice.send(bob.jid, f"turn-{turn}")
        questions.append(f"turn-{turn}")
        await bob.receive(f"turn-{turn}")
    bob.send(alice.jid, "last")
    await alice.receive("last")
    assert bodies(bob) == questions
    assert bodies(alice) == [*answers, "last"]
    assert alice.count("online") == 1


@library
async def test_wrong_password_is_reported(node: str, server: Server, library: str) -> None:
    client = await NodeClient.start(node, library)
    url = server.bosh_url if library.endswith(BOSH) else server.url
    client.connect(url, "localhost", "alice0", "wrong")
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
