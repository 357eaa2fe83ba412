"""``andiron serve`` in a process of its own, with short patience, to be maltreated."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.wire import PATIENCE, Wire
from tests.interop.server import (
    andiron_command,
    andiron_environment,
    free_port,
    logged,
    make_accounts,
    running,
)

PASSWORD = "correct horse"
SETTINGS = {
    "WEBSOCKET_CLOSE_TIMEOUT": "0.5",
    "MAX_NEGOTIATING": "200",
    "MAX_NEGOTIATING_PER_ADDRESS": "100",
    "AUTH_DELAY_FIRST": "0.01",
    "AUTH_DELAY_ACCOUNT": "0.01",
    "AUTH_DELAY_ADDRESS": "0.01",
}
HURRY = {
    "SESSION_NEGOTIATION_TIMEOUT": "2",
    "SESSION_IDLE_PROBE": "2",
    "SESSION_IDLE_TIMEOUT": "1",
    "STREAM_MANAGEMENT_REQUEST_TIMEOUT": "2",
    "WEBSOCKET_PING_TIMEOUT": "1",
    "UPLOAD_TIMEOUT": "2",
}
"""For tests that wait until the server waits no longer. On a busy machine others take as long."""


@dataclass
class Victim:
    """The server, its log and what it takes of the machine."""

    port: int
    pid: int
    log: Path
    uploads: Path
    """The folder of uploaded files."""
    database: Path
    wires: list[Wire] = field(default_factory=list, repr=False)
    _mark: int = field(default=0, repr=False)

    def mark(self) -> None:
        """Look at the log from here on."""
        self._mark = self.log.stat().st_size

    def said(self) -> str:
        """Return what the log says since the mark."""
        with self.log.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode(errors="replace")

    async def logged(self, part: str, times: int = 1) -> None:
        """Wait until the log says ``part`` so many times."""
        await eventually(lambda: self.said().count(part) >= times, lambda: f"{part}\n{self.said()}")

    @property
    def memory(self) -> int:
        """Return the resident memory, in MiB."""
        return self._mebibytes("VmRSS")

    @property
    def peak(self) -> int:
        """Return the most resident memory that there ever was, in MiB."""
        return self._mebibytes("VmHWM")

    def _mebibytes(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) // 1024

    @property
    def sockets(self) -> int:
        """Return how many sockets the process has open."""
        count = 0
        for file in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += str(file.readlink()).startswith("socket:")
        return count

    async def dial(self, **options: Any) -> Wire:
        """Connect and say nothing."""
        self.wires.append(await Wire.dial(self.port, **options))
        return self.wires[-1]

    async def ask(self, *headers: str, path: str = "/ws", **options: Any) -> Wire:
        """Ask for a WebSocket; the wire's ``status`` is the answer."""
        wire = await self.dial(**options)
        wire.ask(self.port, *headers, path=path)
        await wire.answer()
        return wire

    async def connect(self, *headers: str, **options: Any) -> Wire:
        wire = await self.ask(*headers, **options)
        assert wire.status == 101
        return wire

    async def sign_in(self, name: str = "alice", *headers: str, **options: Any) -> Wire:
        """Return a client that is bound; its address is the wire's ``jid``."""
        wire = await self.connect(*headers, **options)
        await wire.sign_in(name, PASSWORD)
        return wire

    async def hang_up(self) -> None:
        """Let go of all connections to it."""
        for wire in self.wires:
            await wire.gone()
        self.wires.clear()

    async def still_serves(self, **options: Any) -> None:
        """Check that somebody with honest intentions is served."""
        wire = await self.sign_in("bob", **options)
        await wire.send(
            f"<message xmlns='jabber:client' to='{wire.jid}'><body>hello</body></message>"
        )
        assert "<body>hello</body>" in await wire.until("<message")
        wire.close()


async def eventually(condition: Callable[[], bool], what: Callable[[], str] = str) -> None:
    """Wait for what another process does, which sends us no event."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it did not happen: {what()}") from None


Serve = Callable[[int], list[str]]
"""Makes the command that serves on a port."""


def andiron_serve(port: int) -> list[str]:
    return [andiron_command(), "serve", "--host", "127.0.0.1", "--port", str(port)]


@contextlib.contextmanager
def maltreated(
    directory: Path,
    serve: Serve = andiron_serve,
    *,
    started: str = "Serving",
    people: int = 0,
    more: Sequence[str] = (),
    again: bool = False,
    **settings: str,
) -> Iterator[Victim]:
    """Run a server with two accounts, whose log says ``started`` once it serves.

    ``again``: it has run in this directory before, and has its accounts.

    Settings are names without ``ANDIRON_``. ``people`` is for how many others,
    ``user0`` and on, there are accounts; ``more`` are the names of still others.
    """
    chosen = {f"ANDIRON_{name}": value for name, value in (SETTINGS | settings).items()}
    environment = andiron_environment(directory) | chosen
    if not again:
        names = ["alice", "bob", *more, *(f"user{number}" for number in range(people))]
        make_accounts(environment, names, PASSWORD)
    port, log = free_port(), directory / "andiron.log"
    with running(serve(port), port, log, environment=environment) as process:
        logged(re.compile(started), 1, log, process)
        yield Victim(port, process.pid, log, directory / "uploads", directory / "andiron.db")


@contextlib.contextmanager
def serving(directory: Path, **settings: str) -> Iterator[Victim]:
    if not Path("/proc/self/fd").is_dir() or os.name != "posix":
        pytest.skip("memory and sockets of a process are read from /proc, which is missing")
    with maltreated(directory, **settings) as victim:
        yield victim


async def looked_at(victim: Victim) -> AsyncIterator[Victim]:
    """Look at the log from here on; end what a test leaves of connections."""
    victim.mark()
    yield victim
    await victim.hang_up()


@pytest.fixture(scope="session")
def shared_victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with serving(tmp_path_factory.mktemp("victim")) as victim:
        yield victim


@pytest.fixture
async def victim(shared_victim: Victim) -> AsyncIterator[Victim]:
    """The server; its log is looked at from the test's beginning."""
    async for victim in looked_at(shared_victim):
        yield victim


@pytest.fixture(scope="session")
def shared_hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with serving(tmp_path_factory.mktemp("hurried"), **HURRY) as victim:
        yield victim


@pytest.fixture
async def hurried(shared_hurried: Victim) -> AsyncIterator[Victim]:
    """A server that does not wait long."""
    async for victim in looked_at(shared_hurried):
        yield victim


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the server logged in a failed test."""
    report = yield
    for victim in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(victim, Victim):
            report.sections.append(("server's log", victim.said()[-10_000:]))
    return report
