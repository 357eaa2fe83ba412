"""The pictures of the documentation, taken of the demonstration and of the tutorial's site.

``ANDIRON_SCREENSHOTS=docs/images .venv/bin/pytest tests/interop/test_pictures.py`` takes them
anew; else they are taken beside those that are kept, which must be the same ones. Those of the
operator's page are taken by ``test_operator.py`` in the same way.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.conftest import ROOT, Demo
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

IMAGES = ROOT / "docs" / "images"
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
AROUND = """
from fastapi.responses import HTMLResponse
from starlette.middleware.sessions import SessionMiddleware

app.add_middleware(SessionMiddleware, secret_key="secret")


@app.get("/in/{name}", response_class=HTMLResponse)
async def sign_in(request: Request, name: str):
    request.session["name"] = name
    return PAGE
"""
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The Globe</title>
<style>
:root { color-scheme: light dark; font-family: system-ui; }
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; }
</style>
<h1>The Globe</h1>
<p>Tonight at eight, in the yard. Bring a coat.</p>
"""


def tutorial_site() -> str:
    """Return the tutorial's site, its people found by each other, and a page of its own."""
    site, _, _, _, people, _ = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
    page = PAGE + re.findall(r"```html\n(.*?)```", TUTORIAL, re.DOTALL)[0]
    head, _, rest = site.partition("chat = ")
    code = f"from fastapi import Request\n{head}{people}\nchat = {rest}{AROUND}PAGE = {page!r}\n"
    return code.replace("example.org", "localhost")


def folder(otherwise: Path) -> Path:
    """Return the folder that the pictures go to."""
    path = Path(screenshots(otherwise)).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def size(webp: Path) -> tuple[int, int]:
    """Return the width and the height of a lossy WebP (RFC 9649 section 2.5)."""
    data = webp.read_bytes()
    start = data.index(b"\x9d\x01\x2a") + 3
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (start, start + 2))
    return width & 0x3FFF, height & 0x3FFF


def sizes(where: Path) -> dict[str, tuple[int, int]]:
    """Return the sizes of the pictures in a folder, those of ``test_operator.py`` left out."""
    found = [path for path in where.glob("*.webp") if not path.name.startswith("operator")]
    return {path.name: size(path) for path in found}


async def test_the_pictures(node: str, chromium: str, demo: Demo, tmp_path: Path) -> None:
    taken = folder(tmp_path)
    (tmp_path / "mysite.py").write_text(tutorial_site())
    port, log = servers.free_port(), tmp_path / "site.log"
    uvicorn = [sys.executable, "-m", "uvicorn", "mysite:app", "--app-dir", str(tmp_path)]
    command = [*uvicorn, "--port", str(port), "--ws", "websockets-sansio"]
    environment = servers.andiron_environment(tmp_path / "site")
    (tmp_path / "site").mkdir()
    with servers.running(command, port, log, environment=environment):
        arguments = [f"http://127.0.0.1:{port}/", *demo.links, str(taken)]
        steps = await take(
            ROOT / "tests/interop/pictures", node, "pictures.mjs", *arguments, chromium=chromium
        )
    assert len(steps) == 2
    assert sizes(taken) == sizes(IMAGES)
    assert sizes(taken)
