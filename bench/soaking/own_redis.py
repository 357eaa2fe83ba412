"""A Redis of a soak's own, by which its processes meet, and what they have written there."""

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from andiron.sm.journal import lines
from soaking.link import Address
from soaking.server import PATIENCE, STEP, counted

DOMAIN = "localhost"
LEASE = f"andiron:{{{DOMAIN}}}:lease:home"
JOURNAL = f"andiron:{{{DOMAIN}}}:journal"


class OwnRedis:
    """``redis-server``, which keeps what it has; who looks at it comes by a socket file."""

    def __init__(
        self,
        directory: Path,
        options: Mapping[str, str],
        there: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """``there`` is where it is started; the directory's path must be short."""
        self._directory = directory
        self._there = there
        socket_file = str(directory / "socket")
        self._options = {
            "unixsocket": socket_file,
            "dir": str(directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            **options,
        }
        self._client = Redis(unix_socket_path=socket_file)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is missing")
        words = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        with (self._directory / "log").open("ab") as log, self._there():
            self._process = subprocess.Popen(  # noqa: ASYNC220 - there is nothing else to do
                [program, *words], stdout=log, stderr=log
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

    async def home(self) -> Address | None:
        """Return where the home listens for the others; None where there is no home."""
        where: Any = None
        with contextlib.suppress(RedisError, OSError):
            where = await self._client.hget(LEASE, "where")
        if where is None:
            return None
        found = json.loads(where)
        return found["host"], found["port"]

    async def left(self) -> tuple[int, int]:
        """Return how many sessions, and other things, are written down."""
        name: Any = await self._client.hget(JOURNAL, "current")
        found: Any = await self._client.lrange(f"{JOURNAL}:{name.decode()}", 0, -1)
        return counted(lines.read(lambda: found).state)

    def kill(self) -> None:
        """Kill it, if it runs; it may be started again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def end(self) -> None:
        """Kill it for good."""
        await self._client.aclose()
        self.kill()
