"""Where clients of the process come in: who they are is what the code here says."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from andiron.inprocess.config import InprocessConfig
from andiron.inprocess.connection import MemoryConnection
from andiron.sm.link import Channel, StreamHeader
from andiron.sm.manager import SessionManager
from andiron.xmpp.xml import Guard

__all__ = ["ADDRESS", "Entrance"]

ADDRESS = "in-process"
"""What stands for the address of such clients, who pay together until they have signed in."""


class Entrance:
    """Connects clients of this process to the sessions of one application.

    ``serving`` is a context for as long as a connection lasts. They are not counted among
    strangers: nobody outside can take their place, nor they anybody's.
    """

    def __init__(
        self,
        manager: SessionManager,
        config: InprocessConfig,
        guard: Guard,
        *,
        domain: str,
        serving: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._manager = manager
        self._guard = guard
        self._serving = serving
        self.config = config
        self.domain = domain

    def enter(self, name: str, heard: Callable[[], None]) -> MemoryConnection:
        """Return a new connection, on which SASL EXTERNAL signs in as ``name`` without a password.

        ``heard`` is called as :class:`MemoryConnection` says.
        """
        serving = ExitStack()
        serving.enter_context(self._serving())
        connection = MemoryConnection(
            Channel(ADDRESS, secure=True, kind="in-process", visitor=name),
            self.config,
            self._guard,
            header=self._header,
            heard=heard,
            on_over=serving.close,
        )
        self._manager.connect(connection, self._manager.clock())
        return connection

    def _header(self) -> StreamHeader:
        return StreamHeader(self.domain, secrets.token_urlsafe(12))
