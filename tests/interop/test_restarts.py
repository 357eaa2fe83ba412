"""Real clients whose server restarts in the middle of their conversations."""

import asyncio
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.client import BOSH, UNMANAGED, Client, NodeClient
from tests.interop.conversation import BOSH_LIBRARIES, WEBSOCKET_LIBRARIES, bodies
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "restart"
LIBRARIES = WEBSOCKET_LIBRARIES + BOSH_LIBRARIES
PAGES = ["romeo", "juliet", "helena", "lysander"]


async def coming(node: str, server: servers.Server, name: str, library: str) -> NodeClient:
    client = await NodeClient.start(node, library)
    url = server.bosh_url if library.endswith(BOSH) else server.url
    await client.sign_in(url, servers.DOMAIN, name, servers.PASSWORD)
    return client


async def in_a_ring(clients: list[Client], body: str) -> None:
    """Let each write to the next, and wait until all have it."""
    for client, following in zip(clients, clients[1:] + clients[:1], strict=True):
        client.send(following.jid, body)
    for client in clients:
        await client.receive(body)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=str)
async def test_libraries(node: str, tmp_path: Path, how: signal.Signals) -> None:
    """Who has stream management resumes; Strophe.js over BOSH has none, and signs in anew.

    What is said as the server ends is said by those over WebSocket: Strophe.js has nothing to
    send it again by over BOSH, and stanza waits there for ever for what it had not sent yet.
    """
    people = [f"person{number}" for number in range(len(LIBRARIES))]
    with ExitStack() as stack:
        restartable = servers.RestartableServer(tmp_path, people, stack)
        clients: list[Client] = list(
            await asyncio.gather(
                *(
                    coming(node, restartable.server, name, library)
                    for name, library in zip(people, LIBRARIES, strict=True)
                )
            )
        )
        await in_a_ring(clients, "before")
        managed = [client for client in clients if client.library != UNMANAGED]
        swift = [client for client in managed if not client.library.endswith(BOSH)]
        lines = [f"as-it-ends-{number}" for number in range(20)]
        for line in lines:
            for client, following in zip(swift, swift[1:] + swift[:1], strict=True):
                client.send(following.jid, line)
        await swift[0].receive(lines[0])
        await asyncio.to_thread(restartable.restart, how)
        for client in clients:
            if client in managed:
                await client.expect("resumed")
                assert client.count("online") == 1
            else:
                await client.expect("online", times=2)
        await in_a_ring(clients, "after")
        for client in clients:
            said = lines if client in swift else []
            assert bodies(client) == ["before", *said, "after"], client.library
        for client in clients:
            await client.stop()


async def test_pages(node: str, chromium: str, tmp_path: Path) -> None:
    """The demonstration, ``<andiron-chat>`` and Converse.js, one of each over BOSH."""
    page_port = servers.free_port()
    origin = f"http://127.0.0.1:{page_port}"
    environment = servers.andiron_environment(tmp_path) | {
        "ANDIRON_WEBSOCKET_ORIGINS": origin,
        "ANDIRON_BOSH_ORIGINS": origin,
    }
    servers.make_accounts(environment, PAGES)
    ports = [str(servers.free_port()), str(page_port)]
    arguments = [servers.andiron_command(), *ports, servers.DOMAIN, servers.PASSWORD]
    command = [node, "restart.mjs", *arguments, screenshots(tmp_path)]
    steps = await take(HERE, *command, chromium=chromium, environment=environment)
    assert len(steps) == 10
