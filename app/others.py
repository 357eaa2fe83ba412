"""The other processes of a chat, as the one that is home needs them; and none."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from andiron.continuity import Shared
from andiron.domain.database.holders import Tenure
from andiron.processes import Processes, introduced
from andiron.settings import Settings
from andiron.sm.timers import Timers
from andiron.vitals import Vitals

__all__ = ["Nobody", "Others"]


class Others(Protocol):
    """Whoever may be home when this process is not."""

    trouble: Callable[[], str]
    """Returns why clients should not be sent to this chat now; empty: they may be."""

    @property
    def processes(self) -> Processes:
        """Return what is known of all, this one among them."""

    def tenure(self) -> Tenure | None:
        """Return this home's turn at the database; None where its claim alone decides."""

    def journal(
        self, timers: Timers, clock: Callable[[], float]
    ) -> AbstractAsyncContextManager[Shared] | None:
        """Return the journal that all share; None where it is a file."""

    def send_elsewhere(self) -> None:
        """Have them keep new requests for the next home."""


class Nobody:
    """The :class:`Others` of a process that serves its chat alone."""

    def __init__(self, settings: Settings, vitals: Vitals) -> None:
        self.processes = Processes(introduced(settings.domain, {}, 0), vitals, None)
        self.trouble: Callable[[], str] = str

    def tenure(self) -> None:
        """Return none."""

    def journal(self, timers: Timers, clock: Callable[[], float]) -> None:
        """Return none."""

    def send_elsewhere(self) -> None:
        """Have nobody keep anything."""
