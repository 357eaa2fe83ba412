"""The chat for any page: what is served, and how much of it."""

import gzip
import re
from contextlib import asynccontextmanager

import httpx
import pytest

from andiron import create_app
from andiron.web.widget import WIDGET, widget_script, widget_style

FILES = {"/widget.js": "text/javascript; charset=utf-8", "/widget.css": "text/css; charset=utf-8"}
MODULES = {path.stem: path.read_text("utf-8") for path in sorted(WIDGET.glob("*.js"))}


@asynccontextmanager
async def client(**settings):
    app = create_app(database="sqlite://", domain="chat.example", **settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking,
    ):
        yield asking


@pytest.mark.parametrize("path", FILES)
async def test_it_is_served_zipped_or_not_and_not_twice(path):
    async with client() as asking:
        plain = await asking.get(path, headers={"accept-encoding": "identity"})
        zipped = await asking.get(path, headers={"accept-encoding": "gzip"})
        assert plain.content == zipped.content
        assert "content-encoding" not in plain.headers
        assert zipped.headers["content-encoding"] == "gzip"
        for answer in (plain, zipped):
            assert answer.status_code == 200
            assert answer.headers["content-type"] == FILES[path]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["vary"] == "Accept-Encoding"
            assert "access-control-allow-origin" not in answer.headers
            again = {
                "if-none-match": answer.headers["etag"],
                "accept-encoding": answer.headers.get("content-encoding", "identity"),
            }
            assert (await asking.get(path, headers=again)).status_code == 304
        assert plain.headers["etag"] != zipped.headers["etag"]


def test_it_is_small():
    script = widget_script("chat.example", "conference.chat.example", upload=True)
    style = widget_style()
    assert len(gzip.compress(script)) + len(gzip.compress(style)) < 40_000


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, '{"domain": "chat.example", "rooms": "conference.chat.example", "upload": true}'),
        ({"rooms_host": "rooms.example"}, '"rooms": "rooms.example"'),
        ({"rooms": False, "upload": False}, '"rooms": "", "upload": false'),
    ],
)
async def test_it_knows_the_server(settings, told):
    async with client(**settings) as asking:
        assert told in (await asking.get("/widget.js")).text.splitlines()[-1]


@pytest.mark.parametrize("path", [*FILES, "/widget/chat.js", "/widget/", "/chat.js"])
async def test_nothing_else_is_served_and_nothing_where_it_is_off(path):
    async with client(widget=False) as asking:
        assert (await asking.get(path)).status_code == 404
    async with client() as asking:
        assert (await asking.get(path)).status_code == (200 if path in FILES else 404)


def test_every_module_is_in_it():
    script = widget_script("chat.example", "", upload=False).decode()
    assert all(f"const ${name.replace('-', '_')} = " in script for name in MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_no_text_becomes_markup_or_code(name):
    text = MODULES[name]
    assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|eval\(|\bFunction\(", text)
    assert not re.search(r"setAttribute\('(style|on\w+)'|\bstyle: ", text)


def test_every_language_has_every_word():
    words = {
        name: set(re.findall(r"^  '?([\w.-]+)'?: ", MODULES[name], re.M))
        for name in ("words", "words-de", "words-fr")
    }
    assert words["words"] == words["words-de"] == words["words-fr"]
    used = set(re.findall(r"say\('([\w.]+)'", "\n".join(MODULES.values())))
    assert used
    assert used <= words["words"]
    for name in words:
        assert _facts(MODULES[name]) == _facts(MODULES["words"])


def _facts(module: str) -> dict[str, set[str]]:
    """Return what each sentence of a catalogue has filled in."""
    lines = re.findall(r"^  '?([\w.-]+)'?: '(.*)',$", module, re.M)
    return {key: set(re.findall(r"\{\w+\}", sentence)) for key, sentence in lines}
