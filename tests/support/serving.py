"""A server in the test's own process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from andiron import create_app
from andiron.serving.server import server_config
from andiron.settings import Settings
from support.waiting import until


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application, whose lifespan the test runs, by uvicorn; give the port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


class ServedSite:
    """``andiron serve`` in the test's process, which counts what it takes without ASGI.

    ``way`` is the application's method that does so; ``by_asgi`` lets it take nothing.
    """

    way: str

    def __init__(
        self,
        folder: Path,
        *,
        by_asgi: bool = False,
        app: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        settings = Settings(database=f"sqlite:///{folder}/a.db", shutdown_timeout=1.0)
        settings = settings.replaced(**overrides)
        self.chat = create_app(settings, **(app or {}))
        self.taken = 0
        take = getattr(self.chat, self.way)

        def counted(scope: Mapping[str, Any]) -> object:
            found = None if by_asgi else take(scope)
            self.taken += found is not None
            return found

        setattr(self.chat, self.way, counted)
        self.server = uvicorn.Server(server_config(settings, self.chat))
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve at :attr:`port`."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            serving = asyncio.create_task(self.server.serve([listener]))
            await until(lambda: self.server.started)
            try:
                yield self
            finally:
                self.server.should_exit = True
                await serving

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect."""
        return await asyncio.open_connection("127.0.0.1", self.port)


class Connected:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def leave(self) -> None:
        """Close it."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()
