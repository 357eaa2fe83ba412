"""Failed sign-ins slow later ones, for the account and for the address they came from.

Pure: the caller passes ``now`` and does the waiting. Guessing is what is
slowed, so an attempt waits before its password is looked at, whether it is
right or not. An account's delay stays so short that nobody can keep its owner
out by failing in his name; an address may be made to wait longer.
"""

import math
from collections import OrderedDict
from typing import Final

from andiron.domain.config import ThrottleConfig
from andiron.sm.strangers import network_of

__all__ = ["Throttle"]

_NOTHING: Final = 0.05
"""Seconds below which a wait is not worth a timer; a decaying delay ends here."""


class Throttle:
    """Remembers failed sign-ins; one instance serves all streams of a domain."""

    def __init__(self, config: ThrottleConfig | None = None) -> None:
        config = config or ThrottleConfig()
        self._accounts = _Failures(config, config.account_cap)
        self._addresses = _Failures(config, config.address_cap)

    def delay(self, account: str, address: str, now: float) -> float:
        """Return the seconds that a sign-in must wait before its password is looked at."""
        return max(
            self._accounts.delay(account, now), self._addresses.delay(network_of(address), now)
        )

    def failed(self, account: str, address: str, now: float) -> None:
        """Take note of a wrong password, or of an account that does not exist: the same here."""
        self._accounts.add(account, now)
        self._addresses.add(network_of(address), now)

    def succeeded(self, account: str, address: str) -> None:  # noqa: ARG002
        """Forgive the account its failures.

        The address keeps its own: whoever guesses from there may well have one
        right password, his own, and would sign in with it between the guesses.
        """
        self._accounts.forget(account)

    def __len__(self) -> int:
        """Return how many accounts and addresses are remembered."""
        return len(self._accounts) + len(self._addresses)


class _Failures:
    """Decaying counts of failures, each with when it was last true, longest quiet first."""

    def __init__(self, config: ThrottleConfig, cap: float) -> None:
        self._first = config.first
        self._half_life = config.half_life
        self._capacity = config.capacity
        self._cap = cap
        # At this count the delay has reached its cap. Counting on would only make an
        # attack be remembered for longer than it hurts.
        self._most = math.log2(cap / config.first + 1)
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def delay(self, key: str, now: float) -> float:
        wait = min(self._cap, self._first * (2 ** self._count(key, now) - 1))
        return wait if wait >= _NOTHING else 0.0

    def add(self, key: str, now: float) -> None:
        self._counts[key] = (min(self._most, self._count(key, now) + 1), now)
        self._counts.move_to_end(key)
        if len(self._counts) > self._capacity:
            self._counts.popitem(last=False)

    def forget(self, key: str) -> None:
        self._counts.pop(key, None)

    def _count(self, key: str, now: float) -> float:
        count, since = self._counts.get(key, (0.0, now))
        decay: float = 0.5 ** (max(0.0, now - since) / self._half_life)
        return count * decay
