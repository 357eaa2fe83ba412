"""The site's people: they appear at their first sign-in as the site has them."""

import base64
import re
import time
from contextlib import asynccontextmanager

import jwt
import pytest
from support.asgi import AsgiClient, request
from support.keys import SECRET

from andiron import Person, create_app
from andiron.testing import sign_in
from andiron.xmpp import namespaces as ns

VCARD = f"{{{ns.VCARD}}}"
JULIET = Person("juliet", "Juliet Capulet", b"\x89PNG picture")
CREATE = (
    b"<body xmlns='http://jabber.org/protocol/httpbind' rid='1' to='localhost' wait='1' hold='1'"
    b" ver='1.6' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'/>"
)


@asynccontextmanager
async def serving(**options):
    chat = create_app(database="sqlite://", upload=False, shutdown_timeout=0.05, **options)
    async with chat.lifespan():
        yield chat


async def answer(chat, mechanism, message):
    client = AsgiClient(chat)
    await client.opened()
    return await client.authenticate(mechanism, message)


async def shown(chat, name="juliet"):
    """Return the name and the picture that others see."""
    async with await sign_in(chat, "romeo") as romeo:
        vcard = (await romeo.ask(f"<vCard xmlns='{ns.VCARD}'/>", to=name)).tree[0]
    image = vcard.findtext(f"{VCARD}PHOTO/{VCARD}BINVAL", "")
    return vcard.findtext(f"{VCARD}FN"), base64.b64decode(image)


async def test_a_visitor_appears_as_the_site_has_them():
    async def identify(_connection):
        return JULIET

    async with serving(identify=identify) as chat:
        assert "<success" in await answer(chat, "EXTERNAL", "")
        assert await shown(chat) == (JULIET.display_name, JULIET.avatar)


async def test_so_they_do_who_come_by_bosh():
    async def identify(_connection):
        return JULIET

    async with serving(identify=identify) as chat:

        async def say(body):
            sent = await request(chat, "/http-bind", body)
            return b"".join(message.get("body", b"") for message in sent).decode()

        sid = re.search(" sid=['\"]([^'\"]*)", await say(CREATE))[1]
        auth = f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>=</auth>"
        body = (
            f"<body xmlns='http://jabber.org/protocol/httpbind' rid='2' sid='{sid}'>{auth}</body>"
        )
        assert "<success" in await say(body.encode())
        assert await shown(chat) == (JULIET.display_name, JULIET.avatar)


async def test_who_has_the_password_appears_as_the_site_has_them():
    async def authenticate(_username, password):
        return JULIET if password == "sesame" else False

    async with serving(authenticate=authenticate) as chat:
        assert "<not-authorized/>" in await answer(chat, "PLAIN", "\0juliet\0other")
        assert "<not-authorized/>" in await answer(chat, "PLAIN", "\0romeo\0sesame")
        assert "<success" in await answer(chat, "PLAIN", "\0Juliet\0sesame")
        assert await shown(chat) == (JULIET.display_name, JULIET.avatar)


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [("PLAIN", "\0juliet\0opaque"), ("OAUTHBEARER", "n,,\x01auth=Bearer opaque\x01\x01")],
)
async def test_who_has_an_opaque_token_appears_as_the_site_has_them(mechanism, message):
    async def verify_token(token):
        return JULIET if token == "opaque" else None

    async with serving(verify_token=verify_token) as chat:
        assert "<success" in await answer(chat, mechanism, message)
        assert await shown(chat) == (JULIET.display_name, JULIET.avatar)


@pytest.mark.parametrize(
    ("settings", "claims", "name"),
    [
        ({}, {"name": "Juliet Capulet"}, "Juliet Capulet"),
        ({"token_name_claim": "nickname"}, {"name": "No", "nickname": "Jule"}, "Jule"),
        ({"token_name_claim": ""}, {"name": "No"}, None),
        ({}, {"name": ["No"]}, None),
    ],
)
async def test_a_token_says_what_people_call_its_user(settings, claims, name):
    claims = {"sub": "juliet", "exp": time.time() + 3600} | claims
    token = jwt.encode(claims, SECRET, "HS256")
    async with serving(token_secret=SECRET, **settings) as chat:
        assert "<success" in await answer(chat, "PLAIN", f"\0juliet\0{token}")
        assert (await shown(chat))[0] == name


async def test_a_person_that_cannot_be_is_a_stranger(caplog):
    async def identify(_connection):
        return Person("juliet", groups="capulets")

    async with serving(identify=identify) as chat:
        assert "<invalid-mechanism/>" in await answer(chat, "EXTERNAL", "")
    assert "identify= failed" in caplog.text
