"""What goes to very many: a few at a time, so that others have their turns in between."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Final

from andiron.domain.client import Client

__all__ = ["Fanouts", "Steps"]

logger = logging.getLogger("andiron.domain")

Steps = Generator[None, None, bool]
"""Work that pauses after each recipient; it returns whether the stanza that caused it is handled,
or will be handled without more words."""

_AT_ONCE: Final = 20
"""Recipients of one step, which takes about as long as a turn."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    client: Client
    steps: Steps
    ticket: int | None


class Fanouts:
    """Runs the steps of each account in the order in which they began.

    Few recipients are told at once. While there are more, nothing further is read of
    the client that caused it, so that nobody hears its next stanza before.
    """

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._spawn = spawn
        self._lines: dict[str, deque[_Waiting]] = {}

    def under_way(self, account: str) -> bool:
        """Tell whether an account's recipients are not all told yet."""
        return account in self._lines

    def begin(self, client: Client, steps: Steps, ticket: int | None = None) -> bool:
        """Run ``steps``, now or as soon as others have had their turns.

        The result is that of :meth:`Link.receive`; ``ticket`` is of the stanza that caused
        it. Steps must look for themselves whether the client and who is told are still there.
        """
        if not self.under_way(client.account):
            done = _advance(steps)
            if done is not None:
                return done
        # The steps may have ended another resource, which tells that it left.
        line = self._lines.get(client.account)
        if line is None:
            line = self._lines[client.account] = deque()
            self._spawn(client.session.errand(self._run(client.account, line)))
        line.append(_Waiting(client, steps, ticket))
        if ticket is not None:
            client.session.hold()
        return False

    async def _run(self, account: str, line: deque[_Waiting]) -> None:
        try:
            while line:
                await asyncio.sleep(0)
                first = line[0]
                try:
                    done = _advance(first.steps)
                except Exception:
                    # The others in line are still to be told.
                    logger.exception("%s: a presence could not be passed on", first.client.jid)
                    done = True
                if done is None:
                    continue
                line.popleft()
                session = first.client.session
                if first.ticket is not None:
                    if done:
                        session.handled(first.ticket, session.clock())
                    session.go_on()
        finally:
            del self._lines[account]


def _advance(steps: Steps) -> bool | None:
    """Do what may be done at once; return what the steps return, or None while there are more."""
    try:
        for _ in range(_AT_ONCE):
            next(steps)
    except StopIteration as end:
        done: bool = end.value
        return done
    return None
