"""Writes archived messages behind the sessions' backs, many at a time.

A message goes its way at once, and is handled when it is written. What waits is
bounded, also for each who causes it, so that nobody's flood keeps the messages of others
from being archived; when the database is out of reach for too long, messages go on
without, and the operator is told. A message that the database does not take holds up
no other.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from andiron.domain.archive.ids import write_id
from andiron.domain.archive.store import ArchiveStore, Values, Withdrawal
from andiron.domain.database.database import DatabaseError
from andiron.domain.database.engines import RefusedError
from andiron.sm.frozen import Plain
from andiron.sm.payers import Payer
from andiron.sm.session import Session

logger = logging.getLogger("andiron.domain")

_BATCH: Final = 2048
"""Messages of one transaction at most, of one row or two: others that write wait for its end."""
_OVERHEAD: Final = 512
"""Bytes that a row takes in memory besides its text, about."""
_LEAST: Final = 65_536
"""Bytes that may wait for everybody, however much does for others."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds to wait before a batch that failed is tried again; twice as long each time."""


_Caused = tuple[Sequence[Values], Payer, int]
"""The rows of a message, who pays for them as long as they wait, and how much."""


class Ledger(Protocol):
    """Where what waits is written down, so that it survives the process."""

    def owed(self, payload: Plain) -> int:
        """Write down what waits; return its number."""

    def paid(self, numbers: Iterable[int]) -> None:
        """Note that some of it waits no more."""


class Held:
    """A row that has its place in the archive, and is written when that is decided, or not."""

    __slots__ = ("_writer", "born", "cause", "row")

    def __init__(self, writer: "ArchiveWriter", row: Values, cause: Payer, born: str) -> None:
        self._writer = writer
        self.row = row
        self.cause = cause
        self.born = born

    @property
    def id(self) -> str:
        """The id that it has, as clients see it."""
        return write_id(self.row[1])

    def keep(self) -> None:
        """Have it written."""
        self._writer.decide(self, keep=True)

    def drop(self) -> None:
        """Let it go; nothing remains of it."""
        self._writer.decide(self, keep=False)


class ArchiveWriter:
    """What waits to be written to one store.

    That is up to ``bound`` bytes, about, of which one may cause up to ``share``.
    """

    def __init__(self, store: ArchiveStore, bound: int, share: int) -> None:
        self._store = store
        self._bound = bound
        self._share = share
        self._pending: list[_Caused | Withdrawal] = []
        self._gone: set[str] = set()
        """Archives that were removed since what is being written was taken from that."""
        self._size = 0
        self._put = 0
        self._settled = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._tickets: deque[tuple[int, Session, int]] = deque()
        self._failing = False
        self._undecided: set[Held] = set()
        self._deciding: list[asyncio.Future[None]] = []
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lost = 0
        self._ledger: Ledger | None = None
        self._numbers: deque[int] = deque()

    @property
    def waiting(self) -> int:
        """How many bytes, about, wait to be written."""
        return self._size

    def write_down(self, ledger: Ledger) -> None:
        """Have what waits written down, from now on, before anything is put."""
        self._ledger = ledger

    def put(self, rows: Sequence[Values], cause: Payer, births: Sequence[str] = ()) -> bool:
        """Take a message's rows to be written; False when too much waits, or it is closed.

        ``births`` tell the accounts of the rows from others of their names.
        """
        weight = _weight(rows)
        if not self._charge(weight, cause):
            return False
        self._append((rows, cause, weight), (rows, births))
        return True

    def hold(self, row: Values, cause: Payer, born: str) -> Held | None:
        """Take a row of which it is not known yet whether it shall be written; None as False.

        The caller must decide soon: who reads waits for it.
        """
        if not self._charge(_weight((row,)), cause):
            return None
        held = Held(self, row, cause, born)
        self._undecided.add(held)
        return held

    def decide(self, held: Held, *, keep: bool) -> None:
        """Write a row that was held, or let it go; once it is decided that is the end of it."""
        if held not in self._undecided:
            return
        self._undecided.remove(held)
        rows, weight = (held.row,), _weight((held.row,))
        if keep:
            self._append((rows, held.cause, weight), (rows, (held.born,)))
        else:
            self._release(held.cause, weight)
        deciding, self._deciding = self._deciding, []
        for waiter in deciding:
            if not waiter.done():
                waiter.set_result(None)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Remove a row that was put before, as soon as it is written.

        It is no less in order than a row is, and is taken whatever waits.
        """
        self._size += _OVERHEAD
        self._append(withdrawal, tuple(withdrawal))

    def written(self, session: Session, ticket: int) -> bool:
        """Tell whether all that was put is in the database; else the session is told when it is.

        While the database is out of reach nobody waits for it, nor does who is not told of
        anything before it is written down.
        """
        if self._ledger is not None and session.gate is not None:
            return True
        if self._settled == self._put or self._failing:
            return True
        self._tickets.append((self._put, session, ticket))
        return False

    async def flushed(self, owner: str) -> None:
        """Wait until all that was put is in the database, and what was held of one is decided.

        Raises :class:`DatabaseError` when the database fails meanwhile.
        """
        undecided = frozenset(held for held in self._undecided if held.row[0] == owner)
        while not undecided.isdisjoint(self._undecided):
            decision: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._deciding.append(decision)
            await decision
        if self._settled == self._put:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._put, waiter))
        await waiter

    async def caught_up(self) -> None:
        """Wait until all that was put is in the database, unless that is out of reach."""
        if not self._failing:
            with suppress(DatabaseError):
                await self.flushed("")

    def forget(self, owner: str) -> None:
        """Write nothing more of an archive that was removed.

        What is put of one of the same name after this is another's.
        """
        self._gone.add(owner)
        for held in [held for held in self._undecided if held.row[0] == owner]:
            held.drop()
        for number, each in enumerate(self._pending):
            if isinstance(each, Withdrawal):
                continue
            rows, cause, weight = each
            rest = [row for row in rows if row[0] != owner]
            if len(rest) < len(rows):
                self._pending[number] = (rest, cause, _weight(rest))
                self._release(cause, weight - _weight(rest))

    async def close(self) -> None:
        """Write what waits, in one attempt; take nothing any more."""
        self._closing.set()
        if self._task is not None:
            await self._task

    def _append(self, each: _Caused | Withdrawal, payload: Plain) -> None:
        if self._ledger is not None:
            self._numbers.append(self._ledger.owed(payload))
        self._put += 1
        self._pending.append(each)
        if self._task is None:
            self._start()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._pending:
            batch = self._pending[:_BATCH]
            del self._pending[:_BATCH]
            self._gone.clear()
            gone = [each for each in batch if isinstance(each, Withdrawal)]
            caused = [each for each in batch if not isinstance(each, Withdrawal)]
            rows = [row for each in caused for row in each[0]]
            if rows:
                await self._write(rows)
            # Each comes after its row.
            if gone:
                await self._remove(gone)
            self._size -= len(gone) * _OVERHEAD
            for _, cause, weight in caused:
                self._size -= weight
                cause.backlog -= weight
            self._settle(len(batch))
        self._task = None

    async def _write(self, batch: Sequence[Values]) -> None:
        """Write rows, but for those that cannot be: they are found by halving what fails."""
        try:
            await self._insist(lambda: self._store.add(batch, self._gone), len(batch))
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
            except Exception as error:
                if not isinstance(error, DatabaseError) or isinstance(error, RefusedError):
                    self._failing = False  # It was there to refuse them.
                    raise
                if self._closing.is_set():
                    if self._ledger is None:
                        logger.exception("%d messages are lost to the archive", rows)
                    else:
                        logger.warning("%d messages are the next process's to archive", rows)
                    return
                logger.warning("%d messages wait to be archived: %s", rows, error)
                self._fail(error)
            else:
                self._failing = False
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
        if self._ledger is not None:
            numbers = self._numbers
            self._ledger.paid([numbers.popleft() for _ in range(min(rows, len(numbers)))])
        if self._lost and self._size <= self._bound // 2:
            logger.error("%d messages were not archived", self._lost)
            self._lost = 0
        waiting, self._waiting = self._waiting, []
        self._tell(self._settled)
        for number, waiter in waiting:
            if number > self._settled:
                self._waiting.append((number, waiter))
            elif not waiter.done():
                waiter.set_result(None)

    def _fail(self, error: DatabaseError) -> None:
        self._failing = True
        self._tell(self._put)
        waiting, self._waiting = self._waiting, []
        for _, waiter in waiting:
            if not waiter.done():
                waiter.set_exception(DatabaseError(*error.args))

    def _tell(self, number: int) -> None:
        """Let what came before the row of a number be handled."""
        tickets = self._tickets
        while tickets and tickets[0][0] <= number:
            _, session, ticket = tickets.popleft()
            try:
                session.handled(ticket, session.clock())
            except Exception:
                # One session's failure keeps nobody's messages from being written.
                logger.exception(
                    "%s: a stanza could not be settled", session.link.jid, extra=session.logged
                )

    def _charge(self, weight: int, cause: Payer) -> bool:
        """Count what waits from now on; False where too much does, or it is closed."""
        caused = cause.backlog + weight
        if (
            self._closing.is_set()
            or caused > self._share
            or (self._size + weight > self._bound and caused > _LEAST)
        ):
            self._refuse()
            return False
        self._size += weight
        cause.backlog = caused
        return True

    def _release(self, cause: Payer, weight: int) -> None:
        self._size -= weight
        cause.backlog -= weight

    def _refuse(self) -> None:
        if not self._lost:
            logger.error("the database does not keep up: messages are not archived for now")
        self._lost += 1


def _weight(rows: Sequence[Values]) -> int:
    # The rows of a message have its text.
    return len(rows) * (len(rows[0][4]) + _OVERHEAD) if rows else 0


def _let_go(row: Values, error: Exception) -> None:
    # What other errors say may quote the message.
    reason = error if isinstance(error, DatabaseError) else type(error).__name__
    logger.error("message %d of %s could not be archived: %s", row[1], row[0], reason)
