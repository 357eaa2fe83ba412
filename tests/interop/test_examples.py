"""The sites in examples/, installed as their README says, with two people who chat on each."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop import server as servers
from tests.interop.steps import screenshots, take

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
TARGETS = {
    "starlette": "mysite:app",
    "fastapi_jwt": "mysite:app",
    "django": "mysite.asgi:application",
}
USERS = (
    "from django.contrib.auth.models import User;"
    "User.objects.create_user('juliet', password='capulet');"
    "User.objects.create_user('romeo', password='montague')"
)


@contextmanager
def site(name: str, fresh: Path, directory: Path, **settings: str) -> Iterator[str]:
    """Run an example with the packages of a fresh environment; its address."""
    environment = servers.andiron_environment(directory) | {
        "CONVERSE": str(HERE / "node_modules/converse.js/dist"),
        "DATABASE": str(directory / "site.db"),
        **settings,
    }
    if name == "django":
        _make_users(fresh, environment)
    port, log = servers.free_port(), directory / "site.log"
    uvicorn = [str(fresh / "bin" / "uvicorn"), TARGETS[name], "--app-dir", str(EXAMPLES / name)]
    command = [*uvicorn, "--port", str(port), "--ws", "websockets-sansio"]
    with servers.running(command, port, log, environment=environment):
        yield f"http://127.0.0.1:{port}/"


def _make_users(fresh: Path, environment: Mapping[str, str]) -> None:
    manage = [str(fresh / "bin" / "python"), str(EXAMPLES / "django" / "manage.py")]
    for command in (["migrate"], ["shell", "-c", USERS]):
        subprocess.run([*manage, *command], check=True, env=environment, capture_output=True)


@pytest.mark.parametrize("name", TARGETS)
async def test_two_people_chat_on_the_site(
    name: str, node: str, chromium: str, fresh: Path, tmp_path: Path
) -> None:
    with site(name, fresh, tmp_path) as address:
        arguments = [name, address, str(servers.free_port()), screenshots(tmp_path)]
        command = [node, "examples.mjs", *arguments]
        steps = await take(HERE / "examples", *command, chromium=chromium)
    assert len(steps) == 8


@pytest.mark.parametrize("name", TARGETS)
def test_the_readme_says_what_is_needed(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text()
    for line in (EXAMPLES / name / "requirements.txt").read_text().split():
        assert line in readme
    assert f"uvicorn {TARGETS[name]}" in readme
