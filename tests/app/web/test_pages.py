"""What browsers are served, and under which policy."""

import re

import httpx
import pytest

from andiron import create_app
from andiron.domain.accounts.accounts import Accounts
from andiron.web.demo import make_demo_accounts
from andiron.web.pages import PAGE, fill

FILES = sorted(path.name for path in PAGE.iterdir() if path.is_file())
ASSETS = [*(name for name in FILES if name != "index.html"), "common.css"]
TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@pytest.fixture
async def demo():
    """Return a client of an application in demo mode, and that application."""
    app = create_app(database="sqlite://", domain="demo.example", demo=True)
    transport = httpx.ASGITransport(app)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client, app


@pytest.mark.parametrize("name", ["", *ASSETS])
async def test_every_file_is_served_under_a_strict_policy(demo, name):
    answer = await demo[0].get(f"/{name}")
    assert answer.status_code == 200
    kind = TYPES[name.rpartition(".")[2]] if name else "text/html; charset=utf-8"
    headers = answer.headers
    assert headers["content-type"] == kind
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-cache"
    policy = dict(part.split(maxsplit=1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[key] for key in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in headers["content-security-policy"]


async def test_the_page_needs_nothing_that_the_policy_forbids(demo):
    text = (await demo[0].get("/")).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    linked = re.findall(r"""(?:src|href)=["'](?!#)([^"']+)""", text)
    assert linked
    for link in linked:
        assert (await demo[0].get(link)).status_code == 200, link


async def test_modules_import_files_that_are_there(demo):
    for name in ASSETS:
        if name.endswith(".js"):
            for imported in re.findall(r"from '\./([^']+)'", (PAGE / name).read_text()):
                assert imported in ASSETS, f"{name} imports {imported}"


async def test_the_page_knows_the_people(demo):
    client, app = demo
    text = (await client.get("/")).text
    assert 'name="andiron-peers" content=""' in text
    assert "{{" not in text
    database = app.domain.database
    await make_demo_accounts(database, Accounts(database, "demo.example", 4096))
    assert 'content="alice@demo.example bob@demo.example"' in (await client.get("/")).text


@pytest.mark.parametrize(
    "path", ["/index.html", "/../settings.py", "/%2e%2e/settings.py", "/nope.js"]
)
async def test_nothing_else_is_served(demo, path):
    assert (await demo[0].get(path)).status_code == 404


@pytest.mark.parametrize("name", ["", *ASSETS])
async def test_without_demo_mode_there_is_no_page(name):
    app = create_app(database="sqlite://")
    async with app.lifespan():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get(f"/{name}")).status_code == 404


def test_words_are_escaped_and_filled_in_once():
    words = {"domain": "<i>{{peers}}</i>\"'&", "peers": "x"}
    assert fill("a {{domain}} b {{peers}}", words) == (
        "a &lt;i&gt;{{peers}}&lt;/i&gt;&quot;&#x27;&amp; b x"
    )
