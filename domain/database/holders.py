"""Which process serves a database, as it writes that down for the next one that would."""

import hashlib
import multiprocessing
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakSet

from andiron.domain.database.engines import SETTING

__all__ = ["UNKNOWN", "Holder", "Tenure", "has_fellows"]

_TEXT: Final = re.compile(
    r"andiron (\d{1,10})/(\d{1,10})@([\w.-]{0,32})(?:#[0-9a-f]{12})?", re.ASCII
)
_WORKERS: Final = re.compile(r"(?:^| )(?:-w|--workers)[ =]?(\d+)(?: |$)")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its number, its parent's, and its machine's name."""

    process: int
    parent: int
    machine: str

    @classmethod
    def own(cls) -> "Holder":
        """Return what stands for this process."""
        machine = re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)
        return cls(os.getpid(), os.getppid(), machine[:32])

    @classmethod
    def read(cls, text: str | None) -> "Holder":
        """Return what :meth:`text` wrote, :data:`UNKNOWN` for what it did not."""
        found = _TEXT.fullmatch(text or "")
        return cls(int(found[1]), int(found[2]), found[3]) if found else UNKNOWN

    def text(self, mark: str = "") -> str:
        """Return this in 62 ASCII characters at most: PostgreSQL takes 63 for a name.

        ``mark`` is a :class:`Tenure`'s, and ends it.
        """
        first, last = f"andiron {self.process}/{self.parent}@", mark and f"#{mark}"
        return f"{first}{self.machine[: 62 - len(first) - len(last)]}{last}"

    def is_fellow_worker(self) -> bool:
        """Tell whether one server seems to have started that process and this one as workers."""
        own = Holder.own()
        alike = (self.parent, self.machine) == (own.parent, own.machine)
        return alike and self.process != own.process and _is_worker()

    def refusal(self) -> str:
        """Say who serves, and what to do about it: the end of a sentence."""
        if self == Holder.own():
            return "this process serves it already; give each application one of its own"
        name = f"process {self.process}" if self.process else "another process"
        if self.machine not in {"", Holder.own().machine}:
            name += f" on {self.machine}"
        if self.is_fellow_worker():
            return (
                f"{name}, another worker of this server, serves it already, and only one can;"
                " start the server with one worker (--workers 1, no WEB_CONCURRENCY), or let them"
                " serve one chat together (ANDIRON_CLUSTER)"
            )
        return (
            f"{name} serves it already, and only one can; stop that one, or let {SETTING} name"
            " another database"
        )


class Ending(Protocol):
    """A connection."""

    def terminate(self) -> None:
        """End it at once, whatever it is doing."""


class Tenure:
    """A process's turn at a database that several take by turns, for as long as it is ``held``.

    Something else gives the turns, and to one at a time. ``turns`` says what: the same for all
    that take turns, and for no others. ``formerly`` are what was so before.
    """

    def __init__(self, turns: str, held: Callable[[], bool], formerly: Iterable[str] = ()) -> None:
        self._held = held
        self._over = False
        self._connections: WeakSet[Ending] = WeakSet()
        self.name: Final = Holder.own().text(_mark(turns) + secrets.token_hex(3))
        """What this turn's connections are called."""
        self.names: Final = [f"andiron %#{_mark(each)}%" for each in (turns, *formerly)]
        """Patterns, as SQL has them, of what those of all turns are called."""

    def held(self) -> bool:
        """Tell whether it lasts."""
        return not self._over and self._held()

    def ends(self, connection: Ending) -> None:
        """Have a connection end with it."""
        self._connections.add(connection)

    def end(self) -> None:
        """End it, and all its connections: nobody who waits for one that is cut off waits on."""
        self._over = True
        for connection in list(self._connections):
            connection.terminate()


UNKNOWN: Final = Holder(0, 0, "")
"""A process that told nothing of itself."""


def _mark(turns: str) -> str:
    return hashlib.sha256(turns.encode()).hexdigest()[:6]


def _is_worker() -> bool:
    """Tell whether this process seems to be a worker that a server has started."""
    return (
        multiprocessing.parent_process() is not None
        or has_fellows()
        or os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/")
    )


def has_fellows() -> bool:
    """Tell whether a server was told to start several workers.

    Those of uvicorn, gunicorn, hypercorn and granian see the arguments of its command.
    """
    told = _WORKERS.search(" ".join(sys.argv))
    return (told[1] if told else os.environ.get("WEB_CONCURRENCY", "1")) not in {"0", "1"}
