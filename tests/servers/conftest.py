"""Every server that docs/mounting.md names, in processes of their own."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.server import (
    andiron_environment,
    answers,
    free_port,
    make_accounts,
    poll,
)
from tests.servers.clients import PASSWORD

STOP_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs as a group of processes; ``base`` is where the endpoints are."""

    process: subprocess.Popen[bytes]
    base: str
    log: Path

    async def stop(self, *, group: bool = False) -> None:
        """Send SIGTERM, to all its processes if so wished, and wait for the end."""
        if group:
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            self.process.terminate()
        await asyncio.to_thread(self.process.wait, STOP_PATIENCE)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which are alice and bob."""
    directory = tmp_path_factory.mktemp("people")
    make_accounts(andiron_environment(directory), ["alice", "bob"], PASSWORD)
    return directory / "andiron.db"


def settle_in(directory: Path, people: Path) -> dict[str, str]:
    """Give a directory a database of its own; return the environment that names it."""
    shutil.copy(people, directory)
    return andiron_environment(directory) | {"HOME": str(directory)}


@contextlib.contextmanager
def serving(
    command: Callable[[int], list[str]], directory: Path, environment: Mapping[str, str]
) -> Iterator[Running]:
    """Run a server in a directory until the block ends; enter it when the port answers."""
    port, log = free_port(), directory / "server.log"
    program, *arguments = command(port)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            start_new_session=True,
        )
    try:
        poll(lambda: answers(port), process, log)
        yield Running(process, f"127.0.0.1:{port}", log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of the server that a failed test talked to."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            log = value.log if isinstance(value, Running) else None
            if isinstance(value, Path) and (value / "server.log").exists():
                log = value / "server.log"
            if log is not None:
                report.sections.append((f"end of {log}", log.read_text(errors="replace")[-9000:]))
    return report
