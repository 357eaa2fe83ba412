"""A Django project whose users, juliet and romeo, sign in to its admin's pages and chat."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.interop.server import andiron_environment
from tests.servers.conftest import Running, serving

PEOPLE = """
from django.contrib.auth.models import User
User.objects.create_superuser("juliet", password="sesame")
User.objects.create_superuser("romeo", password="sesame")
"""


@contextmanager
def site_with_users(directory: Path, code: Mapping[str, str], **settings: str) -> Iterator[Running]:
    """Serve a new project; ``code`` is by file of its ``mysite``, ``settings`` are Andiron's."""
    environment = andiron_environment(directory) | {"HOME": str(directory)}
    environment |= {"ANDIRON_SHUTDOWN_TIMEOUT": "1", **settings}

    def run(*command: str, given: bytes | None = None) -> None:
        subprocess.run(
            [sys.executable, *command],
            check=True,
            cwd=directory,
            env=environment,
            stdout=subprocess.DEVNULL,
            input=given,
        )

    run("-m", "django", "startproject", "mysite", ".")
    for name, text in code.items():
        (directory / "mysite" / name).write_text(text)
    run("manage.py", "migrate")
    run("manage.py", "shell", given=PEOPLE.encode())

    def command(port: int) -> list[str]:
        return ["uvicorn", "mysite.asgi:application", "--port", str(port)]

    with serving(command, directory, environment) as running:
        yield running


async def signed_in(http: httpx.AsyncClient, name: str) -> None:
    """Sign in to Django's own pages."""
    page = await http.get("/admin/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
    form = {"username": name, "password": "sesame", "csrfmiddlewaretoken": token, "next": "/admin/"}
    answer = await http.post("/admin/login/", data=form)
    assert answer.status_code == 302
