"""What a client sends keeps its order around a hook, over each transport."""

import asyncio
import re

import httpx
import pytest
from support.asgi import OPEN, AsgiClient
from support.clients import EXTERNAL
from support.sessions import BIND

from andiron import create_app
from andiron.testing import running

ROOM = "tea@conference.localhost"
JOIN = (
    f"<presence xmlns='jabber:client' to='{ROOM}/Al'>"
    "<x xmlns='http://jabber.org/protocol/muc'/></presence>"
)
LEAVE = f"<presence xmlns='jabber:client' to='{ROOM}/Al' type='unavailable'/>"
SAID = [
    f"<message xmlns='jabber:client' to='{ROOM}' type='groupchat'><body>{n}</body></message>"
    for n in range(4)
]


async def over_websocket(app):
    client = await AsgiClient(app, path="/ws", headers=[("host", "localhost")]).connected()
    client.send(OPEN)
    await client.until("<stream:features")
    client.send(EXTERNAL)
    await client.until("<success")
    client.send(OPEN)
    await client.until("<stream:features")
    client.send(BIND)
    await client.until("<jid>")
    client.send(JOIN, *SAID, LEAVE)
    return client


async def over_bosh(app):
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    rid, sid = 1000, ""

    async def post(inner="", **attributes):
        nonlocal rid
        rid += 1
        given = "".join(f" {name}='{value}'" for name, value in attributes.items())
        body = (
            f"<body xmlns='http://jabber.org/protocol/httpbind' rid='{rid}'{sid}"
            f" xmlns:xmpp='urn:xmpp:xbosh'{given}>{inner}</body>"
        )
        return (await http.post("/http-bind", content=body)).text

    first = await post(to="localhost", wait="5", hold="1", ver="1.6", **{"xmpp:version": "1.0"})
    sid = " " + re.search("sid='[^']+'", first)[0]
    await post(EXTERNAL)
    await post(to="localhost", **{"xmpp:restart": "true"})
    await post(BIND)
    await post("".join([JOIN, *SAID, LEAVE]))
    return http


@pytest.mark.parametrize("connect", [over_websocket, over_bosh])
async def test_all_that_is_sent_at_once_comes_in_order(connect):
    async def visitor(connection):
        return "alice"

    chat = create_app(identify=visitor, shutdown_timeout=0.05)
    slow = iter([0.03, 0.0, 0.02, 0.01])

    @chat.hooks.message
    async def decide(message):
        await asyncio.sleep(next(slow))
        return message.body + "!"

    async with running(chat) as client:
        await chat.api.create_room("tea")
        bob = await client("bob")
        await bob.join("tea")
        alice = await connect(chat)
        heard = [(await bob.receive()).body for _ in SAID]
        assert heard == ["0!", "1!", "2!", "3!"]
        await bob.next(lambda one: one.kind == "unavailable" and one.sender == f"{ROOM}/Al")
        if isinstance(alice, httpx.AsyncClient):
            await alice.aclose()
