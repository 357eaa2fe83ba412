"""The image, by what its recipe says: no engine is needed to see that these hold."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from andiron.settings import Settings

ROOT = Path(__file__).parent.parent
Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name.upper(), " ".join(rest.split()))
        for name, _, rest in (line.strip().partition(" ") for line in joined.splitlines())
        if name
    ]


def final_stage() -> list[Instruction]:
    found = instructions()
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def values(name: str) -> list[str]:
    return [rest for instruction, rest in final_stage() if instruction == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in values("ENV") for pair in rest.split())


def health_command() -> list[str]:
    (check,) = values("HEALTHCHECK")
    command: list[str] = json.loads(check.partition(" CMD ")[2])
    return command


def test_both_stages_are_slim_and_tagged() -> None:
    images = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert len(images) == 2
    assert all(re.fullmatch(r"python:3\.1[1-3]-slim", image) for image in images)


def test_it_does_not_run_as_root() -> None:
    (user,) = values("USER")
    assert int(user.partition(":")[0]) >= 1000


def test_nothing_is_installed_or_run_after_the_user_is_set() -> None:
    names = [name for name, _ in final_stage()]
    assert "RUN" not in names[names.index("USER") :]


def test_command_is_in_exec_form() -> None:
    assert values("ENTRYPOINT") == []
    (command,) = values("CMD")
    assert json.loads(command) == ["andiron", "serve"]


def test_settings_are_known_and_good() -> None:
    settings = {
        name.removeprefix("ANDIRON_").lower(): value
        for name, value in environment().items()
        if name.startswith("ANDIRON_")
    }
    made = Settings(**{**settings, "port": int(settings["port"])})
    assert made.host == "0.0.0.0"
    assert values("EXPOSE") == [str(made.port)]


def test_database_is_in_the_volume() -> None:
    (volume,) = values("VOLUME")
    assert environment()["ANDIRON_DATABASE"].startswith(f"sqlite:///{volume}/")


def test_no_secret_is_built_in() -> None:
    built_in = [rest for name, rest in instructions() if name in {"ENV", "ARG", "LABEL"}]
    assert not re.search(r"password|secret|token|key=", " ".join(built_in), re.IGNORECASE)


def test_only_what_the_package_needs_is_sent_to_the_engine() -> None:
    first, *rest = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["package-dir"].values()
    folders = {folder.partition("/")[0] for folder in packages}
    files = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert {line[1:] for line in rest if line.startswith("!")} == folders | files


@pytest.fixture
def health_port(request: pytest.FixtureRequest) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("health_port", "healthy"), [(200, True), (503, False)], indirect=["health_port"]
)
def test_health_check_tells_well_from_ill(health_port: int, healthy: bool) -> None:
    python, *arguments = health_command()
    assert python == "python"
    done = subprocess.run(
        [sys.executable, *arguments], env={"ANDIRON_PORT": str(health_port)}, check=False
    )
    assert (done.returncode == 0) == healthy
