"""An endpoint over a backend in memory, and clients that leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from support.asgi import OPEN, AsgiClient
from support.sessions import BIND, SIGN_IN, MemoryBackend, MemoryLink
from support.taken import TakenClient

from andiron.serving.open_websocket import Server
from andiron.sm.config import SmConfig
from andiron.sm.driver import Driver
from andiron.sm.link import Channel
from andiron.sm.manager import SessionManager
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.endpoint import WebSocketEndpoint
from andiron.xmpp.xml import Guard

ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


class Place:
    """One endpoint, its manager under the loop's clock, and everyone who connected."""

    def __init__(self, sm: SmConfig | None, way: str, **config: Any) -> None:
        loop = asyncio.get_running_loop()
        self.backend = MemoryBackend()
        # On a slow machine a turn would be over before the test's client has sent all.
        unhurried = replace(sm or SmConfig(), turn=60.0)
        self.manager = SessionManager(unhurried, self.backend, clock=loop.time)
        self.driver = Driver(self.manager.timers, self.manager.rounds)
        self.driver.start()
        self.endpoint = WebSocketEndpoint(
            self.manager,
            WebSocketConfig(**config),
            domain="localhost",
            guard=Guard(),
            channel_of=lambda scope: Channel(scope["client"][0], secure=True, kind="websocket"),
            by_hand=lambda _send: way != "in a task",
        )
        self.client = TakenClient if way == "taken over" else AsgiClient
        self.server: Server | None = None
        """What connections that are taken over share; None: no pings."""
        self.clients: list[AsgiClient] = []

    def dial(self, **options: Any) -> AsgiClient:
        """Begin a handshake."""
        if self.server is not None:
            options["server"] = self.server
        client = self.client(self.endpoint, **options)
        self.clients.append(client)
        return client

    async def connect(self, **options: Any) -> AsgiClient:
        """Return a client whose WebSocket is accepted."""
        return await self.dial(**options).connected()

    async def open(self, **options: Any) -> AsgiClient:
        """Return a client whose stream is open."""
        client = await self.connect(**options)
        client.send(OPEN)
        await client.texts(2)
        return client

    async def sign_in(self, account: str = "juliet", **options: Any) -> AsgiClient:
        """Return a client that has signed in and restarted its stream."""
        client = await self.open(**options)
        client.send(SIGN_IN.format(account))
        assert await client.text() == "<success/>"
        client.send(OPEN)
        await client.texts(2)
        return client

    async def bind(self, account: str = "juliet", *, sm: bool = False) -> AsgiClient:
        """Return a client that is bound, with stream management if wished."""
        client = await self.sign_in(account)
        client.send(BIND)
        await client.text()
        if sm:
            client.send(ENABLE)
            await client.text()
        return client

    def link(self, account: str = "juliet") -> MemoryLink:
        """Return the latest bound link of an account."""
        return self.backend.links[f"{account}@localhost"][-1]

    def deliver(self, *texts: str, account: str = "juliet") -> None:
        """Deliver stanzas to an account's latest session."""
        for text in texts:
            self.link(account).session.deliver(text, asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Send everybody home."""
        for client in self.clients:
            if not client.task.done():
                client.leave()
                await asyncio.wait([client.task])
        self.driver.stop()

    def check(self) -> None:
        """Check that nothing is left of anybody."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        assert self.endpoint.strangers.count == 0
        assert all(session.transport is None for session in self.manager.sessions)


@pytest.fixture(params=["by hand", "in a task", "taken over"])
def way(request: pytest.FixtureRequest) -> str:
    """How the server sends: needing a task or not; or it takes the connections over."""
    return str(request.param)


@pytest.fixture
async def at(way: str) -> AsyncIterator[Callable[..., Place]]:
    """Return a function that makes a place from settings."""
    places: list[Place] = []

    def make(sm: SmConfig | None = None, **config: Any) -> Place:
        places.append(Place(sm, way, **config))
        return places[-1]

    yield make
    for place in places:
        await place.end()
    for place in places:
        place.check()


@pytest.fixture
async def place(at: Callable[..., Place]) -> Place:
    """A place with the default settings."""
    return at()
