"""The connections on which a request is waited for."""

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Protocol

from andiron.sm.strangers import Newcomers, Strangers, network_of

__all__ = ["Asker", "Silent"]

logger = logging.getLogger("andiron")

_REMEMBERED: Final = 1024
_GRACE: Final = 1.0
"""Seconds in which those who have just connected can ask, however many they are."""


class Asker(Protocol):
    """A connection on which requests come."""

    client: tuple[str, int] | None
    network: str
    """What it is counted by: the network of its address, none for a proxy's."""
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop


class Silent:
    """The connections on which no request is under way: few of them, each not for long.

    One that has had none, or has begun one, waits ``patience`` seconds; one that
    is idle after its last ``idle`` seconds, by one timer for all. They are bounded as
    :class:`Newcomers` are, after a second; those that have begun a request and
    do not end it, which cost most, at once.
    """

    def __init__(
        self,
        strangers: Strangers,
        others: Newcomers[Any],
        *,
        patience: float,
        idle: float,
        is_proxy: Callable[[str], bool],
    ) -> None:
        """``others`` go first where there is too little room."""
        self._waiting = Newcomers[Asker](strangers, others)
        self._begun = Newcomers[Asker](strangers, others)
        self._patience = patience
        self._idle = idle
        self._is_proxy = is_proxy
        self.network = lru_cache(maxsize=_REMEMBERED)(self._network)
        """Returns what a connection from an address is counted by."""
        self._timers: dict[Asker, asyncio.TimerHandle | float] = {}
        """Their timers, or until when they may be idle: the earlier before the later."""
        self._trimming: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._timers)

    def _network(self, address: str) -> str:
        return "" if self._is_proxy(address) else network_of(address)

    def add(self, asker: Asker, *, idle: bool = False) -> None:
        """Wait for a request on this connection, whose last one is done with if it is idle."""
        self.remove(asker)
        if not idle:
            self._timers[asker] = asker.loop.call_later(self._patience, self._drop, asker)
        else:
            self._timers[asker] = at = asker.loop.time() + self._idle
            if self._closing is None:
                self._closing = asker.loop.call_at(at, self._close_idle, asker.loop)
        self._waiting.add(asker, asker.network)
        if self._trimming is None and self._waiting.crowded:
            self._trimming = asker.loop.call_later(_GRACE, self._trim)

    def begin(self, asker: Asker) -> None:
        """Wait for the end of a request's head, of which a part has come."""
        if asker in self._begun:
            return
        self.add(asker)
        self._begun.add(asker, asker.network)
        for late in self._begun.surplus():
            self._drop(late)

    def remove(self, asker: Asker) -> None:
        """Wait no more: a request came, or the connection ended."""
        if asker not in self._timers:
            return
        timer = self._timers.pop(asker)
        if not isinstance(timer, float):
            timer.cancel()
        self._waiting.remove(asker)
        self._begun.remove(asker)

    def _trim(self) -> None:
        self._trimming = None
        for late in self._waiting.surplus():
            self._drop(late)

    def _close_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close those that have been idle for long enough, and wait for the next."""
        self._closing = None
        now = loop.time()
        over: list[Asker] = []
        for asker, timer in self._timers.items():
            if isinstance(timer, float):
                if timer > now:
                    self._closing = loop.call_at(timer, self._close_idle, loop)
                    break
                over.append(asker)
        for asker in over:
            self.remove(asker)
            asker.transport.close()

    def _drop(self, asker: Asker) -> None:
        self.remove(asker)
        address = asker.client[0] if asker.client else "unix"
        logger.info("%s dropped: no request came", address)
        asker.transport.abort()
