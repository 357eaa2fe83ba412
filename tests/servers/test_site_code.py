"""The site's own code, as documented: a sync view of Django, and a worker in another process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from andiron.remote import Chat
from tests.servers.clients import PATIENCE
from tests.servers.users import signed_in, site_with_users

DOCS = Path(__file__).parents[2] / "docs"
TOKEN = "0123456789abcdef0123456789abcdef"
URLS = """
from django.contrib import admin
from django.urls import path
from mysite.orders import shipped
urlpatterns = [path("admin/", admin.site.urls), path("orders/<int:number>/shipped", shipped)]
"""


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    files = {
        "asgi.py": blocks("users.md")[1].replace("example.org", "localhost"),
        "orders.py": blocks("api.md")[1],
        "urls.py": URLS,
    }
    directory = tmp_path_factory.mktemp("code")
    with site_with_users(directory, files, ANDIRON_API_TOKEN=TOKEN) as running:
        yield running


async def test_a_sync_view_of_django_sends(site):
    async with httpx.AsyncClient(base_url=f"http://{site.base}", timeout=PATIENCE) as hers:
        await signed_in(hers, "juliet")
        answer = await hers.get("/orders/7/shipped")
        assert answer.status_code == 200
        with Chat(f"http://{site.base}/chat", TOKEN) as chat:
            (kept,) = chat.archive("juliet", latest=True, size=1).messages
        assert (kept.id, kept.body) == (answer.json()["message"], "Order 7 is on its way.")


def test_a_worker_sends_from_another_process(site, tmp_path):
    (code,) = blocks("http-api.md")
    worker = code.replace("https://www.example.org", f"http://{site.base}")
    check = "\nimport sys\nassert not {'andiron.domain', 'andiron.application'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", worker + check],
        cwd=tmp_path,
        env={**os.environ, "ANDIRON_API_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with Chat(f"http://{site.base}/chat", TOKEN) as chat:
        (kept,) = chat.archive("juliet", latest=True, size=1).messages
        assert (kept.body, kept.subject, kept.sender) == (
            "Your report is ready.",
            "Report",
            "localhost",
        )
