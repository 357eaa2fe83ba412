"""The processes that serve one chat together, as the one that is home knows them."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from andiron.cluster.hello import Hello
from andiron.cluster.home import DoorLink
from andiron.version import __version__
from andiron.vitals import Vitals

__all__ = ["Process", "Processes", "introduced", "told"]

MEMORY: Final = "memory"
LAG: Final = "lag"
"""The names of what a door tells of how it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One of the processes that serve the chat."""

    name: str
    """Its machine and number, as ``web-1:4711``; no two have the same."""
    machine: str
    pid: int
    home: bool
    """Whether all sessions are there, and the others relay to it."""
    since: datetime
    """When it began, in UTC, by the clock of its machine."""
    version: str
    """That of Andiron."""
    relayed: int
    """How many requests and WebSockets it relays now to the one that is home."""
    memory: int | None
    """The bytes of memory that it has; None where that is not known."""
    lag: float | None
    """How late, in seconds, its event loop was at worst in the last ten seconds."""
    silent: int
    """For how many seconds, about, it has given no sign of life."""


def introduced(chat: str, files: Mapping[str, str], most: int) -> Hello:
    """Return who this process is, which begins now, for the others of a chat."""
    return Hello(
        chat,
        os.getpid(),
        files,
        most,
        machine=socket.gethostname(),
        began=time.time(),
        release=__version__,
    )


def told(vitals: Vitals) -> dict[str, Any]:
    """Return what a door tells of how it does, as JSON has it."""
    return {MEMORY: vitals.memory, LAG: vitals.lag}


class Processes:
    """Knows this process, which is home, and those that are linked.

    ``doors`` returns the connections of the others; None where there are never any.
    """

    def __init__(
        self, own: Hello, vitals: Vitals, doors: Callable[[], Iterable[DoorLink]] | None
    ) -> None:
        self._own = own
        self._vitals = vitals
        self._doors = doors
        self.home: Final = own.label
        """The name of this one."""
        self.several: Final = doors is not None
        """Whether there may be others."""

    def of(self, via: str | None) -> str:
        """Return the name of the process by which something came, as a channel says that.

        Empty where it is not known.
        """
        return self.home if via == "" else via or ""

    def all(self) -> tuple[Process, ...]:
        """Return them as they are now, this one first, the others by their names."""
        doors: dict[str, Process] = {}
        links = [] if self._doors is None else self._doors()
        # One that has come back may have a connection whose end is not known yet.
        for link in sorted(links, key=lambda each: each.silent, reverse=True):
            former = doors.get(link.label)
            doors[link.label] = _door(link, 0 if former is None else former.relayed)
        itself = _process(
            self._own, self.home, home=True, memory=self._vitals.memory, lag=self._vitals.lag
        )
        return (itself, *(doors[name] for name in sorted(doors)))


def _door(link: DoorLink, relayed: int) -> Process:
    """Return the process at the other end; ``relayed`` is what it relays besides."""
    assert link.other is not None
    memory, lag = link.news.get(MEMORY), link.news.get(LAG)
    return _process(
        link.other,
        link.label,
        relayed=relayed + link.calls,
        memory=memory if isinstance(memory, int) else None,
        lag=lag if isinstance(lag, float) else None,
        silent=link.silent,
    )


def _process(
    who: Hello,
    name: str,
    *,
    memory: int | None,
    lag: float | None,
    home: bool = False,
    relayed: int = 0,
    silent: int = 0,
) -> Process:
    return Process(
        name=name,
        machine=who.machine,
        pid=who.process,
        home=home,
        since=datetime.fromtimestamp(who.began, UTC),
        version=who.release,
        relayed=relayed,
        memory=memory,
        lag=None if lag is None else round(lag, 4),
        silent=silent,
    )
