"""Where the processes of a soak meet: a socket file, or a Redis."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from soaking.own_redis import OwnRedis
from soaking.server import Server, free_port

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


class ByRedis:
    """A Redis that is killed once, and keeps what it has."""

    def __init__(self, directory: Path, processes: int) -> None:
        folder = directory / "redis"
        folder.mkdir()
        self._port = free_port()
        self._listening = [free_port() for _ in range(processes)]
        self._redis = OwnRedis(folder, {"port": str(self._port)})

    def settings(self, number: int) -> dict[str, str]:
        return {
            "ANDIRON_CLUSTER": f"redis://127.0.0.1:{self._port}",
            "ANDIRON_CLUSTER_LISTEN": f"127.0.0.1:{self._listening[number]}",
        }

    async def start(self) -> None:
        await self._redis.start()

    async def home(self, servers: Sequence[Server]) -> int:
        address = await self._redis.home()
        return 0 if address is None else servers[self._listening.index(address[1])].process.pid

    async def disturb(self) -> bool:
        self._redis.kill()
        await self._redis.start()
        return True

    async def left(self, servers: Sequence[Server]) -> tuple[int, int]:  # noqa: ARG002
        return await self._redis.left()

    def faults(self, log: str) -> str:
        return "".join(
            line for line in log.splitlines(keepends=True) if not OUT_OF_REACH.search(line)
        )

    async def end(self) -> None:
        await self._redis.end()
