"""Servers of one chat on machines of their own, and a Redis, a PostgreSQL and clients on others."""

import argparse
import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from soaking.network import Network
from soaking.own_redis import OwnRedis
from soaking.server import PATIENCE, STEP, Server

WEB: Final = ("web1", "web2", "web3")
MACHINES: Final = ("redis", "postgres", "clients", *WEB)
PORT: Final = 8000
LOOK: Final = 0.2
"""Seconds between two looks at who is home and who is ready."""
TURNS: Final = """
SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE '%#%'
"""


class Machines:
    """All of them, while :meth:`running`; clients are to be :meth:`~Network.inside` theirs."""

    def __init__(self, directory: Path, network: Network, told: argparse.Namespace) -> None:
        self.directory = directory
        self.network = network
        (directory / "uploads").mkdir()
        self.postgres = Postgres(network)
        self._redis_folder, folder = _folder()
        options = {"bind": network.address("redis"), "protected-mode": "no"}
        self.redis = OwnRedis(folder, options, lambda: network.inside("redis"))
        self.servers = {name: self._server(name, told) for name in WEB}
        self.addresses = [each.address for each in self.servers.values()]
        """Where clients connect."""

    def _server(self, name: str, options: argparse.Namespace) -> Server:
        folder = self.directory / name
        folder.mkdir()
        told = argparse.Namespace(**vars(options) | {"database": self.postgres.url})
        settings = {
            "ANDIRON_CLUSTER": f"redis://{self.network.address('redis')}",
            "ANDIRON_UPLOAD_DIR": str(self.directory / "uploads"),
            "ANDIRON_LOG_LEVEL": "info",
        }
        address = self.network.address(name), PORT
        return Server(folder, told, settings, address, lambda: self.network.inside(name))

    @contextlib.asynccontextmanager
    async def running(self, accounts: int) -> AsyncIterator[None]:
        """Run all of them."""
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self.postgres.running())
            stack.callback(self._redis_folder.cleanup)
            stack.push_async_callback(self.redis.end)
            await self.redis.start()
            with self.network.inside(WEB[0]):
                self.servers[WEB[0]].make_accounts(accounts)
            stack.callback(self._kill)
            for server in self.servers.values():
                await server.start()
            for server in self.servers.values():
                await server.until_ready()
            yield

    async def home(self) -> str:
        """Return which machine has the lease, and listens; nothing where none has."""
        address = await self.redis.home()
        if address is None:
            return ""
        return next(name for name in WEB if self.network.address(name) == address[0])

    def _kill(self) -> None:
        for server in self.servers.values():
            with contextlib.suppress(AttributeError):  # It was not started.
                server.process.kill()
                server.process.wait()


@dataclass(frozen=True, slots=True)
class Change:
    """That something was seen to be another than before, some seconds after the cut."""

    at: float
    what: str
    now: str

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.what}: {self.now}"


class Watch:
    """Looks at who is home, whose connections PostgreSQL has, and who says that it is ready."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._began = time.monotonic()
        self._known: dict[str, str] = {}
        self.changes: list[Change] = []

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.monotonic()
        self.changes.clear()

    async def run(self) -> None:
        """Look until it is cancelled."""
        looks = [self._look("home", self._machines.home)]
        looks.append(self._look("turns", self._turns))
        looks += [self._look(name, each.ready) for name, each in self._machines.servers.items()]
        await asyncio.gather(*looks)

    def now(self) -> float:
        """Return for how many seconds it has counted."""
        return self.at(time.monotonic())

    def at(self, moment: float) -> float:
        """Return how many seconds it had counted at a moment."""
        return moment - self._began

    def seen(self, what: str) -> str:
        """Return what was seen last."""
        return self._known.get(what, "")

    async def _look(self, what: str, look: Callable[[], Awaitable[str]]) -> None:
        while True:
            found = await look()
            if self._known.get(what) != found:
                self._known[what] = found
                self.changes.append(Change(self.now(), what, found))
            await asyncio.sleep(LOOK)

    async def _turns(self) -> str:
        """Return the processes, by number, whose turns have connections to PostgreSQL."""
        with contextlib.suppress(Exception):
            names = await self._machines.postgres.fetch(TURNS)
            return ", ".join(sorted(name[8:].partition("/")[0] for name in names)) or "none"
        return "?"


def _folder() -> tuple["tempfile.TemporaryDirectory[str]", Path]:
    """Return a folder for a server; the path of a socket file in it is short."""
    made = tempfile.TemporaryDirectory(prefix="andiron-soak-")
    return made, Path(made.name)


class Postgres:
    """The PostgreSQL; who looks at it comes by a socket file, whatever is cut."""

    def __init__(self, network: Network) -> None:
        self._made, self._folder = _folder()
        self._network = network
        self._host = network.address("postgres")
        self.url = f"postgresql://root@{self._host}/andiron"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it."""
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        if programs is None:
            raise SystemExit("PostgreSQL is missing")
        folder, data = self._folder, self._folder / "data"
        # It refuses to run as root, and Debian has a user for it.
        who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
        options = f"--pgdata={data} --username=root --auth=trust --encoding=UTF8 --locale=C"
        initdb = [str(programs / "initdb"), "--no-sync", *options.split()]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        (data / "pg_hba.conf").write_text("local all all trust\nhost all all samenet trust\n")
        settings = {
            "listen_addresses": self._host,
            "unix_socket_directories": str(folder),
            "fsync": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("ab") as log, self._network.inside("postgres"):
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *words],
                stdout=log,
                stderr=log,
                cwd=folder,
                **who,
            )
        try:
            create = [str(programs / "createdb"), "-h", str(folder), "-U", "root", "andiron"]
            until = time.monotonic() + PATIENCE
            while subprocess.run(create, check=False, capture_output=True).returncode:
                if time.monotonic() > until:
                    raise SystemExit(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")
                time.sleep(STEP)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            self._made.cleanup()

    async def fetch(self, query: str) -> list[str]:
        """Return the first column of what is asked."""
        connection = await asyncpg.connect(host=str(self._folder), user="root", database="andiron")
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()
