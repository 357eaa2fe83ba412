"""Sessions that outlive the process: taken up at the start, written down until the end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from andiron.domain.database.database import DatabaseError
from andiron.domain.domain import Domain
from andiron.domain.outliving import freeze_rooms, note_rooms, take_up, write_down
from andiron.settings import Settings
from andiron.sm.freezing import head_of
from andiron.sm.frozen import Plain
from andiron.sm.journal.disk import Disk
from andiron.sm.journal.file import JournalFile
from andiron.sm.journal.lines import JournalError
from andiron.sm.journal.opening import examine
from andiron.sm.journal.syncing import SyncingThread
from andiron.sm.manager import SessionManager
from andiron.sm.recording import Recording, Writer

__all__ = ["Continuity", "check", "continuing"]

logger = logging.getLogger("andiron")

_ROOM: Final = "room/"
"""How the keys of notes about rooms begin."""
_STORING: Final = 1.0
"""Seconds that storing may take at the least."""
_STEP: Final = 0.01
"""Seconds between two looks whether what is in work at the end is done."""


class Shared(Writer, Protocol):
    """A journal that another process can take away."""

    def abandon(self) -> None:
        """Promise nothing any more."""


class Continuity:
    """What an application has to do so that sessions go on in the next process."""

    def __init__(
        self,
        domain: Domain,
        manager: SessionManager,
        recording: Recording,
        abandon: Callable[[], object],
    ) -> None:
        """Take what writes down, and what is called when nothing is to be promised any more."""
        self._domain = domain
        self._manager = manager
        self._recording = recording
        self._abandon = abandon

    async def take_up(self) -> None:
        """Go on with the sessions and rooms of the process before. Raises DatabaseError."""
        began = time.monotonic()
        journal = self._recording.journal
        sessions = [each.frozen() for each in journal.state.sessions.values()]
        notes = journal.state.notes.items()
        rooms = {key.removeprefix(_ROOM): note for key, note in notes if key.startswith(_ROOM)}
        note_rooms(self._domain, self._manager, self._note, rooms)
        await write_down(self._domain, journal)
        gone = await take_up(self._domain, self._manager, sessions, rooms.values())
        for each in gone:
            journal.ended(each.head.id)
        if sessions:
            logger.info(
                "Took up %d sessions of the process before, in %.1f s",
                len(sessions) - len(gone),
                time.monotonic() - began,
            )

    def _note(self, room: str, plain: Plain) -> None:
        self._recording.journal.note(f"{_ROOM}{room}", plain)

    def abandon(self) -> None:
        """Promise nothing any more: another process may go on with the sessions."""
        self._abandon()
        self._recording.give_up()

    async def leave(self, patience: float) -> None:
        """Write the last down; the connections have ended.

        ``patience`` is how many seconds what is in work may take.
        """
        manager = self._manager
        until = manager.clock() + patience
        # What a database that hangs leaves undone is written down.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(patience, _STORING)):
                await self._domain.settle()
        # Nobody is told when the last is done, and only here anybody wants to know.
        while not manager.settled and manager.clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(_STEP)
        for name, room in freeze_rooms(self._domain, manager):
            self._note(name, room)
        left = len(manager.sessions)
        manager.leave(manager.clock())
        if left:
            logger.info("Wrote %d sessions down for the next process", left)


@contextlib.asynccontextmanager
async def continuing(
    settings: Settings,
    domain: Domain,
    manager: SessionManager,
    shared: AbstractAsyncContextManager[Shared] | None = None,
) -> AsyncIterator[Continuity | None]:
    """Let sessions outlive the process while the block runs; None where they are not to.

    They are written down in a file, or where ``shared`` gives it, in that.
    Raises :class:`DatabaseError` with a sentence where the journal cannot be used.
    """
    if shared is not None:
        _tell_of_what_is_left(settings.journal_place(), "ANDIRON_CLUSTER names a Redis")
        async with (
            shared as journal,
            _written(domain, manager, journal, journal.abandon) as continuity,
        ):
            yield continuity
        return
    path = settings.journal_path()
    if not path:
        _tell_of_what_is_left(settings.journal_place(), "ANDIRON_DURABILITY is memory")
        yield None
        return
    syncing = SyncingThread(asyncio.get_running_loop().call_soon_threadsafe)
    try:
        file = await asyncio.to_thread(
            JournalFile.open,
            path,
            manager.timers,
            syncing,
            manager.clock,
            settings.journal_config(),
        )
    except JournalError as error:
        raise _failed(error) from None
    try:
        async with _written(domain, manager, file) as continuity:
            yield continuity
    finally:
        file.close()


@contextlib.asynccontextmanager
async def _written(
    domain: Domain,
    manager: SessionManager,
    writer: Writer,
    abandon: Callable[[], object] = lambda: None,
) -> AsyncIterator[Continuity]:
    soon = asyncio.get_running_loop().call_soon
    manager.recording = recording = Recording(writer, head_of, manager.clock, soon)
    try:
        continuity = Continuity(domain, manager, recording, abandon)
        await continuity.take_up()
        yield continuity
    finally:
        manager.recording = None


def check(settings: Settings) -> None:
    """Raise :class:`DatabaseError` where a look tells that the journal cannot be used."""
    path = "" if settings.by_redis else settings.journal_path()
    if path:
        try:
            examine(Disk(), path)
        except JournalError as error:
            raise _failed(error) from None


def _failed(error: JournalError) -> DatabaseError:
    return DatabaseError(f"{error} (ANDIRON_DURABILITY_FILE).")


def _tell_of_what_is_left(path: str, why: str) -> None:
    with contextlib.suppress(JournalError):
        if path and examine(Disk(), path):
            logger.warning(
                "What an earlier process has written down in %s is not taken up, since %s: start"
                " once with the former value, or remove the file and with it the sessions in it",
                path,
                why,
            )
