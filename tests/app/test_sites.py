"""What Django knows of its users, asked as a site's code would."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from andiron import create_app
from andiron.domain.accounts.credentials import Credentials, ScramKeys, verify_password
from andiron.settings import SettingsError

SITE = """
import asyncio, base64, os
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "people.db"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
)
django.setup()
from django.core.management import call_command

call_command("migrate", verbosity=0)
from django.contrib.auth.models import User

User.objects.create_user("Juliet", password="sesame")
User.objects.create_user("gone", password="sesame", is_active=False)
User.objects.create_user("keyless")
User.objects.create(username="old", password="md5$salt$hash")
from andiron.sites import django_scram_keys

for name in ("juliet", "gone", "keyless", "old", "nobody"):
    keys = asyncio.run(django_scram_keys(name))
    if keys is None:
        print(name)
    else:
        parts = (keys.salt, keys.stored_key, keys.server_key)
        print(name, keys.iterations, *(base64.b64encode(part).decode() for part in parts))
"""


def test_djangos_passwords_are_keys_of_scram(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", SITE], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    _, iterations, *parts = found[0].split()
    salt, stored_key, server_key = map(base64.b64decode, parts)
    keys = ScramKeys(salt, int(iterations), stored_key, server_key)
    assert keys.sound
    assert verify_password(Credentials({"SCRAM-SHA-256": keys}), "sesame")
    assert not verify_password(Credentials({"SCRAM-SHA-256": keys}), "guess")
    assert found[1:] == ["gone", "keyless", "old", "nobody"]


OPERATORS = """
import asyncio
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="secret",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "people.db"}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"
    ],
)
django.setup()
from django.contrib import auth
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from starlette.requests import HTTPConnection

from andiron.sites import django_operator

call_command("migrate", verbosity=0)
made = User.objects.create_user
people = [
    made("portia", is_staff=True, is_superuser=True),
    made("nerissa", is_staff=True),
    made("juliet"),
    made("gone", is_superuser=True, is_active=False),
]


def asked(cookie):
    headers = [(b"cookie", f"sessionid={cookie}".encode())]
    return asyncio.run(django_operator(HTTPConnection({"type": "http", "headers": headers})))


for user in people:
    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(user.username, asked(session.session_key))
print("nobody", asked("guess"))
"""


def test_djangos_superusers_are_operators(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", OPERATORS], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert found == ["portia portia", "nerissa None", "juliet None", "gone None", "nobody None"]


async def nothing(*_: str) -> None:
    return


def test_passwords_are_checked_in_one_way() -> None:
    with pytest.raises(SettingsError, match=r"scram_keys= and .* exclude each other"):
        create_app(authenticate=nothing, scram_keys=nothing)  # type: ignore[arg-type]
