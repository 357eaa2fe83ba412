"""The operator's page: what is served of it, and where it is not."""

import re

import httpx
import pytest

from andiron import create_app
from andiron.testing import running
from andiron.web.operator import OPERATOR

TOKEN = "0123456789abcdef0123456789abcdef"
FILES = sorted(path.name for path in OPERATOR.iterdir() if path.suffix in (".css", ".js"))


async def nobody(_connection):
    return None


def asking(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.fixture
async def http():
    app = create_app(domain="chat.example", api_token=TOKEN)
    async with running(app), asking(app) as client:
        yield client


@pytest.mark.parametrize("name", ["", "common.css", "icon.svg", *FILES])
async def test_every_file_is_served_under_a_strict_policy(http, name):
    answer = await http.get(f"/operator/{name}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert TOKEN not in answer.text


async def test_the_page_needs_nothing_that_the_policy_forbids(http):
    text = (await http.get("/operator/")).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    for link in re.findall(r"""(?:src|href)=["'](?!#)([^"']+)""", text):
        assert (await http.get(f"/operator/{link}")).status_code == 200, link
    for name in FILES:
        text = (OPERATOR / name).read_text("utf-8")
        for imported in re.findall(r"from '\./([^']+)'", text):
            assert imported in FILES
        assert not re.search(r"innerHTML|insertAdjacentHTML|\.style\b", text), name


async def test_the_path_without_a_slash_leads_there(http):
    answer = await http.get("/operator")
    assert (answer.status_code, answer.headers["location"]) == (308, "operator/")


@pytest.mark.parametrize(
    ("given", "ways"),
    [
        ({"api_token": TOKEN}, "token"),
        ({"operators": nobody}, "site"),
        ({"api_token": TOKEN, "operators": nobody}, "token site"),
    ],
)
async def test_it_says_by_what_one_may_sign_in(given, ways):
    app = create_app(domain="chat.example", **given)
    async with running(app), asking(app) as client:
        text = (await client.get("/operator/")).text
    assert f'name="andiron-ways" content="{ways}"' in text
    assert ">chat.example</span>" in text


async def test_it_is_off_unless_there_is_a_token_or_operators():
    app = create_app()
    async with running(app), asking(app) as client:
        for path in ("/operator", "/operator/", "/operator/page.js"):
            assert (await client.get(path)).status_code == 404
