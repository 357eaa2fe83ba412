"""How frames get out of one WebSocket: in order, and at once where that is possible.

ASGI's ``send`` is somebody's: the server's, or that of middleware around it.
Uvicorn's own ends at its first step unless the network pushes back, and needs
no task for that, so the step is made by hand. Any other runs in a task, in
the context of its connection: middleware may ask for the current task, as
:func:`asyncio.timeout` and anyio do, or keep variables of the context, and a
server may return an awaitable that is no coroutine.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any, Final, Protocol

from andiron.sm.byhand import continued
from andiron.sm.eager import begun
from andiron.websocket.backlog import Backlog

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_ALLOWANCE: Final = 65_536
"""Bytes that a task may have before it while the network takes them; asyncio's own measure."""


class Owner(Protocol):
    """Whose frames they are. It is not called before the writer's method has returned."""

    def drained(self) -> None:
        """Hear that the network has taken what it had pushed back."""

    def failed(self, error: Exception | None) -> None:
        """Hear, once, that no more gets out: the limit is reached, or ``send`` raised ``error``."""


def needs_no_task(send: Send) -> bool:
    """Tell whether ``send`` is uvicorn's own, with nobody's middleware around it.

    So is another's that says the same of itself, by its attribute ``ends_at_once``.
    """
    owner = type(getattr(send, "__self__", None))
    if getattr(owner, "ends_at_once", False):
        return True
    return any(base.__module__.startswith("uvicorn.") for base in owner.__mro__)


class Writer:
    """Sends one connection's frames; ``limit`` bytes of them may wait once the network pushes back.

    Made in the connection's own task. ``by_hand`` says that the first step of
    a ``send`` may be made outside of any task.
    """

    __slots__ = (
        "_backlog",
        "_code",
        "_context",
        "_failed",
        "_limit",
        "_owner",
        "_send",
        "_task",
    )

    def __init__(self, send: Send, limit: int, owner: Owner, *, by_hand: bool) -> None:
        self._send = send
        self._limit = limit
        self._owner = owner
        self._context = None if by_hand else contextvars.copy_context()
        self._backlog: Backlog | None = None
        """What waits, once something has."""
        self._code: int | None = None
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self._task is not None

    @property
    def congested(self) -> bool:
        """Whether the network pushes back, so that what is sent now has to wait."""
        waiting = 0 if self._backlog is None else self._backlog.bytes
        allowance = 0 if self._context is None else min(_ALLOWANCE, self._limit // 2)
        return self._task is not None and waiting >= allowance

    def send(self, text: str) -> None:
        """Send one frame, behind those that wait."""
        if self._task is not None:
            self._keep(text)
            return
        if self._context is not None:
            self._start(self._write(text, None))
            return
        # The first step of ``send``, which is its last unless the network pushes back.
        coroutine: Any = self._send({"type": "websocket.send", "text": text})
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - must not reach whoever just delivered
            self._refused(error)
            return
        self._start(self._write(None, continued(coroutine, waits_for)))

    def send_all(self, texts: Iterable[str]) -> None:
        """Send frames as :meth:`send` does each."""
        for text in texts:
            self.send(text)

    def close(self, code: int) -> None:
        """Close the WebSocket when all that waits has been sent."""
        self._code = code
        if self._task is None:
            self._start(self._write(None, None))

    def take_back(self, *, lost: bool) -> list[str]:
        """Return the frames that wait, which are then not sent.

        Unless the connection is ``lost``, only where the network pushes back:
        what a task is about to send counts as sent.
        """
        if not (lost or self.congested):
            return []
        return [] if self._backlog is None else self._backlog.take()

    def cancel(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()

    def _keep(self, text: str) -> None:
        congested = self.congested
        if self._backlog is None:
            self._backlog = Backlog()
        self._backlog.put(text)
        if congested and self._backlog.bytes > self._limit:
            self._fail(None)

    def _start(self, writing: Coroutine[Any, Any, None]) -> None:
        """Begin a task, with its first step where Python can."""
        task = begun(writing, self._context)
        if not task.done():
            self._task = task

    async def _write(self, first: str | None, begun: Awaitable[None] | None) -> None:
        """Send a frame or finish sending it, then all that waits."""
        try:
            if first is not None:
                begun = self._send({"type": "websocket.send", "text": first})
            if begun is not None:
                await begun
            while self._backlog:
                text = self._backlog.pop()
                await self._send({"type": "websocket.send", "text": text})
            if self._code is not None:
                await self._send({"type": "websocket.close", "code": self._code})
        except Exception as error:  # noqa: BLE001 - nobody awaits this task
            self._refused(error)
            return
        finally:
            waited, self._task = self._task is not None, None
        if waited:
            self._owner.drained()

    def _refused(self, error: Exception) -> None:
        """Take what ``send`` raised.

        That the client is gone the reader learns from the server, too. ASGI
        has an OSError for that. Uvicorn raises RuntimeError as well, when
        it has closed the WebSocket since the client broke the protocol.
        """
        gone = OSError if self._context is not None else (OSError, RuntimeError)
        if not isinstance(error, gone):
            self._fail(error)

    def _fail(self, error: Exception | None) -> None:
        if not self._failed:
            self._failed = True
            asyncio.get_running_loop().call_soon(self._owner.failed, error)
