"""The sites in examples/, each served from a fresh environment."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.interop import server as servers

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
