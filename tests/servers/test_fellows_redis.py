"""Three servers behind nginx that share a Redis and a PostgreSQL, whichever ends or hangs."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from support.postgres import PostgresServer, programs
from support.postgres import running as postgres_running
from support.redis_server import RedisServer
from support.redis_server import running as redis_running

from tests.conftest import require
from tests.interop.server import andiron_environment, free_port, make_accounts, running
from tests.servers.clients import CLIENTS, MESSAGE, PASSWORD, RESUME, Client, WebSocketClient
from tests.servers.conftest import Running, serving
from tests.servers.test_fellows import back

pytestmark = pytest.mark.peer

NGINX = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr info;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream andiron {{
        {servers}
        keepalive 32;
        keepalive_timeout 4s;
    }}
    map $http_upgrade $andiron_connection {{
        default upgrade;
        ''      '';
    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $andiron_connection;
        proxy_set_header Host $http_host;
        proxy_read_timeout 120s;
        location / {{
            proxy_pass http://andiron;
            proxy_buffering off;
        }}
    }}
}}
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
ASK = "<r xmlns='urn:xmpp:sm:3'/>"
NAMES = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE '%#%'"


class House:
    """The servers, and what they share."""

    def __init__(
        self, directory: Path, redis: RedisServer, postgres: PostgresServer, name: str
    ) -> None:
        self.directory = directory
        self.redis = redis
        self.postgres = postgres
        self.name = name
        self.listening = [free_port() for _ in range(3)]
        self.servers: list[Running] = []
        self.base = ""
        """Where nginx is."""
        self._asking = Redis.from_url(redis.url)

    def environment(self, number: int) -> dict[str, str]:
        return andiron_environment(self.directory) | {
            "HOME": str(self.directory),
            "ANDIRON_DATABASE": self.postgres.url(self.name),
            "ANDIRON_CLUSTER": self.redis.url,
            "ANDIRON_CLUSTER_LISTEN": f"127.0.0.1:{self.listening[number]}",
        }

    async def home(self, *, other_than: int = -1) -> int:
        """Return which of them is home, once that is another than a former one."""
        async with asyncio.timeout(90):
            while True:
                with contextlib.suppress(Exception):
                    where: Any = await self._asking.hget("andiron:{localhost}:lease:home", "where")
                    number = self.listening.index(json.loads(where)["port"])
                    if number != other_than:
                        return number
                await asyncio.sleep(0.05)

    async def ready(self, number: int) -> None:
        """Wait until one of them is ready."""
        async with asyncio.timeout(60), httpx.AsyncClient() as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    found = await http.get(f"http://{self.servers[number].base}/readyz")
                    if found.status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def homes(self) -> set[str]:
        """Return whose connections PostgreSQL has, by the names of their turns."""
        rows = await self.postgres.fetch(NAMES, self.name)
        return {row["application_name"] for row in rows}

    async def claimed(self) -> None:
        """Wait until one of them, and no other, has its connections to PostgreSQL."""
        async with asyncio.timeout(60):
            while True:
                if len(await self.homes()) == 1:
                    return
                await asyncio.sleep(0.05)

    async def stored(self, words: str) -> list[str]:
        """Return the tables of PostgreSQL's that have some words in them."""
        tables = await self.postgres.fetch(TABLES, self.name)
        found = []
        for name in (row["tablename"] for row in tables):
            query = f"SELECT 1 FROM {name} WHERE {name}::text LIKE '%{words}%' LIMIT 1"
            if await self.postgres.fetch(query, self.name):
                found.append(name)
        return found

    async def close(self) -> None:
        await self._asking.aclose()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    found = require("PostgreSQL", str(programs() or "") or None)
    with postgres_running(Path(found)) as server:
        yield server


def nginx(program: Callable[..., str], house: House, port: int) -> list[str]:
    directory = house.directory
    text = NGINX.format(
        user="user root;" if os.geteuid() == 0 else "",
        directory=directory,
        port=port,
        servers=" ".join(f"server {each.base} max_fails=0;" for each in house.servers),
    )
    (directory / "nginx.conf").write_text(text)
    configuration = str(directory / "nginx.conf")
    return [program("nginx", "/usr/sbin/nginx"), "-p", str(directory), "-c", configuration]


def uvicorn(port: int) -> list[str]:
    return ["uvicorn", "andiron:app", "--port", str(port)]


@pytest.fixture
async def house(
    tmp_path: Path, postgres: PostgresServer, program: Callable[..., str]
) -> AsyncIterator[House]:
    with contextlib.ExitStack() as stack:
        folder = tmp_path / "redis"
        folder.mkdir()
        options = "--appendonly", "yes", "--appendfsync", "always"
        redis = stack.enter_context(redis_running(program("redis-server"), folder, *options))
        made = House(tmp_path, redis, postgres, await postgres.create_database())
        # It had a home before: nobody waits for what one that is just started may have lost.
        await made._asking.set("andiron:{localhost}:fence:home", 1)
        people = ["alice", "bob", "carol"]
        await asyncio.to_thread(make_accounts, made.environment(0), people, PASSWORD)
        for number in range(3):
            served = serving(uvicorn, tmp_path, made.environment(number))
            made.servers.append(stack.enter_context(served))
            await made.ready(number)
        port = free_port()
        log = tmp_path / "nginx.log"
        stack.enter_context(running(nginx(program, made, port), port, log))
        made.base = f"127.0.0.1:{port}"
        yield made
        await made.close()


async def come_back(base: str, client: type[Client], name: str, former: Client) -> Client:
    server = Running(None, base, Path())  # type: ignore[arg-type]
    return await back(server, client, name, former)


@pytest.mark.parametrize("transport", CLIENTS)
async def test_the_home_is_killed(house: House, transport: str) -> None:
    client = CLIENTS[transport]
    home = await house.home()
    async with client(house.base) as alice, WebSocketClient(house.base) as bob:
        await alice.bind("alice", resumable=True)
        await bob.bind("bob", resumable=True)
        for number in range(6):
            await bob.send(MESSAGE.format("alice", f"number {number}"))
            await alice.until(f"number {number}")
        await alice.send(MESSAGE.format("bob", "heard"))
        await bob.until("heard")
        os.kill(house.servers[home].process.pid, signal.SIGKILL)
        await bob.rest()
    await house.home(other_than=home)
    async with (
        await come_back(house.base, client, "alice", alice) as again,
        await come_back(house.base, WebSocketClient, "bob", bob) as bob_again,
    ):
        assert " h='7'" in await bob_again.until("<resumed ")
        await bob_again.send(MESSAGE.format("alice", "after"))
        texts = ""
        while "after" not in texts:
            texts += await again.until("")
        assert texts.count("<resumed ") == 1
        assert texts.count("number 5</body>") == 1


async def test_a_session_goes_from_process_to_process_and_between_transports(house: House) -> None:
    bases = [server.base for server in house.servers]
    async with WebSocketClient(bases[1]) as bob, contextlib.AsyncExitStack() as ended:
        await bob.bind("bob", resumable=True)
        alice: Client = await ended.enter_async_context(WebSocketClient(bases[0]))
        session = (await alice.bind("alice", resumable=True)).sm_id
        await alice.send(MESSAGE.format("bob", "said 0"))
        await bob.until("said 0")
        for step, (transport, base) in enumerate(
            [
                ("BOSH", bases[1]),
                ("WebSocket", bases[2]),
                ("BOSH", bases[0]),
                ("WebSocket", bases[1]),
            ],
            start=1,
        ):
            await alice.cut()
            await bob.send(MESSAGE.format("alice", f"in gap {step}"))
            alice = await ended.enter_async_context(CLIENTS[transport](base))
            await alice.sign_in("alice")
            handled = 2 * step - 1  # her own presence, and two messages in each step before
            await alice.send(RESUME.format(session, handled))
            told = await alice.until("<resumed ")
            assert f" h='{step + 1}'" in told
            while f"in gap {step}" not in told:
                told += await alice.until("")
            await alice.send(MESSAGE.format("bob", f"said {step}"))
            assert f"said {step}" in await bob.until("said ")
            await bob.send(MESSAGE.format("alice", f"after {step}"))
            assert f"in gap {step - 1}" not in told
            told = await alice.until("after")
            assert "gap" not in told


async def test_a_home_that_hangs_is_replaced_and_writes_nothing_when_it_goes_on(
    house: House,
) -> None:
    home = await house.home()
    others = [number for number in range(3) if number != home]
    at_home, elsewhere = house.servers[home].base, house.servers[others[0]].base
    before = await house.homes()
    assert len(before) == 1
    async with WebSocketClient(at_home) as alice, WebSocketClient(elsewhere) as bob:
        await alice.bind("alice", resumable=True)
        await bob.bind("bob", resumable=True)
        await alice.send(MESSAGE.format("bob", "before"))
        await bob.until("before")
        os.kill(house.servers[home].process.pid, signal.SIGSTOP)
        # It has these when it goes on, with all its connections, and its claim.
        await alice.send(MESSAGE.format("bob", "too late"))
        await alice.send(MESSAGE.format("carol", "to be stored, too late"))
        await alice.send(ASK)
        await bob.rest()
        await house.home(other_than=home)
        after = await house.homes()
        assert len(after) == 1
        assert after != before
        again = await come_back(elsewhere, WebSocketClient, "bob", bob)
        async with again, await come_back(elsewhere, WebSocketClient, "alice", alice) as alice_anew:
            assert " h='2'" in await alice_anew.until("<resumed ")
            await again.until("before")
            os.kill(house.servers[home].process.pid, signal.SIGCONT)
            heard = await alice.rest()
            assert not any("<a " in text for text in heard)
            await house.ready(home)
            assert await house.homes() == after
            assert await house.stored("before")
            assert not await house.stored("too late")
            await alice_anew.send(MESSAGE.format("bob", "in time"))
            assert "too late" not in await again.until("</body>")
            # It is a door now.
            async with WebSocketClient(at_home) as carol:
                await carol.bind("carol")
                await carol.send(MESSAGE.format("bob", "by the former home"))
                assert "by the former home" in await again.until("</body>")
                assert not [each for each in list(carol.heard._queue) if "late" in each]  # type: ignore[attr-defined]


async def test_redis_is_started_again(house: House) -> None:
    home = await house.home()
    async with WebSocketClient(house.base) as alice, WebSocketClient(house.base) as bob:
        await alice.bind("alice", resumable=True)
        await bob.bind("bob", resumable=True)
        house.redis.kill()
        await alice.send(MESSAGE.format("bob", "meanwhile"))
        await alice.send(ASK)
        house.redis.start()
        await bob.until("meanwhile")
        await alice.until("<a ")
        assert await house.home() == home


async def test_the_home_is_killed_while_postgresql_is_away(house: House) -> None:
    home = await house.home()
    other = (home + 1) % 3
    async with WebSocketClient(house.servers[other].base) as alice:
        await alice.bind("alice", resumable=True)
        await asyncio.to_thread(house.postgres.stop)
        try:
            os.kill(house.servers[home].process.pid, signal.SIGKILL)
            await alice.rest()
            async with asyncio.timeout(60), httpx.AsyncClient() as http:
                said = ""
                while said != "no home: a process cannot become home\n":
                    said = (await http.get(f"http://{house.servers[other].base}/readyz")).text
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(house.postgres.start)
        await house.home(other_than=home)
        again = await come_back(house.servers[other].base, WebSocketClient, "alice", alice)
        async with again:
            await again.until("<resumed ")


async def test_postgresql_is_started_again(house: House) -> None:
    async with WebSocketClient(house.base) as alice, WebSocketClient(house.base) as bob:
        await alice.bind("alice", resumable=True)
        await bob.bind("bob", resumable=True)
        await asyncio.to_thread(house.postgres.stop)
        try:
            await alice.send(MESSAGE.format("bob", "meanwhile"))
            await bob.until("meanwhile")
        finally:
            await asyncio.to_thread(house.postgres.start)
        await alice.send(ASK)
        await alice.until("<a ")
        for number in range(3):
            await house.ready(number)
        await house.claimed()
