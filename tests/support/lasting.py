"""Processes one after another on the same store: each is killed, or stopped, and another begins."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from andiron.domain.outliving import take_up, write_down
from andiron.sm.config import SmConfig
from andiron.sm.freezing import head_of
from andiron.sm.journal.journal import Journal
from andiron.sm.journal.records import apply
from andiron.sm.journal.state import State
from andiron.sm.recording import Recording
from support.domains import Stage, settle


def _nothing() -> None:
    return


class Paper:
    """Has what was recorded at the end of each turn, and says that it is safe."""

    failing = ""
    alone = True
    size = 0

    def __init__(self, written: Sequence[str] = ()) -> None:
        self.written = list(written)
        """The batches, as text."""
        self.told: list[Callable[[], object]] = []
        """Called when a turn is written."""
        self.journal = Journal(self.read())

    def read(self) -> State:
        """Return what is written as the next process reads it."""
        state = State()
        for batch in self.written:
            for record in json.loads(batch):
                apply(state, record)
        return state

    def flush(self, now: float, done: Callable[[], object] | None = None) -> bool:
        records = self.journal.take()
        if records:
            self.written.append(json.dumps(records))
        for tell in self.told:
            tell()
        return True


class LastingStage(Stage):
    """A process whose sessions go on in the next: :meth:`killed` and :meth:`stopped` return it."""

    def __init__(
        self, sm: SmConfig | None = None, former: "LastingStage | None" = None, **config: Any
    ) -> None:
        super().__init__(sm, former=former, **config)
        self._sm, self._config = sm, config
        self.paper = Paper(() if former is None else former.paper.written)
        soon = asyncio.get_running_loop().call_soon
        self.manager.recording = Recording(self.paper, head_of, self.manager.clock, soon)

    async def begin(self) -> None:
        """Take up what the process before has left."""
        journal = self.paper.journal
        sessions = [each.frozen() for each in journal.state.sessions.values()]
        await write_down(self.domain, journal)
        for each in await take_up(self.domain, self.manager, sessions, ()):
            journal.ended(each.head.id)

    async def killed(self, at_the_end: Callable[[], object] = _nothing) -> "LastingStage":
        """End at once, whatever goes on; what this turn brought is not written.

        ``at_the_end`` is called when nothing is done any more; the next begins after that.
        """
        self.paper.told.clear()
        self.paper = Paper(self.paper.written)
        at_the_end()
        await _end_tasks()
        following = LastingStage(self._sm, former=self, **self._config)
        await following.begin()
        return following

    async def stopped(self, at_the_end: Callable[[], object] = _nothing) -> "LastingStage":
        """End as by SIGTERM; what the store does not take meanwhile is written down."""
        self.manager.hibernate(self.now)
        await settle()
        self.manager.leave(self.now)
        return await self.killed(at_the_end)


async def _end_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
