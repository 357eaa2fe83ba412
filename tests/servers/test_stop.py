"""A clean stop under each server that docs/mounting.md names."""

import pytest

from tests.servers.clients import CLIENTS, MESSAGE, RESUME, WebSocketClient
from tests.servers.commands import SERVERS
from tests.servers.conftest import serving, settle_in

NO_FAREWELL = {"granian"}
"""Those that cut connections before what was said last is out."""


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("andiron serve", False),
        ("uvicorn", False),
        ("uvicorn, no lifespan", False),
        ("gunicorn, uvicorn_worker", False),
        ("gunicorn, uvicorn_worker", True),
        ("gunicorn, asgi", False),
        ("gunicorn, asgi", True),
        ("hypercorn, a worker", True),
        ("hypercorn", False),
        ("granian", False),
        ("granian", True),
        ("daphne", False),
    ],
)
async def test_a_lost_session_goes_on_after_a_clean_stop(tmp_path, people, name, group):
    """``group``: SIGTERM goes to all the server's processes, as from systemd, not to the first.

    With one process that is the same; a worker of hypercorn's is not told by
    the first while clients are there.
    """
    environment = settle_in(tmp_path, people)
    with serving(SERVERS[name], tmp_path, environment) as server:
        async with WebSocketClient(server.base) as alice, WebSocketClient(server.base) as bob:
            await alice.bind("alice", resumable=True)
            await bob.bind("bob")
            await alice.cut()
            await bob.send(MESSAGE.format("alice", "owed"))
            await bob.send("<iq xmlns='jabber:client' type='get' id='taken'><x/></iq>")
            await bob.until("id='taken'")
            await server.stop(group=group)
            texts = await bob.rest()
            if name not in NO_FAREWELL:
                assert "<system-shutdown " in texts[-2]
                assert texts[-1].startswith("<close ")
    with serving(SERVERS[name], tmp_path, environment) as server:
        async with WebSocketClient(server.base) as back:
            await back.sign_in("alice")
            await back.send(RESUME.format(alice.sm_id, 1))
            await back.until("<resumed ")
            assert "<delay " in await back.until("owed")
            await back.close()


@pytest.mark.parametrize("name", ["andiron serve", "uvicorn"])
@pytest.mark.parametrize("transport", CLIENTS)
async def test_sessions_outlive_a_clean_stop(tmp_path, people, name, transport):
    environment = settle_in(tmp_path, people)
    client = CLIENTS[transport]
    with serving(SERVERS[name], tmp_path, environment) as server:
        async with client(server.base) as alice, WebSocketClient(server.base) as bob:
            await alice.bind("alice", resumable=True)
            await bob.bind("bob", resumable=True)
            await bob.send(MESSAGE.format("alice", "owed"))
            await alice.until("owed")
            await server.stop()
            assert not any("system-shutdown" in text for text in await alice.rest())
            assert not any("system-shutdown" in text for text in await bob.rest())
            former = alice.sm_id, bob.sm_id
    with serving(SERVERS[name], tmp_path, environment) as server:
        async with client(server.base) as alice, WebSocketClient(server.base) as bob:
            await alice.sign_in("alice")
            await alice.send(RESUME.format(former[0], 1))  # her own presence
            answer = await alice.until("<resumed ")
            assert " h='1'" in answer
            if "owed" not in answer:  # over BOSH it may come with that
                await alice.until("owed")
            await bob.sign_in("bob")
            await bob.send(RESUME.format(former[1], 1))
            assert " h='2'" in await bob.until("<resumed ")
            await bob.send(MESSAGE.format("alice", "after that"))
            assert "owed" not in await alice.until("after that")
