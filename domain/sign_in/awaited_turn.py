"""The turn of one sign-in, awaited (:mod:`.turns`)."""

import asyncio
from collections.abc import Callable

from andiron.domain.sign_in.turns import Attempt, Crowded, Turns
from andiron.xmpp.errors import SaslCondition, SaslError


class AwaitedTurn:
    """The turn to have a password looked at, which comes before a block and ends with it.

    Entered, it is the attempt. Raises :class:`SaslError` ``temporary-auth-failure`` where the turn
    does not come.
    """

    __slots__ = (
        "_address",
        "_attempt",
        "_called",
        "_clock",
        "_come",
        "_now",
        "_turns",
        "_username",
    )

    def __init__(
        self, turns: Turns, username: str, address: str, now: float, clock: Callable[[], float]
    ) -> None:
        self._turns = turns
        self._username = username
        self._address = address
        self._now = now
        self._clock = clock
        self._come: bool | None = None
        """Whether the turn has come, or will not; None: that is not known yet."""
        self._called: asyncio.Future[None] | None = None
        """Who waits to know; None: nobody."""
        self._attempt: Attempt | None = None

    def leave(self, now: float) -> None:
        """Wait no longer: the client is gone. A turn that has come goes on and counts."""
        attempt = self._attempt
        if attempt is not None and attempt.waiting:
            attempt.end(now)
            attempt.call(False)

    def _call(self, come: bool) -> None:
        if self._come is None:
            self._come = come
            if self._called is not None and not self._called.done():
                self._called.set_result(None)

    async def __aenter__(self) -> Attempt:
        try:
            attempt = self._turns.ask(self._username, self._address, self._now, self._call)
        except Crowded:
            raise _later() from None
        self._attempt = attempt
        try:
            if self._come is None:
                self._called = asyncio.get_running_loop().create_future()
                await self._called
        except BaseException:
            self._end()
            raise
        if not self._come:
            self._end()
            raise _later()
        return attempt

    async def __aexit__(self, *_error: object) -> None:
        self._end()

    def _end(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.end(self._clock())


def _later() -> SaslError:
    return SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE, "too many sign-ins wait; try later")
