"""The tutorial: its code runs as it stands, and is as short and plain as it says."""

import re
import types
from pathlib import Path

import httpx
from starlette.middleware.sessions import SessionMiddleware
from support.asgi import OPEN, AsgiClient

from andiron import Person

DOC = Path(__file__).parents[2] / "docs" / "tutorial.md"
TEXT = DOC.read_text()
FASTAPI, _SIGN_OUT, DJANGO, _DJANGO_SIGN_OUT, PEOPLE = re.findall(
    r"```python\n(.*?)```", TEXT, re.DOTALL
)
PAGE = re.findall(r"```html\n(.*?)```", TEXT, re.DOTALL)[0]


async def test_fastapi_in_as_many_lines_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANDIRON_SHUTDOWN_TIMEOUT", "0.05")
    assert len([line for line in (FASTAPI + PAGE).splitlines() if line]) <= 10
    site = types.SimpleNamespace()
    exec(compile(FASTAPI.replace("example.org", "localhost"), str(DOC), "exec"), site.__dict__)
    session = SessionMiddleware(site.app, secret_key="secret")
    async with site.chat.lifespan():
        transport = httpx.ASGITransport(session)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            script = re.findall(r'src="([^"]+)"', PAGE)[0]
            assert "andiron-chat" in (await client.get(script)).text
        stranger = await AsgiClient(
            session, path="/chat/ws", headers=[("host", "localhost")]
        ).connected()
        stranger.send(OPEN)
        assert "EXTERNAL" not in await stranger.until("<stream:features")


async def test_people_belong_together():
    site = types.SimpleNamespace()
    exec(compile(PEOPLE, str(DOC), "exec"), site.__dict__)
    found = await site.visitor(types.SimpleNamespace(session={"name": "juliet"}))
    assert found == Person("juliet", display_name="Juliet", groups=["Everybody"])
    assert await site.visitor(types.SimpleNamespace(session={})) is None


def test_django_in_as_many_lines_as_it_says():
    assert len([line for line in (DJANGO + PAGE).splitlines() if line]) <= 10


def test_it_needs_no_word_of_the_protocol():
    assert not re.search(r"\b(XMPP|Jabber|JID|stanza|roster|SASL|BOSH|MUC)\b", TEXT, re.IGNORECASE)
