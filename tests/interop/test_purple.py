"""libpurple over BOSH, which is behind Pidgin and Finch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.interop.client import NodeClient, PurpleClient
from tests.interop.conversation import SignIn, bodies, talk_at_once
from tests.interop.server import DOMAIN, PASSWORD, PEOPLE, Server

pytestmark = [
    pytest.mark.peer,
    pytest.mark.parametrize("server", ["andiron"], indirect=True),
]

SignInPurple = Callable[[str], Awaitable[PurpleClient]]


@pytest.fixture
async def sign_in_purple(
    purple: str, server: Server, tmp_path: Path
) -> AsyncIterator[SignInPurple]:
    """Return ``await sign_in_purple(user)``: a client of the server.

    That takes some seconds, since it waits one before whatever it says over BOSH.
    """
    async with AsyncExitStack() as stack:

        async def start(user: str) -> PurpleClient:
            client = await PurpleClient.start(purple, server, user, PASSWORD, tmp_path / user)
            stack.push_async_callback(client.stop)
            client.jid = (await client.expect("online"))["jid"]
            return client

        yield start


async def test_two_people_chat(sign_in_purple: SignInPurple) -> None:
    alice, bob = await asyncio.gather(*map(sign_in_purple, PEOPLE[-7:-5]))
    await talk_at_once(alice, bob, 10)


async def test_chat_with_somebody_over_a_websocket_and_sign_out(
    sign_in_purple: SignInPurple, sign_in: SignIn, node: str, server: Server
) -> None:
    user = PEOPLE[-8]
    alice = await sign_in_purple(user)
    bob = await sign_in("bob", "stanza")
    alice.send(bob.jid, "hello <&> \N{SNOWMAN}")
    assert (await bob.receive("hello <&> \N{SNOWMAN}"))["from"] == alice.jid
    bob.send(alice.jid, "back")
    assert (await alice.receive("back"))["from"] == bob.jid
    alice.quit()
    await alice.expect("offline")
    successor = await NodeClient.start(node, "stanza")
    await successor.sign_in(server.url, DOMAIN, user, PASSWORD)
    bob.send(successor.jid, "again")
    await successor.receive("again")
    await successor.stop()
    assert bodies(successor) == ["again"]
    log = server.log.read_text()
    assert f"{alice.jid} closed: client-closed" in log
    assert "policy-violation" not in log


async def test_wrong_password_is_reported(purple: str, server: Server, tmp_path: Path) -> None:
    client = await PurpleClient.start(purple, server, PEOPLE[0], "wrong", tmp_path)
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
