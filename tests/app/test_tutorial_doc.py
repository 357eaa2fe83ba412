"""The tutorial: its code runs as it stands, and is as short and plain as it says."""

import os
import re
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import httpx
from starlette.middleware.sessions import SessionMiddleware
from support.asgi import OPEN, AsgiClient

from andiron import Person

DOC = Path(__file__).parents[2] / "docs" / "tutorial.md"
TEXT = DOC.read_text()
FASTAPI, SIGN_OUT, DJANGO, DJANGO_SIGN_OUT, PEOPLE, DJANGO_PEOPLE = re.findall(
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
        exec(textwrap.dedent(SIGN_OUT), site.__dict__ | {"name": "juliet"})


async def test_people_belong_together():
    site = types.SimpleNamespace()
    exec(compile(PEOPLE, str(DOC), "exec"), site.__dict__)
    found = await site.visitor(types.SimpleNamespace(session={"name": "juliet"}))
    assert found == Person("juliet", display_name="Juliet", groups=["Everybody"])
    assert await site.visitor(types.SimpleNamespace(session={})) is None


SIGNED_OUT = """
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from mysite import asgi

asgi.chat.end_sessions = print
user_logged_out.send(User, user=User(username="juliet"))
user_logged_out.send(User, user=None)
assert asgi.application and asgi.chat.settings.domain == "example.org"
"""


def test_django_as_its_own_commands_make_a_site(tmp_path):
    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            check=True,
            cwd=tmp_path,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "mysite.settings"},
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    run("-m", "django", "startproject", "mysite", ".")
    own = (tmp_path / "mysite" / "asgi.py").read_text()
    (tmp_path / "mysite" / "asgi.py").write_text(own + DJANGO + DJANGO_SIGN_OUT)
    assert run("-W", "error", "-c", f"import django; django.setup()\n{SIGNED_OUT}") == "juliet\n"


def test_django_in_as_many_lines_as_it_says():
    assert len([line for line in (DJANGO + PAGE).splitlines() if line]) <= 10


IN_DJANGO = """
import asyncio, types
import mysite.asgi as site
import django.contrib.auth as auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.core.management import call_command

call_command("migrate", verbosity=0)
user = User.objects.create_user("juliet", password="capulet", first_name="Juliet")
request = HttpRequest()
request.session = SessionStore()
auth.login(request, user)
request.session.save()
known = types.SimpleNamespace(cookies={"sessionid": request.session.session_key})
strange = types.SimpleNamespace(cookies={})

async def see():
    print(await site.django_user(known), await site.django_user(strange))
    print(await site.visitor(known), await site.visitor(strange))

asyncio.run(see())
auth.logout(request)
asyncio.run(see())
"""


def test_django_from_nothing(tmp_path):
    def python(*arguments):
        ran = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return ran.stdout.splitlines()

    python("-m", "django", "startproject", "mysite", ".")
    asgi = tmp_path / "mysite" / "asgi.py"
    asgi.write_text("\n".join([asgi.read_text(), DJANGO, DJANGO_SIGN_OUT, DJANGO_PEOPLE]))
    assert python("-c", IN_DJANGO) == [
        "juliet None",
        f"{Person('juliet', display_name='Juliet', groups=['Everybody'])} None",
        "None None",
        "None None",
    ]


def test_it_needs_no_word_of_the_protocol():
    assert not re.search(r"\b(XMPP|Jabber|JID|stanza|roster|SASL|BOSH|MUC)\b", TEXT, re.IGNORECASE)
