"""A Django project with the asgi.py of docs/users.md: its users chat without a second password."""

import re
from pathlib import Path

import httpx
import pytest
import websockets

from tests.servers.clients import BIND, OPEN, PATIENCE
from tests.servers.users import signed_in, site_with_users

DOC = Path(__file__).parents[2] / "docs" / "users.md"
EXTERNAL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
PING = "<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    section = DOC.read_text().partition("Django's users are known")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    files = {"asgi.py": code.replace("example.org", "localhost")}
    with site_with_users(tmp_path_factory.mktemp("users"), files) as running:
        yield running


def cookies(http):
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in http.cookies.jar)


async def until(client, part):
    while part not in (text := await client.recv()):
        pass
    return text


@pytest.fixture
async def clients():
    """What is connected, and hangs up at the end."""
    connected = []
    yield connected
    for client in connected:
        await client.close()


async def chat(site, http, clients, **options):
    client = await websockets.connect(
        f"ws://{site.base}/chat/ws",
        subprotocols=["xmpp"],
        additional_headers={"Cookie": cookies(http)},
        open_timeout=PATIENCE,
        **options,
    )
    clients.append(client)
    await client.send(OPEN)
    return client, await until(client, "<stream:features")


async def bound(site, http, clients):
    client, offered = await chat(site, http, clients)
    assert "EXTERNAL" in offered
    await client.send(EXTERNAL)
    await until(client, "<success")
    await client.send(OPEN)
    await until(client, "<stream:features")
    await client.send(BIND)
    return client, re.search("<jid>(.*)</jid>", await until(client, "<jid>"))[1]


async def test_users_of_django_chat_until_they_sign_out(site, clients):
    base = f"http://{site.base}"
    async with (
        httpx.AsyncClient(base_url=base, timeout=PATIENCE) as hers,
        httpx.AsyncClient(base_url=base, timeout=PATIENCE) as his,
    ):
        await signed_in(hers, "juliet")
        await signed_in(his, "romeo")
        juliet, her_jid = await bound(site, hers, clients)
        romeo, his_jid = await bound(site, his, clients)
        assert (her_jid.split("/")[0], his_jid.split("/")[0]) == (
            "juliet@localhost",
            "romeo@localhost",
        )
        await romeo.send(
            f"<message xmlns='jabber:client' to='{her_jid}'><body>wherefore</body></message>"
        )
        assert "wherefore" in await until(juliet, "<message")
        page = await hers.get("/admin/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
        await hers.post("/admin/logout/", data={"csrfmiddlewaretoken": token})
        assert "<not-authorized" in await until(juliet, "<stream:error")
        _, offered = await chat(site, hers, clients)
        assert "EXTERNAL" not in offered
        await romeo.send(PING)
        assert "id='p'" in await until(romeo, "<iq")


async def test_a_page_elsewhere_gets_nothing(site, clients):
    async with httpx.AsyncClient(base_url=f"http://{site.base}", timeout=PATIENCE) as hers:
        await signed_in(hers, "juliet")
        with pytest.raises(websockets.InvalidStatus) as refused:
            await chat(site, hers, clients, origin="https://evil.example")
        assert refused.value.response.status_code == 403
