"""A soak in which the server ends, by kill -9 and SIGTERM in turn, and is started again at once."""

import argparse
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

from load.process import ServerProcess

from soaking.crowd import Crowd, Traffic
from soaking.ends import ENDS, back_after, rage, tell
from soaking.server import PATIENCE, Server
from soaking.verdict import verdict

TOGETHER = 250
"""How many of those who hibernate come at a time."""


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
        return (
            f"{self.how.name:7} exit {self.exit:.2f} s, start {self.start:.2f} s; resumed"
            f" {self.resumed}, begun anew {self.begun_anew}; {back_after(self.back)},"
            f" with {self.cpu:.2f} s of CPU"
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
    anew = crowd.begun_anew.total()
    began = time.monotonic()
    await server.end(how)
    ended = time.monotonic()
    await server.start()
    started = time.monotonic()
    await crowd.all_there(PATIENCE)
    cpu = ServerProcess(server.process.pid).cpu()
    back = [each.resumed_at - began for each in crowd.sessions if each.resumed_at > ended]
    anew = crowd.begun_anew.total() - anew
    restart = Restart(how, ended - began, started - ended, back, cpu, len(back), anew)
    print(restart, flush=True)
    return restart


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    server = Server(directory, options, {})
    server.make_accounts(options.sessions + options.asleep)
    crowd = Crowd([server.address], Traffic.of(options))

    async def restart(number: int) -> Restart:
        return await _restart(server, crowd, ENDS[number % len(ENDS)])

    await server.start()
    try:
        await crowd.come()
        await _put_to_sleep(crowd, options.asleep)
        restarts = await rage(crowd, options, restart)
        await crowd.all_there(PATIENCE)
        await crowd.all_said()
        size = server.journal.stat().st_size
        await crowd.leave()
        await server.end(signal.SIGTERM)
        if server.left()[1]:
            # The store was slower than an end waits for it: what is next sees to the rest.
            await server.start()
            await server.until_ready()
            await server.end(signal.SIGTERM)
    finally:
        server.process.kill()
        server.process.wait()
    left = server.left()

    resumed, all_of_them = sum(each.resumed for each in restarts), len(restarts) * options.sessions
    print(f"{options.sessions} sessions, {len(restarts)} restarts, seed {options.seed}")
    tell(crowd, resumed)
    print(f"journal: {size} bytes before the end; left in it {left[0]} sessions, {left[1]} others")
    return verdict(
        crowd,
        server.log.read_text(),
        {
            "the server ended in each way": {each.how for each in restarts} == set(ENDS),
            "every session was resumed each time": resumed == all_of_them and not crowd.begun_anew,
            "nothing is left in the journal but who sleeps": left == (options.asleep, 0),
        },
    )
