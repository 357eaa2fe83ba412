"""The application that the environment and ``andiron.toml`` describe, as a server is given it."""

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.application import Andiron
from andiron.creating import create_app
from andiron.outermost import Outermost
from andiron.refusals import STOPPED, refuse
from andiron.settings import SettingsError

logger = logging.getLogger("andiron")


class Described:
    """Makes the application when it is first needed: not by whoever only imports it."""

    def __init__(self) -> None:
        self._application: Andiron | None = None
        self._served: ASGIApp | None = None

    @property
    def application(self) -> Andiron:
        """The application itself. Raises :class:`SettingsError`."""
        if self._application is None:
            self._application = create_app()
        return self._application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        if self._served is None:
            try:
                if not self.application.running:  # Else a site runs it, and mounts this.
                    self.application.serve_alone()
                self._served = Outermost(self.application, self.application)
            except SettingsError as error:
                self._served = Unusable(f"andiron: {error}")
            except Exception:
                # A server takes an exception for "no lifespan here" and would go on without one.
                logger.exception("The application could not be made")
                self._served = Unusable("andiron: startup failed")
        await self._served(scope, receive, send)


class Unusable:
    """Stands where the settings cannot be used; only the server and the log are told why."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the server's start fail, or refuse a request."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.failed", "message": self._sentence})
            return
        if not self._told:
            self._told = True
            logger.error("Not started: %s", self._sentence.removeprefix("andiron: "))
        await refuse(STOPPED, scope, receive, send)
