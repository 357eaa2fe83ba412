"""Where the processes of a soak meet: a socket file, or a Redis."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from andiron.sm.journal import lines
from soaking.server import PATIENCE, STEP, Server, counted, free_port

DOMAIN = "localhost"
LEASE = f"andiron:{{{DOMAIN}}}:lease:home"
JOURNAL = f"andiron:{{{DOMAIN}}}:journal"
OUT_OF_REACH = re.compile(
    r"Redis cannot be asked for the lease|The journal of .* cannot be written|"
    r"The journal of .* is written again|could not be given back"
)
"""What the log says while Redis is away."""


class Meeting(Protocol):
    """Where they meet, and what can be seen of it."""

    def settings(self, number: int) -> dict[str, str]:
        """Return what the process of a number is told."""

    async def start(self) -> None:
        """Begin, before the first process."""

    async def home(self, servers: Sequence[Server]) -> int:
        """Return which process is home and listens; 0 where none does."""

    async def disturb(self) -> bool:
        """Start again what they meet by; tell whether there is such a thing."""

    async def left(self, servers: Sequence[Server]) -> tuple[int, int]:
        """Return how many sessions, and other things, are written down."""

    def faults(self, log: str) -> str:
        """Return what a log says that it should not."""

    async def end(self) -> None:
        """End, after the last process."""


class SocketFile:
    """A socket file, and its lock."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "chat.sock"

    def settings(self, number: int) -> dict[str, str]:  # noqa: ARG002
        return {"ANDIRON_CLUSTER": f"unix:{self._path}"}

    async def start(self) -> None:
        pass

    async def home(self, servers: Sequence[Server]) -> int:  # noqa: ARG002
        if not self._path.exists():
            return 0
        inode = os.stat(f"{self._path}.lock").st_ino
        for line in Path("/proc/locks").read_text().splitlines():  # noqa: ASYNC240
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return int(words[4])
        return 0

    async def disturb(self) -> bool:
        return False

    async def left(self, servers: Sequence[Server]) -> tuple[int, int]:
        return servers[0].left()

    def faults(self, log: str) -> str:
        return log

    async def end(self) -> None:
        pass


class OwnRedis:
    """A Redis that is killed once, and keeps what it has."""

    def __init__(self, directory: Path, processes: int) -> None:
        self._directory = directory / "redis"
        self._directory.mkdir()
        self._port = free_port()
        self._listening = [free_port() for _ in range(processes)]
        self._client = Redis(port=self._port)
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, number: int) -> dict[str, str]:
        return {
            "ANDIRON_CLUSTER": f"redis://127.0.0.1:{self._port}",
            "ANDIRON_CLUSTER_LISTEN": f"127.0.0.1:{self._listening[number]}",
        }

    async def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is missing")
        keeping = "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""
        options = "--port", str(self._port), "--dir", str(self._directory), *keeping
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - there is nothing else to do
                [program, *options], stdout=log, stderr=log
            )
        async with asyncio.timeout(PATIENCE):
            while not await self._answers():  # noqa: ASYNC110
                await asyncio.sleep(STEP)
        # As where there was a home before: nobody waits for what may have been lost.
        await self._client.set(f"andiron:{{{DOMAIN}}}:fence:home", 1, nx=True)

    async def _answers(self) -> bool:
        with contextlib.suppress(RedisError, OSError):
            return bool(await self._client.ping())
        return False

    async def home(self, servers: Sequence[Server]) -> int:
        where: Any = None
        with contextlib.suppress(RedisError, OSError):
            where = await self._client.hget(LEASE, "where")
        if where is None:
            return 0
        return servers[self._listening.index(json.loads(where)["port"])].process.pid

    async def disturb(self) -> bool:
        self._kill()
        await self.start()
        return True

    async def left(self, servers: Sequence[Server]) -> tuple[int, int]:  # noqa: ARG002
        name: Any = await self._client.hget(JOURNAL, "current")
        found: Any = await self._client.lrange(f"{JOURNAL}:{name.decode()}", 0, -1)
        return counted(lines.read(lambda: found).state)

    def faults(self, log: str) -> str:
        return "".join(
            line for line in log.splitlines(keepends=True) if not OUT_OF_REACH.search(line)
        )

    async def end(self) -> None:
        await self._client.aclose()
        self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
