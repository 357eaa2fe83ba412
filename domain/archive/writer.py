"""Writes archived messages behind the sessions' backs, many at a time.

A message goes its way at once. What waits to be written is bounded; when the
database is out of reach for too long, messages go on without being archived,
and the operator is told. A message that the database does not take holds up no
other.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from andiron.domain.archive.ids import write_id
from andiron.domain.archive.store import ArchiveStore, Row, Withdrawal
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.engines import RefusedError

logger = logging.getLogger("andiron.domain")

_BATCH: Final = 4096
"""Rows of one transaction at most: others that write wait for its end."""
_OVERHEAD: Final = 512
"""Bytes that a row takes in memory besides its text, about."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds to wait before a batch that failed is tried again; twice as long each time."""


class Held:
    """A row that has its place in the archive, and is written when that is decided, or not."""

    __slots__ = ("_writer", "row")

    def __init__(self, writer: "ArchiveWriter", row: Row) -> None:
        self._writer = writer
        self.row = row

    @property
    def id(self) -> str:
        """The id that it has, as clients see it."""
        return write_id(self.row.id)

    def keep(self) -> None:
        """Have it written."""
        self._writer.decide(self, keep=True)

    def drop(self) -> None:
        """Let it go; nothing remains of it."""
        self._writer.decide(self, keep=False)


class ArchiveWriter:
    """What waits to be written to one store: up to ``bound`` bytes of it, about."""

    def __init__(self, store: ArchiveStore, bound: int) -> None:
        self._store = store
        self._bound = bound
        self._pending: list[Row | Withdrawal | None] = []
        self._size = 0
        self._put = 0
        self._settled = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._undecided: set[Held] = set()
        self._deciding: list[asyncio.Future[None]] = []
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lost = 0

    def put(self, row: Row) -> bool:
        """Take a row to be written; False when too much waits, or it is closed."""
        size = self._size + len(row.text) + _OVERHEAD
        if size > self._bound:
            self._refuse()
            return False
        self._size = size
        self._put += 1
        self._pending.append(row)
        if self._task is None:
            self._start()
        return True

    def hold(self, row: Row) -> Held | None:
        """Take a row of which it is not known yet whether it shall be written; None as False.

        The caller must decide soon: who reads waits for it.
        """
        size = self._size + _weight(row)
        if size > self._bound:
            self._refuse()
            return None
        self._size = size
        held = Held(self, row)
        self._undecided.add(held)
        return held

    def decide(self, held: Held, *, keep: bool) -> None:
        """Write a row that was held, or let it go; once it is decided that is the end of it."""
        if held not in self._undecided:
            return
        self._undecided.remove(held)
        if keep:
            self._put += 1
            self._pending.append(held.row)
            if self._task is None:
                self._start()
        else:
            self._size -= _weight(held.row)
        deciding, self._deciding = self._deciding, []
        for waiter in deciding:
            if not waiter.done():
                waiter.set_result(None)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Remove a row that was put before, as soon as it is written.

        It is no less in order than a row is, and is taken whatever waits.
        """
        self._size += _OVERHEAD
        self._put += 1
        self._pending.append(withdrawal)
        if self._task is None:
            self._start()

    async def flushed(self, owner: str) -> None:
        """Wait until all that was put is in the database, and what was held of one is decided.

        Raises :class:`DatabaseError` when the database fails meanwhile.
        """
        undecided = frozenset(held for held in self._undecided if held.row.owner == owner)
        while not undecided.isdisjoint(self._undecided):
            decision: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._deciding.append(decision)
            await decision
        if self._settled == self._put:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._put, waiter))
        await waiter

    def forget(self, owner: str) -> None:
        """Write nothing more of an archive that was removed."""
        for held in [held for held in self._undecided if held.row.owner == owner]:
            held.drop()
        for number, row in enumerate(self._pending):
            if isinstance(row, Row) and row.owner == owner:
                self._pending[number] = None
                self._size -= _weight(row)

    async def close(self) -> None:
        """Write what waits, in one attempt; take nothing any more."""
        self._bound = 0
        self._closing.set()
        if self._task is not None:
            await self._task

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._pending:
            batch = self._pending[:_BATCH]
            del self._pending[:_BATCH]
            rows = [row for row in batch if isinstance(row, Row)]
            if rows:
                await self._write(rows)
            # Each comes after its row.
            gone = [row for row in batch if isinstance(row, Withdrawal)]
            if gone:
                await self._remove(gone)
            self._size -= sum(map(_weight, rows)) + len(gone) * _OVERHEAD
            self._settle(len(batch))
        self._task = None

    async def _write(self, batch: Sequence[Row]) -> None:
        """Write rows, but for those that cannot be: they are found by halving what fails."""
        try:
            await self._insist(lambda: self._store.add(batch), len(batch))
        except Exception as error:  # noqa: BLE001 - whatever it is about one, others must be written
            if len(batch) == 1:
                _let_go(batch[0], error)
                return
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])

    async def _remove(self, withdrawals: Sequence[Withdrawal]) -> None:
        """Remove rows, or none of them."""
        try:
            await self._insist(lambda: self._store.withdraw(withdrawals), len(withdrawals))
        except Exception:
            logger.exception("%d messages stay in archives, though refused", len(withdrawals))

    async def _insist(self, act: Callable[[], Awaitable[None]], rows: int) -> None:
        """Write or remove rows, again and again while the database is out of reach.

        Raises what another attempt would raise again.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                await act()
            except RefusedError:
                raise
            except DatabaseError as error:
                if self._closing.is_set():
                    logger.exception("%d messages are lost to the archive", rows)
                    return
                logger.warning("%d messages wait to be archived: %s", rows, error)
                self._fail(error)
            else:
                return
            await self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _settle(self, rows: int) -> None:
        """Note that so many more rows are written, or never will be."""
        self._settled += rows
        if self._lost and self._size <= self._bound // 2:
            logger.error("%d messages were not archived", self._lost)
            self._lost = 0
        waiting, self._waiting = self._waiting, []
        for number, waiter in waiting:
            if number > self._settled:
                self._waiting.append((number, waiter))
            elif not waiter.done():
                waiter.set_result(None)

    def _fail(self, error: DatabaseError) -> None:
        waiting, self._waiting = self._waiting, []
        for _, waiter in waiting:
            if not waiter.done():
                waiter.set_exception(DatabaseError(*error.args))

    def _refuse(self) -> None:
        if not self._lost:
            logger.error("the database does not keep up: messages are not archived for now")
        self._lost += 1


def _weight(row: Row) -> int:
    return len(row.text) + _OVERHEAD


def _let_go(row: Row, error: Exception) -> None:
    # What other errors say may quote the message.
    reason = error if isinstance(error, DatabaseError) else type(error).__name__
    logger.error("message %d of %s could not be archived: %s", row.id, row.owner, reason)
