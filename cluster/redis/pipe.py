"""The journal's connection to Redis: what is sent in a turn goes out in it, answers come in order.

A client's pool would give each command a connection of its own, and so no order. One connection is
written to at once and read from by a task; when it breaks, another begins with a
:class:`~andiron.cluster.redis.store.Join`, after which nothing of the former is done any more.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection

from andiron.cluster.redis.address import Keys
from andiron.cluster.redis.connecting import FAILURES, why
from andiron.cluster.redis.ending import ended
from andiron.cluster.redis.scripts import APPEND, JOIN, SWITCH
from andiron.cluster.redis.store import (
    Answer,
    Append,
    Broken,
    Done,
    Join,
    Joined,
    Operation,
    Refused,
)
from andiron.sm.byhand import continued

__all__ = ["Pipe"]

_PATIENCE: Final = 5.0
"""Seconds that an answer may take, and a connection."""
_SCRIPTS: Final = (JOIN, APPEND, SWITCH)
_REFUSED: Final = -1
_OUTRUN: Final = -2
_MISSING: Final = -3
_NOBODY: Final = Broken("it does not know who is home")
_LOST: Final = (AttributeError, RuntimeError)
"""What writing raises where the connection has just ended: asyncio before Python 3.13.6, uvloop."""


@dataclass(frozen=True, slots=True)
class _Question:
    operation: Operation
    answered: Callable[[Answer], object]
    sent: float


class Pipe:
    """A :class:`~andiron.cluster.redis.store.Store`; :meth:`close` it at the end.

    ``client`` waits for answers as long as it takes, and is the pipe's alone. ``token`` shows that
    the lease is held; ``keep`` is for how many seconds Redis keeps what nobody renews. ``missing``
    is called when Redis says that nobody holds it: it may have lost it.
    """

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        lease: str,
        token: str,
        keep: float,
        missing: Callable[[], object] = lambda: None,
    ) -> None:
        self._client = client
        self._base = keys.key("journal")
        self._keys = lease, self._base
        self._token = token
        self._keep = round(keep * 1000)
        self._missing = missing
        self._joined = 0
        self._line: _Line | None = None

    def send(self, operation: Operation, answered: Callable[[Answer], object]) -> None:
        """Have an operation done; a :class:`Join` by a new connection."""
        if isinstance(operation, Join):
            self._end()
            self._joined += 1
            self._line = _Line(self._client, self._missing)
        assert self._line is not None
        self._line.ask(operation, self._command(operation), answered)

    async def close(self) -> None:
        """Close the connection; nobody is told of what is under way."""
        line, self._line = self._line, None
        if line is not None:
            line.forget()
            await line.close()

    def _end(self) -> None:
        if self._line is not None:
            self._line.end("connected anew")

    def _command(self, operation: Operation) -> tuple[Any, ...]:
        """Return which script is run, and what it is given."""
        writer = f"{self._token}:{self._joined}"
        match operation:
            case Join(abandoned):
                return JOIN, 2, *self._keys, self._token, writer, abandoned, self._keep
            case Append(name, at, lines):
                keys = *self._keys, f"{self._base}:{name}"
                return APPEND, 3, *keys, self._token, writer, at, self._keep, *lines
            case _:
                name, length = operation.name, operation.length
                keys = *self._keys, f"{self._base}:{name}"
                return SWITCH, 3, *keys, self._token, writer, length, name, self._keep


class _Line:
    """One connection, from the first question to its end."""

    def __init__(self, client: Redis, missing: Callable[[], object]) -> None:
        self._client = client
        self._missing = missing
        self._questions: deque[_Question] = deque()
        self._unsent: list[tuple[Any, ...]] = []
        self._names: dict[str, str] = {}
        """By script, the name by which the server knows it."""
        self._over: Broken | None = None
        """The answer to whatever is asked after its end, which nobody may have heard of."""
        self._connection: AbstractConnection | None = None
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run())

    def ask(
        self,
        operation: Operation,
        command: tuple[Any, ...],
        answered: Callable[[Answer], object],
    ) -> None:
        """Send a question, or have it sent when that is possible."""
        if self._over is not None:
            self._loop.call_soon(answered, self._over)
            return
        self._questions.append(_Question(operation, answered, self._loop.time()))
        if self._watch is None:
            self._watch = self._loop.call_later(_PATIENCE, self._look)
        self._unsent.append(command)
        if self._connection is not None and self._writing is None:
            self._write(self._connection)

    def end(self, reason: str) -> None:
        """Close it: nothing more is answered but that."""
        if self._over is not None:
            return
        self._over = Broken(reason)
        questions, self._questions = self._questions, deque()
        self.forget()
        self._task.cancel()
        for question in questions:
            question.answered(self._over)

    def forget(self) -> None:
        """Tell nobody anything any more."""
        self._questions.clear()
        self._unsent.clear()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def close(self) -> None:
        """End, and wait until the connection is closed."""
        await ended(self._task)

    async def _run(self) -> None:
        connection = None
        try:
            async with asyncio.timeout(_PATIENCE):
                pool = self._client.connection_pool
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]
                await self._load(connection)
            self._connection = connection
            self._write(connection)
            while True:
                self._has_come(await connection.read_response(disable_decoding=True))
        except (*FAILURES, _BrokenError) as error:
            self._loop.call_soon(self.end, why(error))
        finally:
            self._connection = None
            if self._writing is not None:
                self._writing.cancel()
            if connection is not None:
                with contextlib.suppress(*FAILURES):
                    await connection.disconnect(nowait=True)
                await self._client.connection_pool.release(connection)

    async def _load(self, connection: AbstractConnection) -> None:
        for script in _SCRIPTS:
            await connection.send_command("SCRIPT", "LOAD", script, check_health=False)
            self._names[script] = (await connection.read_response()).decode()

    def _has_come(self, answer: Any) -> None:
        question = self._questions.popleft()
        made = _answer(question.operation, answer)
        if isinstance(made, Broken):
            self._questions.appendleft(question)
            if made is _NOBODY:
                self._missing()
            raise _BrokenError(made.why)
        question.answered(made)

    def _look(self) -> None:
        """End the connection if an answer takes too long."""
        self._watch = None
        if self._questions:
            due = self._questions[0].sent + _PATIENCE - self._loop.time()
            if due <= 0:
                self.end("it does not answer")
            else:
                self._watch = self._loop.call_later(due, self._look)

    # Writing

    def _write(self, connection: AbstractConnection) -> None:
        """Write what is to be sent, at once unless the network pushes back."""
        unsent, self._unsent = self._unsent, []
        packed = connection.pack_commands(
            ("EVALSHA", self._names[command[0]], *command[1:]) for command in unsent
        )
        writing = connection.send_packed_command(packed, check_health=False)
        try:
            waits_for = writing.send(None)
        except StopIteration:
            return
        except (*FAILURES, *_LOST) as error:
            self._cannot_write(error)
            return
        self._writing = asyncio.create_task(self._go_on(connection, continued(writing, waits_for)))

    async def _go_on(self, connection: AbstractConnection, rest: Any) -> None:
        try:
            await rest
        except (*FAILURES, *_LOST) as error:
            self._cannot_write(error)
            return
        self._writing = None
        if self._unsent:
            self._write(connection)

    def _cannot_write(self, error: Exception) -> None:
        reason = "the connection was lost" if isinstance(error, _LOST) else why(error)
        self._loop.call_soon(self.end, reason)


class _BrokenError(Exception):
    """The server said that it could not do something."""


def _answer(operation: Operation, answer: Any) -> Answer:
    """Return what a script's answer means."""
    current = b""
    if isinstance(operation, Join):
        answer, current = answer
    if answer == _REFUSED:
        return Refused()
    if answer == _OUTRUN:
        return Broken("another connection of this process has joined")
    if answer == _MISSING:
        return _NOBODY
    if isinstance(operation, Join):
        return Joined(current.decode(), answer)
    return Done(answer)
