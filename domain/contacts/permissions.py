"""Who may talk to whom, as the site says: asked once for two, and known for a while."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from andiron.domain.patience import TimeLimit, within
from andiron.sm.notices import Complaints

__all__ = ["MayContact", "Permissions"]

logger = logging.getLogger("andiron.domain")

MayContact = Callable[[str, str], Awaitable[bool]]
"""Tells whether the account of the first name may contact that of the second."""

_MOST: Final = 50_000
"""Answers that are known at a time; those longest unused are forgotten first."""
_FAILED: Final = 5.0
"""Seconds in which the site is not asked again what it failed to say, so that one who writes to
many in a row does not wait for each of them."""
_AT_ONCE: Final = 10
"""Questions of one stanza that are asked at a time."""


class Permissions:
    """Asks the site who may talk to whom. What it fails to say is a no.

    Names are usernames, the prepared localparts. Who writes to himself is not asked about.
    """

    def __init__(
        self,
        may_contact: MayContact,
        timeout: float,
        lifetime: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the seconds that the site may take, and those for which an answer holds."""
        self._may_contact = may_contact
        self._timeout = timeout
        self._lifetime = lifetime
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], tuple[bool, float]] = OrderedDict()
        """What is known, and until when."""
        self._asking: dict[tuple[str, str], asyncio.Task[bool]] = {}
        self._complain = Complaints(logger, clock)

    def known(self, one: str, other: str) -> bool | None:
        """Return what is known already; None where the site must be asked."""
        if one == other:
            return True
        pair = one, other
        answer = self._answers.get(pair)
        if answer is None:
            return None
        if answer[1] <= self._clock():
            del self._answers[pair]
            return None
        self._answers.move_to_end(pair)
        return answer[0]

    async def ask(self, one: str, other: str) -> bool:
        """Return whether ``one`` may contact ``other``; those who ask at a time ask once."""
        known = self.known(one, other)
        if known is not None:
            return known
        pair = one, other
        asking = self._asking.get(pair)
        if asking is None:
            asking = self._asking[pair] = asyncio.create_task(self._ask(pair))
        # One that stops waiting must not stop the others.
        return await asyncio.shield(asking)

    async def ask_all(self, one: str, others: Collection[str]) -> bool:
        """Return whether ``one`` may contact each of several; after the first no, none is asked."""
        names = list(others)
        for first in range(0, len(names), _AT_ONCE):
            some = names[first : first + _AT_ONCE]
            if not all(await asyncio.gather(*(self.ask(one, other) for other in some))):
                return False
        return True

    def forget(self, *names: str) -> None:
        """Forget what is known of some accounts, or of all where none is named.

        What the site is being asked is not remembered either: it may be older.
        """
        if not names:
            self._answers.clear()
            self._asking.clear()
            return
        for known in (self._answers, self._asking):
            for pair in [pair for pair in known if not set(names).isdisjoint(pair)]:
                del known[pair]

    async def _ask(self, pair: tuple[str, str]) -> bool:
        lifetime = self._lifetime
        answer = False
        try:
            said: object = await within(self._timeout, "may_contact", self._may_contact(*pair))
            answer = said is True
            if not isinstance(said, bool):
                self._complain("may_contact= returned %s, and not a bool", type(said).__name__)
        except TimeLimit:
            self._complain("may_contact= took longer than %g s (site_timeout)", self._timeout)
            lifetime = _FAILED
        except Exception:  # noqa: BLE001 - whatever went wrong in the site's own code
            self._complain("may_contact= failed", exc_info=True)
            lifetime = _FAILED
        if self._asking.get(pair) is asyncio.current_task():
            del self._asking[pair]
            if lifetime > 0:
                self._answers[pair] = (answer, self._clock() + lifetime)
                if len(self._answers) > _MOST:
                    self._answers.popitem(last=False)
        return answer
