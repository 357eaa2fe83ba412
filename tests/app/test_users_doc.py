"""The examples of ``docs/users.md`` run as they stand; Django's is in tests/servers."""

import re
from pathlib import Path
from types import SimpleNamespace

import httpx
from support.asgi import OPEN, AsgiClient
from support.keys import SECRET

from andiron import Person
from andiron.domain.accounts.credentials import Credentials, verify_password
from andiron.settings import Settings
from andiron.testing import running
from andiron.tokens.configured import signed_tokens
from andiron.xmpp import namespaces as ns

DOC = Path(__file__).parents[2] / "docs" / "users.md"
STARLETTE, DJANGO, FASTAPI, KEYS, SIGNING, TOKENS, PEOPLE, MAY_CONTACT, GROUPS = re.findall(
    r"```python\n(.*?)```", DOC.read_text(), re.DOTALL
)


def run(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANDIRON_SHUTDOWN_TIMEOUT", "0.05")
    namespace = {}
    exec(compile(code.replace("example.org", "localhost"), str(DOC), "exec"), namespace)
    return namespace


async def features(app, cookie=""):
    headers = [("host", "localhost"), ("cookie", cookie)]
    client = await AsgiClient(app, path="/chat/ws", headers=headers).connected()
    client.send(OPEN)
    return client, await client.until("<stream:features")


async def test_a_visitor_of_the_site_comes_and_goes(tmp_path, monkeypatch):
    site = run(STARLETTE, tmp_path, monkeypatch)
    transport = httpx.ASGITransport(site["app"])
    async with (
        site["chat"].lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        cookie = (await http.get("/in")).headers["set-cookie"].partition(";")[0]
        client, offered = await features(site["app"], cookie)
        assert "EXTERNAL" in offered
        client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
        assert "<success" in await client.text()
        assert (await http.get("/out")).text == "goodbye"
        assert "<not-authorized" in await client.until("<stream:error")
        assert "EXTERNAL" not in (await features(site["app"]))[1]


async def test_the_site_checks_a_password(tmp_path, monkeypatch):
    site = run(FASTAPI, tmp_path, monkeypatch)
    assert await site["check"]("juliet", "a password that is hashed elsewhere")
    assert not await site["check"]("juliet", "another")
    async with site["chat"].lifespan():
        assert "PLAIN" in (await features(site["app"]))[1]


async def test_the_site_has_keys(tmp_path, monkeypatch):
    site = run(KEYS, tmp_path, monkeypatch)
    credentials = Credentials({"SCRAM-SHA-256": await site["keys"]("juliet")})
    assert verify_password(credentials, "sesame")
    assert await site["keys"]("romeo") is None
    async with site["chat"].lifespan():
        assert "SCRAM-SHA-256" in (await features(site["app"]))[1]


async def test_the_site_signs_a_token(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDIRON_TOKEN_SECRET", SECRET)
    token = run(SIGNING, tmp_path, monkeypatch)["token"]
    assert signed_tokens(Settings()).read(token).name == "juliet"


async def test_the_site_looks_a_token_up(tmp_path, monkeypatch):
    site = run(TOKENS, tmp_path, monkeypatch)
    assert await site["verify"]("a random text") == "juliet"
    async with site["chat"].lifespan():
        assert "OAUTHBEARER" in (await features(site["app"]))[1]


async def test_the_site_says_what_people_are_called(tmp_path, monkeypatch):
    site = run(PEOPLE, tmp_path, monkeypatch)
    visitor = SimpleNamespace(session={"user": {"name": "juliet", "full_name": "Juliet C."}})
    assert await site["visitor"](visitor) == Person("juliet", "Juliet C.")
    assert await site["visitor"](SimpleNamespace(session={})) is None


async def test_the_site_says_who_may_talk_to_whom(tmp_path, monkeypatch):
    site = run(MAY_CONTACT, tmp_path, monkeypatch)
    async with running(site["chat"]) as sign_in:
        romeo, juliet, nurse = [await sign_in(name) for name in ("romeo", "juliet", "nurse")]
        await romeo.send("juliet", "Hi")
        await romeo.send("nurse", "Hi")
        assert (await nurse.receive()).body == "Hi"
        assert (await romeo.next(lambda one: one.kind == "error")).condition == "forbidden"
        await juliet.send("nurse", "Hi")
        assert (await nurse.receive()).sender.startswith("juliet@")


async def test_the_site_says_who_is_in_a_group(tmp_path, monkeypatch):
    site = run(GROUPS, tmp_path, monkeypatch)
    async with running(site["chat"]) as sign_in:
        romeo, mercutio = await sign_in("romeo"), await sign_in("mercutio")
        roster = await romeo.ask(f"<query xmlns='{ns.ROSTER}'/>")
        assert mercutio.account in roster.text
        assert "Romeo&apos;s class" in roster.text or "Romeo's class" in roster.text
