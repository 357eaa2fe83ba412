"""A soak of several processes that serve one chat, of which one ends at a time."""

import argparse
import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from load.figures import percentile

from soaking.crowd import Crowd, Traffic
from soaking.meeting import Meeting, OwnRedis, SocketFile
from soaking.nginx import Nginx
from soaking.process import verdict
from soaking.restarts import BREATH, ENDS, PATIENCE, STEP, Server


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
        back = [percentile(self.back, share) for share in (50, 99, 100)] if self.back else []
        return (
            f"{self.how.name:7} {'home' if self.was_home else 'door'}, exit {self.exit:.2f} s,"
            f" a home after {self.home:.2f} s; resumed {len(self.back)}; back after (p50, p99, all)"
            f" {', '.join(f'{each:.2f}' for each in back)} s"
        )


class Fellows:
    """The processes, each at an address of its own."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        self.meeting: Meeting = SocketFile(directory)
        if options.cluster == "redis":
            self.meeting = OwnRedis(directory, options.processes)
        self.servers = [
            Server(directory, options, **self.meeting.settings(number))
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

    async def end(self) -> None:
        """End all of them."""
        for server in self.servers:
            server.process.send_signal(signal.SIGTERM)
        for server in self.servers:
            await asyncio.to_thread(server.process.wait, PATIENCE)

    def kill(self) -> None:
        """End whatever is left."""
        for server in self.servers:
            with contextlib.suppress(AttributeError):  # It was not started.
                server.process.kill()
                server.process.wait()
        if self._nginx is not None:
            print(self._nginx.end()[-4000:], end="")


async def _rage(fellows: Fellows, crowd: Crowd, options: argparse.Namespace) -> list[End]:
    """Let everybody write while one process after the other ends."""
    writing = asyncio.create_task(crowd.rage())
    begun = time.monotonic()
    ends: list[End] = []
    disturbed = False
    due = begun + options.restart
    while due < begun + options.seconds if not options.times else len(ends) < options.times:
        await asyncio.sleep(due - time.monotonic())
        end = await fellows.end_one(len(ends), crowd)
        print(end, flush=True)
        ends.append(end)
        if not disturbed and end.was_home:
            disturbed = True
            began = time.monotonic()
            if await fellows.meeting.disturb():
                print(f"Redis was away for {time.monotonic() - began:.2f} s", flush=True)
        due = max(due + options.restart, time.monotonic() + BREATH)
    await asyncio.sleep(BREATH)
    writing.cancel()
    await asyncio.wait([writing])
    return ends


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    fellows = Fellows(directory, options)
    crowd = Crowd(fellows.addresses, Traffic.of(options))
    try:
        await fellows.start()
        await crowd.come()
        ends = await _rage(fellows, crowd, options)
        await crowd.all_there(PATIENCE)
        await crowd.all_said()
        await crowd.leave()
        await fellows.end()
        left = await fellows.meeting.left(fellows.servers)
    finally:
        fellows.kill()
        await fellows.meeting.end()
    log = fellows.meeting.faults(fellows.servers[0].log.read_text())

    anew = sum((each.anew for each in crowd.sessions), start=type(crowd.faults)())
    behind = " behind nginx" if options.nginx else ""
    print(f"{options.processes} processes{behind}, {options.sessions} sessions")
    print(f"{len(ends)} ends of one, seed {options.seed}")
    print(f"signed in after {crowd.signed_in_after:.1f} s")
    print(f"owed: {crowd.owed}, came: {crowd.arrived}")
    print(f"resumed: {sum(len(each.back) for each in ends)}; begun anew: {dict(anew)}")
    print(f"refused meanwhile: {dict(crowd.refusals)}; left in the journal: {left}")
    for fault, times in crowd.faults.most_common(10):
        print(f"FAULT {times} x {fault}")
    if log:
        print(f"LOG\n{log[-4000:]}")
    all_lost = [end for end in ends if end.was_home]
    return verdict(
        {
            "everything came": crowd.arrived == crowd.owed,
            "once, in order, and nothing else went wrong": not crowd.faults,
            "the home and others ended in each way": len({(e.how, e.was_home) for e in ends})
            == min(4, len(ends)),
            "all sessions were resumed when the home ended": all(
                len(end.back) == options.sessions for end in all_lost
            )
            and not anew,
            "nothing is left in the journal": left == (0, 0),
            "the servers' log is clean": not log,
        }
    )
