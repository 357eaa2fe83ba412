"""A soak of several processes that serve one chat, of which one ends at a time."""

import argparse
import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from soaking.crowd import Crowd, Traffic
from soaking.ends import ENDS, back_after, rage, tell
from soaking.meeting import ByRedis, Meeting, SocketFile
from soaking.nginx import Nginx
from soaking.server import PATIENCE, STEP, Server
from soaking.verdict import verdict


@dataclass(frozen=True, slots=True)
class End:
    """What the end of one process cost. Times are in seconds, from the signal."""

    how: signal.Signals
    was_home: bool
    exit: float
    home: float
    """Until another was home."""
    back: list[float]
    """Until each session was resumed that was lost."""

    def __str__(self) -> str:
        return (
            f"{self.how.name:7} {'home' if self.was_home else 'door'}, exit {self.exit:.2f} s,"
            f" a home after {self.home:.2f} s; resumed {len(self.back)}; {back_after(self.back)}"
        )


class Fellows:
    """The processes, each at an address of its own."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        self.meeting: Meeting = SocketFile(directory)
        if options.cluster == "redis":
            self.meeting = ByRedis(directory, options.processes)
        self.servers = [
            Server(directory, options, self.meeting.settings(number))
            for number in range(options.processes)
        ]
        self.servers[0].make_accounts(options.sessions)
        self.addresses = [each.address for each in self.servers]
        """Where clients connect."""
        self._nginx: Nginx | None = None
        if options.nginx:
            self._nginx = Nginx(directory, self.addresses)
            self.addresses = [self._nginx.address]

    async def start(self) -> None:
        """Start all of them."""
        await self.meeting.start()
        for server in self.servers:
            await server.start()
        if self._nginx is not None:
            await self._nginx.start()

    async def end_one(self, number: int, crowd: Crowd) -> End:
        """End one: the home and another in turn, each by both signals; and start it again."""
        how = ENDS[number // 2 % 2]
        home = await self.meeting.home(self.servers)
        doors = [each for each in self.servers if each.process.pid != home]
        others = [each for each in self.servers if each.process.pid == home]
        server = (others if number % 2 == 0 else doors)[0]
        began = time.monotonic()
        await server.end(how)
        ended = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            while await self.meeting.home(self.servers) in {0, server.process.pid}:  # noqa: ASYNC110
                await asyncio.sleep(STEP)
        found = time.monotonic()
        await server.start()
        await crowd.all_there(PATIENCE)
        back = [each.resumed_at - began for each in crowd.sessions if each.resumed_at > began]
        return End(how, number % 2 == 0, ended - began, found - began, back)

    async def disturb(self) -> None:
        """Start again what they meet by, where there is such a thing."""
        began = time.monotonic()
        if await self.meeting.disturb():
            print(f"Redis was away for {time.monotonic() - began:.2f} s", flush=True)

    async def end(self) -> tuple[int, int]:
        """End all of them; return how many sessions, and other things, are left in the journal.

        What the store was too slow for, as the last ended, is for who is home next.
        """
        for server in self.servers:
            server.process.send_signal(signal.SIGTERM)
        for server in self.servers:
            await asyncio.to_thread(server.process.wait, PATIENCE)
        left = await self.meeting.left(self.servers)
        if left[1]:
            last = self.servers[0]
            await last.start()
            await last.until_ready()
            await last.end(signal.SIGTERM)
            left = await self.meeting.left(self.servers)
        return left

    def kill(self) -> None:
        """End whatever is left."""
        for server in self.servers:
            with contextlib.suppress(AttributeError):  # It was not started.
                server.process.kill()
                server.process.wait()
        if self._nginx is not None:
            print(self._nginx.end()[-4000:], end="")


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    fellows = Fellows(directory, options)
    crowd = Crowd(fellows.addresses, Traffic.of(options))

    async def end_one(number: int) -> End:
        end = await fellows.end_one(number, crowd)
        print(end, flush=True)
        if number == 0:
            await fellows.disturb()
        return end

    try:
        await fellows.start()
        await crowd.come()
        ends = await rage(crowd, options, end_one)
        await crowd.all_there(PATIENCE)
        await crowd.all_said()
        await crowd.leave()
        left = await fellows.end()
    finally:
        fellows.kill()
        await fellows.meeting.end()

    behind = " behind nginx" if options.nginx else ""
    print(f"{options.processes} processes{behind}, {options.sessions} sessions")
    print(f"{len(ends)} ends of one, seed {options.seed}")
    tell(crowd, sum(len(each.back) for each in ends))
    print(f"left in the journal: {left[0]} sessions, {left[1]} others")
    all_lost = [end for end in ends if end.was_home]
    return verdict(
        crowd,
        fellows.meeting.faults(fellows.servers[0].log.read_text()),
        {
            "the home and others ended in each way": len({(e.how, e.was_home) for e in ends})
            == min(4, len(ends)),
            "all sessions were resumed when the home ended": all(
                len(end.back) == options.sessions for end in all_lost
            )
            and not crowd.begun_anew,
            "nothing is left in the journal": left == (0, 0),
        },
    )
