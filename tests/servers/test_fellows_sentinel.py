"""Two servers that share a Redis by TLS, whose Sentinel has another take its place."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from support.certificates import certify

from tests.interop.server import andiron_environment, free_port, make_accounts, running
from tests.servers.clients import MESSAGE, PASSWORD, WebSocketClient
from tests.servers.conftest import Running, serving
from tests.servers.test_fellows import back
from tests.servers.test_fellows_redis import ASK, uvicorn

pytestmark = pytest.mark.peer

SESAME = "sesame"
LEASE = "andiron:{localhost}:lease:home"
TLS = (
    *("--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem"),
    *("--tls-auth-clients", "no", "--tls-replication", "yes"),
)
SENTINEL = """
port 0
tls-port {port}
tls-cert-file cert.pem
tls-key-file key.pem
tls-ca-cert-file cert.pem
tls-auth-clients no
tls-replication yes
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor main localhost {master} 1
sentinel auth-pass main {password}
sentinel down-after-milliseconds main 1000
sentinel failover-timeout main 10000
"""


class House:
    """The servers, the two of Redis, and which of those is asked."""

    def __init__(self, directory: Path, program: str) -> None:
        self.directory = directory
        self.program = program
        self.ports = [free_port(), free_port()]
        self.listening = [free_port(), free_port()]
        self.sentinel = free_port()
        self.redis: list[subprocess.Popen[bytes]] = []
        self.servers: list[Running] = []

    def command(self, number: int) -> list[str]:
        port = str(self.ports[number])
        replica = ["--replicaof", "localhost", str(self.ports[0])] if number else []
        return [
            *(self.program, "--port", "0", "--tls-port", port, "--bind", "127.0.0.1"),
            *("--dbfilename", f"{port}.rdb", "--save", "", "--requirepass", SESAME),
            *("--masterauth", SESAME, "--replica-announce-ip", "localhost"),
            *("--repl-diskless-sync-delay", "0", *TLS, *replica),
        ]

    def environment(self, number: int) -> dict[str, str]:
        where = f"localhost:{self.sentinel}/main?ca={self.directory}/cert.pem"
        return andiron_environment(self.directory) | {
            "HOME": str(self.directory),
            "ANDIRON_CLUSTER": f"rediss+sentinel://:{SESAME}@{where}",
            "ANDIRON_CLUSTER_LISTEN": f"127.0.0.1:{self.listening[number]}",
        }

    def asking(self, number: int) -> Redis:
        return Redis(
            host="localhost",
            port=self.ports[number],
            password=SESAME,
            ssl=True,
            ssl_ca_certs=str(self.directory / "cert.pem"),
        )

    async def home(self, redis: int, *, other_than: int = -1) -> int:
        """Return which server is home, as one Redis has it, once that is another than a former."""
        asking = self.asking(redis)
        try:
            async with asyncio.timeout(90):
                while True:
                    with contextlib.suppress(Exception):
                        where: Any = await asking.hget(LEASE, "where")
                        number = self.listening.index(json.loads(where)["port"])
                        if number != other_than:
                            return number
                    await asyncio.sleep(0.05)
        finally:
            await asking.aclose()

    async def replicated(self) -> None:
        """Wait until the replica has all that the master has."""
        asking = self.asking(0)
        async with asyncio.timeout(60):
            while not await asking.wait(1, 1000):
                pass
        await asking.aclose()

    async def known_to_sentinel(self) -> None:
        """Wait until the Sentinel knows the replica."""
        asking = Redis(
            host="localhost",
            port=self.sentinel,
            ssl=True,
            ssl_ca_certs=str(self.directory / "cert.pem"),
        )
        async with asyncio.timeout(60):
            while not await asking.execute_command("SENTINEL", "REPLICAS", "main"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asking.aclose()

    async def promoted(self) -> None:
        """Wait until the second is the master."""
        asking = self.asking(1)
        async with asyncio.timeout(60):
            while (await asking.info("replication"))["role"] != "master":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asking.aclose()


@pytest.fixture
async def house(tmp_path: Path, program: Callable[..., str]) -> AsyncIterator[House]:
    certify(tmp_path)
    made = House(tmp_path, program("redis-server"))
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(made.ports):
            log = tmp_path / f"redis-{number}.log"
            made.redis.append(stack.enter_context(running(made.command(number), port, log)))
        conf = tmp_path / "sentinel.conf"
        conf.write_text(SENTINEL.format(port=made.sentinel, master=made.ports[0], password=SESAME))
        asked = [made.program, str(conf), "--sentinel"]
        stack.enter_context(running(asked, made.sentinel, tmp_path / "sentinel.log"))
        await made.replicated()
        await made.known_to_sentinel()
        asking = made.asking(0)
        # It had a home before: nobody waits for what one that is just started may have lost.
        await asking.set("andiron:{localhost}:fence:home", 1)
        await asking.aclose()
        people = ["alice", "bob"]
        await asyncio.to_thread(make_accounts, made.environment(0), people, PASSWORD)
        for number in range(2):
            served = serving(uvicorn, tmp_path, made.environment(number))
            made.servers.append(stack.enter_context(served))
        yield made


async def test_a_sentinel_has_another_redis_take_the_place_of_one_that_is_gone(
    house: House,
) -> None:
    home = await house.home(0)
    bases = [each.base for each in house.servers]
    async with WebSocketClient(bases[0]) as alice, WebSocketClient(bases[1]) as bob:
        await alice.bind("alice", resumable=True)
        await bob.bind("bob", resumable=True)
        await alice.send(MESSAGE.format("bob", "before"))
        await bob.until("before")
        await house.replicated()
        house.redis[0].kill()
        await house.promoted()
        # In the time of a change the home may have let go: then it is home again, or another is.
        home = await house.home(1)
        async with (
            await back(house.servers[0], WebSocketClient, "alice", alice) as alice_again,
            await back(house.servers[1], WebSocketClient, "bob", bob) as bob_again,
        ):
            assert " h='2'" in await alice_again.until("<resumed ")
            await bob_again.until("<resumed ")
            await alice_again.send(MESSAGE.format("bob", "by the other Redis"))
            assert "before" not in await bob_again.until("by the other Redis")
            await alice_again.send(ASK)
            assert " h='3'" in await alice_again.until("<a ")
            os.kill(house.servers[home].process.pid, signal.SIGKILL)
            other = house.servers[await house.home(1, other_than=home)]
            async with (
                await back(other, WebSocketClient, "alice", alice_again) as alice_last,
                await back(other, WebSocketClient, "bob", bob_again) as bob_last,
            ):
                await alice_last.until("<resumed ")
                await bob_last.until("<resumed ")
                await alice_last.send(MESSAGE.format("bob", "by the other home"))
                await bob_last.until("by the other home")
