"""Disabled accounts: nobody gets in, whichever way, and who is in is put out."""

import asyncio
import base64
import time

import jwt
import pytest
from support.asgi import AsgiClient
from support.keys import SECRET
from support.waiting import until

from andiron import create_app
from andiron.domain.owners import NoSuchAccount
from andiron.testing import StreamEndedError, running
from andiron.xmpp import namespaces as ns


async def stream(chat, **options):
    client = AsgiClient(chat, **options)
    await client.opened()
    return client


def bearer(token):
    return "OAUTHBEARER", f"n,,\x01auth=Bearer {token}\x01\x01"


def signed():
    claims = {"sub": "juliet", "exp": time.time() + 3600}
    return jwt.encode(claims, SECRET, "HS256")


async def identify(connection):
    return connection.headers.get("x-who")


async def authenticate(_username, password):
    return password == "site's"


async def verify_token(token):
    return "juliet" if token == "opaque" else None


WAYS = {
    "own password": lambda: ("PLAIN", "\0juliet\0sesame"),
    "the site's password": lambda: ("PLAIN", "\0juliet\0site's"),
    "a token for a password": lambda: ("PLAIN", f"\0juliet\0{signed()}"),
    "an opaque token for a password": lambda: ("PLAIN", "\0juliet\0opaque"),
    "a bearer token": lambda: bearer(signed()),
    "an opaque bearer token": lambda: bearer("opaque"),
}


def made(**options):
    """Return an application that waits for nobody at its end."""
    return create_app(shutdown_timeout=0.01, **options)


@pytest.mark.parametrize("way", WAYS)
async def test_who_proves_to_be_the_owner_is_told_and_nobody_else(way):
    chat = made(authenticate=authenticate, verify_token=verify_token, token_secret=SECRET)
    async with running(chat):
        await chat.domain.accounts.create("juliet", "sesame")
        await chat.people.disable("juliet")
        assert "<account-disabled/>" in await (await stream(chat)).authenticate(*WAYS[way]())
        wrong = await (await stream(chat)).authenticate("PLAIN", "\0juliet\0wrong")
        nobody = await (await stream(chat)).authenticate("PLAIN", "\0nobody\0wrong")
        assert wrong == nobody
        assert "<not-authorized/>" in wrong
        await chat.people.enable("juliet")
        assert "<success" in await (await stream(chat)).authenticate(*WAYS[way]())


async def test_a_visitor_of_the_site_is_told():
    chat = made(identify=identify)
    async with running(chat):
        await chat.domain.accounts.provide("juliet")
        await chat.people.disable("juliet")
        headers = [("host", "localhost"), ("x-who", "juliet")]
        client = await stream(chat, headers=headers)
        assert "<account-disabled/>" in await client.authenticate("EXTERNAL", "")


async def test_who_proves_it_by_scram_is_told():
    from scramp import ScramClient  # noqa: PLC0415

    chat = made()
    async with running(chat):
        await chat.domain.accounts.create("juliet", "sesame")
        await chat.people.disable("juliet")
        for password, expected in (("sesame", "account-disabled"), ("wrong", "not-authorized")):
            client = await stream(chat)
            scram = ScramClient(["SCRAM-SHA-256"], "juliet", password)
            first = await client.authenticate("SCRAM-SHA-256", scram.get_client_first())
            challenge = base64.b64decode(first.partition(">")[2].partition("<")[0]).decode()
            scram.set_server_first(challenge)
            final = base64.b64encode(scram.get_client_final().encode()).decode()
            client.send(f"<response xmlns='{ns.SASL}'>{final}</response>")
            assert f"<{expected}/>" in await client.text()


async def test_streams_end_and_messages_wait():
    chat = made()
    async with running(chat) as sign_in:
        juliet, romeo = await sign_in("juliet"), await sign_in("romeo")
        phone = await sign_in("juliet")
        assert await chat.people.disable("Juliet") == 2
        for client in (juliet, phone):
            with pytest.raises(StreamEndedError, match="not-authorized"):
                await client.receive()
        assert await chat.people.disabled() == ["juliet"]
        with pytest.raises(StreamEndedError, match="account-disabled"):
            await sign_in("juliet")
        await romeo.send("juliet", "later")
        await romeo.send("romeo", "after it")
        await romeo.receive()
        await asyncio.to_thread(lambda: chat.people.wait(chat.people.enable("juliet")))
        again = await sign_in("juliet")
        assert (await again.receive()).body == "later"
        with pytest.raises(NoSuchAccount):
            await chat.people.disable("nobody")
        with pytest.raises(NoSuchAccount):
            await chat.people.enable("nobody")


async def test_who_is_signing_in_meanwhile_is_told():
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def groups(_name):
        asked.set()
        await go_on.wait()
        return []

    chat = create_app(groups=groups)
    async with running(chat):
        await chat.domain.accounts.create("juliet", "sesame")
        client = await stream(chat)
        answer = asyncio.create_task(client.authenticate("PLAIN", "\0juliet\0sesame"))
        await asked.wait()
        assert await chat.api.disable_account("juliet") == 0
        go_on.set()
        assert "<account-disabled/>" in await answer
        assert await chat.api.sessions("juliet") == ()


async def test_what_another_process_disabled_is_noticed():
    chat = made()
    async with running(chat) as sign_in:
        juliet, romeo = await sign_in("juliet"), await sign_in("romeo")
        await chat.domain.accounts.disabled.disable("juliet")
        await chat.domain.removal.look()
        with pytest.raises(StreamEndedError, match="not-authorized"):
            await juliet.receive()
        await romeo.send("romeo", "goes on")
        assert (await romeo.receive()).body == "goes on"


async def test_a_disabled_account_is_not_resumed():
    chat = made()
    async with running(chat) as sign_in:
        juliet = await sign_in("juliet")
        await juliet.write("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        await juliet.next(lambda one: one.name == "enabled")
        juliet.cut()
        assert await chat.people.disable("juliet") == 1
        await until(lambda: not chat._home.manager.sessions)
        with pytest.raises(StreamEndedError, match="account-disabled"):
            await sign_in("juliet")


async def test_guests_are_not_concerned():
    chat = made(auth_anonymous=True)
    async with running(chat):
        client = await stream(chat)
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='ANONYMOUS'/>")
        assert "<success" in await client.text()
