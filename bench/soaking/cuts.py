"""A soak of several machines, of which some are cut off from others, silently, and come back."""

import argparse
import asyncio
import contextlib
import itertools
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soaking.crowd import Crowd, Traffic
from soaking.ends import BREATH, back_after, tell
from soaking.machines import LOOK, MACHINES, WEB, Change, Machines, Watch
from soaking.network import Network, impossible
from soaking.server import PATIENCE
from soaking.verdict import verdict

WRITTEN: Final = re.compile(
    r"(?P<ways>[a-z]+[->][a-z]+(?:\+[a-z]+[->][a-z]+)*):(?P<seconds>[\d.]+|home)(?::(?P<how>KILL|TERM))?"
)
OF_SESSIONS: Final = re.compile(r"^INFO: |INFO +andiron\.sm: |INFO +andiron\.domain: \[")
"""What logs say of each session."""
SILENCE: Final = 4.0
"""Seconds after which clients give a connection up on which nothing comes."""
CALM: Final = 3.0
"""Seconds of traffic before each cut."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What cannot reach what, for how long, and a signal that the home gets meanwhile."""

    ways: tuple[tuple[str, str, str], ...]
    seconds: float | None
    """None: until another is home, and ready."""
    how: signal.Signals | None = None

    @classmethod
    def read(cls, text: str) -> "Cut":
        """Read such as ``home-redis+home>postgres:20``. Raises ValueError."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(f"no cut: {text}")
        ways = [re.split(r"([->])", way) for way in found["ways"].split("+")]
        how = found["how"] and signal.Signals[f"SIG{found['how']}"]
        seconds = None if found["seconds"] == "home" else float(found["seconds"])
        return cls(tuple((a, b, c) for a, b, c in ways), seconds, how or None)

    def __str__(self) -> str:
        how = f":{self.how.name[3:]}" if self.how else ""
        seconds = "home" if self.seconds is None else f"{self.seconds:g}"
        return f"{'+'.join(map(''.join, self.ways))}:{seconds}{how}"

    @contextlib.contextmanager
    def made(self, network: Network, home: str) -> Iterator[None]:
        """Cut while the block runs; ``home`` is which machine that is."""
        door, *_ = doors = [name for name in WEB if name != home]
        named = {"home": [home], "door": [door], "doors": doors, "all": network.machines}
        with contextlib.ExitStack() as stack:
            for one, how, other in self.ways:
                pairs = list(itertools.product(named.get(one, [one]), named.get(other, [other])))
                if how == "-":
                    pairs += [(there, here) for here, there in pairs]
                for here, there in set(pairs):
                    if here != there:
                        network.cut(here, there)
                        stack.callback(network.join, here, there)
            yield


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a cut. Times are in seconds, from its beginning."""

    cut: Cut
    home: str
    changes: tuple[Change, ...]
    back: list[float]
    """When each session was resumed that was, the last time."""
    whole: float
    """When all were back, and all machines ready."""
    exit: float | None
    """How long the process took that got a signal."""

    def __str__(self) -> str:
        lines = [f"== {self.cut}, home is {self.home}"]
        lines += [str(each) for each in self.changes]
        ended = "" if self.exit is None else f"; exit after {self.exit:.1f} s"
        lines.append(
            f"resumed {len(self.back)}; {back_after(self.back)};"
            f" whole after {self.whole:.1f} s{ended}"
        )
        return "\n".join(lines)


class Cutting:
    """The machines and the crowd, while cuts are made."""

    def __init__(self, machines: Machines, crowd: Crowd) -> None:
        self.machines = machines
        self.crowd = crowd
        self.watch = Watch(machines)

    async def one(self, cut: Cut) -> Seen:
        """Make one, wait until all is as before, and return what was seen."""
        await asyncio.sleep(CALM)
        home = await self.machines.home()
        logs = {name: each.log.stat().st_size for name, each in self.machines.servers.items()}
        self.watch.begin()
        with cut.made(self.machines.network, home):
            exited = None if cut.how is None else await self._end(home, cut.how)
            if cut.seconds is None:
                await self._another(home)
            else:
                await asyncio.sleep(cut.seconds - self.watch.now())
        if cut.how is not None:
            await self.machines.servers[home].start()
        await self._whole()
        back = [
            when for each in self.crowd.sessions if (when := self.watch.at(each.resumed_at)) > 0
        ]
        seen = Seen(cut, home, tuple(self.watch.changes), back, self.watch.now(), exited)
        print(seen, flush=True)
        for name, size in logs.items():
            for line in self.machines.servers[name].log.read_text()[size:].splitlines():
                if not OF_SESSIONS.search(line):
                    print(f"    {name} {line}", flush=True)
        return seen

    async def _end(self, home: str, how: signal.Signals) -> float:
        """End the process there; return how many seconds that took."""
        await asyncio.sleep(1)
        began = self.watch.now()
        await self.machines.servers[home].end(how)
        return self.watch.now() - began

    async def _another(self, home: str) -> None:
        """Wait until another machine is home, and ready."""
        seen = self.watch.seen
        async with asyncio.timeout(PATIENCE):
            while seen("home") in {"", home} or seen(seen("home")) != "ready":  # noqa: ASYNC110
                await asyncio.sleep(LOOK)

    async def _whole(self) -> None:
        """Wait until everybody is back and every machine ready."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not self._is_whole:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK)
        for session in self.crowd.sessions:
            if not session.settled:
                session.fault(f"not back in time: {session}")
        for name in WEB:
            if (said := self.watch.seen(name)) != "ready":
                self.crowd.faults[f"{name} is not ready in time: {said}"] += 1

    @property
    def _is_whole(self) -> bool:
        ready = all(self.watch.seen(name) == "ready" for name in WEB)
        return ready and all(each.settled for each in self.crowd.sessions)


async def cut_all(
    directory: Path, options: argparse.Namespace, cuts: Sequence[Cut]
) -> tuple[list[Seen], Crowd]:
    """Make cuts while everybody writes; return what was seen of each, and what became of all."""
    with Network(MACHINES) as network, network.inside("clients"):
        machines = Machines(directory, network, options)
        crowd = Crowd(machines.addresses, Traffic.of(options))
        async with machines.running(options.sessions):
            await crowd.come()
            cutting = Cutting(machines, crowd)
            tasks = [
                asyncio.create_task(work)
                for work in (crowd.rage(), crowd.watch(SILENCE), cutting.watch.run())
            ]
            try:
                seen = [await cutting.one(cut) for cut in cuts]
                await asyncio.sleep(BREATH)
                tasks[0].cancel()
                await crowd.all_said()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            await crowd.leave()
    return seen, crowd


async def soak(options: argparse.Namespace, directory: Path) -> bool:
    """Run the soak; return whether all checks held."""
    if why := impossible():
        raise SystemExit(f"Machines of their own cannot be had here: {why}")
    seen, crowd = await cut_all(directory, options, options.cut)
    tell(crowd, sum(len(each.back) for each in seen))
    return verdict(crowd, "", {"no session had to begin anew": not crowd.begun_anew})
