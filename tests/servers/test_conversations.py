"""Conversations under each server that docs/mounting.md names."""

import pytest

from tests.servers.clients import CLIENTS, MESSAGE, RESUME, WebSocketClient
from tests.servers.commands import SERVERS
from tests.servers.conftest import serving, settle_in


def test_what_is_documented_is_what_is_tried():
    documented = {"uvicorn", "gunicorn, uvicorn_worker", "gunicorn, asgi"}
    assert documented | {"hypercorn", "granian", "daphne"} <= SERVERS.keys()


@pytest.fixture(scope="module", params=SERVERS)
def server(request, tmp_path_factory, people):
    directory = tmp_path_factory.mktemp("server")
    environment = settle_in(directory, people)
    with serving(SERVERS[request.param], directory, environment) as running:
        yield running


@pytest.mark.parametrize("hers", CLIENTS)
@pytest.mark.parametrize("his", CLIENTS)
async def test_a_chat(server, hers, his):
    async with CLIENTS[hers](server.base) as alice, CLIENTS[his](server.base) as bob:
        await alice.bind("alice")
        await bob.bind("bob")
        for number in range(3):
            await alice.send(MESSAGE.format("bob", f"question {number}"))
            await bob.until(f"question {number}")
            await bob.send(MESSAGE.format("alice", f"answer {number}"))
            await alice.until(f"answer {number}")
        await alice.close()
        await bob.close()


@pytest.mark.parametrize("first", CLIENTS)
async def test_a_session_that_loses_its_connection_is_resumed(server, first):
    async with CLIENTS[first](server.base) as lost, WebSocketClient(server.base) as bob:
        await bob.bind("bob")
        await lost.bind("alice", resumable=True)
        await bob.send(MESSAGE.format("alice", "before"))
        await lost.until("before")
        await lost.cut()
        await bob.send(MESSAGE.format("alice", "meanwhile"))
        async with WebSocketClient(server.base) as alice:
            await alice.sign_in("alice")
            await alice.send(RESUME.format(lost.sm_id, 2))
            await alice.until("<resumed ")
            await alice.until("meanwhile")
            await bob.send(MESSAGE.format("alice", "after"))
            await alice.until("after")
            await alice.close()
        await bob.close()
