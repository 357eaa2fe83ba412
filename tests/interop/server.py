"""Real servers in processes of their own, each with the same few accounts."""

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from andiron.domain.accounts.accounts import Accounts
from andiron.domain.database.database import Database

DOMAIN = "localhost"
ORIGIN = "https://pages.example"
"""Where the pages come from that use BOSH from another site."""
PASSWORD = "correct horse & <battery> \N{SNOWMAN}"
PEOPLE = [f"{name}{number}" for number in range(45) for name in ("alice", "bob")]
ITERATIONS = 4096
"""Of PBKDF2, as few as there may be: they are what a sign-in costs."""
START_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. ``log`` holds everything it wrote."""

    name: str
    host: str
    port: int
    path: str
    log: Path

    @property
    def url(self) -> str:
        """Where its WebSocket is."""
        return self.url_through(self.port)

    @property
    def bosh_url(self) -> str:
        """Where its BOSH is."""
        return self.bosh_url_through(self.port)

    def url_through(self, port: int) -> str:
        """Where its WebSocket is behind a proxy on another port."""
        return f"ws://{self.host}:{port}{self.path}"

    def bosh_url_through(self, port: int) -> str:
        """Where its BOSH is behind a proxy on another port."""
        return f"http://{self.host}:{port}/http-bind"


def free_port() -> int:
    """Return a port that nobody listens on now.

    It is below those from which the kernel gives clients theirs, so that none
    of them takes it before the server does.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextlib.contextmanager
def running(
    command: list[str],
    port: int,
    log: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; enter it when the port answers."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=environment,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        ) as process,
    ):
        try:
            poll(lambda: answers(port), process, log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def logged(
    pattern: re.Pattern[str], times: int, log: Path, process: subprocess.Popen[bytes]
) -> tuple[str, ...]:
    """Wait until the log has so many matches, and return them."""
    found: list[str] = []

    def complete() -> bool:
        found[:] = pattern.findall(log.read_text(errors="replace"))
        return len(found) >= times

    poll(complete, process, log)
    return tuple(found)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def poll(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for what another process does, which sends us no event."""
    deadline = time.monotonic() + START_PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def andiron_command() -> str:
    """Return the console script of the interpreter that runs the tests."""
    return str(Path(sys.executable).with_name("andiron"))


def andiron_environment(directory: Path) -> dict[str, str]:
    """Return an environment in which Andiron sees nothing but its own directory's files."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANDIRON_")}
    return inherited | {
        "ANDIRON_DOMAIN": DOMAIN,
        "ANDIRON_DATABASE": f"sqlite:///{directory / 'andiron.db'}",
        "ANDIRON_UPLOAD_DIR": str(directory / "uploads"),
        "ANDIRON_AUTH_ITERATIONS": str(ITERATIONS),
        "ANDIRON_BOSH_ORIGINS": ORIGIN,
        # What the samples in deploy/ call the server.
        "ANDIRON_ALLOWED_HOSTS": "chat.example.org",
    }


def make_accounts(
    environment: Mapping[str, str], people: Iterable[str], password: str = PASSWORD
) -> None:
    """Do what ``andiron user add`` does, without the second that its start takes."""

    async def make() -> None:
        database = await Database.open(environment["ANDIRON_DATABASE"])
        try:
            accounts = Accounts(database, environment["ANDIRON_DOMAIN"], ITERATIONS)
            await accounts.create_many((person, password) for person in people)
        finally:
            await database.close()

    # A loop runs already where a test itself starts the server.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(asyncio.run, make()).result()


@contextlib.contextmanager
def andiron(directory: Path, people: Iterable[str] = PEOPLE, **settings: str) -> Iterator[Server]:
    """Run ``andiron serve`` with some accounts; settings are ``ANDIRON_`` names."""
    environment = andiron_environment(directory) | settings
    make_accounts(environment, people)
    port, log = free_port(), directory / "andiron.log"
    command = [andiron_command(), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, port, log, environment=environment):
        yield Server("andiron", "127.0.0.1", port, "/ws", log)


class RestartableServer:
    """``andiron serve``, which can be ended in any way and is started again at its address."""

    def __init__(self, directory: Path, people: Iterable[str], stack: contextlib.ExitStack) -> None:
        """Start it; the end of ``stack`` is its end."""
        self._environment = andiron_environment(directory)
        make_accounts(self._environment, people)
        port, log = free_port(), directory / "andiron.log"
        self.server = Server("andiron", "127.0.0.1", port, "/ws", log)
        self._stack = stack
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        port, log = self.server.port, self.server.log
        command = [andiron_command(), "serve", "--host", self.server.host, "--port", str(port)]
        return self._stack.enter_context(running(command, port, log, environment=self._environment))

    def restart(self, how: signal.Signals) -> None:
        """End it by a signal and start it again; blocks until it answers."""
        self._process.send_signal(how)
        self._process.wait(START_PATIENCE)
        self._process = self._start()


PROSODY = """
data_path = "{directory}/data"
pidfile = "{directory}/prosody.pid"
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
modules_enabled = {{
    "posix", "saslauth", "roster", "disco", "ping", "smacks", "websocket", "bosh",
    "blocklist", "bookmarks", "carbons", "csi_simple", "lastactivity", "mam", "pep", "private",
    "time", "uptime", "vcard_legacy", "version"
}}
modules_disabled = {{ "s2s", "offline" }}
c2s_ports, s2s_ports, https_ports = {{}}, {{}}, {{}}
http_ports, http_interfaces = {{ {port} }}, {{ "127.0.0.1" }}
http_default_host = "{domain}"
http_paths = {{ websocket = "/ws", bosh = "/http-bind" }}
http_external_url = "http://127.0.0.1:{port}/"
http_cors_override = {{ bosh = {{ enabled = true }} }}
consider_websocket_secure = true
consider_bosh_secure = true
authentication = "internal_plain"
storage = "internal"
VirtualHost "{domain}"
Component "conference.{domain}" "muc"
    modules_enabled = {{ "muc_mam" }}
Component "upload.{domain}" "http_file_share"
    http_host = "{domain}"
"""


@contextlib.contextmanager
def prosody(program: str) -> Iterator[Server]:
    """Run Prosody with the accounts of PEOPLE: the control that shows what a client can do."""
    user = "prosody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="andiron-prosody-") as name:
        directory, port = Path(name), free_port()
        (directory / "prosody.cfg.lua").write_text(
            PROSODY.format(directory=directory, port=port, domain=DOMAIN)
        )
        accounts = directory / "data" / DOMAIN / "accounts"
        accounts.mkdir(parents=True)
        for person in PEOPLE:
            (accounts / f"{person}.dat").write_text(f'return {{ ["password"] = [[{PASSWORD}]] }}')
        if user is not None:
            for path in (directory, *directory.rglob("*")):
                shutil.chown(path, user, user)
        log = directory / "prosody.log"
        command = [program, "-F", "--config", str(directory / "prosody.cfg.lua")]
        with running(command, port, log, user=user):
            yield Server("prosody", "127.0.0.1", port, "/ws", log)
