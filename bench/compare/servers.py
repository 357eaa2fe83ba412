"""The servers, each started afresh for a measurement and pinned to the first processor."""

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from load.accounts import ANDIRON as ANDIRON_COMMAND
from load.accounts import add_accounts

from compare.rows import ANDIRON, PEERS, UVICORN, Row

HERE = Path(__file__).resolve().parent.parent
PEERS_SCRIPT = HERE / "peers.sh"
ITERATIONS = 4096
FIRST_PORT = 25_280
SETTINGS = {
    "ANDIRON_AUTH_ANONYMOUS": "true",
    "ANDIRON_AUTH_ITERATIONS": str(ITERATIONS),
    "ANDIRON_ACCOUNT_RATE": "0",
    "ANDIRON_MAX_NEGOTIATING_PER_ADDRESS": "100000",
    "ANDIRON_MAX_NEGOTIATING": "100000",
    "ANDIRON_LOG_LEVEL": "warning",
}
"""As the peers are: with no limit of rate, and 127.0.0.1 is not one client."""
UVICORN_OPTIONS = (
    "--ws websockets-sansio --ws-max-size 262144 --ws-ping-interval 30 --ws-ping-timeout 30 "
    "--timeout-keep-alive 75 --timeout-graceful-shutdown 5 --log-level warning"
)
"""As docs/mounting.md has them."""
SERVE = {
    ANDIRON: [ANDIRON_COMMAND, "serve"],
    UVICORN: [sys.executable, "-m", "uvicorn", "andiron:app", *UVICORN_OPTIONS.split()],
}


class UnavailableError(Exception):
    """A server that this machine has not, or that did not start."""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    pid: int
    websocket: str
    bosh: str
    anonymous: str
    """The domain in which anybody may sign in."""

    def target(self, row: Row) -> list[str]:
        """Return the generator's options that say where the server is."""
        url = self.websocket if row.transport == "ws" else self.bosh
        domain = self.anonymous if row.auth == "ANONYMOUS" else "localhost"
        return ["--url", url, "--domain", domain, "--server-pid", str(self.pid)]


def pinned(processor: int) -> list[str]:
    """Return what puts a command on one processor, where there are several."""
    processors = sorted(os.sched_getaffinity(0))
    return [] if len(processors) < 2 else ["taskset", "-c", str(processors[processor])]


def free_port() -> int:
    """Return a port that is free, and the next with it, which ejabberd takes for itself.

    They are below those that the kernel gives to clients, whose connections
    may still be there after their process.
    """
    first = FIRST_PORT + os.getpid() % 1000 * 2  # others may look for one at the same moment
    for port in range(first, first + 2000, 2):
        try:
            for each in (port, port + 1):
                socket.create_server(("127.0.0.1", each)).close()
        except OSError:
            continue
        return port
    raise UnavailableError(f"there is no free port from {first} on")


class Servers:
    """Starts them; what they have in common is made once, in a folder of its own."""

    def __init__(self, directory: Path, *, pin: bool = True) -> None:
        self.directory, self.pin = directory, pin
        self.databases: dict[tuple[int, int], Path] = {}

    @contextlib.contextmanager
    def running(self, name: str, row: Row) -> Iterator[Running]:
        """Start a server for a row, and stop it afterwards. Raises :class:`UnavailableError`."""
        if name in PEERS:
            with peer(name, row, self.directory / "peers") as started:
                yield started
        else:
            with self._andiron(name, row) as started:
                yield started

    @contextlib.contextmanager
    def _andiron(self, name: str, row: Row) -> Iterator[Running]:
        with tempfile.TemporaryDirectory(dir=self.directory) as folder:
            cwd = Path(folder)
            database = cwd / "andiron.db"
            if row.accounts:
                shutil.copy(self._accounts(row.accounts, row.groups), database)
            port = free_port()
            serve = SERVE[name] + ["--port", str(port)]
            environment = _environment(database)
            command = [*pinned(0), *serve] if self.pin else serve
            with subprocess.Popen(command, env=environment, cwd=cwd) as process:
                try:
                    _until_healthy(port, process)
                    root = f"127.0.0.1:{port}"
                    yield Running(
                        process.pid, f"ws://{root}/ws", f"http://{root}/http-bind", "localhost"
                    )
                finally:
                    process.terminate()
                    try:
                        process.wait(20)
                    except subprocess.TimeoutExpired:
                        process.kill()

    def _accounts(self, count: int, groups: int) -> Path:
        """Return a database with the accounts user0 and so on, password pw.

        They are in groups of so many, or in none.
        """
        if (count, groups) not in self.databases:
            database = self.directory / f"{count}-{groups}.db"
            told = _environment(database)
            add_accounts((f"user{number}" for number in range(count)), "pw", told, self.directory)
            for start in range(0, count, groups) if groups else ():
                members = [f"user{number}" for number in range(start, min(start + groups, count))]
                subprocess.run(
                    [ANDIRON_COMMAND, "group", "add", f"group{start}", *members],
                    check=True,
                    env=told,
                    cwd=self.directory,
                    stdout=subprocess.DEVNULL,
                )
            self.databases[count, groups] = database
        return self.databases[count, groups]


def _environment(database: Path) -> dict[str, str]:
    return os.environ | SETTINGS | {"ANDIRON_DATABASE": f"sqlite:///{database}"}


def _until_healthy(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
            return
        time.sleep(0.05)
    raise UnavailableError("the server did not start")


@contextlib.contextmanager
def peer(name: str, row: Row, directory: Path) -> Iterator[Running]:
    """Start Prosody or ejabberd by ``peers.sh``, which needs root."""
    processors = [str(min(os.sched_getaffinity(0)))] if pinned(0) else []
    environment = os.environ | {
        "CPUS": "".join(processors),
        "STORE": row.store,
        "PEERS_DIR": str(directory),
    }
    port = free_port()
    start = [str(PEERS_SCRIPT), "start", name, str(port), str(row.accounts)]
    try:
        started = subprocess.run(
            start, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        if started.returncode:
            raise UnavailableError(f"{name} did not start: {started.stderr.strip()[-300:]}")
        root = f"127.0.0.1:{port}"
        pid = int(started.stdout.split()[-1])
        yield Running(pid, f"ws://{root}/ws", f"http://{root}/bosh", "anon.localhost")
    finally:
        subprocess.run([PEERS_SCRIPT, "stop", name], env=environment, check=True, timeout=60)


def install_peers() -> dict[str, str]:
    """Install the peers where that may be; return why not, for each that cannot be started."""
    root = os.geteuid() == 0
    if root and shutil.which("apt-get") and not all(_version(name) for name in PEERS):
        subprocess.run([PEERS_SCRIPT, "install"], check=False, stdout=subprocess.DEVNULL)
    reasons = {}
    for name in PEERS:
        if not _version(name):
            reasons[name] = f"{name} is not installed (as root on Debian: bench/peers.sh install)"
        elif not root:
            reasons[name] = f"{name} is left out: only root may start it, under its own account"
    return reasons


def _version(name: str) -> str:
    ask = [str(PEERS_SCRIPT), "version", name]
    asked = subprocess.run(ask, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Return the versions of the peers that are there."""
    return {name: version for name in PEERS if (version := _version(name))}
