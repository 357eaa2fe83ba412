"""A Django project with the asgi.py of docs/mounting.md, under the servers that Django has."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers.clients import CLIENTS, MESSAGE
from tests.servers.commands import DOC
from tests.servers.conftest import serving, settle_in

APP = "mysite.asgi:application"
SERVERS = {
    "uvicorn": lambda port: ["uvicorn", APP, "--port", str(port)],
    "daphne": lambda port: ["daphne", APP, "--bind", "127.0.0.1", "--port", str(port)],
    "runserver": lambda port: ["python", "manage.py", "runserver", f"127.0.0.1:{port}"],
}


def example() -> str:
    """Return the documented asgi.py, for the domain of the tests' accounts."""
    section = DOC.read_text().partition("\n## Django")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code
    return code[1].replace("example.org", "localhost")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, people: Path) -> tuple[Path, dict[str, str]]:
    """A new project, with the two words that daphne wants in its settings."""
    directory = tmp_path_factory.mktemp("django")
    start = [sys.executable, "-m", "django", "startproject", "mysite", "."]
    subprocess.run(start, check=True, cwd=directory)
    (directory / "mysite" / "asgi.py").write_text(example())
    with (directory / "mysite" / "settings.py").open("a") as settings:
        settings.write(
            '\nINSTALLED_APPS.insert(0, "daphne")\nASGI_APPLICATION = "mysite.asgi.application"\n'
        )
    return directory, settle_in(directory, people)


@pytest.fixture(scope="module", params=SERVERS)
def site(request, project):
    with serving(SERVERS[request.param], *project) as running:
        yield running


async def test_the_page_is_djangos(site):
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://{site.base}/", timeout=30)
        assert "Django" in answer.text
        assert (await http.get(f"http://{site.base}/chat/healthz")).text == "ok\n"


@pytest.mark.parametrize("transport", CLIENTS)
async def test_the_chat_is_andirons(site, transport):
    base = f"{site.base}/chat"
    async with CLIENTS[transport](base) as alice, CLIENTS[transport](base) as bob:
        await alice.bind("alice")
        await bob.bind("bob")
        await alice.send(MESSAGE.format("bob", "hello"))
        await bob.until("hello")
        await alice.close()
        await bob.close()
