"""``/readyz``: whether clients should be sent here, as orchestrators and load balancers ask."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from andiron.domain.database.database import DatabaseError

__all__ = ["Readiness"]

_LIFETIME: Final = 1.0
"""Seconds for which an answer holds: anybody may ask, as often as he likes."""
_PATIENCE: Final = 2.0
"""Seconds in which the database must answer."""
_ENDING: Final = "ending"
_UNWRITTEN: Final = "sessions cannot be written down"
_UNREACHABLE: Final = "the database cannot be reached"


class Readiness:
    """An endpoint that answers 200 while the application serves and its database answers.

    Else it answers 503 with the reason. ``ask`` asks the database anything, ``ending`` tells
    whether the application is about to end, ``failing`` whether sessions cannot be written down.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[object]],
        ending: Callable[[], bool],
        failing: Callable[[], bool],
    ) -> None:
        self._ask = ask
        self._ending = ending
        self._failing = failing
        self._trouble = ""
        self._until = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, _request: Request) -> Response:
        """Answer one request."""
        if not self._ending():
            await self._of_database()
        trouble = self._known()
        return PlainTextResponse(
            f"{trouble or 'ready'}\n",
            status_code=503 if trouble else 200,
            headers={"Cache-Control": "no-store"},
        )

    def glance(self) -> str:
        """Return the reason that :meth:`answer` would give, without waiting; empty for none.

        Of the database that is what was found last; it is asked again meanwhile.
        """
        if not self._ending():
            self._ask_again()
        return self._known()

    def _known(self) -> str:
        if self._ending():
            return _ENDING
        return self._trouble or (_UNWRITTEN if self._failing() else "")

    async def _of_database(self) -> None:
        """Find out what is wrong with the database; all who ask meanwhile wait for one answer."""
        self._ask_again()
        if self._asking is not None:
            await asyncio.shield(self._asking)

    def _ask_again(self) -> None:
        if self._asking is None and asyncio.get_running_loop().time() >= self._until:
            self._asking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        asking = asyncio.ensure_future(self._ask())
        try:
            # To be cancelled may take the driver of a database that is cut off some seconds.
            await asyncio.wait([asking], timeout=_PATIENCE)
            self._trouble = "" if asking.done() and not _failed(asking) else _UNREACHABLE
        finally:
            if not asking.done():
                asking.add_done_callback(_failed)
                asking.cancel()
            self._until = asyncio.get_running_loop().time() + _LIFETIME
            self._asking = None


def _failed(asking: "asyncio.Future[object]") -> bool:
    """Tell whether the database did not answer as it should. Raises what is no failure of its."""
    try:
        asking.result()
    except (DatabaseError, TimeoutError, asyncio.CancelledError):
        return True
    return False
