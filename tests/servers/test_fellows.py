"""Several processes of one server: one chat, whichever of them ends."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.servers.clients import CLIENTS, MESSAGE, RESUME, Client, WebSocketClient
from tests.servers.conftest import Running, serving, settle_in

TOKEN = "0123456789abcdef0123456789abcdef"


def uvicorn(port: int) -> list[str]:
    return ["uvicorn", "andiron:app", "--workers", "3", "--port", str(port)]


def serve(port: int) -> list[str]:
    return ["andiron", "serve", "--workers", "3", "--port", str(port)]


def locks() -> list[list[str]]:
    """Return what the kernel knows of locks: kind, process, file."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return [[words[1], words[4], words[5]] for words in lines if words[1] != "->"]


async def home_of(lock: Path, *, other_than: int = 0) -> int:
    """Return the process that has the lock, once that is another than a former one."""
    async with asyncio.timeout(60):
        while True:
            inode = os.stat(lock).st_ino
            for kind, process, file in locks():
                found = kind == "FLOCK" and file.endswith(f":{inode}")
                if found and int(process) not in (0, other_than):
                    return int(process)
            await asyncio.sleep(0.05)


async def processes(base: str) -> set[int]:
    """Return which are home of three processes, once all are known."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=f"http://{base}", headers=headers) as http:
        async with asyncio.timeout(60):
            found: list[dict[str, Any]] = []
            while len(found) < 3:
                found = (await http.get("/api/v1/processes")).json()
        sessions = (await http.get("/api/v1/sessions")).json()
    assert len({each["pid"] for each in found}) == 3
    assert all(each["memory"] > 2**20 for each in found)
    assert {each["process"] for each in sessions} <= {each["name"] for each in found}
    return {each["pid"] for each in found if each["home"]}


async def back(server: Running, client: type[Client], name: str, former: Client) -> Client:
    """Come back as clients do: as often as it takes."""
    async with asyncio.timeout(60):
        while True:
            again = client(server.base)
            try:
                await again.sign_in(name)
            except (OSError, EOFError, AssertionError, websockets.WebSocketException):
                await again.__aexit__(None, None, None)
                await asyncio.sleep(0.1)
                continue
            except httpx.HTTPError:
                await again.__aexit__(None, None, None)
                await asyncio.sleep(0.1)
                continue
            await again.send(RESUME.format(former.sm_id, 1))
            return again


@pytest.mark.parametrize(
    ("command", "transport", "how"),
    [
        (uvicorn, "WebSocket", signal.SIGKILL),
        (uvicorn, "BOSH", signal.SIGTERM),
        (serve, "BOSH", signal.SIGKILL),
        (serve, "WebSocket", signal.SIGTERM),
    ],
)
async def test_workers_serve_one_chat_whichever_ends(tmp_path, people, command, transport, how):
    client = CLIENTS[transport]
    place = tmp_path / "chat.sock"
    environment = settle_in(tmp_path, people) | {
        "ANDIRON_API_TOKEN": TOKEN,
        "ANDIRON_CLUSTER": f"unix:{place}",
    }
    with serving(command, tmp_path, environment) as server:
        async with client(server.base) as alice, WebSocketClient(server.base) as bob:
            await alice.bind("alice", resumable=True)
            await bob.bind("bob", resumable=True)
            await bob.send(MESSAGE.format("alice", "before"))
            await alice.until("before")
            home = await home_of(place.with_name("chat.sock.lock"))
            assert await processes(server.base) == {home}
            os.kill(home, how)
            await bob.rest()
        async with (
            await back(server, client, "alice", alice) as again,
            await back(server, WebSocketClient, "bob", bob) as bob_again,
        ):
            answer = await again.until("<resumed ")
            if "before" not in answer:  # over BOSH it may come with that
                await again.until("before")
            assert " h='2'" in await bob_again.until("<resumed ")
            await bob_again.send(MESSAGE.format("alice", "after"))
            assert "before" not in await again.until("after")
            await home_of(place.with_name("chat.sock.lock"), other_than=home)
        await server.stop()
