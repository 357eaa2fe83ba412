"""A native client over BOSH: gloox, which asks for what no page asks for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.interop.client import GlooxClient
from tests.interop.conversation import SignIn, bodies, talk_at_once
from tests.interop.server import PASSWORD, PEOPLE, Server

pytestmark = pytest.mark.peer

SignInGloox = Callable[[str], Awaitable[GlooxClient]]


@pytest.fixture
async def sign_in_gloox(gloox: str, server: Server) -> AsyncIterator[SignInGloox]:
    """Return ``await sign_in_gloox(user)``: a client of the server."""
    async with AsyncExitStack() as stack:

        async def start(user: str) -> GlooxClient:
            client = await GlooxClient.start(gloox, server, user, PASSWORD)
            stack.push_async_callback(client.stop)
            client.jid = (await client.expect("online"))["jid"]
            client.presence()
            return client

        yield start


async def test_two_people_chat(sign_in_gloox: SignInGloox) -> None:
    alice, bob = [await sign_in_gloox(user) for user in PEOPLE[-2:]]
    await talk_at_once(alice, bob)


async def test_chat_with_somebody_over_a_websocket(
    sign_in_gloox: SignInGloox, sign_in: SignIn
) -> None:
    alice = await sign_in_gloox(PEOPLE[-4])
    bob = await sign_in("bob", "stanza")
    alice.send(bob.jid, "hello")
    assert (await bob.receive("hello"))["from"] == alice.jid
    bob.send(alice.jid, "back")
    assert (await alice.receive("back"))["from"] == bob.jid


@pytest.mark.parametrize("server", ["andiron"], indirect=True)
async def test_its_goodbye_is_understood(sign_in_gloox: SignInGloox, server: Server) -> None:
    alice = await sign_in_gloox(PEOPLE[-3])
    alice.send(alice.jid, "to myself")
    await alice.receive("to myself")
    alice.quit()
    await alice.expect("offline")
    successor = await sign_in_gloox(PEOPLE[-3])
    successor.send(successor.jid, "again")
    await successor.receive("again")
    log = server.log.read_text()
    assert f"{alice.jid} closed: client-closed" in log
    assert "policy-violation" not in log


@pytest.mark.parametrize("server", ["andiron"], indirect=True)
async def test_what_it_got_before_it_signed_out_does_not_come_again(
    sign_in_gloox: SignInGloox, sign_in: SignIn
) -> None:
    alice = await sign_in_gloox(PEOPLE[-5])
    bob = await sign_in("bob", "stanza")
    said = [f"once-{number}" for number in range(20)]
    alice.leave_after(said[-1])
    for text in said:
        bob.send(alice.jid, text)
    await alice.expect("offline")
    bob.send(alice.jid.partition("/")[0], "while-away")
    again = await sign_in_gloox(PEOPLE[-5])
    await again.receive("while-away")
    assert bodies(alice) == said
    assert bodies(again) == ["while-away"], "what is kept comes in order"


@pytest.mark.parametrize("server", ["andiron"], indirect=True)
async def test_wrong_password_is_reported(gloox: str, server: Server) -> None:
    client = await GlooxClient.start(gloox, server, PEOPLE[0], "wrong")
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
