"""Client libraries that sign in by a token, as docs/users.md says."""

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import jwt
import pytest

from tests.interop import server as servers
from tests.interop.client import BOSH, NodeClient
from tests.interop.conversation import BOSH_LIBRARIES, WEBSOCKET_LIBRARIES, greet
from tests.interop.server import Server

pytestmark = pytest.mark.peer

SECRET = "a secret of 32 bytes, or of more."
library = pytest.mark.parametrize("library", WEBSOCKET_LIBRARIES + BOSH_LIBRARIES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Andiron without accounts, for whoever has a token."""
    directory = tmp_path_factory.mktemp("tokens")
    with servers.andiron(directory, [], ANDIRON_TOKEN_SECRET=SECRET) as running:
        yield running


def token(name: str, seconds: float) -> str:
    return jwt.encode({"sub": name, "exp": time.time() + seconds}, SECRET, "HS256")


@library
async def test_two_people_chat(node: str, server: Server, library: str) -> None:
    url = server.bosh_url if library.endswith(BOSH) else server.url
    people = []
    async with AsyncExitStack() as stack:
        for name in (f"alice-{library}", f"bob-{library}"):
            client = await NodeClient.start(node, library)
            stack.push_async_callback(client.stop)
            await client.sign_in(url, servers.DOMAIN, name, "", token=token(name, 600))
            assert client.jid.startswith(f"{name}@{servers.DOMAIN}/")
            people.append(client)
        await greet(*people)


@library
async def test_a_token_that_has_expired_is_refused(node: str, server: Server, library: str) -> None:
    url = server.bosh_url if library.endswith(BOSH) else server.url
    client = await NodeClient.start(node, library)
    client.connect(url, servers.DOMAIN, "alice", "", token=token("alice", -600))
    await client.expect("error")
    assert client.count("online") == 0
    await client.stop()
