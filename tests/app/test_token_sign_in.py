"""The site's own users, known by tokens: from the settings to the end of the stream."""

import asyncio
import base64
import re
import time
from contextlib import asynccontextmanager

import jwt
import pytest
from support.asgi import OPEN, AsgiClient
from support.keys import KEYS, SECRET
from support.waiting import until

from andiron import create_app
from andiron.xmpp import namespaces as ns

SASL = f"xmlns='{ns.SASL}'"
BIND = f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{ns.BIND}'/></iq>"
PING = "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


@asynccontextmanager
async def serving(**options):
    fixed = {"database": "sqlite://", "upload": False, "shutdown_timeout": 0.05, "token_skew": 0}
    chat = create_app(**fixed | options)
    async with chat.lifespan():
        yield chat


def token(name="juliet", lifetime=3600.0, key=SECRET, algorithm="HS256"):
    return jwt.encode({"sub": name, "exp": time.time() + lifetime}, key, algorithm)


def encoded(mechanism, message):
    content = base64.b64encode(message.encode()).decode()
    return f"<auth {SASL} mechanism='{mechanism}'>{content}</auth>"


def bearer(made, authzid=""):
    return encoded("OAUTHBEARER", f"n,{authzid},\x01auth=Bearer {made}\x01\x01")


def plain(made, name="juliet"):
    return encoded("PLAIN", f"\0{name}\0{made}")


async def opened(chat, **options):
    client = AsgiClient(chat, **options)
    return client, await client.opened()


async def signed_in(chat, auth):
    client, _ = await opened(chat)
    client.send(auth)
    assert "<success" in await client.text()
    client.send(OPEN)
    await client.until("<stream:features")
    return client


async def bound(chat, auth):
    client = await signed_in(chat, auth)
    client.send(BIND)
    return client, re.search("<jid>(.*)</jid>", await client.until("<jid>"))[1]


@pytest.mark.parametrize("auth", [bearer, plain])
async def test_a_token_lets_its_owner_in_and_makes_the_account(auth):
    async with serving(token_secret=SECRET) as chat:
        _, jid = await bound(chat, auth(token()))
        assert jid.startswith("juliet@localhost/")
        assert await chat.domain.accounts.names() == ["juliet"]


async def test_a_refused_token_is_explained_before_the_failure():
    async with serving(token_secret=SECRET) as chat:
        client, _ = await opened(chat)
        client.send(bearer(token(lifetime=-60)))
        explained = base64.b64encode(b'{"status":"invalid_token"}').decode()
        assert await client.text() == f"<challenge {SASL}>{explained}</challenge>"
        client.send(f"<response {SASL}>AQ==</response>")
        assert "<failure" in (failure := await client.text())
        assert "<not-authorized/>" in failure
        client.send(bearer(token()))
        assert "<success" in await client.text()


async def test_tokens_are_offered_where_nobody_overhears_them():
    async with serving(token_secret=SECRET) as chat:
        assert "OAUTHBEARER" in (await opened(chat))[1]
        assert "OAUTHBEARER" not in (await opened(chat, address="192.0.2.1"))[1]
    async with serving() as chat:
        assert "OAUTHBEARER" not in (await opened(chat))[1]


async def test_without_provision_a_token_is_for_those_who_have_an_account():
    async with serving(token_secret=SECRET, provision=False) as chat:
        client, _ = await opened(chat)
        client.send(plain(token()))
        assert "<not-authorized/>" in await client.text()
        await chat.domain.accounts.provide("juliet")
        client.send(plain(token()))
        assert "<success" in await client.text()


async def test_opaque_tokens_are_the_sites_to_verify():
    async def verify(given):
        return {"opaque": "juliet"}.get(given)

    async with serving(verify_token=verify) as chat:
        for auth in (bearer, plain):
            assert (await bound(chat, auth("opaque")))[1].startswith("juliet@localhost/")


async def test_keys_are_replaced_while_the_server_runs(tmp_path):
    path = tmp_path / "keys.json"
    path.write_bytes(KEYS.jwks(KEYS.jwk("P-256", kid="old")))
    async with serving(token_jwks_file=str(path)) as chat:
        old = token(key=KEYS.private("P-256"), algorithm="ES256")
        new = token(key=KEYS.private("P-384"), algorithm="ES384")
        await bound(chat, bearer(old))
        path.write_bytes(KEYS.jwks(KEYS.jwk("P-384", kid="new")))
        await bound(chat, bearer(new))
        client, _ = await opened(chat)
        client.send(plain(old))
        assert "<not-authorized/>" in await client.text()


# The end of a token


LIFETIME = 20


@pytest.fixture
def pass_by(monkeypatch):
    """Return what lets so many seconds pass at once on the clock of the loop."""
    passed, monotonic = [], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(passed))

    async def pass_by(seconds):
        passed.append(seconds)
        # Its timer fires after all that were due.
        await asyncio.sleep(0.001)

    return pass_by


async def answers(client):
    client.send(PING)
    return "id='p'" in await client.text()


async def test_a_stream_ends_with_its_token(pass_by):
    made = token(lifetime=LIFETIME)
    async with serving(token_secret=SECRET) as chat:
        client, _ = await bound(chat, bearer(made))
        unbound = await signed_in(chat, plain(made))
        lasting, _ = await bound(chat, bearer(token()))
        assert await answers(client)
        await pass_by(LIFETIME)
        for each in (client, unbound):
            error = await each.until("<stream:error")
            assert "<not-authorized" in error
            assert "the token has expired" in error
        assert await answers(lasting)


async def test_a_stream_may_outlive_its_token(pass_by):
    made = token(lifetime=LIFETIME)
    async with serving(token_secret=SECRET, token_outlives=True) as chat:
        client, _ = await bound(chat, bearer(made))
        await pass_by(LIFETIME)
        assert await answers(client)


async def left_behind(chat, auth):
    """Leave a session that signed in so; return what resumes it."""
    client, _ = await bound(chat, auth)
    client.send(ENABLE)
    sm_id = re.search(" id='([^']+)'", await client.until("<enabled"))[1]
    client.leave()
    await client.task
    return f"<resume xmlns='urn:xmpp:sm:3' previd='{sm_id}' h='0'/>"


async def test_a_session_that_hibernates_ends_with_its_token(pass_by):
    async with serving(token_secret=SECRET) as chat:
        resume = await left_behind(chat, bearer(token(lifetime=LIFETIME)))
        manager = chat._home.manager
        await pass_by(LIFETIME)
        await until(lambda: not manager.sessions)
        again = await signed_in(chat, bearer(token()))
        again.send(resume)
        assert "item-not-found" in await again.text()


async def test_a_session_that_is_resumed_by_a_fresh_token_goes_on(pass_by):
    async with serving(token_secret=SECRET) as chat:
        resume = await left_behind(chat, bearer(token(lifetime=LIFETIME)))
        again = await signed_in(chat, bearer(token()))
        again.send(resume)
        await again.until("<resumed")
        await pass_by(LIFETIME)
        assert await answers(again)
