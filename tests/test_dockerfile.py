"""The image, by what its recipe says: no engine is needed to see that these hold."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

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


@pytest.fixture
def container(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function: what an ``andiron`` command prints in the image."""
    (written,) = re.findall(r"&& (printf .*?) > /etc/andiron/defaults\.toml", values("RUN")[0])
    defaults = tmp_path / "defaults.toml"
    defaults.write_bytes(
        subprocess.run(["sh", "-c", written], check=True, capture_output=True).stdout
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANDIRON_")}
    assert environment()["ANDIRON_DEFAULTS"] == "/etc/andiron/defaults.toml"
    folder = tmp_path / "volume"
    folder.mkdir()

    def run(*arguments: str, file: str = "", **variables: str) -> list[str]:
        (folder / "andiron.toml").write_text(file)
        done = subprocess.run(
            [sys.executable, "-m", "andiron", *arguments],
            cwd=folder,
            env=clean | {"ANDIRON_DEFAULTS": str(defaults)} | variables,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()

    return run


def shown(lines: list[str], name: str) -> str:
    (line,) = [line for line in lines if line.startswith(f"{name} = ")]
    return line.removeprefix(f"{name} = ").partition("  # ")[0]


def test_it_listens_where_its_port_can_be_published(container: Callable[..., list[str]]) -> None:
    lines = container("config", "show")
    assert shown(lines, "host") == "0.0.0.0"
    assert values("EXPOSE") == [shown(lines, "port")]


def test_what_it_keeps_is_in_the_volume(container: Callable[..., list[str]]) -> None:
    lines = container("config", "show")
    (volume,) = values("VOLUME")
    assert shown(lines, "database").startswith(f"sqlite:///{volume}/")
    assert shown(lines, "upload_dir").startswith(f"{volume}/")
    assert values("WORKDIR") == [volume]


def test_a_mounted_file_overrules_the_image(container: Callable[..., list[str]]) -> None:
    file = 'host = "::"\nport = 5280\ndatabase = "sqlite:///other.db"\nupload_dir = "files"\n'
    lines = container("config", "show", file=file)
    assert [shown(lines, name) for name in ("host", "port", "database", "upload_dir")] == [
        "::",
        "5280",
        "sqlite:///other.db",
        "files",
    ]


def test_the_environment_overrules_both(container: Callable[..., list[str]]) -> None:
    lines = container("config", "show", file='host = "::"', ANDIRON_HOST="10.0.0.1")
    assert shown(lines, "host") == "10.0.0.1"


def test_no_setting_is_in_the_environment_of_the_image() -> None:
    assert {name for name in environment() if name.startswith("ANDIRON_")} == {"ANDIRON_DEFAULTS"}


def test_health_is_asked_for_with_the_settings_that_hold() -> None:
    (check,) = values("HEALTHCHECK")
    assert json.loads(check.partition(" CMD ")[2]) == ["andiron", "health"]


def test_the_example_publishes_no_plain_http_to_the_world() -> None:
    comment = (ROOT / "Dockerfile").read_text().partition("\nFROM ")[0]
    published = re.findall(r" -p (\S+)", comment)
    assert published == ["127.0.0.1:8000:8000"]


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
