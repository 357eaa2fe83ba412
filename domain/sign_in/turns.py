"""One sign-in at a time for an account and for an address, in turn.

Guessing is what is slowed, so an attempt waits for its turn before its password
is looked at, whether it is right or not. Since a turn lasts until the outcome
is known, and the next begins no sooner than the failures so far allow, any
number of streams make as many guesses as one. A right password costs nobody any
time: many that know theirs follow each other without a pause.

Who guesses cannot be known, but who does not: the owner of an account who has
been in from an address waits there only for those who try that very account
from that very address.

Pure: the caller passes ``now``, and lets :attr:`Turns.timers` be run.
"""

import math
import secrets
from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final, NamedTuple

from andiron.domain.config import ThrottleConfig
from andiron.domain.sign_in.failures import Failures
from andiron.domain.sign_in.places import Places
from andiron.sm.strangers import network_of
from andiron.sm.timers import Timers

__all__ = ["Attempt", "Crowded", "Turns"]

_IN_ALL: Final = 10
"""How many times as many attempts as may wait in one lane may wait in all."""


class Crowded(Exception):  # noqa: N818
    """Too many wait already."""


class Turns:
    """Whose turn it is, and what failed; one instance serves all streams of a domain."""

    def __init__(self, config: ThrottleConfig | None = None) -> None:
        self._config = config = config or ThrottleConfig()
        self._secret = secrets.token_bytes(32)
        self._network_key = lru_cache(maxsize=1024)(partial(self._key, b"address"))
        self._accounts = Failures(config, config.account_cap)
        self._addresses = Failures(config, config.address_cap)
        self._owners = Failures(config, config.account_cap)
        self._places = Places(config.capacity)
        self._lanes: dict[bytes, _Lane] = {}
        self.timers = Timers()
        """Wakes attempts that wait for a moment, rather than for somebody."""
        self.waiting = 0
        """How many attempts wait."""

    def __len__(self) -> int:
        """Return how much is remembered: failures, accounts that succeeded, and who is here."""
        failures = len(self._accounts) + len(self._addresses) + len(self._owners)
        return failures + len(self._places) + len(self._lanes)

    def ask(
        self, account: str, address: str, now: float, call: Callable[[bool], None]
    ) -> "Attempt":
        """Have ``call`` called with True when the turn has come, maybe before this returns.

        It is called with False where the turn will not come any more. What is
        returned must be ended in either case. Raises :class:`Crowded`.
        """
        who = self._identify(account, network_of(address))
        if self._places.knows(who.account, who.place):
            lanes = [self._lane(who.place, self._owners)]
        else:
            lanes = [
                self._lane(who.account, self._accounts),
                self._lane(who.address, self._addresses, self._config.at_once),
            ]
        attempt = Attempt(self, who, lanes, call)
        for lane in lanes:
            lane.waiting[attempt] = None
        self.waiting += 1
        self._consider(attempt, now)
        if attempt.waiting and self._is_crowded(lanes):
            self._give_place(attempt)
            raise Crowded
        return attempt

    def _consider(self, attempt: "Attempt", now: float) -> None:
        """Call an attempt whose turn has come; else see to it that it is looked at again."""
        lanes = attempt.lanes
        ready = max(lane.failures.until(lane.key) for lane in lanes)
        if ready > now:
            if attempt.wake_at != ready:
                self.timers.schedule(attempt, ready)
        elif all(lane.has_room(now) for lane in lanes):
            for lane in lanes:
                lane.busy += 1
            self._leave(attempt)
            attempt.state = _State.CALLED
            attempt.call(True)

    def _end_turn(self, attempt: "Attempt", now: float) -> None:
        """Take note of the outcome, and let the next go on."""
        for lane in attempt.lanes:
            lane.busy -= 1
        who = attempt.who
        if attempt.right:
            self._places.succeeded(who.account, who.place)
            self._owners.forget(who.place)
        elif attempt.right is False:
            # Whoever it was, from now on others wait.
            self._accounts.add(who.account, now)
            self._addresses.add(who.address, now)
            if attempt.lanes[0].key == who.place:
                self._owner_failed(attempt, now)
        for lane in attempt.lanes:
            for following in tuple(lane.waiting):
                if not lane.has_room(now):
                    break
                self._consider(following, now)
        self._tidy(attempt)

    def _owner_failed(self, attempt: "Attempt", now: float) -> None:
        who = attempt.who
        self._owners.add(who.place, now)
        self._places.failed(who.account, who.place)
        if not self._places.knows(who.account, who.place):
            for waiting in tuple(attempt.lanes[0].waiting):
                self._give_place(waiting)
                waiting.call(False)

    def _withdraw(self, attempt: "Attempt", now: float) -> None:
        """Count an attempt that did not await its turn, but let nobody wait for that."""
        for lane in attempt.lanes:
            lane.failures.add(lane.key, now, delays=False)
        self._give_place(attempt)

    def _give_place(self, attempt: "Attempt") -> None:
        attempt.state = _State.OVER
        self._leave(attempt)
        self._tidy(attempt)

    def _leave(self, attempt: "Attempt") -> None:
        """Let an attempt wait no longer."""
        for lane in attempt.lanes:
            del lane.waiting[attempt]
        self.waiting -= 1
        self.timers.cancel(attempt)

    def _is_crowded(self, lanes: "list[_Lane]") -> bool:
        most = self._config.waiting
        return self.waiting > _IN_ALL * most or any(len(lane.waiting) > most for lane in lanes)

    def _lane(self, key: bytes, failures: Failures, width: int = 1) -> "_Lane":
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key, failures, width)
        return lane

    def _tidy(self, attempt: "Attempt") -> None:
        for lane in attempt.lanes:
            if not lane.busy and not lane.waiting:
                self._lanes.pop(lane.key, None)

    def _identify(self, account: str, network: str) -> "_Who":
        return _Who(
            self._key(b"account", account),
            self._network_key(network),
            self._key(b"place", f"{account}\0{network}"),
        )

    def _key(self, kind: bytes, text: str) -> bytes:
        # What a stranger names may be long; a hash that he cannot foresee is short.
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=16, key=self._secret, person=kind).digest()


class Attempt:
    """A sign-in that waits for its turn, then has it, until it is ended."""

    __slots__ = ("_turns", "call", "lanes", "right", "state", "wake_at", "who")

    def __init__(
        self, turns: Turns, who: "_Who", lanes: "list[_Lane]", call: Callable[[bool], None]
    ) -> None:
        self._turns = turns
        self.who = who
        self.lanes = lanes
        self.call = call
        self.state = _State.WAITING
        self.right: bool | None = None
        """Whether the password is right, to be set before the end.

        None where nobody knows, as when the database fails.
        """
        self.wake_at = math.inf

    @property
    def waiting(self) -> bool:
        """Whether its turn has not come."""
        return self.state is _State.WAITING

    def end(self, now: float) -> None:
        """Give the turn, or the place among those that wait, to others; twice is as once.

        Who waits no longer, as when his client is gone, counts as one that
        failed, or one could guess and leave for nothing.
        """
        state, self.state = self.state, _State.OVER
        if state is _State.WAITING:
            self._turns._withdraw(self, now)
        elif state is _State.CALLED:
            self._turns._end_turn(self, now)

    def on_timer(self, now: float) -> None:
        """Look whether the turn has come."""
        self._turns._consider(self, now)


class _State(Enum):
    WAITING = auto()
    CALLED = auto()
    OVER = auto()


class _Who(NamedTuple):
    """Keys of who an attempt says to be, and from where; they say nothing by themselves."""

    account: bytes
    address: bytes
    place: bytes
    """Account and address together."""


class _Lane:
    """Those that take turns: with an account, from an address, or with one from the other."""

    __slots__ = ("busy", "failures", "key", "waiting", "width")

    def __init__(self, key: bytes, failures: Failures, width: int) -> None:
        self.key = key
        self.failures = failures
        self.width = width
        self.busy = 0
        self.waiting: dict[Attempt, None] = {}

    def has_room(self, now: float) -> bool:
        """Tell whether one more may be looked at: once some failed, one at a time."""
        if not self.busy:
            return True
        return self.busy < self.width and not self.failures.slows(self.key, now)
