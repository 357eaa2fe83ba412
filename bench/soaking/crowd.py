"""All sessions of a run, the traffic between them, and what goes wrong."""

import argparse
import asyncio
import collections
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from math import inf

from soaking import words
from soaking.bosh import BoshLink
from soaking.link import Addresses, Link
from soaking.session import Place, Session
from soaking.websocket import WebSocketLink

PATIENCE = 30.0
TO_COME = 120.0
"""Seconds within which all must have come, and been told of each other."""
TICK = 0.02
HOW = ("reset", "reset", "mid-frame", "mid-frame", "leave", "silent")
"""How connections end."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who there is, and what they do."""

    sessions: int
    rate: float
    """Messages that each sends in a second, on the average."""
    life: float
    """Seconds after which a connection is killed, on the average; 0: never."""
    bosh: float = 0.0
    """The share of sessions over BOSH."""
    room: int = 0
    """How many are in a room together, and pairs see each other's presence; 0: there is neither."""

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Traffic":
        """Read what the command was given."""
        return cls(options.sessions, options.rate, options.life, options.bosh, options.room)


class Crowd:
    """All sessions of a run."""

    def __init__(self, addresses: Addresses, traffic: Traffic, first: int = 0) -> None:
        """``first`` is the number of the first of them."""
        self.addresses = addresses
        self.traffic = traffic
        self.faults: collections.Counter[str] = collections.Counter()
        self.refusals: collections.Counter[str] = collections.Counter()
        """What connections were answered with that the server did not want."""
        self.kills: collections.Counter[str] = collections.Counter()
        self.arrived = 0
        self.owed = 0
        """How much was sent, each for each whom it is for."""
        self.signed_in_after = 0.0
        self.leaving = False
        self._rooms: set[int] = set()
        self._changed = asyncio.Event()
        self.sessions = [self._session(number) for number in range(first, first + traffic.sessions)]
        self._lives: list[asyncio.Task[None]] = []

    def _session(self, number: int) -> Session:
        traffic = self.traffic
        # Spread evenly over rooms and pairs.
        bosh = int((number + 1) * traffic.bosh) > int(number * traffic.bosh)
        connect: Callable[[Session, Addresses], Awaitable[Link]] = (
            BoshLink.connect if bosh else WebSocketLink.connect
        )
        place = Place()
        if traffic.room:
            room, mate = number // traffic.room, number ^ 1
            company = min(traffic.room, traffic.sessions - room * traffic.room)
            place = Place(mate if mate < traffic.sessions else None, room, company)
        return Session(self, number, connect, place)

    @property
    def begun_anew(self) -> collections.Counter[str]:
        """Why sessions could not be resumed, and how often."""
        return sum((each.anew for each in self.sessions), start=collections.Counter())

    async def sleep(self) -> None:
        """Lose the connections, and do not come back."""
        self.leaving = True
        for session in self.sessions:
            session.leaving = True
            if session.link is not None:
                session.stanza(words.AVAILABLE)
                session.link.kill("leave")
        await asyncio.wait(self._lives, timeout=PATIENCE)

    def changed(self, session: Session) -> None:
        if session.settled:
            self._changed.set()

    def may_enter(self, room: int, session: Session) -> bool:
        return room in self._rooms or session.number % self.traffic.room == 0

    def made(self, room: int) -> None:
        self._rooms.add(room)
        first = room * self.traffic.room
        for session in self.sessions[first + 1 : first + self.traffic.room]:
            session.enter()

    def begin(self) -> None:
        """Let everybody come."""
        self._lives = [asyncio.create_task(session.live()) for session in self.sessions]

    async def all_there(self, patience: float = PATIENCE) -> None:
        """Wait until all are connected and see whom they should see, for so many seconds."""

        def missing() -> Iterator[Session]:
            return (each for each in self.sessions if not each.settled)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while next(missing(), None) is not None:
                    self._changed.clear()
                    await self._changed.wait()
        for session in missing():
            session.fault(f"not there in time: {session}")

    async def come(self) -> None:
        """Let everybody come, and wait for that."""
        begun = time.monotonic()
        self.begin()
        await self.all_there(TO_COME)
        self.signed_in_after = time.monotonic() - begun

    async def rage(self, seconds: float = inf) -> None:
        """Let everybody write, and kill connections, for so long, or until it is cancelled."""
        many, life = len(self.sessions), self.traffic.life
        last = begun = time.monotonic()
        messages = kills = 0.0
        while last < begun + seconds:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            messages += many * self.traffic.rate * (now - last)
            kills += many / life * (now - last) if life else 0
            last = now
            while messages >= 1:
                messages -= 1
                random.choice(self.sessions).write()
            while kills >= 1:
                kills -= 1
                self._kill(random.choice(self.sessions))

    async def watch(self, silence: float) -> None:
        """Ask each second whether servers are there; who does not hear from his goes to another.

        ``silence`` is after how many seconds.
        """
        while True:
            await asyncio.sleep(1)
            for session in self.sessions:
                session.look(silence)

    def _kill(self, session: Session) -> None:
        link = session.link
        if link is None or link.ended.done():
            return
        how = random.choice(HOW)
        self.kills[how] += 1
        link.kill(how)

    async def all_said(self) -> None:
        """Wait until everything that was sent has come, or nothing more does."""
        quiet_since, last = time.monotonic(), -1
        while self.arrived < self.owed and time.monotonic() - quiet_since < PATIENCE:
            if self.arrived != last:
                quiet_since, last = time.monotonic(), self.arrived
            await asyncio.sleep(0.05)

    async def leave(self, vanishing: int = 0) -> None:
        """Say good-bye, all but each of so many, who just vanishes."""
        self.leaving = True
        links = [each.link for each in self.sessions if each.link is not None]
        for session in self.sessions:
            session.leaving = True
            if session.link is None:
                continue
            if vanishing and session.number % vanishing == 0:
                session.link.kill("reset")
            else:
                session.link.close()
        await asyncio.wait([link.ended for link in links], timeout=PATIENCE)
        for life in self._lives:
            life.cancel()
        await asyncio.wait(self._lives)
