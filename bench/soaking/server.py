"""``andiron serve`` that is ended and started again, at one address."""

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from load.accounts import ANDIRON

from andiron.sm.journal import lines
from andiron.sm.journal.state import State
from soaking.link import Address
from soaking.process import environment, make_accounts

PATIENCE = 60.0
"""Seconds within which a server must have started, and everybody be back."""
STEP = 0.02
_ASK = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Server:
    """``andiron serve``, at the same address each time it is started."""

    def __init__(
        self,
        directory: Path,
        options: argparse.Namespace,
        settings: Mapping[str, str],
        address: Address | None = None,
        there: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """``there`` is where it is started."""
        self.directory = directory
        self._there = there
        self.journal = directory / "journal"
        self.log = directory / "log"
        self.address = address or ("127.0.0.1", free_port())
        host, port = self.address
        self._told = environment(
            options.database or f"sqlite:///{directory / 'soak.db'}",
            ANDIRON_HOST=host,
            ANDIRON_PORT=str(port),
            ANDIRON_DURABILITY=options.durability,
            ANDIRON_DURABILITY_FILE=str(self.journal),
            ANDIRON_ARCHIVE=str(options.archive),
            ANDIRON_STREAM_MANAGEMENT_MAX=str(options.expiry),
            **settings,
        )
        self.process: subprocess.Popen[bytes]

    def make_accounts(self, users: int) -> None:
        """Make the accounts of so many sessions."""
        make_accounts(self.directory, self._told, users)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log, self._there():
            self.process = subprocess.Popen(  # noqa: ASYNC220 - there is nothing else to do
                [ANDIRON, "serve"], cwd=self.directory, env=self._told, stdout=log, stderr=log
            )
        async with asyncio.timeout(PATIENCE):
            while not await self._answers():
                if self.process.poll() is not None:
                    raise SystemExit(f"the server did not start:\n{self.log.read_text()[-4000:]}")
                await asyncio.sleep(STEP)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(*self.address)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def ready(self) -> str:
        """Return what it says of whether it is ready, or why it says nothing."""
        try:
            async with asyncio.timeout(3):
                reader, writer = await asyncio.open_connection(*self.address)
                writer.write(_ASK)
                answer = await reader.read()
                writer.close()
        except TimeoutError:
            return "silent"
        except OSError as error:
            return error.strerror or "refused"
        return answer.partition(b"\r\n\r\n")[2].decode().strip()

    async def until_ready(self) -> None:
        """Wait until it is."""
        async with asyncio.timeout(PATIENCE):
            while await self.ready() != "ready":  # noqa: ASYNC110
                await asyncio.sleep(STEP)

    async def end(self, how: signal.Signals) -> None:
        """End it, and wait for that."""
        self.process.send_signal(how)
        await asyncio.to_thread(self.process.wait, PATIENCE)

    def left(self) -> tuple[int, int]:
        """Return how many sessions, and other things, its journal says that there are."""
        with self.journal.open("rb") as file:
            return counted(lines.read(lambda: file).state)


def counted(state: State) -> tuple[int, int]:
    """Return how many sessions, and other things, a journal has."""
    owed = sum(len(debts.unpaid) for debts in state.debts.values())
    return len(state.sessions), len(state.notes) + owed


def free_port() -> int:
    """Return a port below those that the kernel gives clients, who are to be refused meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
