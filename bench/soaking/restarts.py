"""A soak in which the server ends, by kill -9 and SIGTERM in turn, and is started again at once."""

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from load.figures import percentile
from load.process import ServerProcess

from andiron.sm.journal import lines
from andiron.sm.journal.state import State
from soaking.crowd import Crowd, Traffic
from soaking.process import ANDIRON, environment, make_accounts, verdict

ENDS = (signal.SIGKILL, signal.SIGTERM)
PATIENCE = 60.0
"""Seconds within which a server must have started, and everybody be back."""
STEP = 0.02
TOGETHER = 250
"""How many of those who hibernate come at a time."""
BREATH = 0.5
"""Seconds for which everybody is back at the least."""


class Server:
    """``andiron serve``, at the same address each time it is started."""

    def __init__(self, directory: Path, options: argparse.Namespace, **settings: str) -> None:
        self.directory = directory
        self.journal = directory / "journal"
        self.log = directory / "log"
        self.address = "127.0.0.1", free_port()
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
        with self.log.open("ab") as log:
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


@dataclass(frozen=True, slots=True)
class Restart:
    """What one cost. Times are in seconds."""

    how: signal.Signals
    exit: float
    start: float
    """Until the server answered."""
    back: list[float]
    """From the signal until each session was resumed."""
    cpu: float
    """What the server took of a processor from its start until all were."""
    resumed: int
    begun_anew: int

    def __str__(self) -> str:
        back = [percentile(self.back, share) for share in (50, 99, 100)] if self.back else []
        return (
            f"{self.how.name:7} exit {self.exit:.2f} s, start {self.start:.2f} s; resumed"
            f" {self.resumed}, begun anew {self.begun_anew}; back after (p50, p99, all)"
            f" {', '.join(f'{each:.2f}' for each in back)} s, with {self.cpu:.2f} s of CPU"
        )


async def _put_to_sleep(crowd: Crowd, asleep: int) -> None:
    """Let so many more come, and hibernate until the end."""
    first = len(crowd.sessions)
    for number in range(first, first + asleep, TOGETHER):
        many = min(TOGETHER, first + asleep - number)
        traffic = replace(crowd.traffic, sessions=many, bosh=0.0, room=0)
        sleepers = Crowd(crowd.addresses, traffic, number)
        await sleepers.come()
        await sleepers.sleep()
        crowd.faults.update(sleepers.faults)


async def _restart(server: Server, crowd: Crowd, how: signal.Signals) -> Restart:
    anew = sum(each.anew.total() for each in crowd.sessions)
    began = time.monotonic()
    await server.end(how)
    ended = time.monotonic()
    await server.start()
    started = time.monotonic()
    await crowd.all_there(PATIENCE)
    cpu = ServerProcess(server.process.pid).cpu()
    back = [each.resumed_at - began for each in crowd.sessions if each.resumed_at > ended]
    anew = sum(each.anew.total() for each in crowd.sessions) - anew
    return Restart(how, ended - began, started - ended, back, cpu, len(back), anew)


async def _rage(server: Server, crowd: Crowd, options: argparse.Namespace) -> list[Restart]:
    """Let everybody write while the server ends, again and again."""
    writing = asyncio.create_task(crowd.rage())
    begun = time.monotonic()
    restarts: list[Restart] = []
    due = begun + options.restart
    while due < begun + options.seconds if not options.times else len(restarts) < options.times:
        await asyncio.sleep(due - time.monotonic())
        restart = await _restart(server, crowd, ENDS[len(restarts) % len(ENDS)])
        print(restart, flush=True)
        restarts.append(restart)
        due = max(due + options.restart, time.monotonic() + BREATH)
    await asyncio.sleep(BREATH)
    writing.cancel()
    await asyncio.wait([writing])
    return restarts


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    server = Server(directory, options)
    server.make_accounts(options.sessions + options.asleep)
    crowd = Crowd([server.address], Traffic.of(options))
    await server.start()
    try:
        await crowd.come()
        await _put_to_sleep(crowd, options.asleep)
        restarts = await _rage(server, crowd, options)
        await crowd.all_there(PATIENCE)
        await crowd.all_said()
        size = server.journal.stat().st_size
        await crowd.leave()
        await server.end(signal.SIGTERM)
    finally:
        server.process.kill()
        server.process.wait()
    log = server.log.read_text()
    left = server.left()

    anew = sum((each.anew for each in crowd.sessions), start=type(crowd.faults)())
    resumed, all_of_them = sum(each.resumed for each in restarts), len(restarts) * options.sessions
    print(f"{options.sessions} sessions, {len(restarts)} restarts, seed {options.seed}")
    print(f"signed in after {crowd.signed_in_after:.1f} s")
    print(f"owed: {crowd.owed}, came: {crowd.arrived}")
    print(
        f"restarts: {len(restarts)}; resumed {resumed} of {all_of_them}; begun anew: {dict(anew)}"
    )
    print(f"refused meanwhile: {dict(crowd.refusals)}; connections killed: {dict(crowd.kills)}")
    print(f"journal: {size} bytes before the end; left in it {left[0]} sessions, {left[1]} others")
    for fault, times in crowd.faults.most_common(10):
        print(f"FAULT {times} x {fault}")
    if log:
        print(f"LOG\n{log[-4000:]}")
    return verdict(
        {
            "everything came": crowd.arrived == crowd.owed,
            "once, in order, and nothing else went wrong": not crowd.faults,
            "the server ended in each way": {each.how for each in restarts} == set(ENDS),
            "every session was resumed each time": resumed == all_of_them and not anew,
            "nothing is left in the journal but who sleeps": left == (options.asleep, 0),
            "the server's log is clean": not log,
        }
    )
