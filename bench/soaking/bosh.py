"""A stream over BOSH (XEP-0124, XEP-0206): one request held, one more to speak."""

import asyncio
import random
import re
from collections.abc import Coroutine
from typing import Any

from load.names import HTTPBIND
from load.requests import HttpConnection

from soaking import words
from soaking.link import CONNECTING, Addresses, Owner

HEAD = b"POST /http-bind HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: "
SID = re.compile(r" sid=['\"]([^'\"]+)['\"]")
INSIDE = re.compile(r"<body\b[^>]*?(?:/>|>(.*)</body>)", re.DOTALL)
WINDOW = 2
WAIT = 20
XBOSH = f"to='{words.DOMAIN}' xmlns:xmpp='urn:xmpp:xbosh'"


class BoshLink:
    """One BOSH session, whose requests go in the order of their ``rid``."""

    head = HEAD

    def __init__(self, owner: Owner, addresses: Addresses) -> None:
        self.owner = owner
        self.addresses = addresses
        self.ready = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections: set[HttpConnection] = set()
        self._sid = ""
        self._rid = random.randrange(2**40)
        self._next = self._rid
        self._early: dict[int, bytes] = {}
        self._queue: list[str] = []
        self._restart = self._closing = self._silent = self._due = False
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, owner: Owner, addresses: Addresses) -> "BoshLink":
        """Connect; raises OSError."""
        link = cls(owner, addresses)
        connection = await link._connection()
        owner.carried_by(link)
        link._post(
            connection,
            f" wait='{WAIT}' hold='1' ver='1.11' xml:lang='en' xmpp:version='1.0' {XBOSH}",
        )
        return link

    async def _connection(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        address = random.choice(self.addresses)
        async with asyncio.timeout(CONNECTING):
            _, connection = await loop.create_connection(lambda: HttpConnection(self), *address)
        self._connections.add(connection)
        return connection

    # Requests

    def _post(self, connection: HttpConnection, attributes: str = "", payload: str = "") -> None:
        rid, self._rid = self._rid, self._rid + 1
        if self._sid:
            attributes = f" sid='{self._sid}'{attributes}"
        body = f"<body xmlns='{HTTPBIND}' rid='{rid}'{attributes}>{payload}</body>"
        connection.post(rid, body.encode())

    def _soon(self) -> None:
        """See to requests when this turn of the loop is done: what is queued in it shares one."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._due = False
        over = self._silent or self.ended.done()
        if over or not self._sid:
            return
        while (busy := self._rid - self._next) < WINDOW and (self._wishes or not busy):
            idle = next((each for each in self._connections if each.rid is None), None)
            if idle is None:
                self._spawn(self._connect_more())
                return
            attributes = ""
            if self._restart:
                attributes, payload = f" xmpp:restart='true' {XBOSH}", ""
                self._restart = False
            else:
                payload, self._queue = "".join(self._queue), []
                attributes = " type='terminate'" if self._closing else ""
            self._post(idle, attributes, payload)
            if self._closing:
                return

    @property
    def _wishes(self) -> bool:
        return bool(self._queue) or self._restart or self._closing

    async def _connect_more(self) -> None:
        try:
            await self._connection()
        except OSError:
            self._lost()
        self._soon()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if not self._tasks:
            task = asyncio.create_task(coroutine)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            coroutine.close()

    # Answers

    def on_response(self, rid: int, status: int, body: bytes) -> None:
        if status != 200:
            self.owner.refused(f"HTTP/1.1 {status}")
            self._lost()
            return
        self._early[rid] = body
        while not self.ended.done() and (text := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self._hear(text.decode())
        self._soon()

    def _hear(self, text: str) -> None:
        if self._silent:
            return
        root = text[: text.index(">")]
        if not self._sid and (found := SID.search(root)) is not None:
            self._sid = found[1]
        inside = INSIDE.fullmatch(text)
        for element in words.split(inside[1] or "" if inside else ""):
            self.owner.receive(self, element)
        if "terminate" in root:
            self._lost()

    def on_bad_response(self, text: str) -> None:
        self.owner.refused(text)
        self._lost()

    def on_connection_lost(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        # A browser would ask once more; what became of the request only a new session tells.
        if connection.rid is not None and not self._silent:
            self._lost()

    def _lost(self) -> None:
        self.ready = False
        if not self.ended.done():
            self.ended.set_result(None)
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    # The link

    def restart(self) -> None:
        self._restart = True
        self._soon()

    def send(self, text: str) -> None:
        self._queue.append(text)
        self._soon()

    def kill(self, how: str) -> None:
        if how == "silent":
            self._silent = True
            self.ready = False
            if not self.ended.done():
                self.ended.set_result(None)
        else:
            self._lost()

    def close(self) -> None:
        self._closing = True
        self._soon()
