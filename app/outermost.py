"""An application around which nothing stands but the server, which may run no lifespan.

Daphne, and Django's ``runserver`` with it, tell their applications neither
when to begin nor when to end. Whoever is outermost would have been told.
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from andiron.domain.database.database import DatabaseError
from andiron.signals import instead_of_exit

logger = logging.getLogger("andiron")

_PAUSE: Final = 10.0
"""Seconds between a start that failed for the database and the next one."""


class Startable(Protocol):
    """An application that serves while its lifespan runs."""

    @property
    def running(self) -> bool:
        """Whether its lifespan has begun and not ended."""

    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Run it while the block runs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""


class Outermost:
    """Serves ``site``, of which ``application`` is a part or all.

    The first request starts the application where no lifespan did; it ends by
    SIGTERM or SIGINT, which the server hears of once everything is stored.
    Outside the main thread it ends with the process, and what is in memory is lost.
    """

    def __init__(self, application: Startable, site: ASGIApp) -> None:
        self._application = application
        self._site = site
        self._told = False
        self._ready: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._again_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the lifespan."""
        if scope["type"] == "lifespan":
            self._told = True
            await self._application(scope, receive, send)
            return
        if not self._told and not self._application.running:
            await self._start()
        await self._site(scope, receive, send)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._ready is None or (self._again_at is not None and loop.time() >= self._again_at):
            self._again_at = None
            self._ready = asyncio.Event()
            self._task = loop.create_task(self._run(self._ready))
        await self._ready.wait()

    async def _run(self, ready: asyncio.Event) -> None:
        """Be the server's lifespan.

        A database that could not be used may have come back by a later request:
        those of the next seconds are refused, the first one after them tries again.
        """
        stop = asyncio.Event()
        try:
            with instead_of_exit(stop.set):
                async with self._application.lifespan():
                    logger.info("Started by the first request: this server runs no lifespan")
                    ready.set()
                    await stop.wait()
        except DatabaseError as error:
            logger.error("Not started: %s", error)  # noqa: TRY400 - the sentence says it all
            if not ready.is_set():
                self._again_at = asyncio.get_running_loop().time() + _PAUSE
        except Exception:
            logger.exception("Not started, or not ended well")
        finally:
            ready.set()
