"""A whole domain on a database of its own, of any kind, and clients that sign in to it."""

import asyncio
import base64
from typing import Any

from andiron.domain.config import DomainConfig
from andiron.domain.domain import Domain
from andiron.sm.config import SmConfig
from andiron.sm.manager import SessionManager
from andiron.xmpp import namespaces as ns
from andiron.xmpp.xml import Guard
from support.domains import Client, bind_request
from support.sessions import MemoryTransport
from support.waiting import until


class House:
    """A domain on a database; its accounts are made by the test."""

    def __init__(self, url: str, **fields: Any) -> None:
        self.guard = Guard()
        self.domain = Domain(
            DomainConfig(database=url, scram_iterations=4096, **fields), self.guard
        )
        clock = asyncio.get_running_loop().time
        self.manager = SessionManager(SmConfig(), self.domain, clock=clock)

    @property
    def now(self):
        return self.manager.clock()

    async def come(self, name, password):
        """Return a client that is bound, or None where the password is wrong."""
        transport = MemoryTransport()
        self.manager.connect(transport, self.now)
        client = Client(self, transport)
        client.open()
        client.take()
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{secret}</auth>")
        await until(lambda: transport.sent)
        if "failure" in client.take()[0].tag:
            return None
        client.open()
        client.send(bind_request())
        client.take()
        return client

    async def stop(self):
        self.manager.shutdown(self.now)
        await self.domain.stop()


async def ask(client, kind, payload, to=""):
    client.transport.take()
    addressed = f" to='{to}'" if to else ""
    client.send(f"<iq type='{kind}' id='k'{addressed}>{payload}</iq>")
    await until(lambda: client.transport.sent)
    (answer,) = client.take()
    return answer
