"""What people do with whatever client they have, over WebSocket or BOSH."""

import secrets
from collections.abc import Awaitable, Callable

from tests.interop.client import BOSH, Client, NodeClient

SignIn = Callable[..., Awaitable[NodeClient]]
WEBSOCKET_LIBRARIES = ["xmppjs", "stanza", "strophe"]
BOSH_LIBRARIES = ["strophe-bosh", "stanza-bosh"]
AS_THEY_COME = ["stanza-bosh", "strophe-bosh"]
"""These read two answers that are under way in the order they come, not of their ``rid``."""
BULK = 1000


def bulky(name: str) -> str:
    """Return a body that takes more than BULK bytes on the wire, also compressed."""
    return f"{name} {secrets.token_hex(BULK)}"


def bodies(client: Client) -> list[str]:
    """Return the bodies of all that came."""
    return [message["body"] for message in client.messages]


async def back(client: Client, times: int = 1) -> None:
    """Wait until the client goes on after so many cuts; over BOSH it does so without a word."""
    if not client.library.endswith(BOSH):
        await client.expect("resumed", times)


async def greet(alice: Client, bob: Client) -> None:
    """Let both write, to the full address and to the bare one."""
    alice.send(bob.jid, "hello <&> \N{SNOWMAN}")
    greeting = await bob.receive("hello <&> \N{SNOWMAN}")
    assert (greeting["from"], greeting["id"]) == (alice.jid, "hello")
    assert greeting["delay"] is None
    bob.send(alice.jid.partition("/")[0], "answer to the bare address")
    assert (await alice.receive("answer to the bare address"))["from"] == bob.jid


async def talk_at_once(alice: Client, bob: Client, count: int = 30) -> None:
    """Let both write much at the same time; all arrives once, and in order where a client keeps it.

    XEP-0124 leaves it to the client in which order it reads answers that come at once.
    """
    questions = [f"question-{number} <&> \N{SNOWMAN}" for number in range(count)]
    answers = [f"answer-{number}" for number in range(count)]
    for question, answer in zip(questions, answers, strict=True):
        alice.send(bob.jid, question)
        bob.send(alice.jid, answer)
    for client, expected in ((bob, questions), (alice, answers)):
        for body in expected:
            await client.receive(body)
        if client.library in AS_THEY_COME:
            assert sorted(bodies(client)) == sorted(expected)
        else:
            assert bodies(client) == expected
    assert {message["from"] for message in bob.messages} == {alice.jid}
