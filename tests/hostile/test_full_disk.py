"""A disk without room under a server that runs: the journal's, and the database's."""

import asyncio
import contextlib
import re
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.hostile.conftest import PASSWORD, Victim, eventually
from tests.hostile.wire import OPEN, Wire, plain
from tests.interop.server import (
    andiron_command,
    andiron_environment,
    free_port,
    make_accounts,
)

SM = "urn:xmpp:sm:3"
TOKEN = "a" * 40
SAY = "<message xmlns='jabber:client' type='chat' to='{}@localhost'><body>n{}.</body></message>"
REQUEST = f"<r xmlns='{SM}'/>"
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
FULL = (0, resource.RLIM_INFINITY)
"""No file may become longer; sockets and pipes are none."""


class Server(Victim):
    """One whose log comes by a pipe, since its own files can be full, too."""

    lines: list[str]

    def said(self) -> str:
        return "\n".join(self.lines)

    def room(self, limits: tuple[int, int]) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, limits)

    async def ask_for(self, path: str) -> tuple[int, str]:
        async with httpx.AsyncClient() as http:
            answer = await http.get(
                f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {TOKEN}"}
            )
        return answer.status_code, answer.text


@contextlib.asynccontextmanager
async def serving(folder: Path, *, again: bool = False) -> AsyncIterator[Server]:
    environment = andiron_environment(folder) | {"ANDIRON_METRICS_TOKEN": TOKEN}
    if not again:
        make_accounts(environment, ["alice", "bob"], PASSWORD)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(andiron_command(), "serve", "--port", str(port)),
        cwd=folder,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    server = Server(port, process.pid, folder / "none", folder, folder / "andiron.db")
    server.lines = []

    async def listen() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            server.lines.append(line.decode().rstrip())

    listening = asyncio.create_task(listen())
    try:
        await server.logged("Serving localhost")
        yield server
        await server.hang_up()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        await listening


async def resumable(server: Server, name: str) -> tuple[Wire, str]:
    wire = await server.sign_in(name)
    await wire.send(f"<enable xmlns='{SM}' resume='true'/>")
    sm_id = (await wire.until("<enabled")).partition(" id='")[2].partition("'")[0]
    await wire.send("<presence xmlns='jabber:client'/>")
    await wire.until("<presence")
    return wire, sm_id


async def resuming(server: Server, name: str, sm_id: str, h: int) -> Wire:
    wire = await server.connect()
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(plain(name, PASSWORD))
    await wire.until("<success")
    await wire.send(OPEN)
    await wire.until("<stream:features")
    await wire.send(f"<resume xmlns='{SM}' previd='{sm_id}' h='{h}'/>")
    return wire


async def handled(wire: Wire) -> int:
    await wire.send(REQUEST)
    found = re.search(r" h='(\d+)'", await wire.until(f"<a xmlns='{SM}'"))
    assert found
    return int(found[1])


async def archived(wire: Wire) -> list[int]:
    await wire.send(
        "<iq xmlns='jabber:client' type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>"
    )
    found: list[int] = []
    while "<fin" not in (text := await wire.text()):
        if "urn:xmpp:mam:2" in text:
            found += map(int, re.findall(r"<body>n(\d+)\.", text))
    return found


async def test_a_full_disk_stops_what_is_promised_and_nothing_else(tmp_path: Path):
    async with serving(tmp_path) as server:
        alice, her_id = await resumable(server, "alice")
        bob, his_id = await resumable(server, "bob")
        before = await handled(alice)
        received = 1  # his presence
        server.room(FULL)
        for number in range(3):
            await alice.send(SAY.format("bob", number), REQUEST)
            assert f"n{number}." in await bob.until("<message")
            received += 1
        # That it is told to him proves that the turns before are over.
        assert await server.ask_for("/readyz") == (503, "sessions cannot be written down\n")
        assert "andiron_journal_failing 1.0" in (await server.ask_for("/metrics"))[1]
        again = await resuming(server, "bob", his_id, received)
        await alice.send(SAY.format("bob", 3), REQUEST)
        await bob.ended()
        server.room(UNLIMITED)
        texts = [await alice.until(f"<a xmlns='{SM}'")]
        assert f" h='{before + 4}'" in texts[0]
        assert "<resumed" in await again.text()
        assert "n3." in await again.until("<message")
        await eventually(lambda: "is written again" in server.said())
        assert server.said().count("cannot be written") == 1
        assert server.said().count("is written again") == 1
        assert "Traceback" not in server.said()
        assert (await server.ask_for("/readyz"))[0] == 200
        assert "andiron_journal_failing 0.0" in (await server.ask_for("/metrics"))[1]
    async with serving(tmp_path, again=True) as server:
        again = await resuming(server, "bob", his_id, received)
        assert "n3." in await again.until("<message")
        alice = await resuming(server, "alice", her_id, 0)
        assert f" h='{before + 4}'" in await alice.until("<resumed")
        # The database had no room either.
        assert await archived(alice) == [0, 1, 2, 3]
