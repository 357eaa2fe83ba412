"""Conversations through a middleware of each kind that hosts put around the application."""

import asyncio
import base64

import pytest
from support.asgi import CLOSE, OPEN, AsgiClient, settle
from support.middleware import MIDDLEWARE
from support.sessions import BIND, attribute

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts

AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>"
PING = (
    "<iq xmlns='jabber:client' type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
)
MESSAGE = "<message xmlns='jabber:client' type='chat' to='{}@localhost'><body>{}</body></message>"


@pytest.fixture
async def andiron(request):
    settings = getattr(request, "param", {})
    app = create_app(database="sqlite://", auth_iterations=4096, archive=False, **settings)
    async with app.lifespan():
        accounts = Accounts(app.domain.database, "localhost", 4096)
        await accounts.create_many([("juliet", "pw"), ("romeo", "pw")])
        yield app


@pytest.fixture(params=MIDDLEWARE)
def host(request, andiron):
    return MIDDLEWARE[request.param](andiron)


class Person:
    """Somebody at a WebSocket, through the host."""

    def __init__(self, host, name):
        self.client = AsgiClient(host)
        self.name = name

    async def sign_in(self):
        await self.client.connected()
        await self.say(OPEN, "<stream:features")
        secret = base64.b64encode(f"\0{self.name}\0pw".encode()).decode()
        await self.say(AUTH.format(secret), "<success")
        await self.say(OPEN, "<stream:features")
        return self

    async def bind(self):
        await self.sign_in()
        await self.say(BIND, " id='b'")
        await self.say("<presence xmlns='jabber:client'/>", "<presence")
        return self

    async def say(self, text, answer):
        self.client.send(text)
        async with asyncio.timeout(60):
            return await self.client.until(answer)

    async def hears(self, part):
        async with asyncio.timeout(60):
            return await self.client.until(part)

    async def close(self):
        self.client.send(CLOSE)
        async with asyncio.timeout(60):
            assert (await self.client.rest())[-1] == CLOSE
            await self.client.task


async def test_a_websocket_conversation(host):
    juliet, romeo = await Person(host, "juliet").bind(), await Person(host, "romeo").bind()
    enabled = await juliet.say("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<enabled")
    romeo.client.send(MESSAGE.format("juliet", "1"))
    assert "<body>1</body>" in await juliet.hears("<message")
    await juliet.client.cut()
    for number in range(2, 6):
        romeo.client.send(MESSAGE.format("juliet", number))
    again = await Person(host, "juliet").sign_in()
    sm_id = attribute(enabled, "id")
    await again.say(f"<resume xmlns='urn:xmpp:sm:3' previd='{sm_id}' h='1'/>", "<resumed ")
    for number in range(2, 6):
        assert f"<body>{number}</body>" in await again.hears("<message")
    await again.close()
    await romeo.close()


async def test_a_network_that_pushes_back(host):
    juliet, romeo = await Person(host, "juliet").bind(), await Person(host, "romeo").bind()
    juliet.client.push_back(2)
    for number in range(8):
        romeo.client.send(MESSAGE.format("juliet", number))
    await settle()
    juliet.client.let_go()
    for number in range(8):
        assert f"<body>{number}</body>" in await juliet.hears("<message")
    await juliet.close()
    await romeo.close()


@pytest.mark.parametrize("andiron", [{"session_negotiation_timeout": 0.02}], indirect=True)
async def test_an_end_that_a_timer_brings(host):
    """There the first step of a ``send`` would be nobody's task."""
    stranger = Person(host, "nobody")
    await stranger.client.connected()
    texts = await stranger.client.rest()
    assert "<connection-timeout " in texts[-2]
    assert texts[-1] == CLOSE
    await stranger.client.task


async def test_what_is_said_last_is_heard(host):
    """An answer and the end of the stream come in one turn; neither is lost."""
    juliet = await Person(host, "juliet").bind()
    juliet.client.send(PING, CLOSE)
    texts = await juliet.client.rest()
    assert texts == ["<iq xmlns='jabber:client' type='result' id='p' from='localhost'/>", CLOSE]
    await juliet.client.task
