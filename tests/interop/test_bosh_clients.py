"""Real client libraries over BOSH, as pages of another site: what only BOSH can do, and CORS."""

import asyncio
import contextlib

import pytest

from tests.interop.client import NodeClient
from tests.interop.conversation import BOSH_LIBRARIES, SignIn, bodies
from tests.interop.server import Server

pytestmark = pytest.mark.peer


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


async def cut(client: NodeClient) -> None:
    """Cut stanza's connection until it notices: it may wait for what it began to write."""
    before = client.count("offline")
    while client.count("offline") == before:
        client.command("cut")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4):
                await client.expect("offline", before + 1)


@pytest.mark.parametrize("server", ["andiron"], indirect=True)  # Prosody 0.12 fails inside
async def test_stanza_resumes_over_bosh(sign_in: SignIn) -> None:
    alice = await sign_in("alice", "stanza-bosh")
    bob = await sign_in("bob", "stanza-bosh")
    for turn in range(1, 4):
        await cut(alice)
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
@pytest.mark.parametrize("library", BOSH_LIBRARIES)
async def test_page_of_a_site_that_is_not_allowed(node: str, server: Server, library: str) -> None:
    client = await NodeClient.start(node, library)
    client.connect(server.bosh_url, "localhost", "alice0", "wrong", origin="https://evil.example")
    await client.expect("blocked")
    assert client.count("online") == 0
    await client.stop()
