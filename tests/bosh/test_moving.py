"""A session that moves between WebSocket and BOSH, under traffic both ways."""

import asyncio
import random
import re

import httpx
import pytest
from support.asgi import OPEN, AsgiClient
from support.bosh import HTTPBIND, children
from support.sessions import BIND, GUARD, SIGN_IN, MemoryBackend

from andiron.bosh.config import BoshConfig
from andiron.bosh.endpoint import BoshEndpoint
from andiron.bosh.registry import BoshRegistry
from andiron.sm.config import SmConfig
from andiron.sm.driver import Driver
from andiron.sm.link import Channel
from andiron.sm.manager import SessionManager
from andiron.sm.strangers import Strangers
from andiron.websocket.config import WebSocketConfig
from andiron.websocket.endpoint import WebSocketEndpoint

MOVES = 100
SM = "urn:xmpp:sm:3"
H = re.compile(r" h='(\d+)'")
BODY = f"<body xmlns='{HTTPBIND}'"


class Place:
    """Both endpoints over one manager."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.backend = MemoryBackend()
        self.manager = SessionManager(SmConfig(turn=60.0), self.backend, clock=loop.time)
        strangers = Strangers(100, 100)
        config = BoshConfig()
        registry = BoshRegistry(self.manager, config, GUARD, strangers, loop.call_soon)
        self.driver = Driver(self.manager.timers, self.manager.rounds)
        self.driver.start()

        def channel_of(scope):
            return Channel("127.0.0.1", secure=True, kind=scope["type"])

        self.websocket = WebSocketEndpoint(
            self.manager,
            WebSocketConfig(),
            domain="localhost",
            guard=GUARD,
            channel_of=channel_of,
            strangers=strangers,
        )
        self.bosh = BoshEndpoint(registry, config, channel_of=channel_of)


class WebSocketPath:
    """The client's WebSocket."""

    def __init__(self, place):
        self.client = AsgiClient(place.websocket)

    async def sign_in(self):
        await self.client.connected()
        self.send(OPEN, SIGN_IN.format("juliet"), OPEN)
        for _ in range(5):
            await self.client.text()

    def send(self, *texts):
        self.client.send(*texts)

    async def receive(self):
        return [await self.client.text()]

    def drain(self):
        return self.client.take()

    async def cut(self):
        await self.client.cut()


class BoshPath:
    """The client's BOSH session: one request is held, another may carry what it says."""

    def __init__(self, place):
        transport = httpx.ASGITransport(place.bosh)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self.rid = 10_000
        self.sid = ""
        self.got = asyncio.Queue()
        self.next_answer = self.rid
        self.answers = {}
        self.posts = set()
        self.waiting = []
        self.ended = False

    async def _post(self, attributes, *payload):
        rid, self.rid = self.rid, self.rid + 1
        body = (
            f"{BODY} rid='{rid}' {attributes} xmlns:xmpp='urn:xmpp:xbosh'>{''.join(payload)}</body>"
        )
        response = await self.http.post("/", content=body)
        self.answers[rid] = response.text
        while (text := self.answers.pop(self.next_answer, None)) is not None:
            self.next_answer += 1
            if "type='terminate'" in text:
                assert "<conflict " in text, text
                self.ended = True
                break
            for child in children(text):
                self.got.put_nowait(child)
        return response.text

    async def sign_in(self):
        answer = await self._post("to='localhost' hold='1' wait='60' ver='1.6'")
        self.sid = answer.split(" sid='")[1].split("'")[0]
        await self._post(f"sid='{self.sid}'", SIGN_IN.format("juliet"))
        await self._post(f"sid='{self.sid}' to='localhost' xmpp:restart='true'")
        self.drain()

    def send(self, *texts):
        self.waiting += texts
        self._pump()

    def _pump(self):
        if not self.ended and len(self.posts) < 2 and (self.waiting or not self.posts):
            payload, self.waiting = self.waiting, []
            task = asyncio.create_task(self._post(f"sid='{self.sid}'", *payload))
            self.posts.add(task)
            task.add_done_callback(self._done)

    def _done(self, task):
        self.posts.discard(task)
        if not task.cancelled():
            task.result()
            self._pump()

    async def receive(self):
        self._pump()
        return [await self.got.get()]

    def drain(self):
        return [self.got.get_nowait() for _ in range(self.got.qsize())]

    async def cut(self):
        self.ended = True
        posts = list(self.posts)
        for task in posts:
            task.cancel()
        await asyncio.gather(*posts, return_exceptions=True)
        await self.http.aclose()


class Client:
    """A client that counts, keeps what is not acknowledged, and repeats it."""

    def __init__(self):
        self.got: list[str] = []
        self.handled = 0
        self.unacked: list[str] = []
        self.acked = 0
        self.sent = 0
        self.path = None
        self.sm_id = ""

    def say(self):
        text = f"<message xmlns='jabber:client' to='nobody' id='up{self.sent}'/>"
        self.sent += 1
        self.unacked.append(text)
        self.path.send(text)

    def acknowledged(self, h):
        self.unacked = self.unacked[h - self.acked :]
        self.acked = h

    def take(self, text):
        """Take what came; return whether it answers a resumption."""
        if text.startswith("<message"):
            self.handled += 1
            self.got.append(GUARD.read(text).get("id"))
        elif text.startswith("<r "):
            self.path.send(f"<a xmlns='{SM}' h='{self.handled}'/>")
        elif text.startswith("<a "):
            self.acknowledged(int(H.search(text)[1]))
        elif text.startswith("<resumed "):
            self.acknowledged(int(H.search(text)[1]))
            self.path.send(*self.unacked)
            return True
        else:
            raise AssertionError(text)
        return False

    async def move(self, path):
        """Resume on another connection."""
        await path.sign_in()
        self.path = path
        path.send(f"<resume xmlns='{SM}' previd='{self.sm_id}' h='{self.handled}'/>")
        resumed = False
        while not resumed:
            for text in await path.receive():
                resumed = self.take(text) or resumed

    async def receive_for_a_while(self, turns):
        for _ in range(turns):
            await asyncio.sleep(0)
            for text in self.path.drain():
                self.take(text)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_hundred_moves_lose_and_double_nothing(seed):
    chance = random.Random(seed)
    place = Place()
    client = Client()
    client.path = WebSocketPath(place)
    await client.path.sign_in()
    client.path.send(BIND, f"<enable xmlns='{SM}' resume='true'/>")
    await client.path.receive()
    (enabled,) = await client.path.receive()
    client.sm_id = enabled.split(" id='")[1].split("'")[0]
    session = place.backend.links["juliet@localhost"][-1].session
    loop = asyncio.get_running_loop()
    delivered = 0
    for move in range(MOVES):
        for _ in range(chance.randrange(6)):
            client.say()
        for _ in range(chance.randrange(6)):
            session.deliver(f"<message xmlns='jabber:client' id='down{delivered}'/>", loop.time())
            delivered += 1
        await client.receive_for_a_while(chance.randrange(8))
        old = client.path
        kind = BoshPath if move % 2 == 0 else WebSocketPath
        if chance.random() < 0.5:
            await old.cut()
            await client.move(kind(place))
        else:
            await client.move(kind(place))
            await old.cut()
        assert session.transport.channel.kind == ("http" if kind is BoshPath else "websocket")
    client.path.send(f"<r xmlns='{SM}'/>")
    async with asyncio.timeout(60):
        while client.unacked or len(client.got) < delivered:
            for text in await client.path.receive():
                client.take(text)
    await client.path.cut()
    place.driver.stop()
    assert client.got == [f"down{number}" for number in range(delivered)]
    routed = [GUARD.read(lost.text).get("id") for lost in place.backend.undelivered["nobody"]]
    assert routed == [f"up{number}" for number in range(client.sent)]
    assert place.manager.resumed == MOVES
